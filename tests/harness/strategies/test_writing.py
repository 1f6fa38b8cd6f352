"""Strategies where answers are texts: they learn, and what was saved writes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.catalog import STRATEGIES
from harness.datasets.base import Split
from harness.strategies.base import DataFacts, TrialBudget
from harness.tasks.open_text import OpenText
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_lstm import tiny_lstm
from tests.harness.tiny_seq2seq import MORE, tiny_seq2seq

NUMBERS = MORE[-6:]
MAKE: dict[str, Callable[[], Any]] = {
    "encoder_decoder": tiny_seq2seq,
    "decoder": lambda: tiny_decoder("gpt2"),
    "lstm": tiny_lstm,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "full_finetune": {"learning_rate": 3e-3, "epochs": 4},
    "from_scratch": {"learning_rate": 3e-3, "epochs": 4},
    "lora": {"learning_rate": 1e-2, "epochs": 3},
    "ia3": {"learning_rate": 3e-2, "epochs": 3},
    "soft_prompt": {"learning_rate": 0.1, "epochs": 3, "length": 4},
    "hard_prompt": {"n_demonstrations": 1},
}


class Reversing(OpenText):
    metrics = ("accuracy",)


TASK = Reversing(description="Say the words backwards.", id="translation")
DATA = DataFacts(48, 1, "text", named_labels=False, description=True, mean_tokens=3.0)


def rows(n: int, seed: int) -> Split:
    """Two or three words and the same words backwards."""
    draw = np.random.default_rng(seed)
    words = [draw.choice(NUMBERS, int(draw.integers(2, 4))) for _ in range(n)]
    return Split(
        tuple(" ".join(one) for one in words),
        np.array([" ".join(one[::-1]) for one in words]),
        tuple(map(str, range(n))),
    )


def cells() -> list[tuple[str, str]]:
    return [
        (family, name)
        for family, make in MAKE.items()
        for name in STRATEGIES.names()
        if STRATEGIES.load(name).feasible(make().facts, TASK, DATA).feasible
    ]


def test_probes_refuse_texts_and_everything_else_is_covered():
    found = set(cells())
    for family in ("encoder_decoder", "decoder"):
        assert {name for one, name in found if one == family} == set(SETTINGS)
        for name in ("linear_probe", "lp_ft"):
            verdict = STRATEGIES.load(name).feasible(MAKE[family]().facts, TASK, DATA)
            assert "token by token" in verdict.reason


@pytest.mark.parametrize(("family", "name"), cells())
def test_a_strategy_trains_on_texts_and_is_reloaded_as_it_was(family, name, tmp_path):
    backbone, kind = MAKE[family](), STRATEGIES.load(name)
    assert all(kind(**point) for point in kind.space(backbone.facts, TASK, DATA).first)
    strategy = kind(**SETTINGS[name])
    strategy.fit(backbone, TASK, rows(48, 0), rows(8, 1), seed=0, budget=TrialBudget())
    answers = strategy.predict(rows(8, 2).inputs)
    assert answers.shape == (8,)
    assert answers.dtype.kind == "U"
    if strategy.report_.curve:
        losses = [point["train_loss"] for point in strategy.report_.curve]
        assert losses[-1] < losses[0]
        longest = strategy.trainee_.max_new_tokens
    strategy.save(tmp_path)
    again = kind.load(tmp_path, backbone, TASK)
    assert again.predict(rows(8, 2).inputs).tolist() == answers.tolist()
    if strategy.report_.curve:
        assert again.trainee_.max_new_tokens == longest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "name", "rate", "epochs", "least"),
    [("encoder_decoder", "from_scratch", 5e-3, 60, 0.7), ("lstm", "full_finetune", 2e-2, 40, 0.2)],
)
def test_words_are_learned_to_be_said_backwards(family, name, rate, epochs, least):
    """Exact match on new rows; one of the 36 or 216 answers drawn at random is right less often
    than one time in 36."""
    strategy = STRATEGIES.load(name)(learning_rate=rate, epochs=epochs, batch_size=16)
    strategy.fit(MAKE[family](), TASK, rows(240, 0), rows(24, 1), seed=0, budget=TrialBudget())
    test = rows(40, 2)
    assert (strategy.predict(test.inputs) == test.targets).mean() >= least
