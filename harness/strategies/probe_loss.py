"""The log losses of many linear classifiers over the same rows, in one pass over the rows.

What makes descent slow on features is their spectrum: a few directions carry most of the variance.
Weights are therefore counted along the rows' principal axes, where the expected curvature is a
diagonal: the mean square along the axis times the mean of p (1 - p) of the class (after Böhning
1992, section 3), plus the penalty.
"""

from __future__ import annotations

import numpy as np
import torch

BLOCK = 2048
"""Rows read at once: forward and backward use them while they are in the processor's cache."""
SINGLE_ABOVE = 2_000_000
"""Of more numbers than these, rows are kept in float32: twice as fast, and exact to 1e-6."""
SPECTRUM_ROWS = 16_384
"""The axes of more rows are those of so many, drawn: they steer the descent and move no optimum."""
_NIL = -40.0  # log-probability below which nothing is added; subnormal numbers are slow to add
_LEAST_SPREAD = 1e-4


class TurnedRows:
    """Standardised rows, weights counted along their principal axes, and log losses over them.

    Args:
        rows: Standardised, shape (n, width), n at least 1.
        targets: Class indices, shape (n,).

    Attributes:
        n: Number of rows; width: of axes, the smaller of n and the features' width.
        axes: float64, shape (features' width, width), orthonormal columns.
    """

    def __init__(self, rows: np.ndarray, targets: np.ndarray, n_classes: int) -> None:
        self.n, self.n_classes = len(rows), n_classes
        basis = None
        if rows.shape[0] < rows.shape[1]:  # the solution lies in the span of the rows
            basis, triangle = np.linalg.qr(rows.T)
            rows = np.ascontiguousarray(triangle.T)
        some = drawn(rows, SPECTRUM_ROWS)
        spectrum, turn = np.linalg.eigh((some.T @ some).astype(np.float64) / len(some))
        self._spectrum = torch.from_numpy(np.maximum(spectrum, 0.0))
        self._turn = torch.from_numpy(turn)
        self.axes = turn if basis is None else basis @ turn
        self.width = len(spectrum)
        self._rows = torch.from_numpy(rows)
        self._targets = torch.from_numpy(np.asarray(targets, np.int64))

    def part(self, most: int) -> TurnedRows:
        """So many of the rows, drawn, along the same axes."""
        some = object.__new__(TurnedRows)
        some.__dict__.update(self.__dict__)
        some._rows = torch.from_numpy(drawn(self._rows.numpy(), most))
        some._targets = torch.from_numpy(drawn(self._targets.numpy(), most))
        some.n = len(some._rows)
        return some

    def losses(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean log losses of several classifiers.

        Args:
            weights: Along the axes, the bias last, float64, shape (b, width + 1, n_classes).

        Returns:
            The losses, float64, shape (b,), their gradients, shape of `weights`, and the mean of
            p (1 - p) of each class, shape (b, n_classes).
        """
        count, rows = len(weights), self._rows
        # Classes first, rows last: softmax then runs along rows, which processors do best.
        stacked = weights.permute(2, 0, 1).reshape(self.n_classes * count, -1)
        w = (stacked[:, :-1] @ self._turn.T).to(rows.dtype)
        b = stacked[:, -1:].to(rows.dtype)
        loss = torch.zeros(count, dtype=torch.float64)
        spread = torch.zeros(self.n_classes, count, dtype=torch.float64)
        gradient = torch.zeros(len(stacked), self.width + 1, dtype=torch.float64)
        for start in range(0, self.n, BLOCK):
            block = rows[start : start + BLOCK]
            truth = self._targets[None, None, start : start + BLOCK].expand(1, count, -1)
            scores = torch.addmm(b, w, block.T).view(self.n_classes, count, -1)
            logs = torch.log_softmax(scores, dim=0)
            loss -= logs.gather(0, truth).sum((0, 2), dtype=torch.float64)
            p = logs.clamp_(min=_NIL).exp_()
            spread += (p - p * p).sum(2)
            residual = p.scatter_add_(0, truth, torch.full_like(p[:1], -1.0)).flatten(0, 1)
            gradient[:, :-1] += residual @ block
            gradient[:, -1] += residual.sum(1)
        gradient[:, :-1] = gradient[:, :-1] @ self._turn
        shaped = gradient.view(self.n_classes, count, -1).permute(1, 2, 0)
        return loss / self.n, shaped / self.n, spread.T / self.n

    def curvature(self, spread: torch.Tensor, penalties: torch.Tensor) -> torch.Tensor:
        """Expected second derivative by each weight and bias.

        Args:
            spread: As of `losses`, shape (b, n_classes); penalties: shape (b,).

        Returns:
            float64, shape (b, width + 1, n_classes), above 0.
        """
        spread = spread.clamp(min=_LEAST_SPREAD)[:, None, :]
        of_weights = self._spectrum[None, :, None] * spread + penalties[:, None, None]
        return torch.cat([of_weights, spread], dim=1)


def drawn(rows: np.ndarray, most: int) -> np.ndarray:
    """So many rows at most, the same of arrays of equal length."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(0).choice(len(rows), most, replace=False))]
