"""LoRA: low-rank updates beside the frozen weights (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from peft import LoraConfig, PeftConfig

from advisor.traits import STRATEGIES
from harness.backbones.base import ModelFacts, Trainee
from harness.strategies.adapters import AdapterStrategy, block_layers, transposed
from harness.strategies.base import DataFacts, Space
from harness.strategies.trained import enough_epochs
from harness.tasks.base import Task
from harness.train_settings import TrainSettings

_VISION = (1e-3, 3e-4, 3e-3)
_FIRST = {
    "encoder": (1e-3, 5e-4, 2e-3),
    "decoder": (3e-4, 1e-3, 1e-4),
    # T5's rates are ten times those of other models whatever is trained (Raffel et al. 2020)
    "encoder_decoder": (1e-3, 3e-3, 3e-4),
    "vit": _VISION,
    "clip": _VISION,
}


class Lora(AdapterStrategy):
    """Low-rank matrices beside every linear layer of the blocks; the body stays as it is.

    All linear layers rather than two projections of the attention: that is what it takes to
    match full fine-tuning (Dettmers et al. 2023, arXiv:2305.14314, section 4).

    Args:
        learning_rate: Of adapter and head, about ten times that of full fine-tuning.
        rank: Of the update. Its scale is alpha / rank with alpha = 2 * rank.
        dropout: On the adapter's input.
        epochs: Most passes over the training rows. batch_size: Examples per step.
    """

    id = "lora"
    traits = STRATEGIES["lora"]

    def __init__(
        self,
        *,
        learning_rate: float = 1e-3,
        rank: int = 8,
        dropout: float = 0.05,
        epochs: int = 10,
        batch_size: int = 16,
    ) -> None:
        self.learning_rate = learning_rate
        self.rank = rank
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """Learning rates of the family first, at rank 8 (Hu et al. 2021, table 6)."""
        small = facts.family == "decoder"
        size = 8 if small else 16
        epochs = enough_epochs(4 if small else 10, data, size)
        point = {"rank": 8, "epochs": epochs, "batch_size": size}
        distributions: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(5e-5, 5e-3, log=True),
            "rank": CategoricalDistribution((2, 4, 8, 16, 32)),
            "epochs": IntDistribution(2, 2 * epochs),
            "batch_size": CategoricalDistribution((8, 16)),
        }
        rates = _FIRST.get(facts.family, _FIRST["encoder"])
        return Space(distributions, tuple({"learning_rate": rate, **point} for rate in rates))

    def _settings(self) -> TrainSettings:
        return TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
        )

    def _config(self, trainee: Trainee) -> PeftConfig:
        layers = block_layers(trainee)
        return LoraConfig(
            r=self.rank,
            lora_alpha=2 * self.rank,
            lora_dropout=self.dropout,
            target_modules=list(layers),
            fan_in_fan_out=transposed(layers),
        )
