"""I3D (Inception-v1 inflated, arXiv 1705.07750) in PyTorch, with the parameter names of its published weights
(`i3d_pretrained_400`, `rgb_imagenet`), and those weights as safetensors:

    python reference/i3d.py i3d_pretrained_400.pt i3d_pretrained_400.safetensors

Axes: B batch; C, F, H, W channels, frames, height, width.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

EPS = 1e-3
# Output channels of each block's convolutions: 1x1x1; 1x1x1, 3x3x3; 1x1x1, 3x3x3; pooled, 1x1x1.
MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def pad_same(x: Tensor, window: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros as TensorFlow's SAME adds them: out = ceil(in / stride), the odd one behind."""
    pads = []
    for size, side, step in zip(x.shape[2:], window, stride):
        missing = max((math.ceil(size / step) - 1) * step + side - size, 0)
        pads = [missing // 2, missing - missing // 2, *pads]  # F.pad begins with the last axis
    return F.pad(x, pads)


class Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, side: int = 1, stride: int = 1, *, is_head: bool = False):
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, side, stride, bias=is_head)
        self.bn = None if is_head else nn.BatchNorm3d(outputs, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3d(pad_same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Pool(nn.Module):
    def __init__(self, window: tuple[int, int, int], stride: tuple[int, int, int]):
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(pad_same(x, self.window, self.stride), self.window, self.stride)


class Mixed(nn.Module):
    def __init__(self, inputs: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int):
        super().__init__()
        self.b0 = Unit(inputs, b0)
        self.b1a, self.b1b = Unit(inputs, b1a), Unit(b1a, b1b, 3)
        self.b2a, self.b2b = Unit(inputs, b2a), Unit(b2a, b2b, 3)
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(inputs, b3b)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


class I3D(nn.Module):
    def __init__(self):
        super().__init__()
        mixed = {f"Mixed_{name}": Mixed(*channels) for name, channels in MIXED.items()}
        self.order = [
            *("Conv3d_1a_7x7", "MaxPool3d_2a_3x3", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "MaxPool3d_3a_3x3"),
            *("Mixed_3b", "Mixed_3c", "MaxPool3d_4a_3x3", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"),
            *("MaxPool3d_5a_2x2", "Mixed_5b", "Mixed_5c"),
        ]
        layers = mixed | {
            "Conv3d_1a_7x7": Unit(3, 64, 7, 2),
            "MaxPool3d_2a_3x3": Pool((1, 3, 3), (1, 2, 2)),
            "Conv3d_2b_1x1": Unit(64, 64),
            "Conv3d_2c_3x3": Unit(64, 192, 3),
            "MaxPool3d_3a_3x3": Pool((1, 3, 3), (1, 2, 2)),
            "MaxPool3d_4a_3x3": Pool((3, 3, 3), (2, 2, 2)),
            "MaxPool3d_5a_2x2": Pool((2, 2, 2), (2, 2, 2)),
        }
        for name in self.order:
            self.add_module(name, layers[name])
        self.logits = Unit(1024, 400, is_head=True)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Clips [B, 3, F, 224, 224] in [-1, 1] -> logits [B, 400] and what they are linear in [B, 1024], means over time."""
        x = clips
        for name in self.order:
            x = self.get_submodule(name)(x)
        x = F.avg_pool3d(x, (2, 7, 7), 1)
        return self.logits(x).mean((2, 3, 4)), x.mean((2, 3, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the published weights of I3D safetensors.")
    parser.add_argument("input", help="a state_dict that torch.save wrote, such as i3d_pretrained_400.pt")
    parser.add_argument("output", help="safetensors file to write")
    options = parser.parse_args()
    state = torch.load(options.input, map_location="cpu", weights_only=True)
    I3D().load_state_dict(state)  # says what is missing or of another shape
    save_file({name: x.contiguous() for name, x in state.items()}, options.output)
    print(f"{options.output}: {len(state)} tensors")


if __name__ == "__main__":
    main()
