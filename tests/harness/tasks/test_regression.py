"""The regression task: units, loss, scores, baselines and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.errors import SpecError, UnknownName
from harness.catalog import TASKS
from harness.datasets.base import Dataset, Split
from harness.tasks.base import NumberTask
from harness.tasks.regression import Regression
from tests.harness.tiny_models import save_images


def split(targets: np.ndarray, inputs: tuple = ()) -> Split:
    names = tuple(f"row {i}" for i in range(len(targets)))
    return Split(inputs or names, targets, names)


def dataset(targets: np.ndarray) -> Dataset:
    rows = split(targets)
    return Dataset("made", "text", (), rows, rows, task="regression")


def test_center_and_scale_come_from_the_pool_and_survive_the_settings() -> None:
    targets = np.array([[1000.0], [1010.0], [1020.0]])
    task: NumberTask = Regression.of(dataset(targets), None)
    assert TASKS.load("regression") is Regression
    assert (task.metric, task.n_outputs, task.n_classes, task.label_names) == ("r2", 1, 1, ())
    assert Regression(**task.settings()) == task
    scores = task.standardised(torch.from_numpy(targets))
    assert scores.mean() == pytest.approx(0, abs=1e-6)
    assert scores.std(unbiased=False) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(task.answer(scores).numpy(), targets)
    assert float(task.loss(scores, torch.from_numpy(targets))) == pytest.approx(0)


def test_targets_that_never_change_can_be_learned() -> None:
    task = Regression.of(dataset(np.full((3, 1), 7.0)), "pearson")
    assert (task.scale, task.metric) == ((1.0,), "pearson")


def test_far_targets_count_linearly() -> None:
    task = Regression(center=(0.0,), scale=(2.0,))
    losses = [
        float(task.loss(torch.zeros(1, 1), torch.tensor([[far]]))) for far in (1.0, 20.0, 22.0)
    ]
    assert losses == pytest.approx([0.125, 9.5, 10.5])


def test_scores_hold_every_metric_and_the_error_in_the_targets_units() -> None:
    task = Regression(center=(0.0,), scale=(1.0,))
    scores = task.scores(np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [2.0], [3.0]]))
    assert set(scores) == {"r2", "pearson", "mae"}
    assert (scores["mae"], scores["r2"]) == pytest.approx((1.0, 1 - 9 / 2))
    assert task.per_class(np.zeros((1, 1)), np.zeros((1, 1))) == {}


def test_what_it_cannot_be_asked_is_refused() -> None:
    with pytest.raises(SpecError, match="predicts 1 number for each input; made has 2 numbers"):
        Regression.of(dataset(np.zeros((3, 2))), None)
    with pytest.raises(SpecError, match="made has no numbers"):
        Regression.of(dataset(np.zeros(3, dtype=np.int64)), None)
    with pytest.raises(UnknownName, match=r"no metric 'mae'"):
        Regression(metric="mae", center=(0.0,), scale=(1.0,))
    with pytest.raises(SpecError, match="scales above 0"):
        Regression(center=(0.0,), scale=(0.0,))


def test_baselines_of_texts_read_words() -> None:
    words = ("cold", "warm", "hot") * 10
    values = np.array([[-5.0], [10.0], [30.0]] * 10)
    texts = tuple(f"a {word} day {i}" for i, word in enumerate(words))
    task = Regression(center=(0.0,), scale=(1.0,))
    found = task.baselines(split(values, texts), split(values[:6], texts[:6]), seed=0)
    assert set(found) == {"mean", "tfidf_ridge"}
    assert found["mean"]["r2"] == pytest.approx(0, abs=1e-9)
    assert found["tfidf_ridge"]["r2"] > 0.9
    assert task.baselines(split(values[:0]), split(values), seed=0) == {}


def test_baselines_of_images_read_colours(tmp_path: Path) -> None:
    files = tuple(save_images(tmp_path, 12))
    reds = np.array([[float(i % 2 == 0)] for i in range(12)])
    task = Regression(center=(0.5,), scale=(0.5,))
    found = task.baselines(split(reds, files), split(reds, files), seed=0)
    assert found["colour_histogram_ridge"]["r2"] > 0.8 > found["mean"]["r2"]
