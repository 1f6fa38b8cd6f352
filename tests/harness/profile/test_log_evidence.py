from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from harness.profile.log_evidence import log_evidence
from harness.profile.separability import separability


def marginal(features: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> float:
    """log N(y; 0, I / beta + F F' / alpha) per example: the evidence from its definition."""
    cover = np.eye(len(y)) / beta + features @ features.T / alpha
    return float(multivariate_normal(np.zeros(len(y)), cover).logpdf(y)) / len(y)


@pytest.mark.parametrize("width", [4, 40])
def test_it_is_the_largest_evidence_there_is(width: int) -> None:
    draws = np.random.default_rng(0)
    features = draws.normal(size=(30, width))
    targets = (features[:, 0] + 0.5 * draws.normal(size=30) > 0).astype(int)
    best = []
    for one in (0, 1):
        y = (targets == one) * 1.0
        found = minimize(
            lambda logs, y=y: -marginal(features, y, *np.exp(logs)),
            x0=[0.0, 0.0],
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2000},
        )
        best.append(-found.fun)
    assert log_evidence(features, targets) == pytest.approx(np.mean(best), abs=1e-4)


def test_features_that_tell_classes_apart_have_more_evidence() -> None:
    draws = np.random.default_rng(1)
    targets = np.arange(60) % 3
    noise = draws.normal(size=(60, 10))
    telling = noise + 4 * np.eye(10)[targets]
    assert log_evidence(telling, targets) > log_evidence(noise, targets) + 0.1


def test_separability_is_high_for_clusters_and_chance_for_noise() -> None:
    draws = np.random.default_rng(2)
    targets = np.arange(90) % 3
    noise = draws.normal(size=(90, 8))
    clusters = separability(noise + 6 * np.eye(8)[targets], targets)
    chance = separability(noise, targets)
    assert clusters is not None
    assert chance is not None
    assert clusters.neighbours == 1.0
    assert chance.neighbours < 0.55
    assert clusters.majority == pytest.approx(1 / 3)
    assert clusters.rows == 90


def test_one_class_or_hardly_a_row_has_no_separability() -> None:
    assert separability(np.eye(9), np.zeros(9, dtype=int)) is None
    assert separability(np.eye(4), np.array([0, 1, 0, 1])) is None
