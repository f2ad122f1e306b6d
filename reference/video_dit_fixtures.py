"""Writes packages/video-dit/fixtures/{torch,weights}.safetensors: a VideoDiT's output and gradients as PyTorch computes them,
and weights on their way from there.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, in float64 on the CPU:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    ENVIRONMENT/bin/python reference/video_dit_fixtures.py

The network is video_dit.py's, its attention the definitions of attention_fixtures.py. Parameters and inputs are not stored:
they are formulas of integers that packages/video-dit/fixtures/cases.ts has too. Of each case torch.safetensors holds, in
float32, `values`: at most some 60 numbers of the output and of each gradient of sum(output * weights), with respect to the
clips, the context and every parameter, in the order of their names and in the TypeScript layout; and `sizes`: the largest
magnitude and the norm of each. weights.safetensors holds the parameters of one case, as `to_eflow` gives them.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from attention_fixtures import IllConditioned, attend, draw
from video_dit import VideoDiT, to_eflow, to_torch

FOLDER = Path(__file__).parent.parent / "packages/video-dit/fixtures"
STORED = 60
TIMES = [(29 / 32, 5 / 32), (13 / 32, 2 / 32), (23 / 32, 23 / 32)]  # t and s of each clip
SCALES = [1, 1.25, 4]  # the guidance scale of each clip, where it is an input
# Of what well-conditioned means: inputs that change by so much change no result by more than so much of its largest number.
NUDGE, MOVE = 1e-6, 2e-5


def numbers(text, shape):
    """`draw`, a part of its own for each text: its FNV-1a hash, of which 24 bits are taken."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return draw("q", value >> 8, *shape)


def parameter(seed, name, shape):
    """Such that what flows through the network has about unit size; float32 holds them exactly."""
    x = numbers(f"{seed} {name}", shape)
    if not name.endswith(".weight"):
        return x / 4
    if len(shape) == 1:
        return 1 + x / 8
    power = 0
    while 4**power < shape[0]:
        power += 1
    return x / 2**power


