"""Full fine-tuning: every weight of the pretrained model may move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from advisor.traits import STRATEGIES
from harness import training
from harness.backbones.base import Backbone, ModelFacts, Trainee
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
from harness.strategies.settings_file import read_settings, write_settings
from harness.strategies.trained import fit_report, load_module, save_module
from harness.tasks.base import Task
from harness.train_settings import TrainSettings

_SETTINGS, _HEAD, _BODY = "strategy.json", "head.safetensors", "body"


@dataclass(frozen=True)
class _Recommended:
    """What the literature recommends for a family.

    Attributes:
        rates: Learning rates searched, lowest and highest; first: tried first, best guess first.
        layer_decay: Factor per layer towards the input.
        epochs: Of the points tried first.
        batch_size: Examples per step.
    """

    rates: tuple[float, float]
    first: tuple[float, ...]
    layer_decay: float
    epochs: int
    batch_size: int
    weight_decay: float = 0.01


_BY_FAMILY = {
    # Devlin et al. 2019 (appendix A.3): 2e-5 to 5e-5; small models want more, and few examples
    # want more epochs (Mosbach et al. 2021: 2e-5, 20 epochs, warm-up 10 %).
    "encoder": _Recommended((1e-5, 3e-4), (1e-4, 5e-5, 2e-5), 0.95, 10, 16),
    # Radford et al. 2018 (section 4.1): 6.25e-5, 3 epochs.
    "decoder": _Recommended((5e-6, 1e-4), (2e-5, 5e-5, 1e-5), 1.0, 4, 8),
    # Kornblith et al. 2019 (appendix A.5): rates over 4 decades, small ones for fine-tuning.
    "convnet": _Recommended((3e-5, 3e-3), (3e-4, 1e-3, 1e-4), 1.0, 10, 16),
}


class FullFineTuning(Strategy):
    """Train body and head (decoders: the model itself, text-to-text) with early stopping.

    Args:
        learning_rate: Of the layers nearest to the output.
        epochs: Most passes over the training rows.
        layer_decay: Factor on the learning rate per layer towards the input.
        weight_decay: Of matrices. batch_size: Examples per step.

    Attributes:
        trainee_: The fine-tuned copy of the model.
    """

    id = "full_finetune"
    traits = STRATEGIES["full_finetune"]

    def __init__(
        self,
        *,
        learning_rate: float = 1e-4,
        epochs: int = 10,
        layer_decay: float = 1.0,
        weight_decay: float = 0.01,
        batch_size: int = 16,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.batch_size = batch_size

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        return common_refusal(cls.traits, facts, data) or Verdict(True)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """The literature's settings of the family first, learning rate by learning rate."""
        best = _BY_FAMILY.get(facts.family, _BY_FAMILY["encoder"])
        distributions: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(*best.rates, log=True),
            "epochs": IntDistribution(2, 2 * best.epochs),
            "layer_decay": FloatDistribution(0.7, 1.0),
            "weight_decay": FloatDistribution(0.0, 0.1),
            "batch_size": CategoricalDistribution((8, 16, 32)),
        }
        first = tuple(
            {
                "learning_rate": rate,
                "epochs": best.epochs,
                "layer_decay": best.layer_decay,
                "weight_decay": best.weight_decay,
                "batch_size": best.batch_size,
            }
            for rate in best.first
        )
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
        """Train a copy of the model; the weights with the lowest validation loss are kept."""
        with training.seeded(seed, backbone.device):
            trainee = backbone.trainee(task)
        settings = TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            layer_decay=self.layer_decay,
            weight_decay=self.weight_decay,
        )
        result = training.train(
            trainee, train, validation, settings, task=task, seed=seed, budget=budget
        )
        self.trainee_, self._n_classes = trainee, task.n_classes
        self.report_ = fit_report(trainee, settings, result)
        return self

    def predict(self, inputs: Sequence[Any]) -> np.ndarray:
        trainee = self._fitted()
        return np.exp(predict_log_probabilities(trainee, inputs, n_classes=self._n_classes))

    def save(self, folder: Path) -> None:
        """body/ (the ecosystem's format), head.safetensors if there is a head, strategy.json."""
        trainee = self._fitted()
        write_settings(folder / _SETTINGS, self)
        trainee.save_body(folder / _BODY)
        if trainee.head is not None:
            save_module(trainee.head, folder / _HEAD)

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        """What `save` wrote.

        Raises:
            ModelError: If a file is missing or damaged.
        """
        self = read_settings(folder / _SETTINGS, cls)
        trainee = backbone.trainee(task)
        trainee.load_body(folder / _BODY)
        if trainee.head is not None:
            load_module(trainee.head, folder / _HEAD)
        self.trainee_, self._n_classes = trainee, task.n_classes
        return self

    def _fitted(self) -> Trainee:
        if not hasattr(self, "trainee_"):
            raise NotFitted("full fine-tuning was not fitted; call fit or load first")
        return self.trainee_
