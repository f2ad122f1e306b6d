"""Writes packages/fvd/fixtures/i3d.safetensors: what I3D makes of clips with random weights, as PyTorch computes it.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, in float64 on the CPU:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    ENVIRONMENT/bin/python reference/i3d_fixtures.py

Weights and clips are not stored: they are formulas of integers that packages/fvd/fixtures/i3d-weights.ts has too. Of each size
[F, H, W] the file holds `logits` [400] and `pooled` [1024] of one clip.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

from i3d import I3D
from video_dit_fixtures import numbers

FOLDER = Path(__file__).parent.parent / "packages/fvd/fixtures"
SIZES = [(16, 224, 224), (32, 224, 224), (11, 195, 229)]


def weight(name, shape):
    """Such that what flows through the network keeps about its size; float32 holds them exactly."""
    x = numbers(f"i3d {name}", shape)
    if name.endswith("running_var"):
        return 1 + x / 4
    if len(shape) == 1:
        return 1 + x / 8 if name.endswith("bn.weight") else x / 8
    inputs, power = shape[1:].numel(), 0
    while 4**power < inputs:
        power += 1
    return 2 * x / 2**power


def main():
    model = I3D().eval()
    state = {name: weight(name, x.shape) if x.ndim else x for name, x in model.state_dict().items()}
    model.load_state_dict(state)
    tensors = {}
    for size in SIZES:
        name = "x".join(map(str, size))
        clip = numbers(f"i3d clip {name}", [1, *size, 3]).permute(0, 4, 1, 2, 3) / 2
        with torch.no_grad():
            logits, pooled = model(clip)
        print(name, logits.std().item(), pooled.std().item(), pooled.mean().item())
        tensors |= {f"{name} logits": logits[0].float(), f"{name} pooled": pooled[0].float()}
    FOLDER.mkdir(exist_ok=True)
    made_with = f"reference/i3d_fixtures.py, torch {torch.__version__.split('+')[0]}"
    save_file(tensors, FOLDER / "i3d.safetensors", metadata={"made with": made_with})


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    main()
