"""Choosing how a prompt's likelihoods become probabilities, and what the time allows to compare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from advisor.errors import SpecError
from harness.datasets.base import Split
from harness.strategies.prompt_file import Prompt, class_logs, log_mean
from harness.tasks.base import Task

CALIBRATIONS = ("none", "contextual", "batch")
NORMALIZATIONS = ("none", "tokens")
# Fewer validation rows than this cannot tell two templates apart; fewer templates are tried.
ROWS_PER_TEMPLATE = 16
PROBE_ROWS = 8

Fitness = tuple[float, float]
"""Score of the task's metric, then mean log-probability of the truth: larger is better."""


@dataclass(frozen=True)
class Scored:
    """Label log-likelihoods under one uncalibrated prompt.

    Attributes:
        free: Of the content-free texts, shape (n_free, n_classes).
        texts: Of the first validation rows, shape (n, n_classes).
    """

    prompt: Prompt
    free: np.ndarray
    texts: np.ndarray

    def settle(
        self, task: Task, validation: Split, calibration: str, normalization: str
    ) -> tuple[Prompt, Fitness]:
        """The best calibration and length normalisation on the validation rows; ties: simplest.

        "auto" compares all there are. Without rows it is contextual calibration of whole
        likelihoods, and the fitness is (0, 0).

        Raises:
            SpecError: If batch calibration is asked for without rows.
        """
        targets = validation.targets[: len(self.texts)]
        if len(targets) == 0:
            calibration = "contextual" if calibration == "auto" else calibration
            normalization = "none" if normalization == "auto" else normalization
            return self._calibrated(calibration, normalization), (0.0, 0.0)
        settled: list[tuple[Prompt, Fitness]] = []
        for setting in product(
            CALIBRATIONS if calibration == "auto" else (calibration,),
            NORMALIZATIONS if normalization == "auto" else (normalization,),
        ):
            prompt = self._calibrated(*setting)
            probabilities = prompt.probabilities(self.texts)
            truth = probabilities[np.arange(len(targets)), targets]
            score = task.scores(probabilities, targets)[task.metric]
            settled.append((prompt, (score, float(np.log(truth + 1e-12).mean()))))
        return max(settled, key=lambda one: one[1])

    def _calibrated(self, calibration: str, normalization: str) -> Prompt:
        """The prompt with its prior over the labels estimated."""
        lengths = self.prompt.label_tokens if normalization == "tokens" else None
        prior = np.zeros(len(self.prompt.labels))
        if calibration == "contextual":
            prior = log_mean(class_logs(self.free, lengths))
        elif calibration == "batch":
            if len(self.texts) == 0:
                raise SpecError(
                    "batch calibration averages over validation rows and there are none; "
                    "use 'contextual' or 'none'"
                )
            prior = log_mean(class_logs(self.texts, lengths))
        return replace(
            self.prompt,
            calibration=calibration,
            length_normalization=normalization,
            log_prior=tuple(float(value) for value in prior),
        )


def draw_rows(targets: np.ndarray, selection: str, count: int, seed: int) -> np.ndarray:
    """Rows to demonstrate with, in random order.

    Args:
        targets: Of the rows there are.
        selection: "balanced": of each class in turn; "random"; "nearest": all rows in their order.

    Returns:
        int64, at most `count` of them unless "nearest".
    """
    draw = np.random.default_rng(seed)
    rows = draw.permutation(len(targets))
    if selection == "nearest":
        return np.arange(len(targets))
    if selection == "balanced":
        seen: dict[int, int] = {}
        rounds = []
        for row in rows:
            target = int(targets[row])
            rounds.append(seen.get(target, 0))
            seen[target] = rounds[-1] + 1
        rows = rows[np.argsort(rounds, kind="stable")]
    return draw.permutation(rows[:count])


def affordable(n_rows: int, n_templates: int, scorings: float) -> tuple[int, int]:
    """How much of a comparison the time allows.

    Args:
        scorings: Rows that can be scored in the time left; may be infinite.

    Returns:
        Validation rows per template and number of templates, whose product is at most
        `scorings` but never less than the rows of the probe under one template.
    """
    if scorings >= n_rows * n_templates:
        return n_rows, n_templates
    enough = max(1, min(n_rows, ROWS_PER_TEMPLATE))
    templates = max(1, min(n_templates, int(scorings // enough)))
    rows = max(min(n_rows, PROBE_ROWS), min(n_rows, int(scorings // templates)))
    return rows, templates
