"""Writes packages/flow/fixtures/torch.json: the objectives' losses and gradients, and the samplers' trajectories, in PyTorch.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, in float64 on the CPU:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    ENVIRONMENT/bin/python reference/flow_fixtures.py

One example at a time, by the equations as they are published (flow matching: arXiv 2210.02747; the solution map, guidance and
weights: SoFlow, arXiv 2512.15657; path-drop guidance: SPRINT, arXiv 2510.21986; additivity: EFlow, arXiv 2603.27086, and
SplitMeanFlow, arXiv 2507.16884; MeanFlow: arXiv 2505.13447), and torch differentiates. Differences of two maps are taken as
they stand, and divided; packages/flow has them in forms that lose fewer digits of float32.

Parameters, data and noise are formulas of integers that packages/flow/fixtures/cases.ts has too; times and dropped rows are in
the file, and float32 has them exactly. Stored are eight digits of the loss, of its value per example, of the mean square of
every residual and of the gradient of every parameter; of a sampler x after every step, and its passes.

Residuals near zero are left to the cases of m = s and m = t: their weight, 1 / eps, makes much of the rounding of float32.

MeanFlow's du/dt is a central difference in packages/flow, and here. Next to the Jacobian-vector product of torch.func.jvp,
MeanFlow's own, it is off by at most 6.5e-5 of the largest component with differenceStep 0.005 and by 1.6e-5 with 0.0025, as
its h^2 has it; main() prints both.
"""

import json
import math
from functools import partial
from itertools import product
from pathlib import Path

import torch

from video_dit_fixtures import numbers

FIXTURE = Path(__file__).parent.parent / "packages/flow/fixtures/torch.json"
L, C, E = 3, 5, 7  # tokens, channels, hidden size
NULL = 3  # "no condition", after three classes
SHAPES = {
    "noisy": (C, E),
    "timestep": (E,),
    "targetTimestep": (E,),
    "condition": (NULL + 1, E),
    "middle": (E, E),
    "gate": (E,),
    "output": (E, C),
    "bias": (C,),
}
HALF_PI = math.pi / 2


def create_parameters(name):
    return {
        part: (numbers(f"{name} {part}", shape) / 4 ** (len(shape) - 1)).requires_grad_() for part, shape in SHAPES.items()
    }


def predict(p, x, t, s, label, seen):
    """N(x, t, s, c) of one example x [L, C]: not linear in anything. Its middle is a branch that `seen` tokens alone take."""
    hidden = torch.tanh(x @ p["noisy"] + t * p["timestep"] + s * p["targetTimestep"] + p["condition"][label])
    branch = p["gate"] * torch.tanh(hidden @ p["middle"])
    return (hidden + torch.tensor([[float(token in seen)] for token in range(L)]) * branch) @ p["output"] + p["bias"]


def predict_from_data(form, p, x, t, *others):
    """N where `predict` gives the data x_0 of the jump to 0: by pixel MeanFlow's u = (x - x_0) / t (arXiv 2601.22158), or such that
    g(x, t, 0) = x_0 in trigonometric form. As in JiT's code (arXiv 2511.13720) no time below 0.05 is divided by."""
    data, t = predict(p, x, t, *others), max(t, 0.05)
    if form == "euler":
        return (x - data) / t
    return (math.cos(HALF_PI * t) * x - data) / math.sin(HALF_PI * t)


def network_of(case, form):
    """What gives N(x, t, s, c), called as `predict`."""
    return partial(predict_from_data, form) if case.get("predicts") == "data" else predict


def path_coefficients(path, t):
    """a, b, a', b' of x_t = a x_0 + b x_1."""
    if path == "linear":
        return 1 - t, t, -1, 1
    angle = HALF_PI * t
    return math.cos(angle), math.sin(angle), -HALF_PI * math.sin(angle), HALF_PI * math.cos(angle)


def apply_map(form, x, prediction, t, s):
    """g(x, t, s) = A x + B N."""
    if form == "euler":
        return x + (s - t) * prediction
    angle = HALF_PI * (s - t)
    return math.cos(angle) * x + math.sin(angle) * prediction


def velocity_factor(form):
    """dB/ds at s = t."""
    return {"euler": 1.0, "trigonometric": HALF_PI}[form]


