"""The VideoDiT of packages/video-dit in PyTorch, and the way of its weights in either direction:

    python reference/video_dit.py to-torch EFLOW.safetensors TORCH.safetensors
    python reference/video_dit.py to-eflow TORCH.safetensors EFLOW.safetensors

Modules carry the names of the TypeScript parameters; weights of linear layers are [out, in] here and [in, out] there. Axes:
B batch; F, H, W, C frames, height, width, channels; L tokens; K kept tokens; S vectors of a context; E hidden size; N heads;
D head dimension.
"""

import argparse
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FREQUENCIES = 128
TIME_SCALE = 30.0
MAX_PERIOD = 10_000.0
EPS = 1e-6

Grid = tuple[int, int, int]
Rotary = tuple[Tensor, Tensor]  # cos and sin, [1, L, D], or of the tokens that each clip keeps [B, K, D]
Context = tuple[Tensor, Tensor | None]  # vectors [B, S, E], and which of them there are, [B, S]; None: all
# Of the JSON form of an AttentionSpec; q, k, v [B, N, L, D], 'glga' with gate [B, N, L, 1], 'sla' with proj [D, D], of inputs
# to outputs; rotary, yet to be applied; and the tokens' grid, unless some were dropped -> [B, N, L, D].
Kernel = Callable[[dict, dict[str, Tensor], Rotary, Grid | None], Tensor]


def rotary_table(grid: Grid, head_dim: int, like: Tensor) -> Rotary:
    """cos and sin of the factorised 3-D rotary embedding, with the dtype and device of `like`; both halves of D are equal."""
    pairs = head_dim // 2
    spatial = pairs // 3
    counts = (pairs - 2 * spatial, spatial, spatial)
    options = {"dtype": torch.float64, "device": like.device}
    places = torch.meshgrid(*(torch.arange(n, **options) for n in grid), indexing="ij")
    angles = torch.cat(
        [
            place.reshape(-1, 1) * MAX_PERIOD ** (-torch.arange(count, **options) / count)
            for place, count in zip(places, counts)
        ],
        dim=1,
    )
    cos, sin = (torch.cat([half, half], dim=1)[None].to(like.dtype) for half in (angles.cos(), angles.sin()))
    return cos, sin


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    cos, sin = (table.unsqueeze(1) for table in rotary)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def softmax_attention(spec: dict, inputs: dict[str, Tensor], rotary: Rotary, grid: Grid | None) -> Tensor:
    if spec["kind"] != "softmax":
        raise ValueError(f"attention of kind '{spec['kind']}' is not softmax; give VideoDiT a kernel that knows it")
    return F.scaled_dot_product_attention(rotate(inputs["q"], rotary), rotate(inputs["k"], rotary), inputs["v"])


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
        frequencies = (TIME_SCALE * MAX_PERIOD**-steps).to(torch.get_default_dtype())
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        angles = values.unsqueeze(1) * self.frequencies
        return self.fc2(F.silu(self.fc1(torch.cat([angles.cos(), angles.sin()], dim=1))))


class LabelEmbedder(nn.Module):
    def __init__(self, num_classes: int, hidden_size: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(num_classes + 1, hidden_size))

    def forward(self, labels: Tensor) -> Tensor:
        return F.embedding(labels, self.table)


