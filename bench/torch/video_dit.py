"""VideoDiT of packages/video-dit in PyTorch, with softmax attention and no tokens dropped.

Modules carry the names of the TypeScript parameters, so that both read one safetensors file. Axes: B batch; F, H, W, C
frames, height, width, channels; L tokens; E hidden size; N heads; D head dimension.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 128
TIME_SCALE = 30.0
MAX_PERIOD = 10_000.0
EPS = 1e-6


def rotary_table(grid: tuple[int, int, int], head_dim: int) -> tuple[Tensor, Tensor]:
    """cos and sin [L, D] of the factorised 3-D rotary embedding; both halves of D are equal."""
    pairs = head_dim // 2
    spatial = pairs // 3
    counts = (pairs - 2 * spatial, spatial, spatial)
    positions = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    angles = torch.cat(
        [
            position.reshape(-1, 1) * MAX_PERIOD ** (-torch.arange(count, dtype=torch.float64) / count)
            for position, count in zip(positions, counts)
        ],
        dim=1,
    )
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


def layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=EPS)


class ScalarEmbedder(nn.Module):
    def __init__(self, hidden_size: int):
        super().__init__()
        self.fc1 = nn.Linear(2 * FREQUENCIES, hidden_size)
        self.fc2 = nn.Linear(hidden_size, hidden_size)
        steps = torch.arange(FREQUENCIES, dtype=torch.float64) / FREQUENCIES
        self.register_buffer("frequencies", (TIME_SCALE * MAX_PERIOD**-steps).float(), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        angles = values.unsqueeze(1) * self.frequencies
        return self.fc2(F.silu(self.fc1(torch.cat([angles.cos(), angles.sin()], dim=1))))


class LabelEmbedder(nn.Module):
    def __init__(self, num_classes: int, hidden_size: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(num_classes + 1, hidden_size))

    def forward(self, labels: Tensor) -> Tensor:
        return F.embedding(labels, self.table)


class Attention(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.qNorm = nn.RMSNorm(hidden_size // num_heads, eps=EPS)
        self.kNorm = nn.RMSNorm(hidden_size // num_heads, eps=EPS)
        self.proj = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, L, E = x.shape
        q, k, v = self.qkv(x).view(B, L, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind()
        q, k = rotate(self.qNorm(q), cos, sin), rotate(self.kNorm(k), cos, sin)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(B, L, E))


class Mlp(nn.Module):
    def __init__(self, hidden_size: int, mlp_size: int):
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, mlp_size)
        self.fc2 = nn.Linear(mlp_size, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """adaLN-zero transformer block."""

    def __init__(self, hidden_size: int, num_heads: int, mlp_ratio: float):
        super().__init__()
        self.adaLN = nn.Linear(hidden_size, 6 * hidden_size)
        self.attn = Attention(hidden_size, num_heads)
        self.mlp = Mlp(hidden_size, round(hidden_size * mlp_ratio))

    def forward(self, x: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        attn_shift, attn_scale, attn_gate, mlp_shift, mlp_scale, mlp_gate = self.adaLN(condition).chunk(6, dim=1)
        x = x + attn_gate.unsqueeze(1) * self.attn(modulate(layer_norm(x), attn_shift, attn_scale), cos, sin)
        return x + mlp_gate.unsqueeze(1) * self.mlp(modulate(layer_norm(x), mlp_shift, mlp_scale))


class Final(nn.Module):
    def __init__(self, hidden_size: int, patch_length: int):
        super().__init__()
        self.adaLN = nn.Linear(hidden_size, 2 * hidden_size)
        self.linear = nn.Linear(hidden_size, patch_length)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.adaLN(condition).chunk(2, dim=1)
        return self.linear(modulate(layer_norm(x), shift, scale))


class VideoDiT(nn.Module):
    """Takes the JSON form of the TypeScript VideoDiTConfig."""

    def __init__(self, config: dict):
        super().__init__()
        E, N = config["hiddenSize"], config["numHeads"]
        self.patch = tuple(config["patchSize"])
        sizes = (config["numFrames"], config["height"], config["width"])
        self.grid = tuple(size // patch for size, patch in zip(sizes, self.patch))
        patch_length = math.prod(self.patch) * config["channels"]
        encoder, middle, decoder = config["depth"]

        def blocks(count: int) -> nn.ModuleList:
            return nn.ModuleList(Block(E, N, config["mlpRatio"]) for _ in range(count))

        self.patchEmbed = nn.Linear(patch_length, E)
        self.positionEmbed = nn.Linear(2 * E // N, E)
        self.timestepEmbedder = ScalarEmbedder(E)
        self.intervalEmbedder = ScalarEmbedder(E)
        self.labelEmbedder = LabelEmbedder(config["numClasses"], E)
        self.encoderBlocks = blocks(encoder)
        self.middleBlocks = blocks(middle)
        self.decoderBlocks = blocks(decoder)
        self.skips = nn.ModuleList(nn.Linear(2 * E, E) for _ in range(min(encoder, decoder)))
        self.fusion = nn.Linear(2 * E, E)
        self.maskToken = nn.Parameter(torch.zeros(E), requires_grad=False)
        self.final = Final(E, patch_length)
        cos, sin = rotary_table(self.grid, E // N)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, noisy: Tensor, timestep: Tensor, target_timestep: Tensor, labels: Tensor) -> Tensor:
        """x_t [B, F, H, W, C], t [B], s [B], labels [B] -> the mean velocity, shaped like x_t."""
        condition = F.silu(
            self.timestepEmbedder(timestep)
            + self.intervalEmbedder(timestep - target_timestep)
            + self.labelEmbedder(labels)
        )
        position = self.positionEmbed(torch.cat([self.cos, self.sin], dim=1))
        x = self.patchEmbed(self.patchify(noisy)) + position
        encoder_outputs = []
        for block in self.encoderBlocks:
            x = block(x, condition, self.cos, self.sin)
            encoder_outputs.append(x)
        middle = x
        for block in self.middleBlocks:
            middle = block(middle, condition, self.cos, self.sin)
        x = self.fusion(torch.cat([x, middle], dim=2))
        for i, block in enumerate(self.decoderBlocks):
            opposite = len(self.decoderBlocks) - 1 - i
            if opposite < len(self.skips):
                x = self.skips[opposite](torch.cat([x, encoder_outputs[opposite]], dim=2))
            x = block(x, condition, self.cos, self.sin)
        return self.unpatchify(self.final(x, condition))

    def patchify(self, clips: Tensor) -> Tensor:
        B, _, _, _, C = clips.shape
        (f, h, w), (pf, ph, pw) = self.grid, self.patch
        x = clips.reshape(B, f, pf, h, ph, w, pw, C).permute(0, 1, 3, 5, 2, 4, 6, 7)
        return x.reshape(B, f * h * w, pf * ph * pw * C)

    def unpatchify(self, tokens: Tensor) -> Tensor:
        B = tokens.shape[0]
        (f, h, w), (pf, ph, pw) = self.grid, self.patch
        x = tokens.reshape(B, f, h, w, pf, ph, pw, -1).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return x.reshape(B, f * pf, h * ph, w * pw, -1)
