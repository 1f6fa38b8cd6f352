"""LP-FT starts as the probe and from-scratch starts from nothing, on tiny real models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.backbones.base import Backbone
from harness.datasets.base import Split
from harness.strategies.base import TrialBudget
from harness.strategies.from_scratch import FromScratch
from harness.strategies.lp_ft import LpFt, become
from harness.strategies.probe_path import LinearClassifier, best_on_path
from harness.tasks.classification import Classification
from tests.harness.strategies.test_full_finetune import TEST, TRAIN, VALIDATION, WORDS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import save_images, tiny_convnet, tiny_encoder

TASK = Classification(WORDS)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


def test_a_head_that_became_a_probe_says_the_same() -> None:
    draw = np.random.default_rng(0)
    probe = LinearClassifier(
        draw.normal(size=(5, 3)), draw.normal(size=3), draw.normal(size=5), draw.random(5) + 0.5
    )
    head = torch.nn.Linear(5, 3)
    become(head, probe)
    x = draw.normal(size=(7, 5))
    with torch.no_grad():
        said = head(torch.as_tensor(x, dtype=torch.float32)).softmax(-1).numpy()
    np.testing.assert_allclose(said, probe.probabilities(x), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "pooling"),
    [(tiny_encoder, "mean"), (lambda: tiny_decoder("llama"), "last")],
    ids=["encoder", "decoder"],
)
def test_starts_where_the_probe_ended(make: Callable[[], Backbone], pooling: str) -> None:
    backbone = make()
    strategy = LpFt()
    trainee = strategy._make(backbone, TASK, seed=0).eval()
    strategy.charged_seconds_ = 0.0
    chosen = strategy._prepare(trainee, backbone, TASK, TRAIN, VALIDATION, TrialBudget())
    x, x_val = (backbone.features(s.inputs, pooling=pooling) for s in (TRAIN, VALIDATION))
    strength, probe = best_on_path(
        TASK, (x, TRAIN.targets), (x_val, VALIDATION.targets), cancelled=lambda: False
    )
    assert chosen == {"probe_C": strength}
    with torch.no_grad():
        said = trainee.answers(trainee.encode(TEST.inputs)).exp().numpy()
    expected = probe.probabilities(backbone.features(TEST.inputs, pooling=pooling))
    np.testing.assert_allclose(said, expected, atol=1e-4)


def image_splits(folder: Path) -> tuple[Split, Split]:
    folder.mkdir()
    files = save_images(folder, 12)
    targets = np.arange(12, dtype=np.int64) % 2
    whole = Split(tuple(files), targets, tuple(map(str, files)))
    return whole.take(range(8)), whole.take(range(8, 12))


def test_lp_ft_works_on_a_conv_net_and_predicts_the_same_once_loaded(tmp_path: Path) -> None:
    train, validation = image_splits(tmp_path / "images")
    task = Classification(("plain", "striped"))
    tuned = LpFt(epochs=1).fit(
        tiny_convnet(), task, train, validation, seed=0, budget=TrialBudget()
    )
    (tmp_path / "kept").mkdir()
    tuned.save(tmp_path / "kept")
    loaded = LpFt.load(tmp_path / "kept", tiny_convnet(), task)
    assert np.array_equal(loaded.predict(train.inputs), tuned.predict(train.inputs))


@pytest.mark.parametrize("make", [tiny_encoder, lambda: tiny_decoder("gpt2")], ids=["bert", "gpt2"])
def test_from_scratch_keeps_nothing_of_the_pretrained_weights(make: Callable[[], Backbone]) -> None:
    backbone = make()
    before = {key: value.clone() for key, value in backbone.model.state_dict().items()}
    old = {value.data_ptr() for value in backbone.model.state_dict().values()}
    one, same, other = (
        FromScratch(epochs=1).fit(
            backbone, TASK, TRAIN, VALIDATION, seed=seed, budget=TrialBudget()
        )
        for seed in (0, 0, 1)
    )
    for key, value in one.trainee_.body.state_dict().items():
        assert value.data_ptr() not in old
        pretrained = before.get(key, before.get(f"transformer.{key}"))
        assert pretrained is not None
        if value.ndim > 1 and pretrained.std() > 0 and value.shape == pretrained.shape:
            assert not torch.equal(value, pretrained), key
    assert np.array_equal(one.predict(TEST.inputs), same.predict(TEST.inputs))
    assert not np.array_equal(one.predict(TEST.inputs), other.predict(TEST.inputs))
    assert all(torch.equal(v, before[k]) for k, v in backbone.model.state_dict().items())


def test_fresh_conv_nets_learn_their_own_statistics(tmp_path: Path) -> None:
    train, validation = image_splits(tmp_path / "images")
    task = Classification(("plain", "striped"))
    backbone = tiny_convnet()
    tuned = FromScratch(epochs=2, learning_rate=1e-3).fit(
        backbone, task, train, validation, seed=0, budget=TrialBudget()
    )
    means = {k: v for k, v in tuned.trainee_.body.state_dict().items() if "running_mean" in k}
    assert means
    assert all(v.abs().sum() > 0 for v in means.values())
    pretrained = backbone.model.state_dict()
    assert not any(torch.equal(v, pretrained[k]) for k, v in means.items())
    (tmp_path / "kept").mkdir()
    tuned.save(tmp_path / "kept")
    loaded = FromScratch.load(tmp_path / "kept", backbone, task)
    assert np.array_equal(loaded.predict(train.inputs), tuned.predict(train.inputs))
