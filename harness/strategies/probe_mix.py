"""A learned mixture of all layers below a logistic regression.

The mixture's weights are a softmax of one number per layer, trained together with the classifier
(Peters et al. 2018, arXiv:1802.05365, equation 1). What comes out is a linear classifier on the
layers side by side whose weights are tied, and is kept as one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from harness.strategies.probe_path import ITERATIONS, LinearClassifier, standardisation

STRENGTHS = tuple(float(c) for c in np.logspace(-4, 1, 6))
"""Inverse regularization strengths C, strongest regularization first."""


def mixed_path(
    features: np.ndarray,
    targets: np.ndarray,
    n_classes: int,
    strengths: tuple[float, ...],
    *,
    layers: int,
) -> Iterator[tuple[float, LinearClassifier, np.ndarray]]:
    """Fit for each C in turn.

    Args:
        features: All layers side by side, shape (n, layers * width).
        targets: Class indices, shape (n,).

    Yields:
        C, the classifier on the layers side by side, and the mixture, shape (layers,), summing
        to 1.
    """
    mean, scale = standardisation(features)
    n, width = len(features), features.shape[1] // layers
    rows = ((features.astype(np.float64) - mean) / scale).reshape(n, layers, width)
    one_hot = np.eye(n_classes)[targets]
    solution = np.zeros(layers + (width + 1) * n_classes)

    def parts(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights = flat[layers:-n_classes].reshape(width, n_classes)
        return softmax(flat[:layers]), weights, flat[-n_classes:]

    def objective(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        shares, weights, bias = parts(flat)
        mixed = np.einsum("l,nlw->nw", shares, rows)
        logs = log_softmax(mixed @ weights + bias, axis=1)
        loss = -(logs * one_hot).sum() / n + penalty / 2 * (weights**2).sum()
        residual = (np.exp(logs) - one_hot) / n
        of_shares = np.einsum("nlw,nw->l", rows, residual @ weights.T)
        of_numbers = shares * (of_shares - shares @ of_shares)
        of_weights = mixed.T @ residual + penalty * weights
        return loss, np.concatenate([of_numbers, of_weights.ravel(), residual.sum(axis=0)])

    for strength in strengths:
        solution = minimize(
            objective,
            solution,
            args=(1 / (strength * n),),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ITERATIONS, "ftol": 1e-9, "gtol": 1e-4},
        ).x
        shares, weights, bias = parts(solution)
        tied = (shares[:, None, None] * weights).reshape(layers * width, n_classes)
        yield strength, LinearClassifier(tied, bias.copy(), mean, scale), shares
