"""Full fine-tuning on tiny real models of each family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, AutoModelForCausalLM

from advisor.errors import SpecError
from harness.backbones.base import Backbone
from harness.datasets.base import Split
from harness.strategies.base import TrialBudget
from harness.strategies.full_finetune import FullFineTuning
from harness.tasks.classification import Classification
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import save_images, tiny_convnet, tiny_encoder
from tests.harness.toy import toy_data_facts, toy_facts, toy_task

WORDS = ("good", "bad")


def reviews(n: int, seed: int) -> Split:
    draw = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    fillers = ["the", "film", "was", "very", "and", "story", "truly"]
    texts = [
        " ".join(draw.permutation([WORDS[target], *draw.choice(fillers, 4)])) for target in targets
    ]
    return Split(tuple(texts), targets.astype(np.int64), tuple(map(str, range(n))))


TASK = Classification(WORDS)
TRAIN, VALIDATION, TEST = reviews(64, 1), reviews(16, 2), reviews(60, 3)


def fit(backbone: Backbone, **settings: float) -> FullFineTuning:
    return FullFineTuning(**settings).fit(
        backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget()
    )


@pytest.mark.parametrize("make", [tiny_encoder, tiny_decoder], ids=["encoder", "decoder"])
def test_learns_and_predicts_the_same_once_loaded(make, tmp_path: Path) -> None:
    tuned = fit(make(), learning_rate=5e-3, epochs=12, batch_size=8)
    predicted = tuned.predict(TEST.inputs)
    assert (predicted.argmax(axis=1) == TEST.targets).mean() > 0.85
    tuned.save(tmp_path)
    loaded = FullFineTuning.load(tmp_path, make(), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), predicted)
    assert loaded.learning_rate == 5e-3


def test_an_encoders_body_is_a_transformers_folder_with_the_head_beside_it(tmp_path: Path) -> None:
    fit(tiny_encoder(), learning_rate=1e-3, epochs=1).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "body",
        "head.safetensors",
        "strategy.json",
    }
    assert AutoModel.from_pretrained(tmp_path / "body").config.hidden_size == 32


def test_a_decoder_answers_in_words_and_has_no_head(tmp_path: Path) -> None:
    fit(tiny_decoder(), learning_rate=1e-3, epochs=1).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"body", "strategy.json"}
    AutoModelForCausalLM.from_pretrained(tmp_path / "body")


def test_every_weight_of_the_body_is_trained_and_the_backbone_stays() -> None:
    backbone = tiny_encoder()
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    tuned = fit(backbone, learning_rate=1e-3, epochs=2)
    moved = tuned.trainee_.body.state_dict()
    assert all((value == before[name]).all() for name, value in backbone.model.state_dict().items())
    floats = [name for name in moved if moved[name].is_floating_point()]
    unmoved = [name for name in floats if (moved[name] == before[name]).all()]
    assert not unmoved
    assert tuned.report_.trained_parameters == sum(p.numel() for p in tuned.trainee_.parameters())


def test_a_conv_net_learns_colours_and_keeps_its_statistics(tmp_path: Path) -> None:
    files = save_images(tmp_path, 24)
    targets = (np.arange(24) % 2).astype(np.int64)
    split = Split(tuple(files), targets, tuple(path.name for path in files))
    backbone = tiny_convnet()
    train, validation = split.take(range(16)), split.take(range(16, 24))
    tuned = FullFineTuning(learning_rate=3e-3, epochs=6, batch_size=8).fit(
        backbone, TASK, train, validation, seed=0, budget=TrialBudget()
    )
    assert (tuned.predict(validation.inputs).argmax(axis=1) == validation.targets).mean() >= 0.75
    means = {n: b for n, b in backbone.model.named_buffers() if "running_mean" in n}
    kept = dict(tuned.trainee_.body.named_buffers())
    assert means
    assert all((kept[name] == value).all() for name, value in means.items())
    (tmp_path / "kept").mkdir()
    tuned.save(tmp_path / "kept")
    loaded = FullFineTuning.load(tmp_path / "kept", tiny_convnet(), TASK)
    assert np.array_equal(loaded.predict(split.inputs), tuned.predict(split.inputs))


@pytest.mark.parametrize(
    ("family", "low", "high"),
    [("encoder", 2e-5, 1e-4), ("decoder", 1e-5, 5e-5), ("convnet", 1e-4, 1e-3)],
)
def test_the_first_points_are_the_literatures(family: str, low: float, high: float) -> None:
    space = FullFineTuning.space(toy_facts(family), toy_task(), toy_data_facts())
    rates = [point["learning_rate"] for point in space.first]
    assert (min(rates), max(rates)) == (low, high)
    assert space.distributions["learning_rate"].log


def test_a_decoder_can_be_given_a_head() -> None:
    tuned = FullFineTuning(form="head", epochs=1).fit(
        tiny_decoder("gpt2"), Classification(WORDS), TRAIN, VALIDATION, seed=0, budget=TrialBudget()
    )
    assert tuned.trainee_.head is not None
    forms = FullFineTuning.space(toy_facts("decoder"), toy_task(), toy_data_facts()).distributions
    assert "form" in forms


@pytest.mark.parametrize(
    ("ratio", "message"), [(0.5, "for vision transformers"), (1.0, "at least 0 and below 1")]
)
def test_a_mask_where_none_can_be_is_refused(ratio: float, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        FullFineTuning(mask_ratio=ratio).fit(
            tiny_encoder(), Classification(WORDS), TRAIN, VALIDATION, seed=0, budget=TrialBudget()
        )
