"""A PyTorch contestant: answers requests, one JSON line each on standard input, with one JSON line on standard output.

Its argument is the JSON form of a ChildSpec (src/contestants.ts). Parameters, batch and the prediction to compare with
come from the reference file that it names.
"""

import contextlib
import functools
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

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


def timed(fn) -> dict:
    start = time.perf_counter()
    values = fn()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, **(values if isinstance(values, dict) else {})}


@functools.cache
def factors(size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)


def product(size: int, dtype: torch.dtype) -> dict:
    a, b = factors(size, dtype)
    return timed(lambda: torch.mm(a, b))


def main() -> None:
    # Whatever else prints to standard output must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    spec = json.loads(sys.argv[1])
    contestant = functools.cache(lambda: Contestant(spec))
    handlers = {
        "hello": lambda: {"version": torch.__version__},
        "forward": lambda: timed(contestant().forward),
        "check": lambda: contestant().check(),
        "step": lambda: timed(contestant().step),
        "gemm-float32": lambda: product(spec["productSize"], torch.float32),
        "gemm-bf16": lambda: product(spec["productSize"], torch.bfloat16),
    }
    for line in sys.stdin:
        try:
            answer = handlers[json.loads(line)["run"]]()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


main()
