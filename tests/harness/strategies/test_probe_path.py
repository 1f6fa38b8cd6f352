"""The regularization path of the probe: every shortcut leads to the optimum of the plain objective."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from harness.strategies import probe_loss, probe_path
from harness.strategies.base import Interrupted
from harness.strategies.probe_loss import TurnedRows
from harness.strategies.probe_path import (
    STRENGTHS,
    LinearClassifier,
    best_on_path,
    regularization_path,
)
from harness.tasks.classification import Classification


def some_rows(n: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features of falling variance, classes that overlap."""
    draw = np.random.default_rng(seed)
    along = draw.normal(size=(n, width)) * np.arange(1, width + 1) ** -0.5
    targets = (along @ draw.normal(size=(width, classes)) + draw.gumbel(size=(n, classes))).argmax(
        1
    )
    return along @ np.linalg.qr(draw.normal(size=(width, width)))[0] + 3.0, targets


def gradient(
    model: LinearClassifier, features: np.ndarray, targets: np.ndarray, strength: float
) -> float:
    """Largest entry of the objective's gradient, by its formula, in float64."""
    n, classes = len(features), len(model.bias)
    rows = (features.astype(np.float64) - model.mean) / model.scale
    residual = np.exp(log_softmax(rows @ model.weights + model.bias, axis=1))
    residual -= np.eye(classes)[targets]
    of_weights = rows.T @ residual / n + model.weights / (strength * n)
    return float(max(np.abs(of_weights).max(), np.abs(residual.mean(axis=0)).max()))


@given(
    n=st.integers(20, 200),
    width=st.integers(2, 60),
    classes=st.integers(2, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_every_strength_reaches_its_optimum(n: int, width: int, classes: int, seed: int) -> None:
    features, targets = some_rows(n, width, classes, seed)
    for strength, model in regularization_path(features, targets, classes, STRENGTHS[:11]):
        assert gradient(model, features, targets, strength) < 2e-3


@pytest.mark.parametrize("shape", [(900, 30), (900, 1000)], ids=["many rows", "wide"])
def test_a_start_from_a_part_and_float32_lead_to_the_same(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets = some_rows(*shape, 4)
    plain = list(regularization_path(features, targets, 4, STRENGTHS[:11]))
    monkeypatch.setattr(probe_path, "PART_ABOVE", 100)
    monkeypatch.setattr(probe_path, "SINGLE_ABOVE", 0)
    monkeypatch.setattr(probe_loss, "SPECTRUM_ROWS", 300)
    monkeypatch.setattr(probe_loss, "BLOCK", 128)
    quick = list(regularization_path(features, targets, 4, STRENGTHS[:11]))
    for (strength, one), (_, other) in zip(plain, quick, strict=True):
        assert gradient(other, features, targets, strength) < 1e-3
        np.testing.assert_allclose(
            one.probabilities(features), other.probabilities(features), atol=0.01
        )


def test_strengths_do_not_depend_on_their_company() -> None:
    features, targets = some_rows(150, 20, 3)
    for strength, model in regularization_path(features, targets, 3, (1e-3, 1e-1, 1.0)):
        ((_, alone),) = regularization_path(features, targets, 3, (strength,))
        np.testing.assert_allclose(
            alone.probabilities(features), model.probabilities(features), atol=2e-3
        )


def test_losses_and_gradients_are_those_of_the_formula() -> None:
    features, targets = some_rows(50, 8, 3)
    rows = TurnedRows(features, targets, 3)
    weights = torch.randn(4, 9, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    weights.requires_grad_(True)
    scores = torch.from_numpy(features @ rows.axes) @ weights[:, :-1] + weights[:, -1:]
    truth = torch.from_numpy(targets).expand(4, -1)
    expected = torch.nn.functional.cross_entropy(scores.permute(0, 2, 1), truth, reduction="none")
    expected.mean(1).sum().backward()
    loss, found, spread = rows.losses(weights.detach())
    torch.testing.assert_close(loss, expected.mean(1).detach())
    torch.testing.assert_close(found, weights.grad)
    p = scores.softmax(2)
    torch.testing.assert_close(spread, (p * (1 - p)).mean(1).detach())


def test_it_can_be_stopped_between_two_passes() -> None:
    task = Classification(("a", "b", "c"))
    passes = iter([False, False, True])
    rows = some_rows(60, 10, 3)
    with pytest.raises(Interrupted):
        best_on_path(task, rows, rows, cancelled=lambda: next(passes))
