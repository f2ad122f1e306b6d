"""Writes packages/optim/src/fixtures/torch.json: AdamW, Muon, gradient clipping and learning rates as PyTorch computes them.

Made with Python 3.11, torch 2.15.0, on the CPU:
    python reference/optim_fixtures.py
"""

import json
from pathlib import Path
from unittest.mock import patch

import torch

FIXTURE = Path(__file__).parent.parent / "packages/optim/src/fixtures/torch.json"
STEPS = 6
generator = torch.Generator().manual_seed(1)


def draw(*shape):
    return torch.randn(*shape, generator=generator)


def values(tensor):
    return tensor.detach().flatten().tolist()


initial = [draw(3, 2), draw(5)]
grads = [[draw(3, 2) * 10.0 ** (i - 3), draw(5)] for i in range(STEPS)]

adamw = []
for options in [
    {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0},
    {"lr": 3e-1, "betas": (0.8, 0.999), "eps": 1e-3, "weight_decay": 0.1},
    {"lr": 1e-2, "betas": (0.0, 0.0), "eps": 1e-8, "weight_decay": 0.0},
]:
    params = [torch.nn.Parameter(p.clone()) for p in initial]
    optimizer = torch.optim.AdamW(params, **options)
    after = []
    for step in grads:
        for param, grad in zip(params, step):
            param.grad = grad.clone()
        optimizer.step()
        after.append([values(p) for p in params])
    adamw.append({"options": options, "after": after})

# Weights [out, in] as PyTorch has them; [5, 3] and [3, 5] are the same matrices to Muon but for the transposition.
# PyTorch's Muon multiplies in bfloat16 whatever the parameters are, here in float64 instead.
shapes = {"wide": (3, 5), "tall": (5, 3), "square": (4, 4)}
muon_generator = torch.Generator().manual_seed(2)
start = {name: torch.randn(*shape, generator=muon_generator) for name, shape in shapes.items()}
muon_grads = [
    {name: torch.randn(*shape, generator=muon_generator) * 10.0 ** (i - 3) for name, shape in shapes.items()}
    for i in range(STEPS)
]
muon = []
for options in [
    {"lr": 1e-2, "momentum": 0.95, "weight_decay": 0.0},
    {"lr": 3e-1, "momentum": 0.8, "weight_decay": 0.1},
    {"lr": 1e-2, "momentum": 0.0, "weight_decay": 0.0},
]:
    params = {name: torch.nn.Parameter(p.double()) for name, p in start.items()}
    optimizer = torch.optim.Muon(params.values(), **options, adjust_lr_fn="match_rms_adamw")
    after = []
    for step in muon_grads:
        for name, param in params.items():
            param.grad = step[name].double()
        with patch("torch.bfloat16", torch.float64):
            optimizer.step()
        after.append({name: values(p) for name, p in params.items()})
    muon.append({"options": options, "after": after})

clipping = []
for max_norm in [0.5, 1.0, 1e6]:
    for step in [grads[0], grads[5], [torch.zeros(3, 2), torch.zeros(5)]]:
        params = [torch.nn.Parameter(p.clone()) for p in initial]
        for param, grad in zip(params, step):
            param.grad = grad.clone()
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
        clipping.append(
            {
                "maxNorm": max_norm,
                "grads": [values(g) for g in step],
                "norm": norm.item(),
                "clipped": [values(p.grad) for p in params],
            }
        )

# Linear warm-up over 4 updates, then half a cosine to zero at update 12.
parameter = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([parameter], lr=2.0)
scheduler = torch.optim.lr_scheduler.SequentialLR(
    optimizer,
    [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / 4),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8),
    ],
    milestones=[4],
)
rates = []
for _ in range(13):
    rates.append(scheduler.get_last_lr()[0])
    optimizer.step()
    scheduler.step()

FIXTURE.write_text(
    json.dumps(
        {
            "made with": f"reference/optim_fixtures.py, torch {torch.__version__}",
            "shapes": [[3, 2], [5]],
            "initial": [values(p) for p in initial],
            "grads": [[values(g) for g in step] for step in grads],
            "adamw": adamw,
            "muon": {
                "shapes": shapes,
                "initial": {name: values(p) for name, p in start.items()},
                "grads": [{name: values(g) for name, g in step.items()} for step in muon_grads],
                "runs": muon,
            },
            "clipping": clipping,
            "warmupCosine": {"learningRate": 2.0, "warmupSteps": 4, "totalSteps": 12, "rates": rates},
        },
        indent=1,
    )
    + "\n"
)
