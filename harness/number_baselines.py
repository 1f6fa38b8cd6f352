"""Predictors of a number without a pretrained model: what any adapted model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.baselines import colour_features, tfidf_features
from harness.datasets.base import Split

if TYPE_CHECKING:
    from harness.baselines import Features, Matrix

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Of the squared weights, among which leave-one-out error chooses."""
_FEWEST = 3  # rows from which a line says more than the mean
_MOST = 2000  # rows that choose the penalty; the model itself is fitted on all


class NumberBaseline(Protocol):
    """A fitted predictor."""

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        """Numbers, float64, shape (n, n_outputs)."""


def fit_number_baselines(train: Split, *, seed: int) -> dict[str, NumberBaseline]:
    """Fit every baseline that suits the inputs.

    Returns:
        "mean", and "tfidf_ridge" for texts or "colour_histogram_ridge" for images; nothing
        without examples, which leave even the size of the numbers unknown.
    """
    if len(train) == 0:
        return {}
    fitted: dict[str, NumberBaseline] = {"mean": Mean(train)}
    if len(train) < _FEWEST:
        return fitted
    if isinstance(train.inputs[0], Path):
        fitted["colour_histogram_ridge"] = RidgeBaseline(
            *colour_features(train), train.targets, seed
        )
    else:
        fitted["tfidf_ridge"] = RidgeBaseline(*tfidf_features(train), train.targets, seed)
    return fitted


class Mean:
    """Always the mean of the examples."""

    def __init__(self, train: Split) -> None:
        self.mean = train.targets.mean(axis=0)

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        return np.tile(self.mean, (len(inputs), 1))


class RidgeBaseline:
    """Ridge regression on fixed features; the penalty has the lowest leave-one-out error over the
    examples, over 2,000 of them if there are more.

    Args:
        features: Inputs to a matrix of shape (n, width); already fitted.
        matrix: Features of the examples.
        targets: Of the examples, shape (n, n_outputs).
    """

    def __init__(self, features: Features, matrix: Matrix, targets: np.ndarray, seed: int) -> None:
        from sklearn.linear_model import Ridge, RidgeCV

        rows = np.random.default_rng(seed).permutation(len(targets))[:_MOST]
        self.features = features
        self.alpha_ = RidgeCV(alphas=PENALTIES).fit(matrix[rows], targets[rows]).alpha_
        self.model_ = Ridge(alpha=self.alpha_).fit(matrix, targets)

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        return self.model_.predict(self.features(inputs)).reshape(len(inputs), -1)
