"""How long one row takes is known of every family, those without features included."""

from __future__ import annotations

import pytest

from harness.speed import seconds_per_row
from harness.tasks.classification import Classification
from harness.tasks.translation import Translation
from tests.harness.tiny_lstm import tiny_lstm
from tests.harness.tiny_models import tiny_encoder

TEXTS = ["good story", "bad film"] * 6


@pytest.mark.parametrize(
    ("backbone", "task"),
    [(tiny_encoder, Classification(("a", "b"))), (tiny_lstm, Translation())],
    ids=["features", "answers"],
)
def test_a_row_takes_some_time(backbone, task) -> None:
    assert seconds_per_row(backbone(), TEXTS, task) > 0
    assert seconds_per_row(backbone(), TEXTS[:2], task) > 0
