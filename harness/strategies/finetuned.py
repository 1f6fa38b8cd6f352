"""Strategies that train every weight: what they share, and the settings the literature gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from harness.backbones.base import Trainee
from harness.strategies.base import DataFacts, Space
from harness.strategies.trained import TrainedStrategy, enough_epochs
from harness.train_settings import TrainSettings

_BODY = "body"


@dataclass(frozen=True)
class Recommended:
    """What is recommended for one strategy on one family.

    Attributes:
        rates: Learning rates searched, lowest and highest; first: tried first, best guess first.
        layer_decay: Factor per layer towards the input.
        epochs: Of the points tried first. batch_size: Examples per step.
    """

    rates: tuple[float, float]
    first: tuple[float, ...]
    layer_decay: float
    epochs: int
    batch_size: int
    weight_decay: float = 0.01

    def space(self, data: DataFacts, **more: Any) -> Space:
        """Around these settings; the points tried first also have what is given here."""
        epochs = enough_epochs(self.epochs, data, self.batch_size)
        distributions: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(*self.rates, log=True),
            "epochs": IntDistribution(2, 2 * epochs),
            "layer_decay": FloatDistribution(0.7, 1.0),
            "weight_decay": FloatDistribution(0.0, 0.1),
            "batch_size": CategoricalDistribution((8, 16, 32)),
        }
        point = {
            "epochs": epochs,
            "layer_decay": self.layer_decay,
            "weight_decay": self.weight_decay,
            "batch_size": self.batch_size,
        }
        first = tuple({"learning_rate": rate, **point, **more} for rate in self.first)
        return Space(distributions, first)


class FineTuned(TrainedStrategy):
    """Trains head and body (decoders: the model itself, text-to-text) with early stopping.

    Args:
        learning_rate: Of the layers nearest to the output.
        epochs: Most passes over the training rows.
        layer_decay: Factor on the learning rate per layer towards the input.
        weight_decay: Of matrices. batch_size: Examples per step.
    """

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

    def _settings(self) -> TrainSettings:
        return TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            layer_decay=self.layer_decay,
            weight_decay=self.weight_decay,
        )

    def _save(self, trainee: Trainee, folder: Path) -> None:
        """body/ in the ecosystem's own format."""
        trainee.save_body(folder / _BODY)

    def _load(self, trainee: Trainee, folder: Path) -> None:
        trainee.load_body(folder / _BODY)