def fade(t):
    """k(t) of guidance."""
    if t <= 0.8:
        return 1.0
    d = min((1 - t) / (1 - 0.8), 1 - 1e-6)
    return 1 - math.exp(-0.025 * d / (1 - d))


def weigh(d, options):
    return ((d.square().mean() + options["weightEps"]) ** -options["weightPower"]).detach()


def weighted_square(d, options):
    return weigh(d, options) * d.square().mean()


def time_derivative(u, x, t, s, velocity, h):
    """du/dt along the path, as a central difference."""
    return (u(x + h * velocity, t + h, s) - u(x - h * velocity, t - h, s)) / (2 * h)


def example_loss(p, case, one):
    """The loss of one example, and its residuals by the name of the term."""
    options, omega = case["options"], case["guidanceScale"]
    kind, form = options["kind"], options.get("map", "euler")
    network = network_of(case, form)
    t, jump, seen = one["t"], one["jump"], one["seen"]
    plain = one["conditionDropped"] or one["pathDropped"]
    same = options.get("weakCondition", "null") == "same"
    nothing = one["conditionDropped"] if same else plain
    label = NULL if nothing else one["label"]

    a, b, da, db = path_coefficients(options["path"], t)
    x, velocity = a * one["data"] + b * one["noise"], da * one["data"] + db * one["noise"]

    def u(at, t, s):
        return network(p, at, t, s, label, () if one["pathDropped"] else seen)

    factor = velocity_factor(form)
    target = velocity
    if kind != "flowMatching" and not plain:
        weak = options.get("guidanceReference") == "weak-path"
        v_ref = factor * network(p, x, t, t, label if weak and same else NULL, () if weak else seen)
        guided = velocity + fade(t) * (omega - 1) * (velocity - v_ref)
        mu = options["targetMixRatio"]
        target = (mu * guided + (1 - mu) * factor * u(x, t, t)).detach()

    if jump is None:
        d = factor * u(x, t, t) - target
        return weighted_square(d, options) / factor, {"velocityLoss": d}

    s, l, m = jump["targetTimestep"], jump["nearTimestep"], jump["middleTimestep"]
    if kind == "meanFlow":
        h = options["differenceStep"]
        d = u(x, t, s) - (target - (t - s) * time_derivative(u, x, t, s, target, h)).detach()
        return weighted_square(d, options), {"meanVelocityLoss": d}

    def g(at, t, s):
        return apply_map(form, at, u(at, t, s), t, s)

    defect = (g(x, t, s) - g(g(x, t, m), m, s).detach()) / (t - s)
    additivity = weighted_square(defect, options)
    if kind == "splitMeanFlow":
        return additivity, {"additivityLoss": defect}

    quotient = ((g(x, t, s) - g(x + (l - t) * target, l, s)) / (t - l)).detach()
    sign_of_b = -1
    solution = (sign_of_b * u(x, t, s) * quotient * weigh(quotient, options)).mean()
    weight = options.get("additivityWeight", 0)
    if weight == 0:
        return solution, {"solutionLoss": quotient}
    return solution + weight * additivity, {"solutionLoss": quotient, "additivityLoss": defect}


def examples(case, draws):
    times, jump = draws["velocityTimestep"], draws.get("jump")
    size, V = len(draws["conditionDropped"]), len(times)
    data, noise = (numbers(f"{case['name']} {part}", (size, L, C)) for part in ("data", "noise"))
    for i in range(size):
        yield {
            "data": data[i],
            "noise": noise[i],
            "label": i % 3,
            "seen": (i % 3, (i + 1) % 3) if case["tokensDropped"] else range(L),
            "t": times[i] if i < V else jump["timestep"][i - V],
            "jump": None if i < V else {name: values[i - V] for name, values in jump.items()},
            "conditionDropped": draws["conditionDropped"][i],
            "pathDropped": draws["pathDropped"][i],
        }


def compute(case, draws):
    """By name: the losses, the residuals' mean squares, and the gradients."""
    p = create_parameters(case["name"])
    losses, residuals = [], {}
    for one in examples(case, draws):
        loss, found = example_loss(p, case, one)
        losses.append(loss)
        for term, d in found.items():
            residuals.setdefault(term, []).append(d.detach())
    per_example = torch.stack(losses)
    gradients = torch.autograd.grad(per_example.mean(), list(p.values()))
    return {
        "loss": per_example.mean(),
        "lossPerExample": per_example,
        **{term: torch.stack(all_rows).square().mean() for term, all_rows in residuals.items()},
        **{f"gradient of {part}": gradient for part, gradient in zip(p, gradients)},
    }


