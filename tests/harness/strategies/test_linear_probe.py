"""The linear probe: its path, its choice, its files, and the time it takes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression, Ridge

from harness.backbones.base import Backbone
from harness.strategies.base import TrialBudget
from harness.strategies.linear_probe import LinearProbe
from harness.strategies.probe_mix import mixed_path
from harness.strategies.probe_path import DEFAULT_C, STRENGTHS, regularization_path, standardisation
from harness.strategies.probe_ridge import PENALTIES, ridge_path, sharpened
from harness.strategies.probe_views import MIX
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


def test_every_pooling_layer_and_head_is_tried_from_one_extraction(tmp_path: Path) -> None:
    space = LinearProbe.space(toy_facts("encoder"), TASK, toy_data_facts())
    assert space.exhaustive
    assert len({tuple(point.items()) for point in space.first}) == len(space.first)
    assert {point["pooling"] for point in space.first} == {"mean", "cls", "cls_mean", "max", "last"}
    assert {point["layers"] for point in space.first} == {MIX, 1, 2}
    backbone = ToyBackbone("encoder")
    for number, point in enumerate(space.first):
        probe = LinearProbe(**point).fit(
            backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget()
        )
        assert backbone.extracted == len(TRAIN) + len(VALIDATION) + len(TEST) * (number > 0)
        assert probe.report_.chosen["pooling"] == point["pooling"]
        said = probe.predict(TEST.inputs)
        assert (said.argmax(axis=1) == TEST.targets).mean() > 0.6, point
        (tmp_path / str(number)).mkdir()
        probe.save(tmp_path / str(number))
        loaded = LinearProbe.load(tmp_path / str(number), backbone, TASK)
        assert np.array_equal(loaded.predict(TEST.inputs), said)


@pytest.mark.parametrize("settings", [{}, {"layers": MIX}, {"layers": 2}, {"pooling": "cls_mean"}])
def test_many_rows_are_predicted_without_keeping_features(
    settings: dict, monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    backbone = ToyBackbone("encoder")
    probe = LinearProbe(**settings).fit(
        backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget()
    )
    size = sum(file.stat().st_size for file in empty_cache.rglob("*.sqlite"))
    monkeypatch.setattr("harness.strategies.linear_probe.CACHED_ROWS", 10)
    streamed = probe.predict(TEST.inputs)
    assert sum(file.stat().st_size for file in empty_cache.rglob("*.sqlite")) == size
    monkeypatch.setattr("harness.strategies.linear_probe.CACHED_ROWS", 1000)
    np.testing.assert_allclose(probe.predict(TEST.inputs), streamed, atol=1e-6)


@pytest.mark.parametrize(("n", "width"), [(40, 60), (300, 20)])
def test_ridge_is_that_of_scikit_learn(n: int, width: int) -> None:
    features, targets = gaussians(n, width, 3)
    mean, scale = standardisation(features)
    rows, indicators = (features - mean) / scale, np.eye(3)[targets]
    for penalty, classifier in ridge_path(features, targets, 3, PENALTIES):
        oracle = Ridge(alpha=penalty).fit(rows, indicators)
        np.testing.assert_allclose(classifier.weights, oracle.coef_.T, atol=1e-6)
        np.testing.assert_allclose(classifier.bias, oracle.intercept_, atol=1e-6)


def test_sharpening_lowers_the_log_loss_and_changes_no_answer() -> None:
    features, targets = gaussians(200, 20, 3)
    _, flat = next(iter(ridge_path(features[:100], targets[:100], 3, (1.0,))))
    sharp = sharpened(flat, features[100:], targets[100:])
    losses = [
        -np.log(one.probabilities(features[100:])[np.arange(100), targets[100:]]).mean()
        for one in (flat, sharp)
    ]
    assert losses[1] < losses[0]
    assert np.array_equal(
        flat.probabilities(features).argmax(1), sharp.probabilities(features).argmax(1)
    )
    unseen = sharpened(flat, features[:0], targets[:0])
    np.testing.assert_allclose(unseen.weights, 4 * flat.weights)


def test_the_mixture_finds_the_layer_that_knows() -> None:
    draw = np.random.default_rng(0)
    knows, targets = gaussians(300, 12, 3)
    layers = [draw.normal(size=(300, 12)), knows, draw.normal(size=(300, 12))]
    features = np.concatenate(layers, axis=1)
    *_, (_, classifier, shares) = mixed_path(features, targets, 3, (0.01, 1.0), layers=3)
    assert shares.sum() == pytest.approx(1.0)
    assert shares.argmax() == 1
    assert shares[1] > 0.6
    tied = classifier.weights.reshape(3, 12, 3)
    np.testing.assert_allclose(tied[0] / shares[0], tied[1] / shares[1])


def test_a_mixture_of_one_layer_is_the_plain_probe() -> None:
    features, targets = gaussians(200, 15, 3)
    _, mixed, _ = next(iter(mixed_path(features, targets, 3, (0.01,), layers=1)))
    _, plain = next(iter(regularization_path(features, targets, 3, (0.01,))))
    np.testing.assert_allclose(
        mixed.probabilities(features), plain.probabilities(features), atol=0.01
    )


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
    def views(self, inputs, views, *, progress=None):
        time.sleep(0.01 * len(inputs))
        return super().views(inputs, views, progress=progress)


def test_a_model_too_slow_for_all_rows_uses_those_there_is_time_for() -> None:
    train, validation = toy_split(240, 4), toy_split(80, 5)
    budget = TrialBudget(1.2)
    probe = fit(Slow(), train, validation, budget)
    assert budget.remaining() > -0.3
    assert probe.report_.underfit
    assert " of 320 examples" in probe.report_.chosen["rows"]
    assert "note" not in probe.report_.chosen  # validation rows were among them
    assert (probe.predict(TEST.inputs[:20]).argmax(axis=1) == TEST.targets[:20]).mean() > 0.6


def test_minilm_separates_short_texts(minilm: Backbone) -> None:
    task = Classification(("sport", "money"))
    toy = toy_split(120, 6)
    two = toy.take(np.flatnonzero(toy.targets < 2))
    probe = LinearProbe().fit(
        minilm, task, two.take(range(8)), two.take(range(8, 16)), seed=0, budget=TrialBudget()
    )
    test = two.take(range(16, len(two)))
    assert (probe.predict(test.inputs).argmax(axis=1) == test.targets).mean() > 0.85
