"""What the benchmarks of frozen features have in common: data, splits and both probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sides import Outcome, Work

_ROOT = Path(__file__).resolve().parent.parent
_SHARED = _ROOT.parent / "shared" / "datasets"


@dataclass(frozen=True)
class Rows:
    """Inputs and classes; which rows fit, choose the strength, and test."""

    inputs: tuple[Any, ...]
    targets: np.ndarray
    label_names: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def rows(data: str, n: int, *, test: int) -> Rows:
    """So many rows for fitting and choosing (a fifth of them), and so many to test on, drawn."""
    from harness.datasets.base import DataRequest
    from harness.datasets.load import load_dataset

    place = str(_SHARED / data) if (_SHARED / data).is_dir() else data
    found = load_dataset(DataRequest(data=place))
    draw = np.random.default_rng(0)
    fits = found.train.take(draw.permutation(len(found.train))[:n])
    tests = found.test.take(draw.permutation(len(found.test))[:test])
    n = len(fits)
    return Rows(
        inputs=(*fits.inputs, *tests.inputs),
        targets=np.concatenate([fits.targets, tests.targets]),
        label_names=found.label_names,
        train=np.arange(n // 5, n),
        validation=np.arange(n // 5),
        test=np.arange(n, n + len(tests)),
    )


def our_probe(features: np.ndarray, given: Rows) -> np.ndarray:
    """Classes our probe predicts of the test rows."""
    from harness.strategies.probe_path import best_on_path
    from harness.tasks.classification import Classification

    task = Classification(given.label_names, metric="accuracy")
    parts = [(features[part], given.targets[part]) for part in (given.train, given.validation)]
    _, model = best_on_path(task, parts[0], parts[1], cancelled=lambda: False)
    return model.probabilities(features[given.test]).argmax(axis=1)


def peer_probe(features: np.ndarray, given: Rows) -> np.ndarray:
    """Classes that scikit-learn's LogisticRegressionCV predicts, choosing on the same rows."""
    import warnings

    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import StandardScaler

    from harness.strategies.probe_path import STRENGTHS

    scaler = StandardScaler().fit(features[given.train])
    fits = np.concatenate([given.train, given.validation])
    split = PredefinedSplit(np.where(np.isin(fits, given.validation), 0, -1))
    options: dict[str, Any] = {"max_iter": 1000, "refit": False, "scoring": "accuracy"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # names of parameters
        model = LogisticRegressionCV(Cs=list(STRENGTHS), cv=split, **options)
        model.fit(scaler.transform(features[fits]), given.targets[fits])
    return model.predict(scaler.transform(features[given.test]))


def outcome(
    extract: Callable[[Sequence[Any]], np.ndarray],
    probe: Callable[[np.ndarray, Rows], np.ndarray],
    given: Rows,
) -> dict[str, Any]:
    """Extract, fit, test: what is compared, and the seconds of both parts."""
    import time

    started = time.perf_counter()
    features = extract(given.inputs)
    extracted = time.perf_counter()
    said = probe(features, given)
    done = time.perf_counter()
    return {
        "features": features[:64],
        "accuracy": float((said == given.targets[given.test]).mean()),
        "extraction": extracted - started,
        "probe": done - extracted,
    }


def extracts_and_probes(
    extract: Callable[[Sequence[Any]], np.ndarray],
    probe: Callable[[np.ndarray, Rows], np.ndarray],
    given: Rows,
    beside: Callable[[], Mapping[str, float]] | None = None,
) -> Work:
    """The work of one side: `outcome`, timed by its two parts.

    Args:
        beside: As of `Outcome`.
    """

    def work() -> Outcome:
        found = outcome(extract, probe, given)
        return Outcome(found, found["extraction"] + found["probe"], beside=beside)

    return work


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of any feature, relative to the largest."""
    return float(np.abs(one - other).max() / np.abs(other).max())
