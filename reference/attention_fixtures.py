"""Writes packages/attention/fixtures/torch.safetensors: every attention's output and gradients as PyTorch computes them.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, in float64 on the CPU:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    ENVIRONMENT/bin/python reference/attention_fixtures.py

Softmax, whole or in a window, is torch's own scaled_dot_product_attention with a mask; everything else is written as the
[L, L] table of weights that its definition names, and torch differentiates it. Inputs are not stored: `draw` is a formula of
integers that packages/attention/fixtures/cases.ts has too. Stored are the float32 roundings of the output and of the
gradients of sum(output * draw('weights')), every `stride`-th number of large ones.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import elu, scaled_dot_product_attention

FIXTURE = Path(__file__).parent.parent / "packages/attention/fixtures/torch.safetensors"
SEEDS = {"q": 1, "k": 2, "v": 3, "gate": 4, "proj": 5, "weights": 6}
LINEAR_EPS = 1e-6
ROTARY_BASE = 10_000

torch.set_default_dtype(torch.float64)


class IllConditioned(Exception):
    """Float32 could not be expected to give the same numbers."""


def draw(name, seed, *shape):
    """Numbers in [-2, 2), multiples of 2^-18, from a hash of 32 bits (Wellons, github.com/skeeto/hash-prospector)."""
    x = torch.arange(math.prod(shape)) + 0x9E3779B9 * (SEEDS[name] + 8 * seed) & 0xFFFFFFFF
    for shift, factor in (16, 0x21F0AAAD), (15, 0x735A2D97):
        x = ((x ^ x >> shift) * factor) & 0xFFFFFFFF
    x = x ^ x >> 15
    return ((x >> 12).double() / 2**18 - 2).reshape(shape)


def rotary_angles(grid, head_dim):
    """[L, D / 2]: of a head's pairs a third turns with the row, a third with the column, the rest with the frame."""
    pairs = head_dim // 2
    spatial = pairs // 3
    places = torch.cartesian_prod(*(torch.arange(length) for length in grid)).reshape(-1, 3).double()
    counts = [pairs - 2 * spatial, spatial, spatial]
    return torch.cat(
        [places[:, axis : axis + 1] * ROTARY_BASE ** (-torch.arange(n) / n) for axis, n in enumerate(counts)], 1
    )


def rotate(x, angles):
    """Each pair (x_i, x_{i + D/2}) as a complex number times e^{i angle}; angles [B, L, D / 2]."""
    first, second = x.chunk(2, -1)
    turned = torch.complex(first, second) * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.cat([turned.real, turned.imag], -1)


def feature_map(name, x):
    return {"relu": torch.relu, "elu1": lambda y: elu(y) + 1, "softmax": lambda y: torch.softmax(y, -1)}[name](x)


def linear(spec, q, k, v, angles, visible):
    """The quadratic form: rows of phi(q_i) . phi(k_j) over `visible`; rotary turns the numerator alone."""
    queries, keys = feature_map(spec["featureMap"], q), feature_map(spec["featureMap"], k)
    turned = rotate(queries, angles) @ rotate(keys, angles).mT if angles is not None else queries @ keys.mT
    denominator = ((queries @ keys.mT) * visible).sum(-1, keepdim=True)
    some = visible.any(-1, keepdim=True).expand_as(denominator)
    if (denominator[some] < 0.01).any():
        raise IllConditioned
    return (turned * visible) @ v / (denominator + LINEAR_EPS)


def softmax(q, k, v, angles, visible):
    if angles is not None:
        q, k = rotate(q, angles), rotate(k, angles)
    return scaled_dot_product_attention(q, k, v, attn_mask=visible)


def window(length, size, grid):
    """[L, L]: which tokens j token i sees; a size per axis is a window in the grid of frames, rows and columns."""
    if isinstance(size, int):
        places, sizes = torch.arange(length)[:, None], [size]
    else:
        places, sizes = torch.cartesian_prod(*(torch.arange(n) for n in grid)).reshape(-1, 3), size
    return ((places[:, None] - places).abs() <= torch.tensor(sizes)).all(-1)


