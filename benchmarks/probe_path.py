"""The whole regularization path of the probe against scikit-learn's LogisticRegressionCV.

    python -m benchmarks.probe_path [--quick]

Both fit the same 15 strengths on the same standardised rows and choose among them on the same fifth
of the rows. The rows are made: a spectrum that falls like that of frozen features, ten classes that
overlap. 100,000 x 768 in full, 5,000 x 128 with --quick.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Agreement, Result, Row, figures
from benchmarks.sides import Contender, Measured, Outcome, Work, race

CLASSES = 10
WANTED = 5.0
EQUAL, APART = 0.99, 1e-3
"""Share of equal predictions and difference of log loss that pass as the same model: both solvers
stop at a gradient of about 1e-4."""


def rows(n: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, float32, classes, and which rows validate."""
    draw = np.random.default_rng(0)
    falling = np.arange(1, width + 1) ** -0.5
    along = (draw.standard_normal((n, width)) * falling).astype(np.float32)
    turn = np.linalg.qr(draw.standard_normal((width, width)))[0].astype(np.float32)
    said = along @ (1.5 * draw.standard_normal((width, CLASSES))).astype(np.float32)
    targets = (said + draw.gumbel(size=said.shape)).argmax(axis=1)
    return along @ turn, targets, draw.permutation(n) < n // 5


def ours(n: int, width: int) -> Work:
    """What `LinearProbe.fit` does after the features are there."""
    from harness.strategies.probe_path import best_on_path
    from harness.tasks.classification import Classification

    x, y, held = rows(n, width)
    task = Classification(tuple(f"class {index}" for index in range(CLASSES)), metric="accuracy")

    def work() -> Outcome:
        chosen, model = best_on_path(
            task, (x[~held], y[~held]), (x[held], y[held]), cancelled=lambda: False
        )
        return Outcome({"C": chosen, "probabilities": model.probabilities(x[held])})

    return work


def peer(n: int, width: int) -> Work:
    """LogisticRegressionCV with a predefined split, which keeps the model of the training rows."""
    import warnings

    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import StandardScaler

    from harness.strategies.probe_path import STRENGTHS

    x, y, held = rows(n, width)
    options: dict[str, Any] = {"max_iter": 1000, "refit": False, "scoring": "accuracy"}

    def work() -> Outcome:
        scaler = StandardScaler().fit(x[~held])
        scaled = scaler.transform(x)
        split = PredefinedSplit(np.where(held, 0, -1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # names of parameters
            model = LogisticRegressionCV(Cs=list(STRENGTHS), cv=split, **options).fit(scaled, y)
        chosen = float(np.ravel(model.C_)[0])
        return Outcome({"C": chosen, "probabilities": model.predict_proba(scaled[held])})

    return work


def agreement(one: Measured, other: Measured, truth: np.ndarray) -> Agreement:
    """Same strength, same predictions, same log loss on the validation rows."""
    a, b = one.outcome.values, other.outcome.values
    said = [side["probabilities"].argmax(axis=1) for side in (a, b)]
    losses = [
        -np.log(side["probabilities"][np.arange(len(truth)), truth]).mean() for side in (a, b)
    ]
    equal = float((said[0] == said[1]).mean())
    same = bool(np.isclose(a["C"], b["C"]))
    words = f"C = {a['C']:.3g}" if same else f"C = {a['C']:.3g} and {b['C']:.3g}"
    return Agreement(
        f"{words}, {equal:.1%} equal predictions, log loss {losses[0]:.4f} and {losses[1]:.4f}",
        same and equal >= EQUAL and bool(abs(losses[0] - losses[1]) <= APART),
    )


def measure(asked: Asked) -> Result:
    n, width = (5_000, 128) if asked.quick else (100_000, 768)
    size = {"n": n, "width": width}
    sides = (Contender("harness", ours, size), Contender("LogisticRegressionCV", peer, size))
    one, other = race(sides, rounds=asked.rounds, threads=asked.threads)
    _, targets, held = rows(n, width)
    why = ""
    if other.median / one.median < WANTED and asked.quick:
        why = (
            "with few rows the passes are short and what L-BFGS does between them, about equal on "
            "both sides, counts"
        )
    return result(
        rows=(
            Row(
                title=f"regularization path of the probe, {n:,} x {width}, {CLASSES} classes",
                ours=figures(one),
                peer=figures(other),
                wanted=WANTED,
                agreement=agreement(one, other, targets[held]),
                amount=n,
                unit="rows",
                why=why,
            ),
        )
    )


BENCHMARK = Benchmark("probe_path", measure, ("sklearn",), rounds=(2, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
