"""Every strategy on a tiny encoder-decoder: it learns, and what was saved predicts the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel

from harness.catalog import STRATEGIES
from harness.datasets.base import Split
from harness.strategies.base import DataFacts, TrialBudget
from harness.tasks.classification import Classification
from tests.harness.tiny_seq2seq import tiny_seq2seq

TASK = Classification(("good", "bad"), "classify the text")
SETTINGS = {
    "full_finetune": {"learning_rate": 3e-3, "epochs": 8},
    "lp_ft": {"learning_rate": 1e-3, "epochs": 3},
    "from_scratch": {"learning_rate": 3e-3, "epochs": 10},
    "lora": {"learning_rate": 1e-2, "epochs": 8},
    "ia3": {"learning_rate": 0.03, "epochs": 12},
    "soft_prompt": {"learning_rate": 0.3, "epochs": 8, "length": 5},
    "hard_prompt": {"n_demonstrations": 2},
    "linear_probe": {},
}
TRAINED = ("full_finetune", "lora", "from_scratch", "lp_ft")


def rows(n: int, seed: int) -> Split:
    draw = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    texts = [
        " ".join([*draw.choice(["the", "film", "was", "a"], 3), ("bright", "dull")[target]])
        for target in targets
    ]
    return Split(tuple(texts), targets.astype(np.int64), tuple(map(str, range(n))))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_a_strategy_learns_and_is_reloaded_as_it_was(name: str, tmp_path: Path) -> None:
    backbone = tiny_seq2seq()
    kind = STRATEGIES.load(name)
    data = DataFacts(48, 2, "text", named_labels=True, description=True, mean_tokens=5.0)
    assert kind.feasible(backbone.facts, TASK, data).feasible
    first = kind.space(backbone.facts, TASK, data).first
    assert all(kind(**point) for point in first)
    before = {n: p.clone() for n, p in backbone.model.named_parameters()}
    train, test = rows(48, 0), rows(16, 1)
    strategy = kind(**SETTINGS[name])
    strategy.fit(backbone, TASK, train, rows(16, 2), seed=0, budget=TrialBudget())
    assert all(torch.equal(before[n], p) for n, p in backbone.model.named_parameters())
    answers = strategy.predict(test.inputs)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-6)
    if name in TRAINED or name == "linear_probe":
        assert (answers.argmax(axis=1) == test.targets).mean() > 0.9
    elif name != "hard_prompt":
        losses = [point["train_loss"] for point in strategy.report_.curve]
        assert losses[-1] < losses[0]
    folder = tmp_path / "saved"
    folder.mkdir()
    strategy.save(folder)
    again = kind.load(folder, backbone, TASK)
    np.testing.assert_allclose(again.predict(test.inputs), answers, atol=1e-6)


@pytest.mark.parametrize("name", ["lora", "ia3", "soft_prompt"])
def test_peft_reads_what_was_saved(name: str, tmp_path: Path) -> None:
    backbone = tiny_seq2seq()
    strategy = STRATEGIES.load(name)(**{**SETTINGS[name], "epochs": 1})
    strategy.fit(backbone, TASK, rows(8, 0), rows(4, 2), seed=0, budget=TrialBudget())
    strategy.save(tmp_path)
    read = PeftModel.from_pretrained(tiny_seq2seq().model, str(tmp_path))
    trained = sum(p.numel() for p in strategy.trainee_.parameters() if p.requires_grad)
    assert sum(p.numel() for n, p in read.named_parameters() if _added(n)) == trained


def _added(name: str) -> bool:
    return any(mark in name for mark in ("lora_", "ia3_", "prompt_encoder"))
