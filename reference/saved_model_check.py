"""Runs an exported SavedModel in Python's TensorFlow and compares it with what TensorFlow.js gave for the same inputs.

Checked with Python 3.11, tensorflow-cpu 2.21.0, numpy 2.4.6:
    node --import tsx --conditions=@eflow/source apps/sample/fixtures/export-tiny-sampler.ts FOLDER
    python reference/saved_model_check.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy
import tensorflow

TOLERANCE = 1e-5

folder = Path(sys.argv[1])
check = json.loads((folder / "check.json").read_text())


def load(stored):
    return numpy.array(stored["values"], stored["dtype"]).reshape(stored["shape"])


run = tensorflow.saved_model.load(str(folder)).signatures["serving_default"]
outputs = run(**{name: tensorflow.constant(load(stored)) for name, stored in check["inputs"].items()})
assert outputs.keys() == check["outputs"].keys(), f"outputs {sorted(outputs)}, expected {sorted(check['outputs'])}"
for name, stored in check["outputs"].items():
    expected = load(stored)
    assert outputs[name].dtype == stored["dtype"] and outputs[name].shape == expected.shape, f"{name}: {outputs[name]}"
    error = numpy.abs(outputs[name].numpy().astype(float) - expected).max()
    print(f"{name} {list(expected.shape)}: largest difference {error:.1e}, largest value {numpy.abs(expected).max():.2f}")
    assert error <= TOLERANCE, f"{name} differs by {error}, more than {TOLERANCE}"
