import torch
from torch import Tensor


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest error over the largest expected value; infinite if there is a NaN."""
    difference = (actual - expected).abs().max() / (expected.abs().max().item() or 1.0)
    return difference.nan_to_num(torch.inf).item()
