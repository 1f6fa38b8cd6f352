"""Each query is shown the training rows nearest to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.strategies.base import TrialBudget
from harness.strategies.hard_prompt import HardPrompting
from tests.harness.strategies.test_full_finetune import TRAIN as WORD_TRAIN
from tests.harness.strategies.test_full_finetune import VALIDATION as WORD_VALIDATION
from tests.harness.strategies.test_full_finetune import WORDS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.toy import ToyBackbone, toy_data_facts, toy_facts, toy_split, toy_task

TASK = toy_task()
TRAIN, VALIDATION, TEST = toy_split(40, 1), toy_split(16, 2), toy_split(60, 3)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted in each test."""


class Overheard(ToyBackbone):
    """Keeps what it was asked."""

    def label_logprobs(self, queries, labels, *, prefix="", progress=None):
        self.queries, self.prefix = list(queries), prefix
        return super().label_logprobs(queries, labels, prefix=prefix, progress=progress)


def fit(backbone: ToyBackbone, count: int = 3) -> HardPrompting:
    strategy = HardPrompting(n_demonstrations=count, selection="nearest", template="label")
    return strategy.fit(backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget())


def test_the_nearest_rows_are_shown_the_nearest_last() -> None:
    backbone = Overheard()
    strategy = fit(backbone)
    strategy.predict(TEST.inputs)
    x, pool = (backbone.features(one.inputs, pooling="mean") for one in (TEST, TRAIN))
    x, pool = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (x, pool))
    for query, likeness in zip(backbone.queries, x @ pool.T, strict=True):
        nearest = [TRAIN.inputs[row] for row in np.argsort(likeness)[-3:]]
        shown = [line.removeprefix("Text: ") for line in query.splitlines()[::2]]
        assert shown[:3] == nearest
    assert "Text:" not in backbone.prefix
    assert strategy.report_.chosen["demonstrations"] == 3


def test_it_is_saved_and_answers_the_same(tmp_path: Path) -> None:
    strategy = fit(ToyBackbone())
    strategy.save(tmp_path)
    loaded = HardPrompting.load(tmp_path, ToyBackbone(), TASK)
    assert loaded.selection == "nearest"
    assert np.array_equal(loaded.predict(TEST.inputs), strategy.predict(TEST.inputs))


def test_features_are_charged() -> None:
    first = fit(ToyBackbone())
    assert fit(ToyBackbone()).charged_seconds_ > first.charged_seconds_


def test_a_small_window_shows_fewer() -> None:
    backbone = ToyBackbone()
    backbone.facts = toy_facts()
    backbone.max_tokens = 16
    backbone.facts = type(backbone.facts)(**{**vars(backbone.facts), "window": 90})
    assert fit(backbone, count=30).prompt_.neighbours < 10


def test_zero_demonstrations_are_zero_shot() -> None:
    assert fit(ToyBackbone(), count=0).prompt_.neighbours == 0


def test_it_is_among_the_points_tried_first() -> None:
    space = HardPrompting.space(toy_facts(), TASK, toy_data_facts())
    assert [point["selection"] for point in space.first].count("nearest") == 1
    without = HardPrompting.space(toy_facts(), TASK, toy_data_facts(0))
    assert all(point["selection"] != "nearest" for point in without.first)


def test_a_real_decoder_answers_with_its_own_features() -> None:
    from harness.tasks.classification import Classification

    task = Classification(WORDS)
    strategy = HardPrompting(n_demonstrations=2, selection="nearest", template="bare").fit(
        tiny_decoder("gpt2"), task, WORD_TRAIN, WORD_VALIDATION, seed=0, budget=TrialBudget()
    )
    said = strategy.predict(WORD_VALIDATION.inputs)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