def sparse_linear(spec, q, k, v, angles, proj):
    """SLA (arXiv 2509.24006): exact softmax over the top blocks of keys + linear attention over the middle ones, projected.

    'code' follows the released code: the linear branch sees all tokens, and nothing is skipped.
    """
    if angles is not None:
        q, k = rotate(q, angles), rotate(k, angles)
    length = q.shape[2]
    block_of = torch.arange(length) // spec["blockSize"]
    blocks = int(block_of[-1]) + 1
    members = (block_of == torch.arange(blocks)[:, None]).double()
    pooled_q, pooled_k = (members / members.sum(1, keepdim=True) @ x for x in (q, k))
    values, order = (pooled_q @ pooled_k.mT).sort(-1, descending=True)
    if (values.diff() > -1e-4).any():
        raise IllConditioned
    rank = order.argsort(-1)[:, :, block_of][..., block_of]  # of key j's block for query i's block: [B, N, L, L]
    top = max(1, math.floor(spec["topRatio"] * blocks))
    skipped = min(math.floor(spec["skipRatio"] * blocks), blocks - top)
    middle = (rank >= top) & (rank < blocks - skipped)
    seen = middle if spec["variant"] == "paper" else torch.ones_like(middle)
    return softmax(q, k, v, None, rank < top) + linear(spec, q, k, v, None, seen) @ proj


def attend(spec, inputs, angles, grid):
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    length = q.shape[2]
    everything = torch.ones(length, length, dtype=torch.bool)
    if spec["kind"] == "softmax":
        return softmax(q, k, v, angles, everything)
    if spec["kind"] == "local":
        return softmax(q, k, v, angles, window(length, spec["windowSize"], grid))
    if spec["kind"] == "linear":
        block = torch.arange(length) // spec.get("causalBlockSize", length)
        return linear(spec, q, k, v, angles, block <= block[:, None])
    if spec["kind"] == "glga":
        local = softmax(q, k, v, angles, window(length, spec["windowSize"], grid))
        return inputs["gate"] * linear(spec, q, k, v, angles, everything) + (1 - inputs["gate"]) * local
    return sparse_linear(spec, q, k, v, angles, inputs["proj"])


SLA = {"kind": "sla", "blockSize": 3, "topRatio": 0.25, "skipRatio": 0.25, "featureMap": "softmax"}
SPECS = {
    "softmax": {"kind": "softmax"},
    "relu": {"kind": "linear", "featureMap": "relu"},
    "elu1": {"kind": "linear", "featureMap": "elu1"},
    "softmax map": {"kind": "linear", "featureMap": "softmax"},
    "causal": {"kind": "linear", "featureMap": "elu1", "causalBlockSize": 4},
    "local 2": {"kind": "local", "windowSize": 2},
    "local 5": {"kind": "local", "windowSize": 5},
    "sla paper": {**SLA, "variant": "paper"},
    "sla code": {**SLA, "variant": "code"},
    "glga relu": {"kind": "glga", "windowSize": 3, "featureMap": "relu"},
    "glga elu1": {"kind": "glga", "windowSize": 3, "featureMap": "elu1"},
}

# B, N, D and the tokens: all of a grid, or of each example those that are kept. Windows cut tokens off at both ends
# wherever L is larger than they are.
CASES = {
    "prime sizes": {"B": 2, "N": 3, "D": 10, "grid": [17, 1, 1]},
    "no rotary": {"B": 1, "N": 2, "D": 6, "grid": [13, 1, 1], "rotary": False},
    "L smaller than the window": {"B": 1, "N": 2, "D": 6, "grid": [1, 1, 2]},
    "L = 1": {"B": 3, "N": 1, "D": 8, "grid": [1, 1, 1]},
    "one kept token": {"B": 3, "N": 2, "D": 12, "grid": [2, 3, 2], "kept": [[11], [0], [4]]},
    "some tokens kept": {"B": 2, "N": 1, "D": 14, "grid": [3, 3, 3], "kept": [[0, 1, 4, 9, 13, 20, 26], [2, 5, 6, 7, 8, 25, 26]]},
    "all tokens kept": {"B": 2, "N": 1, "D": 6, "grid": [2, 3, 2], "kept": [list(range(12))] * 2},
    "two blocks of 64 and 3": {"B": 1, "N": 1, "D": 6, "grid": [131, 1, 1], "stride": 5},
    "D = 64": {"B": 1, "N": 2, "D": 64, "grid": [1, 3, 11], "stride": 11},
    "D = 128": {"B": 1, "N": 1, "D": 128, "grid": [1, 2, 4], "stride": 3},
    "D = 256": {"B": 2, "N": 1, "D": 256, "grid": [1, 1, 5], "stride": 7},
    "D = 20, three blocks of 64": {"B": 1, "N": 1, "D": 20, "grid": [192, 1, 1], "stride": 13},
}

