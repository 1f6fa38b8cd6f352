"""The classification task: what it scores and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from advisor.errors import SpecError, UnknownName
from harness.catalog import TASKS
from harness.datasets.base import Split
from harness.tasks.base import Task
from harness.tasks.classification import Classification

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.25, 0.25]])
TARGETS = np.array([0, 1, 1, 0])
TASK = Classification(("ham", "spam", "other"))


def test_it_is_registered_and_is_a_task() -> None:
    assert TASKS.load("classification") is Classification
    task: Task = TASK
    assert (task.id, task.n_classes, task.metric, task.description) == (
        "classification",
        3,
        "accuracy",
        None,
    )


def test_scores_hold_every_metric() -> None:
    scores = TASK.scores(PROBABILITIES, TARGETS)
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.7, 0.3, 0.5]).mean())
    assert scores["ece"] == pytest.approx((0.1 + 0.3 + 0.6 + 0.5) / 4)
    assert set(scores) == {"accuracy", "macro_f1", "log_loss", "ece"}


def test_recall_is_by_name_and_empty_for_an_absent_class() -> None:
    assert TASK.per_class(PROBABILITIES, TARGETS) == {"ham": 1.0, "spam": 0.5, "other": None}


def test_bad_answers_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        TASK.scores(PROBABILITIES[:, :2], TARGETS)
    with pytest.raises(ValueError, match="finite"):
        TASK.per_class(np.full((1, 3), np.nan), np.array([0]))
    with pytest.raises(UnknownName, match=r"no metric 'macro-f1'\. Did you mean 'macro_f1'"):
        Classification(("a", "b"), metric="macro-f1")
    with pytest.raises(SpecError, match="at least two classes; got 1"):
        Classification(("a",))


def test_baselines_are_scored_by_every_metric() -> None:
    def split(count: int) -> Split:
        texts = tuple(
            f"{word} {i}" for i in range(count) for word in ("hello friend", "cheap pills")
        )
        return Split(texts, np.array([0, 1] * count), texts)

    scores = TASK.baselines(split(10), split(3), seed=0)
    assert set(scores) == {"majority", "tfidf"}
    assert scores["majority"]["accuracy"] == 0.5
    assert scores["tfidf"]["accuracy"] == 1
    assert set(scores["tfidf"]) == set(TASK.scores(PROBABILITIES, TARGETS))