class SelfAttention(nn.Module):
    def __init__(self, config: dict, kernel: Kernel):
        super().__init__()
        E, self.num_heads, self.spec = config["hiddenSize"], config["numHeads"], config["attention"]
        head_dim = E // self.num_heads
        self.kernel = kernel
        self.qkv = nn.Linear(E, 3 * E)
        self.qNorm = nn.RMSNorm(head_dim, eps=EPS)
        self.kNorm = nn.RMSNorm(head_dim, eps=EPS)
        self.gate = nn.Linear(E, self.num_heads) if self.spec["kind"] == "glga" else None
        self.proj_l = nn.Linear(head_dim, head_dim, bias=False) if self.spec["kind"] == "sla" else None
        self.proj = nn.Linear(E, E)

    def forward(self, x: Tensor, rotary: Rotary, grid: Grid | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        inputs = {"q": self.qNorm(q), "k": self.kNorm(k), "v": v}
        if self.gate is not None:
            inputs["gate"] = self.gate(x).sigmoid().mT.unsqueeze(3)
        if self.proj_l is not None:
            inputs["proj"] = self.proj_l.weight.T
        out = self.kernel(self.spec, inputs, rotary, grid)
        return self.proj(out.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(hidden_size, hidden_size)
        self.kv = nn.Linear(hidden_size, 2 * hidden_size)
        self.qNorm = nn.RMSNorm(hidden_size // num_heads, eps=EPS)
        self.kNorm = nn.RMSNorm(hidden_size // num_heads, eps=EPS)
        self.proj = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        vectors, mask = context
        q = self.q(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        k, v = self.kv(vectors).unflatten(2, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        q, k = self.qNorm(q), self.kNorm(k)
        if mask is None:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            # A softmax over nothing is not a number: a clip without any vector sees them all, and takes none of it.
            mask = mask[:, None, None]
            some = mask.any(-1, keepdim=True)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask | ~some) * some
        return self.proj(out.transpose(1, 2).flatten(2))


class ContextEmbedder(nn.Module):
    def __init__(self, context_size: int, hidden_size: int):
        super().__init__()
        self.fc1 = nn.Linear(context_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, hidden_size)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(vectors), approximate="tanh"))


class Mlp(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        E = config["hiddenSize"]
        self.gated = config.get("mlp") == "swiglu"
        # Rounds halves up, as JavaScript does.
        width = math.floor(E * config["mlpRatio"] * (2 / 3 if self.gated else 1) + 0.5)
        self.fc1 = nn.Linear(E, 2 * width if self.gated else width)
        self.fc2 = nn.Linear(width, E)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        if not self.gated:
            return self.fc2(F.gelu(x, approximate="tanh"))
        gate, value = x.chunk(2, dim=-1)
        return self.fc2(F.silu(gate) * value)


class Block(nn.Module):
    """adaLN-zero transformer block, with cross-attention between its two halves if the network has a context."""

    def __init__(self, config: dict, kernel: Kernel):
        super().__init__()
        E = config["hiddenSize"]
        self.adaLN = nn.Linear(E, 6 * E)
        self.attn = SelfAttention(config, kernel)
        self.crossAttn = CrossAttention(E, config["numHeads"]) if "contextSize" in config else None
        self.mlp = Mlp(config)

    def forward(
        self, x: Tensor, condition: Tensor, context: Context | None, rotary: Rotary, grid: Grid | None
    ) -> Tensor:
        attn_shift, attn_scale, attn_gate, mlp_shift, mlp_scale, mlp_gate = self.adaLN(condition).chunk(6, dim=1)
        x = x + attn_gate.unsqueeze(1) * self.attn(modulate(layer_norm(x), attn_shift, attn_scale), rotary, grid)
        if self.crossAttn is not None:
            x = x + self.crossAttn(layer_norm(x), context)
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
    """Takes the JSON form of the TypeScript VideoDiTConfig, but for `checkpoint`, and the kernel of its self-attention."""

    def __init__(self, config: dict, kernel: Kernel = softmax_attention):
        super().__init__()
        E = config["hiddenSize"]
        self.head_dim = E // config["numHeads"]
        self.patch = tuple(config["patchSize"])
        patch_length = math.prod(self.patch) * config["channels"]
        encoder, middle, decoder = config["depth"]

        def blocks(count: int) -> nn.ModuleList:
            return nn.ModuleList(Block(config, kernel) for _ in range(count))

        self.patchEmbed = nn.Linear(patch_length, E)
        self.positionEmbed = nn.Linear(2 * self.head_dim, E)
        self.timestepEmbedder = ScalarEmbedder(E)
        self.intervalEmbedder = ScalarEmbedder(E)
        self.guidanceEmbedder = ScalarEmbedder(E) if config.get("guidanceInput") else None
        self.labelEmbedder = LabelEmbedder(config["numClasses"], E) if config["numClasses"] > 0 else None
        self.contextEmbedder = ContextEmbedder(config["contextSize"], E) if "contextSize" in config else None
        self.encoderBlocks = blocks(encoder)
        self.middleBlocks = blocks(middle)
        self.decoderBlocks = blocks(decoder)
        self.skips = nn.ModuleList(nn.Linear(2 * E, E) for _ in range(min(encoder, decoder)))
        self.fusion = nn.Linear(2 * E, E)
        self.maskToken = nn.Parameter(torch.zeros(E), requires_grad=config.get("maskToken") == "trained")
        self.final = Final(E, patch_length)

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor,
        target_timestep: Tensor,
        labels: Tensor | None = None,
        *,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
        kept_tokens: Tensor | None = None,
        path_dropped: Tensor | None = None,
        guidance_scale: Tensor | None = None,
        weak: bool = False,
        rotary: Rotary | None = None,
    ) -> Tensor:
        """x_t [B, F, H, W, C], t [B], s [B], labels [B], context [B, S, contextSize] and which of its vectors there are
        [B, S] -> the mean velocity, shaped like x_t. The middle sees the kept tokens [B, K]; of clips whose path is dropped
        [B], and of all on the weak path, none. The guidance scale [B] is for a config with `guidanceInput`. `rotary` is
        `self.rotary(noisy)`, for those who call often."""
        grid = self.grid(noisy)
        rotary = rotary or self.rotary(noisy)
        condition = self.timestepEmbedder(timestep) + self.intervalEmbedder(timestep - target_timestep)
        if self.guidanceEmbedder is not None:
            condition = condition + self.guidanceEmbedder(1 - 1 / guidance_scale)
        if self.labelEmbedder is not None:
            condition = condition + self.labelEmbedder(labels)
        condition = F.silu(condition)
        sequence = None if self.contextEmbedder is None else (self.contextEmbedder(context), context_mask)

        x = self.patchEmbed(self.patchify(noisy, grid)) + self.positionEmbed(torch.cat(rotary, dim=2))
        encoder_outputs = []
        for block in self.encoderBlocks:
            x = block(x, condition, sequence, rotary, grid)
            encoder_outputs.append(x)

        middle = self.maskToken.to(x.dtype).expand_as(x)
        if not weak:
            seen = self.run_middle(x, condition, sequence, rotary, grid, kept_tokens)
            middle = seen if path_dropped is None else torch.where(path_dropped[:, None, None], middle, seen)
        x = self.fusion(torch.cat([x, middle], dim=2))

        for i, block in enumerate(self.decoderBlocks):
            opposite = len(self.decoderBlocks) - 1 - i
            if opposite < len(self.skips):
                x = self.skips[opposite](torch.cat([x, encoder_outputs[opposite]], dim=2))
            x = block(x, condition, sequence, rotary, grid)
        return self.unpatchify(self.final(x, condition), grid)

    def grid(self, clips: Tensor) -> Grid:
        f, h, w = (size // patch for size, patch in zip(clips.shape[1:4], self.patch))
        return f, h, w

    def rotary(self, clips: Tensor) -> Rotary:
        return rotary_table(self.grid(clips), self.head_dim, like=clips)

    def run_middle(
        self, x: Tensor, condition: Tensor, context: Context | None, rotary: Rotary, grid: Grid, kept: Tensor | None
    ) -> Tensor:
        """The kept tokens as the middle blocks leave them, mask tokens in the places of the others: [B, L, E]."""
        if kept is None:
            for block in self.middleBlocks:
                x = block(x, condition, context, rotary, grid)
            return x
        kept = kept.long()
        index = kept.unsqueeze(2).expand(-1, -1, x.shape[2])
        rotary = tuple(table[0, kept] for table in rotary)
        h = x.gather(1, index)
        for block in self.middleBlocks:
            h = block(h, condition, context, rotary, None)
        return self.maskToken.to(h.dtype).expand_as(x).scatter(1, index, h)

    def patchify(self, clips: Tensor, grid: Grid) -> Tensor:
        B, _, _, _, C = clips.shape
        (f, h, w), (pf, ph, pw) = grid, self.patch
        x = clips.reshape(B, f, pf, h, ph, w, pw, C).permute(0, 1, 3, 5, 2, 4, 6, 7)
        return x.reshape(B, f * h * w, pf * ph * pw * C)

    def unpatchify(self, tokens: Tensor, grid: Grid) -> Tensor:
        B = tokens.shape[0]
        (f, h, w), (pf, ph, pw) = grid, self.patch
        x = tokens.reshape(B, f, h, w, pf, ph, pw, -1).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return x.reshape(B, f * pf, h * ph, w * pw, -1)


def to_torch(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters as the TypeScript package names and lays them out -> a state_dict of VideoDiT."""
    return transpose_linear(tensors)


def to_eflow(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict of VideoDiT -> parameters as the TypeScript package lays them out."""
    return transpose_linear(state)


def transpose_linear(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of norms have one axis, and a table of labels, which both lay out alike, is no weight."""

    def is_linear(name: str, x: Tensor) -> bool:
        return name.endswith(".weight") and x.ndim == 2

    return {name: x.T.contiguous() if is_linear(name, x) else x for name, x in tensors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes the weights of a VideoDiT from EFlow to PyTorch or back.")
    parser.add_argument("direction", choices=["to-torch", "to-eflow"])
    parser.add_argument("input", help="safetensors file of parameters, such as a checkpoint's ema.safetensors")
    parser.add_argument("output", help="safetensors file to write")
    options = parser.parse_args()
    convert = to_torch if options.direction == "to-torch" else to_eflow
    with safe_open(options.input, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    save_file(convert(tensors), options.output, metadata)


if __name__ == "__main__":
    main()
