"""Writes packages/checkpoint/src/fixtures/reference.safetensors with the reference implementation.

Made with Python 3.11, torch 2.15.0, safetensors 0.8.0:
    python reference/safetensors_fixtures.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURE = Path(__file__).parent.parent / "packages/checkpoint/src/fixtures/reference.safetensors"

values = [0.0, -0.0, 1.0, -2.5, 65504.0, 2.0**-14, 2.0**-24, 1 / 3, float("inf"), float("-inf")]
tensors = {
    "f64": torch.tensor(values, dtype=torch.float64),
    "f32": torch.tensor(values, dtype=torch.float32).reshape(2, 5),
    "f16": torch.tensor(values, dtype=torch.float16),
    "bf16": torch.tensor(values, dtype=torch.bfloat16),
    # The reference's own widening of both, to compare with.
    "f16.widened": torch.tensor(values, dtype=torch.float16).float(),
    "bf16.widened": torch.tensor(values, dtype=torch.bfloat16).float(),
    "i64": torch.tensor([-(2**53) - 1, 2**62], dtype=torch.int64),
    "i32": torch.tensor([[-(2**31)], [2**31 - 1]], dtype=torch.int32),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(0, 3),
}
save_file(tensors, FIXTURE, metadata={"torch": torch.__version__, "note": "é ✓"})
