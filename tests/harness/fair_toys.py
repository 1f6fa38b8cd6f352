"""A toy model, toy data and toy strategies: a whole fair run takes a fraction of a second."""

from __future__ import annotations

import atexit
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from optuna.distributions import FloatDistribution

from advisor.traits import STRATEGIES
from harness.backbones.base import FrozenModel, ModelFacts
from harness.bench import Bench, Draw
from harness.datasets.base import Dataset, Split
from harness.question import Question
from harness.splits import draw_examples
from harness.strategies.base import FitReport, Interrupted, Space, Strategy, Verdict
from harness.tasks.classification import Classification

gc.freeze()  # as a run does: the libraries need not be searched for garbage in every trial
atexit.register(gc.unfreeze)

FACTS = ModelFacts("toy", "encoder", 1000, 2, 2, "text", window=64, digest="toy-weights")
LABELS = ("low", "high")


@dataclass
class ToyBackbone(FrozenModel):
    """Reads a text as the number it is."""

    facts: ModelFacts = FACTS
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a value, never changed
    poolings: tuple[str, ...] = ("mean",)
    max_tokens: int | None = 16

    def views(self, inputs: Sequence[str], views, *, progress=None):
        return np.array([[float(text)] for text in inputs], dtype=np.float32)


def numbers(n: int, seed: int, *, permuted: bool = False) -> Split:
    """n numbers in [0, 1] as texts; class 1 is above a half."""
    rng = np.random.default_rng(seed)
    values = rng.random(n)
    targets = (values > 0.5).astype(np.int64)
    if permuted:
        targets = rng.permutation(targets)
    return Split(
        tuple(f"{value:.6f}" for value in values),
        targets,
        tuple(f"row {seed}.{row}" for row in range(n)),
    )


def toy_data(*, permuted: bool = False, ood: bool = False) -> Dataset:
    return Dataset(
        name="numbers",
        modality="text",
        label_names=LABELS,
        train=numbers(400, 1, permuted=permuted),
        test=numbers(300, 2),
        ood=numbers(50, 3) if ood else None,
        digest="toy-data-permuted" if permuted else "toy-data",
    )


def toy_bench(folder: Path, question: Question, dataset: Dataset | None = None, **more) -> Bench:
    dataset = dataset or toy_data()
    draws = {
        seed: Draw(*draw_examples(dataset.train, question.examples, seed, len(LABELS)))
        for seed in range(question.seeds)
    }
    return Bench(
        question=question,
        backbone=ToyBackbone(),
        task=Classification(LABELS, metric=question.metric or "accuracy"),
        dataset=dataset,
        draws=draws,
        test=dataset.test,
        ood=dataset.ood,
        folder=folder,
        **more,
    )


def toy_question(**changes) -> Question:
    values = {"model": "toy", "data": "numbers", "strategies": ("linear_probe",), "examples": 80}
    return Question(**(values | changes))


class Threshold(Strategy):
    """Learns one threshold; `noise` blurs it, so that settings differ. Counts its fits."""

    id = "linear_probe"
    traits = STRATEGIES["linear_probe"]
    fits = 0
    pause = 0.0

    def __init__(self, *, noise: float = 0.0) -> None:
        self.noise = noise

    @classmethod
    def feasible(cls, facts, task, data) -> Verdict:
        return Verdict(True)

    @classmethod
    def space(cls, facts, task, data) -> Space:
        return Space({"noise": FloatDistribution(0.0, 0.4)}, first=({"noise": 0.2},))

    def fit(self, backbone, task, train, validation, *, seed, budget):
        type(self).fits += 1
        if budget.cancelled():
            raise Interrupted
        budget.progress(0.5)
        time.sleep(self.pause)
        values = backbone.features(train.inputs, pooling="mean")[:, 0]
        means = [values[train.targets == label].mean() for label in (0, 1)]
        shift = np.random.default_rng(seed).normal() * self.noise
        self.threshold_ = float(np.mean(means) + shift)
        self.sign_ = 1.0 if means[1] >= means[0] else -1.0
        self.report_ = FitReport(trained_parameters=1, chosen={"threshold": self.threshold_})
        return self

    def predict(self, inputs) -> np.ndarray:
        values = np.array([float(text) for text in inputs])
        high = 1 / (1 + np.exp(-20 * self.sign_ * (values - self.threshold_)))
        return np.stack([1 - high, high], axis=1)

    def save(self, folder: Path) -> None:
        (folder / "threshold.json").write_text(json.dumps([self.threshold_, self.sign_]))

    @classmethod
    def load(cls, folder: Path, backbone, task):
        loaded = cls()
        loaded.threshold_, loaded.sign_ = json.loads((folder / "threshold.json").read_text())
        return loaded


class Constant(Threshold):
    """Always says the first class."""

    id = "full_finetune"
    traits = STRATEGIES["full_finetune"]

    def predict(self, inputs) -> np.ndarray:
        return np.tile([0.9, 0.1], (len(inputs), 1))


class Broken(Threshold):
    """Fails in every fit."""

    id = "soft_prompt"
    traits = STRATEGIES["soft_prompt"]

    def fit(self, backbone, task, train, validation, *, seed, budget):
        raise RuntimeError("no gradient today")


class Unwilling(Threshold):
    """Cannot work on this question."""

    id = "hard_prompt"
    traits = STRATEGIES["hard_prompt"]

    @classmethod
    def feasible(cls, facts, task, data) -> Verdict:
        return Verdict(False, "there is nothing to say")


class Underfit(Threshold):
    """Its validation loss is still falling."""

    def fit(self, *args, **kwargs):
        super().fit(*args, **kwargs)
        self.report_ = FitReport(trained_parameters=1, underfit=True)
        return self


KINDS = {kind.id: kind for kind in (Threshold, Constant, Broken, Unwilling)}


class ToyRegistry:
    """Registry of the toy strategies."""

    def __init__(self, kinds: dict[str, type[Strategy]]) -> None:
        self.kinds = kinds

    def names(self) -> tuple[str, ...]:
        return tuple(self.kinds)

    def load(self, name: str) -> type[Strategy]:
        return self.kinds[name]


def install(monkeypatch, *, dataset: Dataset | None = None, kinds=None) -> None:
    """Put the toys in place of model, data and strategies: the rest of a run is real."""
    dataset = dataset or toy_data()
    registry = ToyRegistry(KINDS | (kinds or {}))
    monkeypatch.setattr("harness.plan.STRATEGIES", registry)
    monkeypatch.setattr("harness.plan.resolve_model", lambda name: FACTS)
    monkeypatch.setattr("harness.plan.load_dataset", lambda request: dataset)
    monkeypatch.setattr("harness.runner.load_backbone", lambda *a: ToyBackbone())
    monkeypatch.setattr("harness.executors.work.resolve_model", lambda name: FACTS)
    monkeypatch.setattr("harness.executors.work.load_backbone", lambda *a: ToyBackbone())
    monkeypatch.setattr("harness.winner.STRATEGIES", registry)
    monkeypatch.setattr("harness.winner.resolve_model", lambda name: FACTS)
    monkeypatch.setattr("harness.winner.load_backbone", lambda *a: ToyBackbone())
