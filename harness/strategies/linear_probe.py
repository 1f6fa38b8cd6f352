"""Linear probe: logistic regression on the frozen model's features (Alain and Bengio 2016)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from advisor.errors import ModelError
from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts
from harness.datasets.base import Split
from harness.features import BLOCK_ROWS, cached_features, feature_blocks
from harness.strategies.base import (
    DataFacts,
    FitReport,
    Interrupted,
    NotFitted,
    Space,
    Strategy,
    TrialBudget,
    Verdict,
)
from harness.strategies.feasibility import common_refusal
from harness.strategies.probe_path import LinearClassifier, best_on_path
from harness.strategies.settings_file import read_settings, write_settings
from harness.tasks.base import Task

LIMITED_BLOCK = 16
"""Rows extracted between two looks at the clock when time is limited."""
RESERVE = 0.2
"""Share of a limited time that is kept from extraction, for the regularization path."""
_POOLINGS = {"encoder": ("mean", "cls", "cls_mean"), "decoder": ("mean", "last", "max")}
_SETTINGS, _WEIGHTS = "probe.json", "probe.safetensors"


class LinearProbe(Strategy):
    """L2-regularized multinomial logistic regression on standardised frozen features.

    The strength of regularization is chosen inside `fit` from 15 values on validation rows: by
    the task's metric, of equals by log loss. It is not refitted on training and validation rows
    together, so that its validation score stays a score on rows it never saw.

    Args:
        pooling: What the model's outputs are pooled with; None for its recommended pooling.
        layers: So many of the last blocks' outputs are concatenated.

    Attributes:
        classifier_: The fitted layer.
    """

    id = "linear_probe"
    traits = STRATEGIES["linear_probe"]

    def __init__(self, *, pooling: str | None = None, layers: int = 1) -> None:
        self.pooling = pooling
        self.layers = layers

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        return common_refusal(cls.traits, facts, data) or Verdict(True)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """Every pooling of the family, and the last four blocks together for transformers.

        Four layers together did best for BERT's features (Devlin et al. 2019, table 7).
        """
        poolings = _POOLINGS.get(facts.family, ("mean",))
        points = [{"pooling": pooling, "layers": 1} for pooling in poolings]
        if facts.family in _POOLINGS and facts.layers >= 4:
            points.append({"pooling": poolings[0], "layers": 4})
        return Space(
            distributions={
                "pooling": CategoricalDistribution(poolings),
                "layers": IntDistribution(1, 4),
            },
            first=tuple(points),
            exhaustive=True,
        )

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
        """Extract (or find) the features and walk the regularization path.

        Where the budget has no time for all rows, training and validation rows are used in
        proportion as far as it reaches; `chosen` and `underfit` say so.
        """
        self._backbone, self.charged_seconds_ = backbone, 0.0
        x, y, x_val, y_val = self._features(train, validation, budget)
        strength, self.classifier_ = best_on_path(
            task, (x, y), (x_val, y_val), cancelled=budget.cancelled
        )
        used, given = len(y) + len(y_val), len(train) + len(validation)
        chosen: dict[str, Any] = {"C": strength, "pooling": self._pooling}
        if not len(y_val):
            chosen["note"] = "no validation rows: the default strength of regularization"
        if used < given:
            chosen["rows"] = f"{used} of {given} examples, as many as there was time for"
        self.report_ = FitReport(
            trained_parameters=self.classifier_.weights.size + self.classifier_.bias.size,
            underfit=used < given,
            chosen=chosen,
        )
        budget.progress(1.0)
        return self

    def predict(self, inputs: Sequence[Any]) -> np.ndarray:
        classifier = self._fitted()
        if not inputs:
            return np.zeros((0, len(classifier.bias)))
        features, charged = cached_features(
            self._backbone, inputs, pooling=self._pooling, layers=self._layers
        )
        self.charged_seconds_ += charged
        return classifier.probabilities(features)

    def save(self, folder: Path) -> None:
        """probe.safetensors (weights, bias, mean, scale; float64) and probe.json."""
        classifier = self._fitted()
        write_settings(folder / _SETTINGS, self)
        arrays = {name: np.ascontiguousarray(value) for name, value in vars(classifier).items()}
        save_file(arrays, folder / _WEIGHTS)

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        """What `save` wrote.

        Raises:
            ModelError: If a file is missing or damaged.
        """
        self = read_settings(folder / _SETTINGS, cls)
        try:
            self.classifier_ = LinearClassifier(**load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, TypeError) as error:
            raise ModelError(f"{folder / _WEIGHTS} is no saved probe: {error}") from error
        self._backbone = backbone
        return self

    def _features(
        self, train: Split, validation: Split, budget: TrialBudget
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Features and targets of the training and of the validation rows there is time for."""
        inputs = (*train.inputs, *validation.inputs)
        targets = np.concatenate([train.targets, validation.targets])
        # Both in their own order, side by side in proportion.
        place = [(np.arange(n) + 0.5) / max(1, n) for n in (len(train), len(validation))]
        order = np.argsort(np.concatenate(place), kind="stable")

        def moved(share: float) -> None:
            if budget.cancelled():
                raise Interrupted
            budget.progress(0.9 * share)

        blocks, slowest, started = [], 0.0, time.monotonic()
        for features, charged in feature_blocks(
            self._backbone,
            [inputs[row] for row in order],
            pooling=self._pooling,
            layers=self._layers,
            progress=moved,
            rows=BLOCK_ROWS if budget.seconds is None else LIMITED_BLOCK,
        ):
            blocks.append(features)
            self.charged_seconds_ += charged
            now = time.monotonic()
            slowest, started = max(slowest, now - started), now
            if budget.seconds and budget.remaining() < RESERVE * budget.seconds + slowest:
                break
        x = np.concatenate(blocks)
        used = order[: len(x)]
        trains = used < len(train)
        return x[trains], targets[used[trains]], x[~trains], targets[used[~trains]]

    @property
    def _pooling(self) -> str:
        return self.pooling or self._backbone.poolings[0]

    @property
    def _layers(self) -> tuple[int, ...]:
        return tuple(range(-self.layers, 0))

    def _fitted(self) -> LinearClassifier:
        if not hasattr(self, "classifier_"):
            raise NotFitted("the linear probe was not fitted; call fit or load first")
        return self.classifier_
