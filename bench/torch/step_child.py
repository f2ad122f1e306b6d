"""A PyTorch contestant: answers requests, one JSON line each on standard input, with one JSON line on standard output.

Its argument is the JSON form of a ChildSpec (src/contestants.ts). Parameters, batch and the prediction to compare with
come from the reference file that it names.
"""

import contextlib
import functools
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from serve import serve, serve_products, time_calls
from video_dit import VideoDiT

LEARNING_RATE = 1e-4
BETAS = (0.9, 0.99)
CLIP_NORM = 1.0
EMA_DECAY = 0.9999


def load_model(network: dict, tensors: dict[str, Tensor]) -> VideoDiT:
    model = VideoDiT(network)
    state = {name: tensors[f"params.{name}"] for name in model.state_dict()}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):  # [in, out] in the file, [out, in] here
            state[f"{name}.weight"] = state[f"{name}.weight"].T
    model.load_state_dict(state)
    return model


def predict(model: VideoDiT, batch: dict[str, Tensor]) -> Tensor:
    return model(batch["noisy"], batch["timestep"], batch["targetTimestep"], batch["condition"])


def velocity_loss(model: VideoDiT, batch: dict[str, Tensor]) -> Tensor:
    return F.mse_loss(predict(model, batch).float(), batch["velocity"])


class Contestant:
    def __init__(self, spec: dict):
        tensors = load_file(spec["reference"])
        self.expected = tensors["prediction"]
        self.batch = {name.removeprefix("batch."): t for name, t in tensors.items() if name.startswith("batch.")}
        self.model = load_model(spec["network"], tensors)
        bf16 = spec["precision"] == "bf16"
        self.autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16) if bf16 else contextlib.nullcontext
        compiled = spec["mode"] == "compiled"
        self.predict = torch.compile(predict) if compiled else predict
        self.velocity_loss = torch.compile(velocity_loss) if compiled else velocity_loss
        self.params = [p for p in self.model.parameters() if p.requires_grad]
        self.ema = [p.detach().clone() for p in self.params]
        self.optimizer = torch.optim.AdamW(self.params, lr=LEARNING_RATE, betas=BETAS, weight_decay=0.0, fused=True)
        self.steps = 0

    def forward(self) -> Tensor:
        with torch.inference_mode(), self.autocast():
            return self.predict(self.model, self.batch)

    def check(self) -> dict:
        difference = (self.forward().float() - self.expected).abs().max() / self.expected.abs().max()
        return {"difference": difference.item()}

    def step(self) -> dict:
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.velocity_loss(self.model, self.batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.params, CLIP_NORM)
        self.optimizer.step()
        decay = min(EMA_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.params], 1 - decay)
        self.steps += 1
        return {"loss": loss.item(), "gradNorm": norm.item()}


def main() -> None:
    spec = json.loads(sys.argv[1])
    contestant = functools.cache(lambda: Contestant(spec))

    def step(request: dict) -> dict:
        values = {}
        return {"seconds": time_calls(lambda: values.update(contestant().step()), request), **values}

    serve(
        {
            "hello": lambda _: {"version": torch.__version__},
            "forward": lambda request: {"seconds": time_calls(contestant().forward, request)},
            "check": lambda _: contestant().check(),
            "step": step,
            **serve_products(spec["productSize"]),
        }
    )


main()
