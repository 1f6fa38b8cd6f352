"""Zero-shot prompting of models that compare images with sentences about the classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import ModelError, SpecError, UnknownName
from harness.backbones.base import ModelFacts
from harness.backbones.clip import ClipBackbone
from harness.datasets.base import Split
from harness.strategies.base import DataFacts, Interrupted, NotFitted, TrialBudget
from harness.strategies.hard_prompt import HardPrompting
from harness.strategies.prompt_images import SENTENCES
from harness.tasks.classification import Classification
from tests.harness.tiny_clip import COLOURS, colours, loaded

TASK = Classification(COLOURS)
EMPTY = Split((), np.zeros(0, dtype=np.int64), ())
DATA = DataFacts(0, 3, "image", named_labels=True, description=False)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


@pytest.fixture
def backbone(tmp_path: Path) -> ClipBackbone:
    return loaded("clip", tmp_path / "model")


@pytest.fixture
def test(tmp_path: Path) -> Split:
    return colours(tmp_path / "test", 30)


def fitted(
    backbone: ClipBackbone,
    validation: Split = EMPTY,
    *,
    task: Classification = TASK,
    budget: TrialBudget | None = None,
    **settings: object,
) -> HardPrompting:
    strategy = HardPrompting(**settings)
    return strategy.fit(backbone, task, EMPTY, validation, seed=0, budget=budget or TrialBudget())


def test_the_names_of_the_classes_are_enough(backbone: ClipBackbone, test: Split) -> None:
    strategy = fitted(backbone)
    said = strategy.predict(test.inputs)
    assert said.dtype == np.float64
    assert (said.argmax(axis=1) == test.targets).mean() >= 0.9
    assert strategy.report_.trained_parameters == 0
    assert strategy.report_.chosen["template"] == "photo"
    assert "nothing was chosen" in strategy.report_.chosen["note"]
    assert strategy.predict(()).shape == (0, 3)


def test_probabilities_are_the_softmax_of_the_matches(backbone: ClipBackbone, test: Split) -> None:
    images = backbone.features(test.inputs, pooling="projected")
    texts = backbone.text_vectors([f"a photo of a {colour}." for colour in COLOURS])
    matches = np.exp(backbone.match(images, texts))
    expected = matches / matches.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted(backbone).predict(test.inputs), expected, atol=1e-5)


def test_an_ensemble_is_the_mean_direction_of_its_sentences(
    backbone: ClipBackbone, test: Split
) -> None:
    images = backbone.features(test.inputs, pooling="projected")
    means = np.stack(
        [
            backbone.text_vectors([one.format(label=colour) for one in SENTENCES["ensemble"]]).mean(
                0
            )
            for colour in COLOURS
        ]
    )
    matches = np.exp(backbone.match(images, means / np.linalg.norm(means, axis=1, keepdims=True)))
    expected = matches / matches.sum(axis=1, keepdims=True)
    found = fitted(backbone, template="ensemble").predict(test.inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_order_of_the_classes_changes_nothing(backbone: ClipBackbone, test: Split) -> None:
    order = [2, 0, 1]
    task = Classification(tuple(COLOURS[index] for index in order))
    said = fitted(backbone).predict(test.inputs)
    np.testing.assert_allclose(
        fitted(backbone, task=task).predict(test.inputs), said[:, order], atol=1e-6
    )


def test_validation_rows_choose_the_sentence(backbone: ClipBackbone, tmp_path: Path) -> None:
    validation = colours(tmp_path / "validating", 18)
    strategy = fitted(backbone, validation)
    chosen = strategy.report_.chosen
    assert set(chosen["scores_by_template"]) == set(SENTENCES)
    assert chosen["validation_rows"] == 18
    best = max(chosen["scores_by_template"].values())
    assert chosen["scores_by_template"][chosen["template"]] == best
    each = [
        fitted(backbone, validation, template=one).predict(validation.inputs) for one in SENTENCES
    ]
    scores = [(said.argmax(axis=1) == validation.targets).mean() for said in each]
    assert best == pytest.approx(max(scores))


def test_batch_calibration_divides_the_mean_answer_out(
    backbone: ClipBackbone, tmp_path: Path
) -> None:
    validation = colours(tmp_path / "validating", 18)
    plain = fitted(backbone, validation, template="photo", calibration="none")
    prior = plain.predict(validation.inputs).mean(axis=0)
    expected = plain.predict(validation.inputs) / prior
    found = fitted(backbone, validation, template="photo", calibration="batch")
    np.testing.assert_allclose(
        found.predict(validation.inputs), expected / expected.sum(axis=1, keepdims=True), atol=1e-9
    )


def test_the_saved_prompt_is_json_and_says_the_same(
    backbone: ClipBackbone, test: Split, tmp_path: Path
) -> None:
    strategy = fitted(backbone, colours(tmp_path / "validating", 18), calibration="batch")
    (tmp_path / "kept").mkdir()
    strategy.save(tmp_path / "kept")
    kept = json.loads((tmp_path / "kept" / "prompt.json").read_text(encoding="utf-8"))
    assert kept["labels"] == list(COLOURS)
    assert kept["calibration"] == "batch"
    again = HardPrompting.load(tmp_path / "kept", backbone, TASK)
    assert np.array_equal(again.predict(test.inputs), strategy.predict(test.inputs))


def test_texts_are_read_once(
    backbone: ClipBackbone, test: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = fitted(backbone)
    strategy.predict(test.inputs[:3])
    monkeypatch.setattr(backbone, "tokenizer", lambda *_, **__: pytest.fail("read again"))
    strategy.predict(test.inputs)


def test_a_reading_that_others_paid_for_is_charged(backbone: ClipBackbone, test: Split) -> None:
    first = fitted(backbone)
    first.predict(test.inputs)
    second = fitted(backbone)
    second.predict(test.inputs)
    assert first.charged_seconds_ == 0.0
    assert second.charged_seconds_ > 0.0


def test_little_time_reads_fewer_rows(backbone: ClipBackbone, tmp_path: Path) -> None:
    strategy = fitted(backbone, colours(tmp_path / "validating", 60), budget=TrialBudget(1e-9))
    assert strategy.report_.chosen["validation_rows"] == 16


def test_a_cancelled_fit_stops(backbone: ClipBackbone, test: Split) -> None:
    with pytest.raises(Interrupted):
        fitted(backbone, test, budget=TrialBudget(cancelled=lambda: True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_demonstrations": 4}, "n_demonstrations must be 0; got 4"),
        ({"length_normalization": "tokens"}, "not token by token"),
        ({"calibration": "contextual"}, "must be one of auto, none, batch; got 'contextual'"),
        ({"calibration": "batch"}, "averages over validation rows and there are none"),
    ],
)
def test_what_images_do_not_have_is_refused(
    backbone: ClipBackbone, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        fitted(backbone, **settings)


def test_unknown_templates_are_refused(backbone: ClipBackbone) -> None:
    with pytest.raises(UnknownName, match="fotos"):
        fitted(backbone, template="fotos")


def test_a_damaged_prompt_is_refused(backbone: ClipBackbone, tmp_path: Path) -> None:
    (tmp_path / "prompt.json").write_text('{"schema_version": 1}', encoding="utf-8")
    with pytest.raises(ModelError, match="is not a saved prompt"):
        HardPrompting.load(tmp_path, backbone, TASK)


def test_nothing_is_predicted_before_the_fit() -> None:
    with pytest.raises(NotFitted):
        HardPrompting().predict(())


FACTS = ModelFacts("tiny", "clip", 1000, 2, 32, "image", image_size=32)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (replace(DATA, named_labels=False), "compared with the names of the classes"),
        (replace(DATA, named_labels=False, description=True), "give --label-names"),
        (replace(DATA, modality="text"), "the model reads images, and the inputs are texts"),
    ],
)
def test_refusals_say_why(data: DataFacts, message: str) -> None:
    verdict = HardPrompting.feasible(FACTS, TASK, data)
    assert not verdict.feasible
    assert message in verdict.reason


def test_one_trial_is_enough_and_needs_no_labels() -> None:
    assert HardPrompting.feasible(FACTS, TASK, DATA).feasible
    space = HardPrompting.space(FACTS, TASK, DATA)
    assert space.exhaustive
    assert set(space.distributions) == {"template"}