def time_grid(count, grid):
    uniform = [1 - i / count for i in range(count + 1)]
    if grid["kind"] == "shifted":
        return [grid["shift"] * t / (1 + (grid["shift"] - 1) * t) for t in uniform]
    return [t**2 for t in uniform] if grid["kind"] == "quadratic" else uniform


def sample(case):
    """x after every step, and the network's passes: the strong ones, then the weak ones."""
    with torch.no_grad():
        p = create_parameters(case["name"])
        form, guidance, sampler = case["map"], case.get("guidance"), case["sampler"]
        network = network_of(case, form)
        passes = [0, 0]

        def evaluate(x, t, s, labels, weak=False):
            passes[weak] += 1
            return torch.stack([network(p, *one, () if weak else range(L)) for one in zip(x, *[[t] * 2, [s] * 2], labels)])

        def velocity(x, t):
            conditional = evaluate(x, t, t, (1, 2))
            if guidance is None:
                return velocity_factor(form) * conditional
            reference = evaluate(x, t, t, (NULL, NULL), guidance["reference"] == "weak-path")
            return velocity_factor(form) * (reference + guidance["scale"] * (conditional - reference))

        def step(x, t, s):
            if sampler == "fewStep":
                return apply_map(form, x, evaluate(x, t, s, (1, 2)), t, s)
            start = velocity(x, t)
            euler = x + (s - t) * start
            if sampler == "euler" or s == 0:
                return euler
            return x + (s - t) * (start + velocity(euler, s)) / 2

        states = [numbers(f"{case['name']} noise", (2, L, C))]
        times = time_grid(case["numSteps"], case["grid"])
        for t, s in zip(times, times[1:]):
            states.append(step(states[-1], t, s))
        return {"states": torch.stack(states[1:]), "passes": torch.tensor(passes)}


# In 1024ths: t; and t, s, l, m. Among them are t = 1, times at which guidance fades, s = 0, l = s.
VELOCITY_TIMES = [77, 512, 300, 901, 640, 1024]
JUMPS = [
    (700, 100, 640, 333),
    (833, 211, 800, 600),
    (990, 30, 900, 800),
    (500, 340, 340, 420),
    (260, 0, 230, 100),
    (800, 300, 779, 500),
    (900, 5, 850, 700),
    (164, 13, 143, 90),
    (1000, 512, 960, 700),
    (611, 290, 590, 411),
    (450, 1, 420, 200),
]
ROWS = len(VELOCITY_TIMES) + len(JUMPS)
# Below 0.05, which is 51.2, where networks that predict the data divide by 0.05; in jump rows the other times, too, or t alone.
EARLY_VELOCITY_TIMES = [0, 20, 51, 52, 700, 45]
EARLY_JUMPS = [(40, 5, 30, 20), (60, 3, 45, 40), (52, 0, 36, 51), (30, 1, 14, 2), *JUMPS[4:]]
CONDITION_DROPPED, PATH_DROPPED = (1, 4, 8, 13), (2, 4)  # row 4 loses both


def create_draws(gap=None, velocity_alone=False, dropped=True, middle_at_ends=False, early=False):
    """`gap`: t - l in every row. `middle_at_ends`: m = s in one row and m = t in another, which leave no residual."""
    velocity, jumps = (EARLY_VELOCITY_TIMES, EARLY_JUMPS) if early else (VELOCITY_TIMES, JUMPS)
    velocity, jumps = [t / 1024 for t in velocity], [[time / 1024 for time in jump] for jump in jumps]
    t, s, l, m = zip(*jumps)
    if gap:
        l = [time - gap for time in t]
    if middle_at_ends:
        m = [s[0], t[1], *m[2:]]
    jump = {"timestep": t, "targetTimestep": s, "nearTimestep": l, "middleTimestep": m}
    rows = range(ROWS)
    return {
        "velocityTimestep": [*velocity, *t] if velocity_alone else velocity,
        **({} if velocity_alone else {"jump": jump}),
        "conditionDropped": [dropped and i in CONDITION_DROPPED for i in rows],
        "pathDropped": [dropped and i in PATH_DROPPED for i in rows],
    }


