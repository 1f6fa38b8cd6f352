"""L-BFGS for several penalised log losses over the same rows at once.

Every pass over the rows moves all classifiers: with a few classes each, their products of matrices
are too narrow to be fast one by one (Nocedal and Wright 2006, algorithm 7.4; the first guess of the
inverse Hessian is the diagonal of `TurnedRows.curvature` where the descent is).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from harness.strategies.probe_loss import TurnedRows

PASSES = 300
"""Passes over the rows at most."""
MEMORY = 10
"""Steps remembered."""
GRADIENT = 2e-4
"""Where a descent ends: largest entry of the gradient, where curvature is below 1 by a weight of
unit curvature. Strong penalties curve more, but leave small weights that must be right too."""
_ENOUGH = 1e-4  # of the decrease that the gradient promises (Armijo)
_NOISE = 1e-9  # of the loss: what rounding may add to it
_SHORTEST = 1e-6


@dataclass
class _State:
    """One row each classifier that still descends."""

    index: torch.Tensor
    penalty: torch.Tensor
    at: torch.Tensor
    value: torch.Tensor
    gradient: torch.Tensor
    curvature: torch.Tensor
    steps: torch.Tensor
    turns: torch.Tensor
    direction: torch.Tensor
    length: torch.Tensor

    def kept(self, which: torch.Tensor) -> _State:
        return _State(**{name: value[which] for name, value in vars(self).items()})


def descend(
    rows: TurnedRows,
    penalties: torch.Tensor,
    start: torch.Tensor,
    *,
    between: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Where each penalised loss is least.

    Args:
        penalties: Of half the squared weights, biases free, float64, shape (b,).
        start: Along the axes, the bias last, float64, shape (b, width + 1, n_classes).
        between: Called before each pass over the rows; may raise to stop.

    Returns:
        Of the shape of `start`.
    """
    found = start.clone()
    value, gradient, curvature = _penalised(rows, penalties, start)
    memory = torch.zeros(len(start), MEMORY, start[0].numel(), dtype=torch.float64)
    state = _State(
        torch.arange(len(start)), penalties, start.flatten(1), value, gradient, curvature,
        memory, memory.clone(), torch.zeros_like(gradient), torch.ones(len(start), dtype=torch.float64),
    )  # fmt: skip
    state.direction = _direction(state)
    for _ in range(PASSES):
        steepness = state.gradient.abs() / state.curvature.sqrt().clamp(max=1.0)
        going = steepness.amax(1) > GRADIENT
        going &= state.length > _SHORTEST
        found[state.index] = state.at.view(-1, *start.shape[1:])
        if not going.any():
            break
        if not going.all():
            state = state.kept(going)
        between()
        _step(rows, state)
    found[state.index] = state.at.view(-1, *start.shape[1:])
    return found


def _step(rows: TurnedRows, state: _State) -> None:
    """Try the step of every classifier; take those that are good, shorten the others."""
    tried = state.at + state.length[:, None] * state.direction
    shape = (-1, rows.width + 1, rows.n_classes)
    value, gradient, curvature = _penalised(rows, state.penalty, tried.view(shape))
    promised = state.length * (state.gradient * state.direction).sum(1)
    good = value <= state.value + _ENOUGH * promised + _NOISE * state.value.abs()
    # the least of the parabola through both values and the slope, within bounds
    fitted = -promised / (2 * (value - state.value - promised)).clamp(min=1e-300)
    state.length = torch.where(good, 1.0, state.length * fitted.clamp(0.1, 0.5))
    if not good.any():
        return
    moved = (tried - state.at)[good]
    turned = (gradient - state.gradient)[good]
    state.steps[good] = torch.cat([state.steps[good][:, 1:], moved[:, None]], dim=1)
    state.turns[good] = torch.cat([state.turns[good][:, 1:], turned[:, None]], dim=1)
    state.at[good], state.value[good] = tried[good], value[good]
    state.gradient[good], state.curvature[good] = gradient[good], curvature[good]
    state.direction[good] = _direction(state.kept(good))


def _direction(state: _State) -> torch.Tensor:
    """The two-loop recursion, each classifier by its own memory; empty places change nothing."""
    products = (state.steps * state.turns).sum(2)
    inverse = torch.where(products > 0, 1 / products.clamp(min=1e-300), 0.0)
    towards, shares = state.gradient.clone(), []
    for place in reversed(range(MEMORY)):
        share = inverse[:, place] * (state.steps[:, place] * towards).sum(1)
        towards -= share[:, None] * state.turns[:, place]
        shares.append(share)
    towards /= state.curvature
    last = state.turns[:, -1]
    scale = products[:, -1] / (last * last / state.curvature).sum(1).clamp(min=1e-300)
    towards *= torch.where(products[:, -1] > 0, scale, 1.0)[:, None]
    for place, share in zip(range(MEMORY), reversed(shares), strict=True):
        back = inverse[:, place] * (state.turns[:, place] * towards).sum(1)
        towards += (share - back)[:, None] * state.steps[:, place]
    return -towards


def _penalised(
    rows: TurnedRows, penalties: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Penalised losses, shape (b,), their gradients and curvatures, each flat, shape (b, p)."""
    loss, gradient, spread = rows.losses(weights)
    squares = (weights[:, :-1] ** 2).sum((1, 2))
    gradient = gradient.clone()
    gradient[:, :-1] += penalties[:, None, None] * weights[:, :-1]
    curvature = rows.curvature(spread, penalties)
    return loss + penalties / 2 * squares, gradient.flatten(1), curvature.flatten(1)
