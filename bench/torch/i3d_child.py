"""I3D in PyTorch: answers requests, one JSON line each on standard input, with one JSON line on standard output.

Its argument is the JSON form of a ChildSpec (src/fvd/command.ts). Weights, clips and the logits to compare with come from the
folder that it names; the network is that of reference/i3d.py.
"""

import functools
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))

from difference import relative_difference
from i3d import I3D
from serve import serve, time_calls


class Contestant:
    def __init__(self, spec: dict):
        state = load_file(f"{spec['folder']}/inputs.safetensors")
        # As those who measure FVD would have it: channels last is what convolutions on CPUs are fastest with.
        self.clips = state.pop("clips").permute(0, 4, 1, 2, 3).contiguous(memory_format=torch.channels_last_3d)
        self.model = I3D().eval()
        self.model.load_state_dict(state, strict=False)  # but for the counts of batch norm's steps
        self.model = self.model.to(memory_format=torch.channels_last_3d)
        self.run = torch.compile(self.model, dynamic=False) if spec["mode"] == "compiled" else self.model
        self.expected = f"{spec['folder']}/logits.safetensors"

    def forward(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.run(self.clips)[0]

    def check(self) -> float:
        return relative_difference(self.forward(), load_file(self.expected)["logits"])


def main() -> None:
    spec = json.loads(sys.argv[1])
    contestant = functools.cache(lambda: Contestant(spec))

    def hello(_: dict) -> dict:
        contestant()
        return {"version": torch.__version__}

    serve(
        {
            "hello": hello,
            "forward": lambda request: {"seconds": time_calls(contestant().forward, request)},
            "check": lambda _: {"difference": contestant().check()},
        }
    )


main()