DRAWS = {
    "usual": create_draws(),
    "velocity alone": create_draws(velocity_alone=True),
    "nothing dropped": create_draws(dropped=False),
    "m = s and m = t": create_draws(middle_at_ends=True),
    "t - l = 2^-10": create_draws(gap=2**-10),
    "t - l = 2^-13": create_draws(gap=2**-13),
    "t below 0.05": create_draws(early=True),
    "velocity alone, t below 0.05": create_draws(early=True, velocity_alone=True),
}
PATHS = "linear", "trigonometric"
MAPS = "euler", "trigonometric"
WEIGHTING = {"weightPower": 1, "weightEps": 0.01}


def plan_objectives():
    """Name, options, omega and what else is not as usual."""

    def named(kind, omega, options, remark=None, **others):
        words = [kind, *(f"{key} {value}" for key, value in options.items()), f"guidanceScale {omega}"]
        name = ", ".join([*words, *([remark] if remark else [])])
        return name, {**WEIGHTING, "kind": kind, **options}, omega, others

    for path, form in product(PATHS, MAPS):
        yield named("flowMatching", 1, {"path": path, "map": form}, draws="velocity alone")

    # The last choice follows from the others, such that all pairs and triples of choices occur.
    for i, j, k in product((0, 1), repeat=3):
        options = {"path": PATHS[i], "map": MAPS[j], "targetMixRatio": (1, 0.25)[k]}
        yield named("solutionFlow", (1, 3)[i ^ j ^ k], options)
        yield named("splitMeanFlow", (1, 3)[i ^ j ^ k], options)
        step = {"path": PATHS[i], "targetMixRatio": (1, 0.25)[j], "differenceStep": 1 / 64}
        yield named("meanFlow", (1, 3)[k], step)
    # Two of seven choices follow from the others, and still all triples occur.
    for reference, condition, weight, mu, omega in product((0, 1), repeat=5):
        yield named(
            "eflow",
            (1, 3)[omega],
            {
                "path": PATHS[weight ^ mu ^ omega],
                "map": MAPS[reference ^ condition ^ weight],
                "guidanceReference": ("weak-path", "unconditional")[reference],
                "weakCondition": ("null", "same")[condition],
                "additivityWeight": (0, 0.7)[weight],
                "targetMixRatio": (1, 0.25)[mu],
            },
        )

    usual = {"guidanceReference": "weak-path", "weakCondition": "null", "additivityWeight": 0.1, "targetMixRatio": 0.25}
    for path, form in product(PATHS, MAPS):
        options = {"path": path, "map": form, **usual}
        for remark in "nothing dropped", "m = s and m = t", "t - l = 2^-10", "t - l = 2^-13":
            yield named("eflow", 3, options, remark, draws=remark, tokensDropped=remark != "nothing dropped")
    for power, eps in (0, 0.01), (0.5, 0.3):
        weighting = {"weightPower": power, "weightEps": eps}
        yield named("eflow", 2, {"path": "linear", "map": "trigonometric", **usual, **weighting})
        yield named("flowMatching", 1, {"path": "trigonometric", "map": "trigonometric", **weighting}, draws="velocity alone")
    yield named("meanFlow", 3, {"path": "linear", "targetMixRatio": 0.25, "differenceStep": 0.005})

    # Of the data: every kind and reference, both forms, on the form's own path and, of one case, on another.
    for path, form, early in product(PATHS, MAPS, (False, True)):
        if path != form.replace("euler", "linear") and early:
            continue
        options, remark = {"path": path, "map": form}, ", t below 0.05" if early else ""
        others = {"draws": remark[2:] or "usual", "predicts": "data"}
        alone = {**others, "draws": f"velocity alone{remark}"}
        mixed = {**options, "targetMixRatio": 0.25}
        yield named("flowMatching", 1, options, f"of the data{remark}", **alone)
        yield named("solutionFlow", 3, mixed, f"of the data{remark}", **others)
        yield named("splitMeanFlow", 3, mixed, f"of the data{remark}", **others)
        for reference, condition in ("weak-path", "null"), ("weak-path", "same"), ("unconditional", "null"):
            guided = {"guidanceReference": reference, "weakCondition": condition, "additivityWeight": 0.7}
            yield named("eflow", 3, {**mixed, **guided}, f"of the data{remark}", **others)
        if form == "euler":
            step = {"path": path, "targetMixRatio": 0.25, "differenceStep": 1 / 64}
            yield named("meanFlow", 3, step, f"of the data{remark}", **others)