def exact_kernel(spec, inputs, rotary, grid):
    cos, sin = (table[..., : table.shape[-1] // 2] for table in rotary)
    return attend(spec, inputs, torch.atan2(sin, cos), grid)


def nudged(x, name, nudge):
    return x * (1 + nudge * numbers(f"{name} nudge", x.shape).sign())


def create_model(config, seed, nudge=0.0):
    model = VideoDiT(config, exact_kernel)
    shapes = {name: x.shape for name, x in to_eflow(model.state_dict()).items()}
    tensors = {name: nudged(parameter(seed, name, shape), name, nudge) for name, shape in shapes.items()}
    model.load_state_dict(to_torch(tensors))
    return model


def compute(case, seed, nudge=0.0):
    """The output, and the gradients by name."""
    config, B = case["config"], case["batchSize"]
    model = create_model(config, seed, nudge)

    def draw_input(name, shape):
        return nudged(numbers(f"{seed} {name}", shape), name, nudge).requires_grad_()

    inputs = {"noisy": draw_input("noisy", [B, *case["clip"], config["channels"]])}
    options = {"weak": case.get("weak", False)}
    if "contextSize" in config:
        vectors = draw_input("context", [B, case["contextLength"], config["contextSize"]])
        inputs["context"] = options["context"] = vectors
    for option, name in ("context_mask", "contextMask"), ("kept_tokens", "keptTokens"), ("path_dropped", "pathDropped"):
        if name in case:
            options[option] = torch.tensor(case[name])
    if config.get("guidanceInput"):
        options["guidance_scale"] = torch.tensor(SCALES[:B])
    labels = torch.tensor([(2 + 3 * i) % (config["numClasses"] + 1) for i in range(B)])  # "no class" among them
    timestep, target_timestep = torch.tensor(TIMES[:B]).T
    output = model(inputs["noisy"], timestep, target_timestep, labels, **options)

    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    weighted = (output * numbers(f"{seed} weights", output.shape)).sum()
    parts = inputs | trained
    found = torch.autograd.grad(weighted, list(parts.values()), allow_unused=True, materialize_grads=True)
    gradients = dict(zip(parts, found))
    by_parameter = to_eflow({name: gradients.get(name, torch.zeros_like(p)) for name, p in model.named_parameters()})
    return {
        "output": output.detach(),
        **{name: gradients[name] for name in inputs},
        **{name: by_parameter[name] for name in sorted(by_parameter)},
    }


def largest(x):
    return x.abs().max().item()


def first_well_conditioned(case):
    for seed in range(100):
        try:
            parts, moved = compute(case, seed), compute(case, seed, NUDGE)
        except IllConditioned:
            continue
        if all(largest(moved[name] - x) <= MOVE * largest(x) for name, x in parts.items()):
            return seed, parts
    raise ValueError(f"no seed suits {case}")


def thin_out(x):
    """Every so-manieth number, all columns and rows alike; nothing of what is zero."""
    x = x.flatten()
    stride = math.ceil(len(x) / STORED)
    while math.gcd(stride, len(x)) > 1:
        stride += 1
    return x[::stride] if x.any() else x[:0]


def keep(batch_size, length, count):
    """Tokens of each clip, in order."""
    return [sorted(numbers(f"keep {b}", [length]).argsort()[:count].tolist()) for b in range(batch_size)]


BASE = {
    "channels": 2,
    "patchSize": [1, 2, 3],
    "hiddenSize": 28,
    "depth": [1, 1, 1],
    "numHeads": 2,
    "mlpRatio": 1.1,
    "attention": {"kind": "softmax"},
    "numClasses": 5,
}
SLA = {"kind": "sla", "blockSize": 4, "topRatio": 0.25, "skipRatio": 0.25, "featureMap": "softmax"}
ATTENTIONS = {
    "softmax": {"kind": "softmax"},
    "linear relu": {"kind": "linear", "featureMap": "relu"},
    "linear elu1": {"kind": "linear", "featureMap": "elu1"},
    "linear softmax": {"kind": "linear", "featureMap": "softmax"},
    "causal": {"kind": "linear", "featureMap": "elu1", "causalBlockSize": 11},
    "local": {"kind": "local", "windowSize": 7},
    "sla paper": {**SLA, "variant": "paper"},
    "sla code": {**SLA, "variant": "code"},
    "glga relu": {"kind": "glga", "windowSize": 5, "featureMap": "relu"},
    "glga elu1": {"kind": "glga", "windowSize": 5, "featureMap": "elu1"},
}
GLGA = ATTENTIONS["glga elu1"]
DROPPED = {"grid": [3, 5, 7], "kept": 37}
TRAVELLING = "weights on their way"  # the case whose weights are stored
TEXT = {"numClasses": 0, "contextSize": 11}
MASK = [[True, True, False, True, False, False, False], [False] * 7, [True] * 7]


def plan():
    """Cases by name: changes to BASE, and to a batch of two clips of 3 x 5 x 7 tokens, none dropped."""
    for name, attention in ATTENTIONS.items():
        # SLA puts blocks of keys in order, and float32 must not disturb it: few of them.
        some = {"grid": [2, 5, 3], "kept": 19} if attention["kind"] == "sla" else DROPPED
        yield name, {"attention": attention}, {"grid": some["grid"]}
        yield f"{name}, tokens dropped", {"attention": attention}, some
    yield "local in the grid", {"attention": {"kind": "local", "windowSize": [1, 1, 2]}}, {}
    yield "local in frames", {"attention": {"kind": "local", "windowSize": [1, 0, 0]}, "depth": [1, 2, 1]}, {}

    paths = {"batchSize": 3, "pathDropped": [False, True, False]}
    yield "path drop", {}, paths
    yield "path drop, tokens dropped", {"attention": GLGA}, {**paths, **DROPPED}
    yield "weak path", {"attention": GLGA, "depth": [1, 1, 2]}, {"weak": True}
    trained = {"maskToken": "trained"}
    yield "mask token trained, none in use", trained, {}
    yield "mask token trained, tokens dropped", trained, DROPPED
    yield "mask token trained, path drop", trained, {**paths, **DROPPED}
    yield "mask token trained, weak path", trained, {"weak": True}

    heads = {"hiddenSize": 42, "numHeads": 3}
    yield "long skips 2 1 2", {**heads, "depth": [2, 1, 2]}, {}
    yield "long skips 1 2 3", {**heads, "depth": [1, 2, 3], "attention": GLGA}, DROPPED
    yield "long skips 3 1 1", {**heads, "depth": [3, 1, 1]}, {}
    one = {"hiddenSize": 22, "numHeads": 1, "mlp": "swiglu", "mlpRatio": 1.3}
    yield "SwiGLU", one, {}
    yield "SwiGLU, tokens dropped", {**one, "attention": GLGA}, DROPPED

    text = {"batchSize": 3, "contextLength": 7, "contextMask": MASK}
    yield "text", TEXT, text
    yield "text without a mask", TEXT, {"contextLength": 5}
    yield "text, tokens dropped", {**TEXT, "attention": GLGA}, {**text, **DROPPED}
    yield "text, SwiGLU, path drop", {**one, **TEXT}, {**text, **paths}
    both = {"contextSize": 11, "attention": GLGA, "depth": [2, 1, 2]}
    yield "class and text", both, {**text, **paths, **DROPPED}
    yield "class and text, blocks run again", {**both, "checkpoint": "blocks"}, {**text, **paths, **DROPPED}
    yield "no class", {"numClasses": 0}, {}

    yield "guidance scale", {"guidanceInput": True, "attention": GLGA}, {**paths, **DROPPED}

    yield "images", {}, {"grid": [1, 5, 7], "batchSize": 3}
    yield "images, tokens dropped", {"attention": GLGA}, {"grid": [1, 5, 7], "kept": 13}
    yield "wide", {"attention": GLGA}, {"grid": [2, 3, 13]}
    yield "patches of two frames", {"patchSize": [2, 3, 1], "channels": 3}, {"grid": [2, 5, 7]}

    small = {"hiddenSize": 14, "numHeads": 1, "mlp": "swiglu", "mlpRatio": 1.3}
    yield TRAVELLING, {**small, **TEXT, "numClasses": 3, "attention": GLGA}, {"contextLength": 5, "kept": 29}


def create_case(name, changes, options):
    config = BASE | changes
    grid, batch_size = options.get("grid", [3, 5, 7]), options.get("batchSize", 2)
    kept = {"keptTokens": keep(batch_size, math.prod(grid), options["kept"])} if "kept" in options else {}
    return {
        "name": name,
        "config": config,
        "clip": [n * patch for n, patch in zip(grid, config["patchSize"])],
        "batchSize": batch_size,
        **{key: value for key, value in options.items() if key not in ("grid", "kept")},
        **kept,
    }


def main():
    made_with = f"reference/video_dit_fixtures.py, torch {torch.__version__.split('+')[0]}"
    cases, tensors = [], {}
    for name, changes, options in plan():
        case = create_case(name, changes, options)
        seed, parts = first_well_conditioned(case)
        cases.append({**case, "seed": seed})
        tensors[f"{name}: values"] = torch.cat([thin_out(x) for x in parts.values()]).float()
        tensors[f"{name}: sizes"] = torch.tensor([(largest(x), x.norm().item()) for x in parts.values()]).float()
        assert all(x.isfinite().all() for x in parts.values()), name
    save_file(tensors, FOLDER / "torch.safetensors", metadata={"made with": made_with, "cases": json.dumps(cases)})

    travelling = next(case for case in cases if case["name"] == TRAVELLING)
    state = create_model(travelling["config"], travelling["seed"]).float().state_dict()
    save_file(to_eflow(state), FOLDER / "weights.safetensors", metadata={"made with": made_with, "case": travelling["name"]})
    for file in FOLDER.glob("*.safetensors"):
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
