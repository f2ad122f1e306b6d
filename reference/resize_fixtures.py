"""Writes packages/fvd/fixtures/resize.json: frames made another size by PyTorch and TensorFlow.

Made with Python 3.11, torch 2.15.0, tensorflow-cpu 2.21.0, numpy 2.4.6:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 tensorflow-cpu==2.21.0 numpy==2.4.6
    ENVIRONMENT/bin/python reference/resize_fixtures.py

Of each rule both libraries are asked where they have it, and must agree within 1e-3 of 255: then PyTorch's numbers are kept.
"""

import json
from pathlib import Path

import numpy
import tensorflow
import torch
import torch.nn.functional as F

FIXTURE = Path(__file__).parent.parent / "packages/fvd/fixtures/resize.json"
random = numpy.random.default_rng(1)


def by_torch(frames, size, antialias):
    x = torch.tensor(frames).permute(0, 3, 1, 2)
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=antialias).permute(0, 2, 3, 1).numpy()


def by_tensorflow(frames, size, antialias):
    return tensorflow.image.resize(frames, size, "bilinear", antialias=antialias).numpy()


def by_tensorflow_1(frames, size):
    return tensorflow.compat.v1.image.resize_bilinear(frames, size, align_corners=False, half_pixel_centers=False).numpy()


cases = []
for source, size in [((5, 7), (12, 9)), ((16, 12), (7, 5)), ((9, 6), (4, 13)), ((3, 3), (1, 8))]:
    frames = random.integers(0, 256, (2, *source, 2)).astype(numpy.float32)
    corner = by_tensorflow_1(frames, size)
    results = [("bilinear-corner", "TensorFlow 1", corner)]
    for rule, antialias in [("bilinear", False), ("bilinear-antialias", True)]:
        result = by_torch(frames, size, antialias)
        assert abs(result - by_tensorflow(frames, size, antialias)).max() < 1e-3, rule
        assert abs(result - corner).max() > 1
        results.append((rule, "PyTorch and TensorFlow 2", result))
    for rule, library, result in results:
        cases.append(
            {
                **{"rule": rule, "with": library, "from": source, "to": size},
                **{"input": frames.astype(int).flatten().tolist(), "values": result.astype(float).round(5).flatten().tolist()},
            }
        )

made_with = f"reference/resize_fixtures.py, torch {torch.__version__.split('+')[0]}, tensorflow {tensorflow.__version__}"
FIXTURE.write_text(json.dumps({"made with": made_with, "cases": cases}) + "\n")
