"""IA3: learned factors on keys, values and inner activations (Liu et al. 2022, arXiv:2205.05638)."""

from __future__ import annotations

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from peft import IA3Config, PeftConfig
from peft.utils.constants import (
    TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
)
from torch import nn
from transformers.pytorch_utils import Conv1D

from advisor.traits import STRATEGIES
from harness.backbones.base import ModelFacts, Trainee
from harness.strategies.adapters import (
    AdapterStrategy,
    architecture,
    block_layers,
    named_like,
    transposed,
)
from harness.strategies.base import DataFacts, Space
from harness.strategies.trained import enough_epochs
from harness.tasks.base import Task
from harness.train_settings import TrainSettings

_ATTENTION = ("k", "v", "key", "value", "k_proj", "v_proj", "key_proj", "value_proj", "qkv", "wqkv")


class Ia3(AdapterStrategy):
    """One factor per channel of keys, values and the feed-forward layer's inside.

    Args:
        learning_rate: Of factors and head; 3e-3 in Liu et al. 2022 (section 3.3).
        epochs: Most passes over the training rows. batch_size: Examples per step.
    """

    id = "ia3"
    traits = STRATEGIES["ia3"]

    def __init__(
        self, *, learning_rate: float = 3e-3, epochs: int = 20, batch_size: int = 16
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """The paper's learning rate first, then a larger and a smaller one."""
        size = 8 if facts.family == "decoder" else 16
        epochs = enough_epochs(20, data, size)
        point = {"epochs": epochs, "batch_size": size}
        distributions: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(5e-4, 5e-2, log=True),
            "epochs": IntDistribution(2, 2 * epochs),
            "batch_size": CategoricalDistribution((8, 16)),
        }
        rates = (3e-3, 1e-2, 1e-3)
        return Space(distributions, tuple({"learning_rate": rate, **point} for rate in rates))

    def _settings(self) -> TrainSettings:
        return TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            weight_decay=0.0,  # towards 0 would switch a channel off; 1 changes nothing
        )

    def _config(self, trainee: Trainee) -> PeftConfig:
        layers, kind = block_layers(trainee), architecture(trainee.body)
        targets = named_like(
            layers,
            TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(kind),
            lambda name: name.rpartition(".")[2].lower() in _ATTENTION or _narrows(layers[name]),
        )
        inner = named_like(
            {name: layers[name] for name in targets},
            TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(kind),
            lambda name: _narrows(layers[name]),
        )
        return IA3Config(
            target_modules=targets, feedforward_modules=inner, fan_in_fan_out=transposed(layers)
        )


def _narrows(layer: nn.Module) -> bool:
    """Whether it leads out of the wide inside of a feed-forward layer."""
    if isinstance(layer, Conv1D):
        wide, narrow = layer.weight.shape
        return bool(wide > narrow)
    return isinstance(layer, nn.Linear) and layer.in_features > layer.out_features