def plan_trajectories():
    uniform, shifted, quadratic = {"kind": "uniform"}, {"kind": "shifted", "shift": 3}, {"kind": "quadratic"}
    for form in MAPS:
        for count, grid in (1, uniform), *product((2, 4), (uniform, shifted, quadratic)):
            yield {"sampler": "fewStep", "map": form, "numSteps": count, "grid": grid}
        guidances = None, {"reference": "unconditional", "scale": 1.5}, {"reference": "weak-path", "scale": 2.25}
        for sampler, guidance in product(("euler", "heun"), guidances):
            given = {"guidance": guidance} if guidance else {}
            yield {"sampler": sampler, "map": form, "numSteps": 3, "grid": uniform, **given}
            if guidance is None:
                yield {"sampler": sampler, "map": form, "numSteps": 4, "grid": quadratic}
            yield {"sampler": sampler, "map": form, "numSteps": 3, "grid": uniform, **given, "predicts": "data"}
        # The last of six quadratic steps begin below 0.05.
        for sampler, count, grid in (
            ("fewStep", 1, uniform), ("fewStep", 4, uniform), *((s, 6, quadratic) for s in ("fewStep", "euler", "heun")),
        ):
            yield {"sampler": sampler, "map": form, "numSteps": count, "grid": grid, "predicts": "data"}


def name_trajectory(case):
    guidance = case.get("guidance")
    guided = [f"{guidance['reference']} {guidance['scale']}"] if guidance else []
    predicts = ["of the data"] if "predicts" in case else []
    return ", ".join([case["sampler"], case["map"], f"{case['numSteps']} {case['grid']['kind']} steps", *guided, *predicts])


def derivative_error(h):
    """The central difference against torch.func.jvp: the largest difference, relative to the largest component."""
    error = largest = 0.0
    p = create_parameters("derivative")
    for one in examples({"name": "derivative", "tokensDropped": True}, DRAWS["usual"]):
        if one["jump"] is None:
            continue
        t, s = (torch.tensor(time) for time in (one["t"], one["jump"]["targetTimestep"]))
        x, velocity = (1 - t) * one["data"] + t * one["noise"], one["noise"] - one["data"]

        def u(at, t, s):
            return predict(p, at, t, s, one["label"], one["seen"])

        _, exact = torch.func.jvp(lambda at, t: u(at, t, s), (x, t), (velocity, torch.ones_like(t)))
        error = max(error, (time_derivative(u, x, t, s, velocity, h) - exact).abs().max().item())
        largest = max(largest, exact.abs().max().item())
    return error / largest


def stored(parts):
    for name, x in parts.items():
        assert x.isfinite().all(), name
    return {name: [float(f"{value:.8g}") for value in x.flatten().tolist()] for name, x in parts.items()}


def main():
    objectives = []
    for name, options, omega, others in plan_objectives():
        case = {"name": name, "options": options, "guidanceScale": omega, "draws": "usual", "tokensDropped": True, **others}
        objectives.append({**case, "expected": stored(compute(case, DRAWS[case["draws"]]))})
    trajectories = []
    for case in plan_trajectories():
        case = {"name": name_trajectory(case), **case}
        trajectories.append({**case, "expected": stored(sample(case))})
    names = [case["name"] for case in objectives + trajectories]
    assert len(set(names)) == len(names)

    made_with = f"reference/flow_fixtures.py, torch {torch.__version__.split('+')[0]}"

    def lines(cases):
        return "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"

    FIXTURE.write_text(
        f'{{"made with": "{made_with}",\n"draws": {json.dumps(DRAWS)},\n'
        f'"objectives": {lines(objectives)},\n"trajectories": {lines(trajectories)}}}\n'
    )
    print(f"{FIXTURE}: {len(objectives)} + {len(trajectories)} cases, {FIXTURE.stat().st_size / 1e3:.0f} kB")
    for h in 0.005, 0.0025:
        print(f"du/dt by differences of step {h} against a Jacobian-vector product: {derivative_error(h):.2g}")


if __name__ == "__main__":
    main()
