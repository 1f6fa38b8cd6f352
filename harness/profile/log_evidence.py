"""LogME: how well frozen features explain labels, as the evidence of a linear Gaussian model.

Source: You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning"
(arXiv:2102.11005), section 3.2 and algorithm 1; alpha and beta by the fixed point of MacKay's
updates (You et al. 2022, arXiv:2110.10545, section 4.3), from one singular value decomposition.
"""

from __future__ import annotations

import numpy as np

_MOST_STEPS = 100
_SETTLED = 1e-6
_TINY = 1e-12


def log_evidence(features: np.ndarray, targets: np.ndarray) -> float:
    """Mean over classes of the maximal log evidence per example of one-against-all labels.

    Args:
        features: float, shape (n, width), as the head would read them.
        targets: Class indices, int, shape (n,).

    Returns:
        Nats per example; higher is better. Comparable between models on the same data only.
    """
    f = np.asarray(features, dtype=np.float64)
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    classes = np.unique(targets)
    return float(np.mean([_of_one(f.shape, u, s**2, (targets == one) * 1.0) for one in classes]))


def _of_one(shape: tuple[int, ...], u: np.ndarray, sigma: np.ndarray, y: np.ndarray) -> float:
    """Log evidence per example of one target, shape (n,), at its best alpha and beta."""
    n, width = shape
    z2 = (u.T @ y) ** 2
    outside = max(float(y @ y - z2.sum()), 0.0)  # of y, what no weights explain
    alpha, beta = 1.0, 1.0
    for _ in range(_MOST_STEPS):
        ratio = alpha / beta
        gamma = float(np.sum(sigma / (sigma + ratio)))
        m2 = float(np.sum(sigma * z2 / (sigma + ratio) ** 2))
        residual = float(np.sum(z2 / (1 + sigma / ratio) ** 2)) + outside
        alpha, beta = gamma / max(m2, _TINY), (n - gamma) / max(residual, _TINY)
        if abs(alpha / beta - ratio) <= _SETTLED * ratio:
            break
    ratio = alpha / beta
    m2 = float(np.sum(sigma * z2 / (sigma + ratio) ** 2))
    residual = float(np.sum(z2 / (1 + sigma / ratio) ** 2)) + outside
    log_det = float(np.sum(np.log(alpha + beta * sigma))) + (width - len(sigma)) * np.log(alpha)
    evidence = n * np.log(beta) + width * np.log(alpha) - n * np.log(2 * np.pi)
    return float((evidence - beta * residual - alpha * m2 - log_det) / (2 * n))
