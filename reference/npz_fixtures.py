"""Writes packages/checkpoint/src/fixtures/{plain,compressed}.npz: arrays as NumPy saves them.

Made with Python 3.11, numpy 2.4.6:
    python reference/npz_fixtures.py
"""

from pathlib import Path

import numpy

FOLDER = Path(__file__).parent.parent / "packages/checkpoint/src/fixtures"

arrays = {
    "single": numpy.arange(6, dtype=numpy.float32).reshape(2, 3) / 2,
    "double": numpy.array([1 / 3, -1e300]),
    "half": numpy.array([1, -0.5, 65504], dtype=numpy.float16),
    "whole": numpy.array([[-7, 2**31 - 1]], dtype=numpy.int32),
    "long": numpy.array([-(2**62)], dtype=numpy.int64),
    "scalar": numpy.array(2.5),
    "empty": numpy.zeros((0, 4), dtype=numpy.float32),
}
numpy.savez(FOLDER / "plain.npz", **arrays)
numpy.savez_compressed(FOLDER / "compressed.npz", **arrays)
