"""What strategies that train through `harness.training` have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GenerationConfig

from advisor.errors import ModelError
from harness import training
from harness.backbones.base import Backbone, ModelFacts, Trainee
from harness.datasets.base import Split
from harness.inference import predict_answers
from harness.splits import VALIDATION_SHARE
from harness.strategies.base import (
    DataFacts,
    FitReport,
    NotFitted,
    Strategy,
    TrialBudget,
    Verdict,
)
from harness.strategies.feasibility import common_refusal
from harness.strategies.settings_file import read_settings, write_settings
from harness.tasks.base import Task
from harness.train_settings import TrainResult, TrainSettings

LEAST_STEPS = 200
_SETTINGS, _HEAD = "strategy.json", "head.safetensors"


class TrainedStrategy(Strategy):
    """A strategy that trains a predictor by gradient.

    A subclass says how its predictor is made (`_make`), how it is trained (`_settings`), and how
    what changed of the body is written and read (`_save`, `_load`); a head is kept here.

    Attributes:
        trainee_: The trained predictor.
    """

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        return common_refusal(cls.traits, facts, data) or Verdict(True)

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
        """Train; the weights with the lowest validation loss are kept."""
        self.charged_seconds_ = 0.0
        with training.seeded(seed, backbone.device):
            trainee = self._make(backbone, task, seed)
        if task.output == "texts":
            trainee.read_answers(train.targets.tolist())
        chosen = self._prepare(trainee, backbone, task, train, validation, budget)
        settings = self._settings()
        result = training.train(
            trainee, train, validation, settings, task=task, seed=seed, budget=budget
        )
        self.trainee_, self._task = trainee, task
        report = fit_report(trainee, settings, result)
        self.report_ = replace(report, chosen={**report.chosen, **chosen})
        return self

    def predict(self, inputs: Sequence[Any]) -> np.ndarray:
        trainee = self._fitted()
        return predict_answers(trainee, inputs, self._task)

    def save(self, folder: Path) -> None:
        """What changed of the body, head.safetensors if there is a head, strategy.json; how long
        answers may be, where they are written, as transformers keeps it."""
        trainee = self._fitted()
        write_settings(folder / _SETTINGS, self)
        self._save(trainee, folder)
        if trainee.head is not None:
            save_module(trainee.head, folder / _HEAD)
        if trainee.max_new_tokens is not None:
            GenerationConfig(max_new_tokens=trainee.max_new_tokens).save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        """What `save` wrote.

        Raises:
            ModelError: If a file is missing or damaged.
        """
        self = read_settings(folder / _SETTINGS, cls)
        trainee = self._make(backbone, task, seed=0)
        self._load(trainee, folder)
        if trainee.head is not None:
            load_module(trainee.head, folder / _HEAD)
        if trainee.max_new_tokens is not None:
            trainee.write_up_to(_answer_tokens(folder))
        self.trainee_, self._task = trainee, task
        return self

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        """The untrained predictor; torch's generator is seeded where it matters."""
        raise NotImplementedError

    def _prepare(
        self,
        trainee: Trainee,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        budget: TrialBudget,
    ) -> Mapping[str, Any]:
        """Work before the training; returns what is to be told of it in `report_.chosen`."""
        return {}

    def _settings(self) -> TrainSettings:
        raise NotImplementedError

    def _save(self, trainee: Trainee, folder: Path) -> None:
        raise NotImplementedError

    def _load(self, trainee: Trainee, folder: Path) -> None:
        raise NotImplementedError

    def _fitted(self) -> Trainee:
        if not hasattr(self, "trainee_"):
            raise NotFitted(f"{self.traits.name} was not fitted; call fit or load first")
        return self.trainee_


def _answer_tokens(folder: Path) -> int:
    """The longest answer that `save` wrote down.

    Raises:
        ModelError: If the file is missing or damaged.
    """
    try:
        return int(GenerationConfig.from_pretrained(folder).max_new_tokens)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{folder} does not say how long answers may be: {reason}") from error


def enough_epochs(epochs: int, data: DataFacts, batch_size: int) -> int:
    """So many epochs, or as many as make 200 steps where examples are few.

    A few epochs of a few examples end long before the loss does: about 200 steps are needed
    (Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning", arXiv:2006.05987, section 5).
    """
    trained_on = max(1, round(data.n_examples * (1 - VALIDATION_SHARE)))
    return max(epochs, math.ceil(LEAST_STEPS / math.ceil(trained_on / batch_size)))


def fit_report(trainee: Trainee, settings: TrainSettings, result: TrainResult) -> FitReport:
    """What happened in a training, for the run record."""
    chosen: dict[str, Any] = {
        "best_step": result.best_step,
        "planned_steps": result.full_steps,
        "stopped_early": result.stopped_early,
    }
    if result.batch_size < settings.batch_size:
        chosen["rows_at_once"] = result.batch_size  # memory allowed no more
    if result.checkpointed:
        chosen["activation_checkpoints"] = True
    return FitReport(
        trained_parameters=sum(p.numel() for p in trainee.parameters() if p.requires_grad),
        underfit=result.underfit,
        curve=result.curve,
        steps=result.steps,
        chosen=chosen,
        flops=result.flops,
    )


def save_module(module: nn.Module, file: Path) -> None:
    """A module's parameters as safetensors."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    save_file(state, file)


def load_module(module: nn.Module, file: Path) -> None:
    """What `save_module` wrote, into a module of the same shape.

    Raises:
        ModelError: If the file is missing, damaged or of another shape.
    """
    try:
        module.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} does not hold the saved weights: {reason}") from error
