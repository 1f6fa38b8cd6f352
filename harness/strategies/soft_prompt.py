"""Soft prompting: trained vectors steer a frozen model.

They stand among the input embeddings (prompt tuning; Lester et al. 2021, arXiv:2104.08691) or are
keys and values in every layer (prefix tuning; Li and Liang 2021, arXiv:2101.00190; on encoders:
P-tuning v2, Liu et al. 2022, arXiv:2110.07602).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from advisor.errors import SpecError
from advisor.traits import STRATEGIES
from harness import training
from harness.backbones.base import Backbone, ModelFacts, PromptSpec, Trainee
from harness.datasets.base import Split
from harness.inference import predict_log_probabilities
from harness.strategies.base import (
    DataFacts,
    NotFitted,
    Space,
    Strategy,
    TrialBudget,
    Verdict,
)
from harness.strategies.feasibility import common_refusal
from harness.strategies.prompt_adapter import load_prompt, save_prompt
from harness.strategies.settings_file import read_settings, write_settings
from harness.strategies.trained import fit_report, load_module, save_module
from harness.tasks.base import Task
from harness.train_settings import TrainSettings

_SETTINGS, _HEAD = "strategy.json", "head.safetensors"
_KINDS = {"encoder": ("prefix", "prompt")}
_INITS = ("vocabulary", "text", "random")


class SoftPrompting(Strategy):
    """Train prompt vectors, and a head where the family needs one; the body never changes.

    Args:
        learning_rate: Of the vectors. Together with `init` it decides whether a prompt learns at
            all, so these two are tried first.
        init: "vocabulary" (embeddings of random tokens), "text" (of description and labels) or
            "random".
        length: Number of vectors.
        kind: "prompt" or "prefix"; None for what suits the model: a prefix for encoders, whose
            heads read what every layer makes of the input, unless their attention takes no
            given keys; a prompt elsewhere. `chosen` says which.
        position: "before", "behind" or "around" the input; kind "prompt" only.
        epochs: Most passes over the training rows. batch_size: Examples per step.

    Attributes:
        trainee_: The frozen model with its vectors.
    """

    id = "soft_prompt"
    traits = STRATEGIES["soft_prompt"]

    def __init__(
        self,
        *,
        learning_rate: float = 0.03,
        init: str = "vocabulary",
        length: int = 20,
        kind: str | None = None,
        position: str = "before",
        epochs: int = 30,
        batch_size: int = 8,
    ) -> None:
        self.learning_rate = learning_rate
        self.init = init
        self.length = length
        self.kind = kind
        self.position = position
        self.epochs = epochs
        self.batch_size = batch_size

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        return common_refusal(cls.traits, facts, data) or Verdict(True)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """Learning rate and init first, then length and position."""
        distributions: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(3e-3, 0.3, log=True),
            "init": CategoricalDistribution(_INITS),
            "length": CategoricalDistribution((5, 10, 20, 50)),
        }
        point: dict[str, Any] = {"length": 20}
        if _KINDS.get(facts.family, ("prompt",)) == ("prompt",):
            distributions["position"] = CategoricalDistribution(("before", "behind", "around"))
            point["position"] = "before"
        tried = ((0.03, "vocabulary"), (0.01, "text"), (0.1, "vocabulary"), (0.03, "random"))
        first = tuple(point | {"learning_rate": rate, "init": init} for rate, init in tried)
        return Space(distributions, first)

    def fit(
        self,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        *,
        seed: int,
        budget: TrialBudget,
    ) -> Self:
        """Train the vectors; those with the lowest validation loss are kept.

        Weights are not decayed: towards 0 is no simpler for a vector among embeddings.
        """
        with training.seeded(seed, backbone.device):
            trainee, spec = self._make(backbone, task, seed)
        settings = TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            weight_decay=0.0,
        )
        result = training.train(
            trainee, train, validation, settings, task=task, seed=seed, budget=budget
        )
        self._keep(backbone, task, trainee, spec)
        report = fit_report(trainee, settings, result)
        self.report_ = replace(report, chosen={**report.chosen, "kind": spec.kind})
        return self

    def predict(self, inputs: Sequence[Any]) -> np.ndarray:
        trainee = self._fitted()
        return np.exp(predict_log_probabilities(trainee, inputs, n_classes=self._n_classes))

    def save(self, folder: Path) -> None:
        """The vectors (see `prompt_adapter`), head.safetensors if there is one, strategy.json."""
        trainee = self._fitted()
        assert trainee.prompt is not None
        write_settings(folder / _SETTINGS, self)
        save_prompt(folder, trainee.prompt, self._prompt, self._facts)
        if trainee.head is not None:
            save_module(trainee.head, folder / _HEAD)

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        """What `save` wrote.

        Raises:
            ModelError: If a file is missing or damaged.
        """
        self = read_settings(folder / _SETTINGS, cls)
        trainee, spec = self._make(backbone, task, seed=0)
        assert trainee.prompt is not None
        load_prompt(folder, trainee.prompt)
        if trainee.head is not None:
            load_module(trainee.head, folder / _HEAD)
        self._keep(backbone, task, trainee, spec)
        return self

    def _make(self, backbone: Backbone, task: Task, seed: int) -> tuple[Trainee, PromptSpec]:
        """A trainee with vectors of the kind asked for, else of the first that the model takes.

        Raises:
            SpecError: What is wrong with the last kind tried.
        """
        spec = PromptSpec(length=self.length, position=self.position, init=self.init, seed=seed)
        kinds = (self.kind,) if self.kind else _KINDS.get(backbone.facts.family, ("prompt",))
        for kind in kinds[:-1]:
            one = replace(spec, kind=kind)
            with suppress(SpecError):
                return backbone.trainee(task, prompt=one), one
        last = replace(spec, kind=kinds[-1])
        return backbone.trainee(task, prompt=last), last

    def _keep(self, backbone: Backbone, task: Task, trainee: Trainee, spec: PromptSpec) -> None:
        self.trainee_, self._n_classes = trainee, task.n_classes
        self._prompt, self._facts = spec, backbone.facts

    def _fitted(self) -> Trainee:
        if not hasattr(self, "trainee_"):
            raise NotFitted("soft prompting was not fitted; call fit or load first")
        return self.trainee_
