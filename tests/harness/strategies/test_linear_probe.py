"""The linear probe: its path, its choice, its files, and the time it takes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression

from harness.backbones.base import Backbone
from harness.strategies.base import TrialBudget
from harness.strategies.linear_probe import LinearProbe
from harness.strategies.probe_path import DEFAULT_C, STRENGTHS, regularization_path, standardisation
from harness.tasks.classification import Classification
from tests.harness.toy import ToyBackbone, toy_data_facts, toy_facts, toy_split, toy_task

TASK = toy_task()
TRAIN, VALIDATION, TEST = toy_split(80, 1), toy_split(24, 2), toy_split(100, 3)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted in each test."""


def gaussians(n: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(classes, width))
    targets = np.arange(n) % classes
    spread = draw.uniform(0.1, 3.0, width)
    return (centres[targets] * 0.4 + draw.normal(size=(n, width))) * spread, targets


def fit(backbone: Backbone, train=TRAIN, validation=VALIDATION, budget=None) -> LinearProbe:
    return LinearProbe().fit(
        backbone, TASK, train, validation, seed=0, budget=budget or TrialBudget()
    )


@pytest.mark.parametrize(("n", "width", "classes"), [(40, 60, 3), (300, 20, 3), (200, 30, 5)])
def test_the_path_is_that_of_scikit_learn(n: int, width: int, classes: int) -> None:
    """Fewer rows than features too, where the problem is solved among the rows."""
    features, targets = gaussians(n, width, classes)
    mean, scale = standardisation(features)
    for strength, classifier in regularization_path(features, targets, classes):
        if strength > 10:
            continue  # nearly separable: both stop on the way
        oracle = LogisticRegression(C=strength, max_iter=2000, tol=1e-6)
        expected = oracle.fit((features - mean) / scale, targets).predict_proba(
            (features - mean) / scale
        )
        np.testing.assert_allclose(classifier.probabilities(features), expected, atol=0.01)


def test_classes_without_rows_get_little_probability() -> None:
    features, targets = gaussians(60, 20, 3)
    for _, classifier in regularization_path(features, targets, 5):
        assert classifier.probabilities(features)[:, 3:].max() < 0.05
    (_, alone) = next(iter(regularization_path(features, np.zeros(60, dtype=int), 2, (1.0,))))
    assert alone.probabilities(features)[:, 0].min() > 0.9


def test_a_constant_feature_and_a_single_row_do_no_harm() -> None:
    features, targets = gaussians(30, 10, 3)
    features[:, 4] = 7.0
    for rows in (slice(None), slice(0, 1)):
        for _, classifier in regularization_path(features[rows], targets[rows], 3):
            assert np.isfinite(classifier.probabilities(features)).all()


def test_few_rows_are_scaled_with_care() -> None:
    """Dividing by a deviation of two rows made two wildly different scales of one."""
    draw = np.random.default_rng(0)
    _, scale = standardisation(draw.normal(size=(2, 500)))
    assert scale.max() / scale.min() < 3
    many = draw.normal(size=(5000, 50)) * np.linspace(1, 10, 50)
    np.testing.assert_allclose(standardisation(many)[1], many.std(axis=0), rtol=0.03)


def test_regularization_is_chosen_on_validation_rows() -> None:
    probe = fit(ToyBackbone())
    chosen = probe.report_.chosen
    assert chosen["C"] in STRENGTHS
    probabilities = probe.predict(VALIDATION.inputs)
    best = TASK.scores(probabilities, VALIDATION.targets)
    x = ToyBackbone().features(TRAIN.inputs, pooling="mean")
    x_val = ToyBackbone().features(VALIDATION.inputs, pooling="mean")
    for _, classifier in regularization_path(x, TRAIN.targets, 4):
        other = TASK.scores(classifier.probabilities(x_val), VALIDATION.targets)
        assert (other["accuracy"], -other["log_loss"]) <= (
            best["accuracy"],
            -best["log_loss"] + 1e-9,
        )


def test_without_validation_rows_a_default_is_used_and_said() -> None:
    probe = fit(ToyBackbone(), validation=TRAIN.take([]))
    assert probe.report_.chosen["C"] == DEFAULT_C
    assert "default" in probe.report_.chosen["note"]
    assert (probe.predict(TEST.inputs).argmax(axis=1) == TEST.targets).mean() > 0.8


def test_pays_for_features_it_found_in_the_cache() -> None:
    backbone = ToyBackbone()
    first = fit(backbone)
    assert first.charged_seconds_ == 0.0
    second = fit(backbone)
    assert second.charged_seconds_ > 0.0
    before = second.charged_seconds_
    second.predict(TRAIN.inputs)
    assert second.charged_seconds_ > before


def test_each_pooling_is_tried_once() -> None:
    space = LinearProbe.space(toy_facts("encoder"), TASK, toy_data_facts())
    assert space.exhaustive
    assert [point["pooling"] for point in space.first] == ["mean", "cls", "cls_mean"]
    backbone = ToyBackbone("encoder")
    for point in space.first:
        probe = LinearProbe(**point).fit(
            backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget()
        )
        assert probe.report_.chosen["pooling"] == point["pooling"]


def test_the_files_say_what_they_hold(tmp_path: Path) -> None:
    probe = fit(ToyBackbone())
    probe.save(tmp_path)
    arrays = load_file(tmp_path / "probe.safetensors")
    assert {name: array.shape for name, array in arrays.items()} == {
        "weights": (32, 4),
        "bias": (4,),
        "mean": (32,),
        "scale": (32,),
    }
    assert '"strategy": "linear_probe"' in (tmp_path / "probe.json").read_text()


class Slow(ToyBackbone):
    def features(self, inputs, *, pooling, layers=(-1,), progress=None):
        time.sleep(0.01 * len(inputs))
        return super().features(inputs, pooling=pooling, layers=layers, progress=progress)


def test_a_model_too_slow_for_all_rows_uses_those_there_is_time_for() -> None:
    train, validation = toy_split(240, 4), toy_split(80, 5)
    budget = TrialBudget(1.2)
    probe = fit(Slow(), train, validation, budget)
    assert budget.remaining() > -0.3
    assert probe.report_.underfit
    assert " of 320 examples" in probe.report_.chosen["rows"]
    assert "note" not in probe.report_.chosen  # validation rows were among them
    assert (probe.predict(TEST.inputs[:20]).argmax(axis=1) == TEST.targets[:20]).mean() > 0.6


def test_thousands_of_rows_take_seconds() -> None:
    features, targets = gaussians(4000, 128, 6)
    started = time.perf_counter()
    assert len(list(regularization_path(features, targets, 6))) == len(STRENGTHS)
    assert time.perf_counter() - started < 20


def test_minilm_separates_short_texts(minilm: Backbone) -> None:
    task = Classification(("sport", "money"))
    toy = toy_split(120, 6)
    two = toy.take(np.flatnonzero(toy.targets < 2))
    probe = LinearProbe().fit(
        minilm, task, two.take(range(8)), two.take(range(8, 16)), seed=0, budget=TrialBudget()
    )
    test = two.take(range(16, len(two)))
    assert (probe.predict(test.inputs).argmax(axis=1) == test.targets).mean() > 0.85
