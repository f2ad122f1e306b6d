"""The child's half of the protocol of src/child.ts, for PyTorch."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

Handler = Callable[[dict], dict]


def serve(handlers: dict[str, Handler]) -> None:
    """Answers requests, one JSON line each on standard input, with one JSON line on standard output."""
    # Whatever else prints to standard output must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request["run"]](request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


def time_calls(call: Callable[[], object], request: dict) -> list[float]:
    """The seconds of one call, or of as many as fit into the request's `forSeconds`; results are released off the clock."""
    seconds: list[float] = []
    total = 0.0
    while not seconds or total < request.get("forSeconds", 0):
        start = time.perf_counter()
        made = call()
        seconds.append(time.perf_counter() - start)
        total += seconds[-1]
        del made
    return seconds


def serve_products(size: int) -> dict[str, Handler]:
    """The answers to requests for square products."""

    @functools.cache
    def factors(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)

    def product(dtype: torch.dtype, request: dict) -> dict:
        a, b = factors(dtype)
        return {"seconds": time_calls(lambda: torch.mm(a, b), request)}

    return {
        "gemm-float32": functools.partial(product, torch.float32),
        "gemm-bf16": functools.partial(product, torch.bfloat16),
    }
