"""The ridge probe of numbers: scikit-learn's solution, chosen on validation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from harness.strategies.base import Interrupted
from harness.strategies.probe_numbers import PENALTIES, answers_of, best_numbers, number_path
from harness.strategies.probe_path import standardisation
from harness.strategies.probe_ridge import DEFAULT_PENALTY
from harness.tasks.regression import Regression


def made(n: int, width: int, outputs: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    features = draw.normal(3, 2, size=(n, width)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(width, outputs))
    return features, 100 + features @ weights + draw.normal(size=(n, outputs))


@pytest.mark.parametrize(("n", "width"), [(40, 7), (12, 30), (20, 20), (1, 3)])
@pytest.mark.parametrize("outputs", [1, 4])
def test_the_whole_path_is_scikit_learns(n: int, width: int, outputs: int) -> None:
    features, targets = made(n, width, outputs)
    mean, scale = standardisation(features)
    rows = (features - mean) / scale
    for penalty, layer in number_path(features, targets, PENALTIES):
        known = Ridge(alpha=penalty, solver="svd").fit(rows, targets)
        expected = known.predict(rows).reshape(n, outputs)
        np.testing.assert_allclose(layer.scores(features), expected, rtol=1e-5, atol=1e-5)


def test_validation_chooses_and_answers_are_in_the_targets_units() -> None:
    train, validation = made(60, 8), made(40, 8, seed=2)
    task = Regression(center=(100.0,), scale=(5.0,))
    penalty, layer = best_numbers(task, train, validation, cancelled=lambda: False)
    scores = {}
    targets = (train[1] - 100) / 5
    for one, other in number_path(train[0], targets, PENALTIES):
        scores[one] = task.scores(answers_of(task, other, validation[0]), validation[1])["r2"]
    assert scores[penalty] == max(scores.values()) > 0.9
    assert answers_of(task, layer, validation[0]).mean() == pytest.approx(
        validation[1].mean(), rel=0.05
    )


def test_without_validation_the_default_and_with_a_cancel_nothing() -> None:
    train = made(10, 4)
    none = train[0][:0], train[1][:0]
    task = Regression(center=(100.0,), scale=(5.0,))
    assert best_numbers(task, train, none, cancelled=lambda: False)[0] == DEFAULT_PENALTY
    with pytest.raises(Interrupted):
        best_numbers(task, train, none, cancelled=lambda: True)
