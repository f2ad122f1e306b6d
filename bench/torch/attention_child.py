"""An attention kernel in PyTorch: answers requests, one JSON line each on standard input, with one JSON line on standard
output.

Its argument is the JSON form of a ChildSpec (src/attention/contestants.ts). Inputs and the results to compare with come
from the reference files in the folder that it names.
"""

import ctypes
import functools
import gc
import json
import sys

import torch
from safetensors import safe_open
from torch import Tensor

from attention import Kernel, create_kernels
from difference import relative_difference
from forms import find_fastest
from serve import serve, serve_products, time_calls

RUNS = ("forward", "gradient")
TRIALS = 3

Results = dict[str, Tensor]


class Contestant:
    def __init__(self, spec: dict, length: int):
        self.names = ["q", "k", "v"] + (["gate"] if spec["kind"] == "glga" else [])
        with safe_open(f"{spec['folder']}/inputs-{length}.safetensors", "pt") as tensors:
            self.inputs = [tensors.get_tensor(name).clone().requires_grad_() for name in self.names]
            self.dy = tensors.get_tensor("dy").clone()
        self.expected = f"{spec['folder']}/{spec['kind']}-{length}.safetensors"
        self.kernels = {run: self.create_kernels(spec, run, length) for run in RUNS}
        self.form: dict[str, str] = {}

    @staticmethod
    def create_kernels(spec: dict, run: str, length: int) -> dict[str, Kernel]:
        compiled = spec["mode"] == "compiled"
        flex = compiled and run == "forward"
        kernels = create_kernels(spec["kind"], length, spec["shape"]["windowSize"], flex)
        if not compiled:
            return kernels
        return {form: torch.compile(kernel, dynamic=False) for form, kernel in kernels.items()}

    def call(self, run: str, form: str) -> Results:
        kernel = self.kernels[run][form]
        if run == "forward":
            with torch.inference_mode():
                return {"output": kernel(*self.inputs)}
        output = kernel(*self.inputs)
        grads = torch.autograd.grad(output, self.inputs, self.dy)
        return {"output": output.detach(), **{f"grads.{name}": grad for name, grad in zip(self.names, grads)}}

    def first_call(self, run: str) -> dict:
        """Of every way to write it; keeps the fastest, and names it if there are several."""
        seconds = {form: self.time(run, form, {}) for form in self.kernels[run]}
        self.form[run] = find_fastest(self.kernels[run], TRIALS, lambda form: self.time(run, form, {}))
        # What is free goes back to the system, so that the memory in use is what stays loaded.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        form = {"form": self.form[run]} if len(seconds) > 1 else {}
        return {"seconds": seconds[self.form[run]], **form}

    def time(self, run: str, form: str, request: dict) -> list[float]:
        return time_calls(lambda: self.call(run, form), request)

    def check(self) -> dict:
        return {"difference": {run: max(self.compare(run, form) for form in self.kernels[run]) for run in RUNS}}

    def compare(self, run: str, form: str) -> float:
        with safe_open(self.expected, "pt") as tensors:
            return max(
                relative_difference(actual, tensors.get_tensor(name)) for name, actual in self.call(run, form).items()
            )


def main() -> None:
    spec = json.loads(sys.argv[1])
    contestant: Contestant | None = None

    def load(request: dict) -> dict:
        nonlocal contestant
        contestant = Contestant(spec, request["length"])
        return {}

    def time(run: str, request: dict) -> dict:
        return {"seconds": contestant.time(run, contestant.form[run], request)}

    serve(
        {
            "hello": lambda _: {"version": torch.__version__},
            "load": load,
            "first-forward": lambda _: contestant.first_call("forward"),
            "first-gradient": lambda _: contestant.first_call("gradient"),
            "check": lambda _: contestant.check(),
            **{run: functools.partial(time, run) for run in RUNS},
            **serve_products(spec["productSize"]),
        }
    )


main()
