"""How well classes come apart in frozen features: the difficulty of a task, not its distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from harness.profile.log_evidence import log_evidence

NEIGHBOURS = 5


@dataclass(frozen=True)
class Separability:
    """Of the classes, on labelled inputs.

    Attributes:
        neighbours: Share of inputs whose class most of their five nearest others have, by cosine,
            each left out in turn, in [0, 1].
        majority: What always naming the largest class would reach on the same inputs.
        logme: See `log_evidence`; for comparing models on these data.
        rows: Inputs used.
    """

    neighbours: float
    majority: float
    logme: float
    rows: int


def separability(features: np.ndarray, targets: np.ndarray) -> Separability | None:
    """None where there are fewer than two classes or too few inputs.

    Args:
        features: float, shape (n, width).
        targets: Class indices, int, shape (n,).
    """
    n = len(targets)
    _, counts = np.unique(targets, return_counts=True)
    if len(counts) < 2 or n <= NEIGHBOURS:
        return None
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    near = KNeighborsClassifier(NEIGHBOURS).fit(unit, targets)
    others = near.kneighbors(return_distance=False)  # without the input itself
    votes = [np.bincount(targets[row]).argmax() for row in others]
    return Separability(
        neighbours=float(np.mean(np.array(votes) == targets)),
        majority=float(counts.max() / n),
        logme=log_evidence(features, targets),
        rows=n,
    )
