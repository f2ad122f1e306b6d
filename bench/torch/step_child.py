"""A network in PyTorch: answers requests, one JSON line each on standard input, with one JSON line on standard output.

Its argument is the JSON form of a ChildSpec (src/network/contestants.ts). Parameters, batch and the predictions to compare
with come from the folder that it names; the network is that of reference/video_dit.py.
"""

import contextlib
import functools
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))

import video_dit
from attention import Kernel, create_kernels
from difference import relative_difference
from forms import find_fastest
from serve import serve, serve_products, time_calls

LEARNING_RATE = 1e-4
BETAS = (0.9, 0.99)
CLIP_NORM = 1.0
EMA_DECAY = 0.9999
TRIALS = 2

Batch = dict[str, Tensor]


def attend(kernels: dict[int, Kernel], spec: dict, inputs: dict[str, Tensor], rotary: video_dit.Rotary, grid) -> Tensor:
    """A kernel as VideoDiT takes it, of those for its lengths."""
    kernel = kernels[inputs["q"].shape[2]]
    return kernel(*inputs.values(), turn=lambda x: video_dit.rotate(x, rotary))


def create_attention(spec: dict, lengths: set[int]) -> dict[str, video_dit.Kernel]:
    """The ways to write it, by name, for sequences of these lengths."""
    kernels = {length: create_kernels(spec["kind"], length, spec.get("windowSize", 0)) for length in lengths}
    forms = next(iter(kernels.values()))
    return {
        form: functools.partial(attend, {length: of_length[form] for length, of_length in kernels.items()})
        for form in forms
    }


def create_models(network: dict, params: dict[str, Tensor], lengths: set[int]) -> dict[str, video_dit.VideoDiT]:
    """One for each way to write attention; they share their parameters."""
    models = {
        form: video_dit.VideoDiT(network, kernel)
        for form, kernel in create_attention(network["attention"], lengths).items()
    }
    first, *others = models.values()
    first.load_state_dict(video_dit.to_torch(params))
    for model in others:
        model.load_state_dict(first.state_dict(keep_vars=True), assign=True)
    return models


def predict(model: video_dit.VideoDiT, batch: Batch, weak: bool) -> Tensor:
    return model(
        batch["noisy"],
        batch["timestep"],
        batch["targetTimestep"],
        batch["condition.labels"],
        kept_tokens=None if weak else batch.get("keptTokens"),
        weak=weak,
        rotary=(batch["cos"], batch["sin"]),
    )


def velocity_loss(model: video_dit.VideoDiT, batch: Batch) -> Tensor:
    return F.mse_loss(predict(model, batch, weak=False).float(), batch["velocity"])


class Contestant:
    def __init__(self, spec: dict):
        workload = spec["workload"]
        inputs = load_file(f"{spec['folder']}/inputs.safetensors")
        part = {
            prefix: {name.removeprefix(prefix): x for name, x in inputs.items() if name.startswith(prefix)}
            for prefix in ("params.", "batch.")
        }
        self.expected = f"{spec['folder']}/predictions.safetensors"
        self.batch = part["batch."]
        lengths = {workload["tokens"]}
        if "keptTokens" in self.batch:
            self.batch["keptTokens"] = self.batch["keptTokens"].long()
            lengths.add(self.batch["keptTokens"].shape[1])
        self.models = create_models(workload["network"], part["params."], lengths)
        bf16 = spec["precision"] == "bf16"
        self.autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16) if bf16 else contextlib.nullcontext
        run = functools.partial(torch.compile, dynamic=False) if spec["mode"] == "compiled" else lambda fn: fn
        self.predict, self.velocity_loss = run(predict), run(velocity_loss)
        self.form: dict[str, str] = {}
        first = next(iter(self.models.values()))
        # Made once, as someone who trains on clips of one size would have it.
        self.batch["cos"], self.batch["sin"] = first.rotary(self.batch["noisy"])
        self.params = [p for p in first.parameters() if p.requires_grad]
        self.ema = [p.detach().clone() for p in self.params]
        self.optimizer = torch.optim.AdamW(self.params, lr=LEARNING_RATE, betas=BETAS, weight_decay=0.0, fused=True)
        self.steps = 0

    def forward(self, run: str, form: str) -> Tensor:
        with torch.inference_mode(), self.autocast():
            return self.predict(self.models[form], self.batch, run == "weak")

    def check(self, run: str) -> float:
        return relative_difference(self.forward(run, self.form[run]).float(), load_file(self.expected)[run])

    def gradient(self, form: str) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.velocity_loss(self.models[form], self.batch)
        loss.backward()
        return loss.detach()

    def step(self) -> dict:
        loss = self.gradient(self.form["step"])
        norm = torch.nn.utils.clip_grad_norm_(self.params, CLIP_NORM)
        self.optimizer.step()
        decay = min(EMA_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.params], 1 - decay)
        self.steps += 1
        return {"loss": loss.item(), "gradNorm": norm.item()}

    def time(self, run: str, request: dict) -> dict:
        """Calls of a run; the first one tries every way to write attention, keeps the fastest, and names it."""
        first = self.try_forms(run) if run not in self.form else {}
        if run != "step":
            calls = time_calls(lambda: self.forward(run, self.form[run]), request)
            return {"seconds": first.pop("seconds", calls), **first}
        values = {}
        calls = time_calls(lambda: values.update(self.step()), request)
        return {"seconds": first.pop("seconds", calls), **first, **values}

    def try_forms(self, run: str) -> dict:
        """Leaves parameters as they are. Of a lone form nothing is to be said."""
        if len(self.models) == 1:
            (self.form[run],) = self.models
            return {}
        call = self.gradient if run == "step" else functools.partial(self.forward, run)

        def seconds_of(form: str) -> list[float]:
            return time_calls(lambda: call(form), {})

        first = {form: seconds_of(form) for form in self.models}
        self.form[run] = find_fastest(self.models, TRIALS, seconds_of)
        return {"seconds": first[self.form[run]], "form": self.form[run]}


def main() -> None:
    spec = json.loads(sys.argv[1])
    contestant = functools.cache(lambda: Contestant(spec))

    def hello(_: dict) -> dict:
        contestant()
        return {"version": torch.__version__}

    def time(run: str, request: dict) -> dict:
        return contestant().time(run, request)

    def check(run: str, _: dict) -> dict:
        return {"difference": contestant().check(run)}

    serve(
        {
            "hello": hello,
            **{run: functools.partial(time, run) for run in ("forward", "weak", "step")},
            **{f"check-{run}": functools.partial(check, run) for run in ("forward", "weak")},
            **serve_products(spec["productSize"]),
        }
    )


main()
