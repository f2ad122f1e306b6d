"""Writes packages/fvd/src/fixtures/frechet.json: Frechet distances by the usual recipe, scipy.linalg.sqrtm.

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1, torch 2.15.0:
    python reference/frechet_fixtures.py

Of `pairs` the features are not stored: they are formulas of integers that the test has too, and exact in float64. Every other has
fewer rows than features, so that its covariances are singular.
"""

import json
from pathlib import Path

import numpy
import scipy

from video_dit_fixtures import numbers

FIXTURE = Path(__file__).parent.parent / "packages/fvd/src/fixtures/frechet.json"
random = numpy.random.default_rng(1)


def frechet(a, b, ddof):
    mean_a, mean_b = a.mean(0), b.mean(0)
    cov_a, cov_b = numpy.cov(a, rowvar=False, ddof=ddof), numpy.cov(b, rowvar=False, ddof=ddof)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(((mean_a - mean_b) ** 2).sum() + numpy.trace(cov_a + cov_b - 2 * root.real))


cases = []
for name, rows_a, rows_b, features in [("full rank", 40, 30, 7), ("one feature pair", 9, 5, 2), ("barely full rank", 9, 10, 8)]:
    # Rounded, so that the file holds the very numbers that were used.
    mix = random.normal(size=(features, features))
    a = numpy.round(random.normal(size=(rows_a, features)) @ mix, 3)
    b = numpy.round(random.normal(size=(rows_b, features)) * 2 + 1, 3)
    cases.append(
        {
            "name": name,
            "numFeatures": features,
            "a": a.flatten().tolist(),
            "b": b.flatten().tolist(),
            "meanA": a.mean(0).tolist(),
            "covarianceA": numpy.cov(a, rowvar=False, ddof=1).flatten().tolist(),
            "N": frechet(a, b, 0),
            "N-1": frechet(a, b, 1),
        }
    )

pairs = []
for i in range(200):
    features = 2 + i % 23
    rows = [2 + (7 * i) % features, 2 + (5 * i) % features] if i % 2 else [features + 3 + i % 17, features + 2 + i % 29]
    mix = numbers(f"frechet {i} mix", [features, features])
    a, b = ((numbers(f"frechet {i} {name}", [count, features]) @ mix).numpy() for name, count in zip("ab", rows))
    b = b / 2 + 1
    pairs.append({"numFeatures": features, "rows": rows, "N": frechet(a, b, 0), "N-1": frechet(a, b, 1)})

made_with = f"reference/frechet_fixtures.py, numpy {numpy.__version__}, scipy {scipy.__version__}"
FIXTURE.write_text(json.dumps({"made with": made_with, "cases": cases, "pairs": pairs}) + "\n")
