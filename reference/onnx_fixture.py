"""Writes packages/fvd/fixtures/means.onnx: a model of clips [B, F, C, H, W] whose `tokens` [B, F, 4] are the frames' mean colours times
a matrix, `pooled` [B, 4] their mean, and `shapeless` [1] nothing of use.

Made with Python 3.11, onnx 1.22.0:
    python reference/onnx_fixture.py
"""

from pathlib import Path

import numpy
from onnx import TensorProto, helper, numpy_helper, save

FILE = Path(__file__).parent.parent / "packages/fvd/fixtures/means.onnx"
matrix = numpy.array([[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 4]], dtype=numpy.float32)  # [C, D]


def constant(name, values):
    return numpy_helper.from_array(numpy.array(values), name)


graph = helper.make_graph(
    [
        helper.make_node("ReduceMean", ["pixels", "space"], ["colours"], keepdims=0),
        helper.make_node("MatMul", ["colours", "matrix"], ["tokens"]),
        helper.make_node("ReduceMean", ["tokens", "time"], ["pooled"], keepdims=0),
        helper.make_node("ReduceMean", ["pooled", "everything"], ["shapeless"], keepdims=0),
    ],
    "means",
    [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", "F", 3, "H", "W"])],
    [
        helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["B", 4]),
        helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["B", "F", 4]),
        helper.make_tensor_value_info("shapeless", TensorProto.FLOAT, [4]),
    ],
    [
        numpy_helper.from_array(matrix, "matrix"),
        constant("space", numpy.array([3, 4], dtype=numpy.int64)),
        constant("time", numpy.array([1], dtype=numpy.int64)),
        constant("everything", numpy.array([0], dtype=numpy.int64)),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
save(model, FILE)
print(f"{FILE}: {FILE.stat().st_size} bytes")
