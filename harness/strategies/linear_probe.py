"""Linear probe: a linear classifier on the frozen model's features (Alain and Bengio 2016)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from advisor.errors import ModelError
from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts, View
from harness.datasets.base import Split
from harness.features import BLOCK_ROWS, cached_features, feature_blocks, is_uncached
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
from harness.strategies.feasibility import common_refusal, probe_refusal
from harness.strategies.probe_mix import STRENGTHS as MIX_STRENGTHS
from harness.strategies.probe_mix import mixed_path
from harness.strategies.probe_numbers import answers_of, best_numbers
from harness.strategies.probe_path import DEFAULT_C, LinearClassifier, best_of, best_on_path
from harness.strategies.probe_ridge import DEFAULT_PENALTY, PENALTIES, ridge_path, sharpened
from harness.strategies.probe_views import GRID, MIX, bundle, columns, recommended, wanted
from harness.strategies.settings_file import read_settings, write_settings
from harness.strategies.word_probe import MOST_WORDS, fit_word_probe, predict_tags
from harness.tasks.base import Task

LIMITED_BLOCK = 16
"""Rows extracted between two looks at the clock when time is limited."""
RESERVE = 0.2
"""Share of a limited time that is kept from extraction, for the regularization path."""
CACHED_ROWS = 20_000
"""Of more rows than these, predicted at once, no features are kept."""
_POOLINGS = {
    "encoder": ("mean", "cls_mean", "cls", "max", "last"),
    "decoder": ("mean", "last", "max"),
    "encoder_decoder": ("mean", "max", "last"),
    "convnet": ("mean", "max"),
    "vit": ("cls", "mean", "cls_mean"),
    "clip": ("cls", "projected", "mean", "cls_mean"),
}
# families whose layers are of one width
_STACKED = ("encoder", "decoder", "encoder_decoder", "vit", "clip")
HEADS = ("logistic", "ridge")
_SETTINGS, _WEIGHTS = "probe.json", "probe.safetensors"


class LinearProbe(Strategy):
    """An L2-regularized linear classifier on standardised frozen features; for numbers, ridge
    regression, whatever `head` says.

    The strength of regularization is chosen inside `fit` from 15 values on validation rows: by
    the task's metric, of equals by log loss. It is not refitted on training and validation rows
    together, so that its validation score stays a score on rows it never saw. Whatever the
    settings, the features come from one pass through the model, which is kept.

    Args:
        pooling: What the last layer's outputs are pooled with; None for the recommended pooling.
        layers: So many of the last blocks' (conv nets: stages') outputs are concatenated; 0 for a
            learned mixture of all of them (Peters et al. 2018).
        head: "logistic" or "ridge".

    Attributes:
        classifier_: The fitted layer.
    """

    id = "linear_probe"
    traits = STRATEGIES["linear_probe"]

    def __init__(
        self, *, pooling: str | None = None, layers: int = 1, head: str = "logistic"
    ) -> None:
        self.pooling = pooling
        self.layers = layers
        self.head = head

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        refusal = probe_refusal(task) or common_refusal(cls.traits, facts, data)
        return refusal or Verdict(True)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """The recommended pooling, then more layers, the other poolings, ridge and the mixture.

        Four layers together did best for BERT's features (Devlin et al. 2019, table 7). All of it
        is tried: after the first extraction a setting costs next to nothing.
        """
        if task.head == "tokens":
            return Space({}, first=({},), exhaustive=True)
        poolings = (GRID,) if task.head == GRID else _POOLINGS.get(facts.family, ("mean",))
        numbers = task.output == "numbers"
        simple = {"pooling": poolings[0], "layers": 1, "head": "ridge" if numbers else "logistic"}
        stacked = facts.family in _STACKED
        several = (4, 2) if stacked and poolings != (GRID,) else (2,)
        depths = [k for k in several if k <= facts.layers]
        points = [
            simple,
            *({**simple, "layers": depth} for depth in depths),
            *({**simple, "pooling": pooling} for pooling in poolings[1:]),
        ]
        if not numbers:
            points.append({**simple, "head": "ridge"})
            points += [{**simple, "layers": MIX}] if stacked else []
        return Space(
            distributions={
                "pooling": CategoricalDistribution(poolings),
                "layers": IntDistribution(0, 4),
                "head": CategoricalDistribution(HEADS),
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
        self._backbone, self._task, self.charged_seconds_ = backbone, task, 0.0
        if task.head == "tokens":
            return self._fit_words(train, validation, budget)
        x, y, x_val, y_val = self._features(train, validation, budget)
        told = self._choose(task, (x, y), (x_val, y_val), budget)
        used, given = len(y) + len(y_val), len(train) + len(validation)
        chosen: dict[str, Any] = {"pooling": self._pooling, **told}
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
        if self._task.head == "tokens":
            return predict_tags(self._backbone, self._task, classifier, inputs)
        if not inputs:
            return np.zeros((0, len(classifier.bias)))
        if len(inputs) > CACHED_ROWS or is_uncached():
            views = self._backbone.views(inputs, self._views())
            return answers_of(self._task, classifier, views)
        features, charged = cached_features(self._backbone, inputs, views=self._bundle())
        self.charged_seconds_ += charged
        return answers_of(self._task, classifier, features[:, self._columns()])

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
        self._backbone, self._task = backbone, task
        return self

    def _fit_words(self, train: Split, validation: Split, budget: TrialBudget) -> Self:
        """Of tasks about words; see `word_probe`."""
        strength, self.classifier_, read = fit_word_probe(
            self._backbone, self._task, train, validation, budget=budget
        )
        chosen: dict[str, Any] = {"C": strength, "features": "first token of each word"}
        if read < len(train):
            chosen["rows"] = f"{read} of {len(train)} training texts"
        words = sum(len(target.split()) for target in train.targets[:read])
        self.report_ = FitReport(
            trained_parameters=self.classifier_.weights.size + self.classifier_.bias.size,
            underfit=read < len(train) and words < MOST_WORDS,
            chosen=chosen,
        )
        budget.progress(1.0)
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
            views=self._bundle(),
            progress=moved,
            rows=BLOCK_ROWS if budget.seconds is None else LIMITED_BLOCK,
        ):
            blocks.append(features[:, self._columns()])
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
        return self.pooling or recommended(self._backbone, self._task)

    def _bundle(self) -> tuple[View, ...]:
        return bundle(self._backbone, self._pooling)

    def _views(self) -> list[View]:
        return wanted(self._backbone, self._pooling, self.layers)

    def _columns(self) -> np.ndarray:
        return columns(self._backbone, self._views())

    def _choose(
        self,
        task: Task,
        train: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray],
        budget: TrialBudget,
    ) -> dict[str, Any]:
        """Fit the head along its path and keep what validation prefers; tells which it was."""
        validated = len(validation[1]) > 0
        if task.output == "numbers":
            penalty, self.classifier_ = best_numbers(
                task, train, validation, cancelled=budget.cancelled
            )
            return {"penalty": penalty}
        if self.head == "ridge":
            penalties = PENALTIES if validated else (DEFAULT_PENALTY,)
            path = ridge_path(*train, task.n_classes, penalties)
            sharp = ((penalty, sharpened(one, *validation)) for penalty, one in path)
            penalty, self.classifier_ = best_of(task, sharp, validation, cancelled=budget.cancelled)
            return {"penalty": penalty}
        if self.layers == MIX:
            mixtures = {}

            def remembered() -> Iterator[tuple[float, LinearClassifier]]:
                strengths = MIX_STRENGTHS if validated else (DEFAULT_C,)
                count = len(self._backbone.earlier_layers()) + 1
                for strength, one, shares in mixed_path(
                    *train, task.n_classes, strengths, layers=count
                ):
                    mixtures[strength] = shares
                    yield strength, one

            strength, self.classifier_ = best_of(
                task, remembered(), validation, cancelled=budget.cancelled
            )
            return {"C": strength, "mixture": [round(float(x), 3) for x in mixtures[strength]]}
        strength, self.classifier_ = best_on_path(
            task, train, validation, cancelled=budget.cancelled
        )
        return {"C": strength}

    def _fitted(self) -> LinearClassifier:
        if not hasattr(self, "classifier_"):
            raise NotFitted("the linear probe was not fitted; call fit or load first")
        return self.classifier_
