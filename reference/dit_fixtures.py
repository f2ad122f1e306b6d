"""Writes packages/video-dit/fixtures/{dit,soflow}.safetensors: weights under the names of DiT's and of SoFlow's PyTorch code,
and what a network makes of images with them.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, in float64 on the CPU:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    ENVIRONMENT/bin/python reference/dit_fixtures.py

The network is a DiT (arXiv 2212.09748) whose q and k are normalised per head and turned by the rotary embedding, and whose
times are embedded at EFlow's scale: what a VideoDiT computes too. That of dit.safetensors predicts variances as well; that of
soflow.safetensors embeds t - s, lies behind a prefix, and has one block more. Besides the weights the files hold `case.*`: the
images [B, C, H, W], t, s, labels and the prediction [B, C, H, W]; the metadata hold the VideoDiTConfig.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from video_dit import EPS, FREQUENCIES, MAX_PERIOD, TIME_SCALE, layer_norm, modulate, rotary_table, rotate

FOLDER = Path(__file__).parent.parent / "packages/video-dit/fixtures"
PATCH, GRID, E, HEADS, MLP_RATIO, CLASSES = (2, 3), (3, 4), 12, 2, 1.5, 10


class TimeEmbedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * FREQUENCIES, E), nn.SiLU(), nn.Linear(E, E))

    def forward(self, t):
        angles = t[:, None] * TIME_SCALE * MAX_PERIOD ** (-torch.arange(FREQUENCIES) / FREQUENCIES)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(E, 3 * E), nn.Linear(E, E)
        self.q_norm, self.k_norm = nn.RMSNorm(E // HEADS, eps=EPS), nn.RMSNorm(E // HEADS, eps=EPS)

    def forward(self, x, rotary):
        q, k, v = self.qkv(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate(self.q_norm(q), rotary), rotate(self.k_norm(k), rotary)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(E, int(E * MLP_RATIO)), nn.Linear(int(E * MLP_RATIO), E)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn, self.mlp = Attention(), Mlp()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(E, 6 * E))

    def forward(self, x, condition, rotary):
        changes = self.adaLN_modulation(condition).chunk(6, dim=1)
        x = x + changes[2][:, None] * self.attn(modulate(layer_norm(x), *changes[:2]), rotary)
        return x + changes[5][:, None] * self.mlp(modulate(layer_norm(x), *changes[3:5]))


class FinalLayer(nn.Module):
    def __init__(self, out_channels):
        super().__init__()
        self.linear = nn.Linear(E, math.prod(PATCH) * out_channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(E, 2 * E))

    def forward(self, x, condition):
        return self.linear(modulate(layer_norm(x), *self.adaLN_modulation(condition).chunk(2, dim=1)))


class DiT(nn.Module):
    def __init__(self, depth, channels, *, learn_sigma, embeds_interval):
        super().__init__()
        self.channels = channels
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(channels, E, PATCH, stride=PATCH)})
        self.t_embedder = TimeEmbedder()
        self.s_embedder = TimeEmbedder() if embeds_interval else None
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(CLASSES + 1, E)})
        self.pos_embed = nn.Parameter(torch.zeros(1, math.prod(GRID), E))
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.final_layer = FinalLayer(2 * channels if learn_sigma else channels)

    def forward(self, images, t, s, labels):
        """The prediction for images [B, C, H, W], without variances."""
        rotary = rotary_table((1, *GRID), E // HEADS, like=images)
        condition = self.t_embedder(t) + self.y_embedder["embedding_table"](labels)
        if self.s_embedder is not None:
            condition = condition + self.s_embedder(t - s)
        x = self.x_embedder["proj"](images).flatten(2).mT + self.pos_embed
        for block in self.blocks:
            x = block(x, condition, rotary)
        patches = self.final_layer(x, condition).unflatten(1, GRID).unflatten(3, (*PATCH, -1))
        return patches[..., : self.channels].permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def write(name, channels, depth, prefix, **options):
    model = DiT(sum(depth), channels, **options)
    for parameter in model.parameters():
        # Numbers of float32, so that the file holds what the prediction is made from; none of them where DiT starts, at 0.
        parameter.data += (0.2 * torch.randn_like(parameter)).float()
    model.pos_embed.data.zero_()  # a VideoDiT has another embedding of the place
    model.load_state_dict({name: x.float().double() for name, x in model.state_dict().items()})
    size = [n * side for n, side in zip(GRID, PATCH)]
    images, times = torch.randn(3, channels, *size).float().double(), torch.rand(3, 2).float().double()
    t, s = times.max(dim=1).values, times.min(dim=1).values
    labels = torch.tensor([4, 0, CLASSES])  # "no class" among them
    with torch.no_grad():
        prediction = model(images, t, s, labels)
    config = {
        **{"channels": channels, "patchSize": [1, *PATCH], "hiddenSize": E, "depth": depth, "numHeads": HEADS},
        **{"mlpRatio": MLP_RATIO, "attention": {"kind": "softmax"}, "numClasses": CLASSES},
    }
    case = {"noisy": images, "timestep": t, "targetTimestep": s, "condition": labels.int(), "prediction": prediction}
    tensors = {prefix + key: x for key, x in model.state_dict().items()} | {f"case.{key}": x for key, x in case.items()}
    made_with = f"reference/dit_fixtures.py, torch {torch.__version__.split('+')[0]}"
    stored = {key: (x.float() if x.is_floating_point() else x).contiguous() for key, x in tensors.items()}
    save_file(stored, FOLDER / f"{name}.safetensors", metadata={"made with": made_with, "config": json.dumps(config)})


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(1)
    write("dit", 2, [1, 2, 1], "", learn_sigma=True, embeds_interval=False)
    write("soflow", 1, [2, 1, 2], "network.", learn_sigma=False, embeds_interval=True)