GRID_WINDOWS = {"local 1 1 1": [1, 1, 1], "local 0 1 2": [0, 1, 2], "local 2 0 0": [2, 0, 0], "local 7 7 7": [7, 7, 7]}
GRID_CASES = {
    "a grid of primes": {"B": 2, "N": 1, "D": 6, "grid": [3, 5, 7]},
    "a grid thinner than the window": {"B": 1, "N": 2, "D": 10, "grid": [5, 1, 2]},
    "a grid of one token": {"B": 1, "N": 1, "D": 6, "grid": [1, 1, 1]},
}

# What one case is enough for: other blocks of causal linear attention and of SLA, windows that reach over blocks.
OTHERS = [
    ("causal relu", {"kind": "linear", "featureMap": "relu", "causalBlockSize": 5}, "prime sizes"),
    ("causal softmax map", {"kind": "linear", "featureMap": "softmax", "causalBlockSize": 1}, "prime sizes"),
    ("local 16", {"kind": "local", "windowSize": 16}, "D = 20, three blocks of 64"),
    ("local 70", {"kind": "local", "windowSize": 70}, "two blocks of 64 and 3"),
    ("glga 64", {"kind": "glga", "windowSize": 64, "featureMap": "relu"}, "D = 20, three blocks of 64"),
    (
        "sla of 16",
        {"kind": "sla", "blockSize": 16, "topRatio": 0.2, "skipRatio": 0.3, "featureMap": "relu", "variant": "paper"},
        "D = 20, three blocks of 64",
    ),
    (
        "sla of 64",
        {"kind": "sla", "blockSize": 64, "topRatio": 0.34, "skipRatio": 0.34, "featureMap": "softmax", "variant": "paper"},
        "D = 20, three blocks of 64",
    ),
    (
        "sla code of 64",
        {"kind": "sla", "blockSize": 64, "topRatio": 0.67, "skipRatio": 0, "featureMap": "elu1", "variant": "code"},
        "two blocks of 64 and 3",
    ),
]


def compute(spec, case, seed):
    B, N, D, grid, kept = case["B"], case["N"], case["D"], case["grid"], case.get("kept")
    angles = rotary_angles(grid, D)
    angles = angles.expand(B, -1, -1) if kept is None else torch.stack([angles[tokens] for tokens in kept])
    length = angles.shape[1]
    inputs = {name: draw(name, seed, B, N, length, D) for name in ("q", "k", "v")}
    if spec["kind"] == "glga":
        inputs["gate"] = (draw("gate", seed, B, N, length, 1) + 2) / 4
    if spec["kind"] == "sla":
        inputs["proj"] = draw("proj", seed, D, D) / 8
    for value in inputs.values():
        value.requires_grad_()
    output = attend(spec, inputs, angles if case.get("rotary", True) else None, grid)
    gradients = torch.autograd.grad((output * draw("weights", seed, *output.shape)).sum(), list(inputs.values()))
    return {"output": output.detach(), **dict(zip(inputs, gradients))}


def first_well_conditioned(spec, case):
    for seed in range(100):
        try:
            return seed, compute(spec, case, seed)
        except IllConditioned:
            pass
    raise ValueError(f"no seed suits {spec} on {case}")


def main():
    plan = [(spec_name, spec, case_name, case) for case_name, case in CASES.items() for spec_name, spec in SPECS.items()]
    plan += [(spec_name, spec, case_name, CASES[case_name]) for spec_name, spec, case_name in OTHERS]
    plan += [
        (spec_name, {"kind": "local", "windowSize": sizes}, case_name, case)
        for case_name, case in GRID_CASES.items()
        for spec_name, sizes in GRID_WINDOWS.items()
    ]
    cases, tensors = [], {}
    for spec_name, spec, case_name, case in plan:
        name = f"{spec_name}: {case_name}"
        seed, parts = first_well_conditioned(spec, case)
        cases.append({"name": name, "spec": spec, "seed": seed, **case})
        for part, value in parts.items():
            # The largest magnitude comes first: what errors are relative to, though a stride may leave it out.
            flat = torch.cat([value.abs().max().reshape(1), value.flatten()[:: case.get("stride", 1)]])
            assert flat.isfinite().all(), f"{name}: {part} is not finite"
            tensors[f"{name}: {part}"] = flat.float()

    made_with = f"reference/attention_fixtures.py, torch {torch.__version__.split('+')[0]}"
    save_file(tensors, FIXTURE, metadata={"made with": made_with, "cases": json.dumps(cases)})
    print(f"{FIXTURE}: {len(cases)} cases, {FIXTURE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
