"""Hard prompting of models that compare images with texts: each class is a sentence.

An image belongs to the class whose sentence it fits best (Radford et al. 2021, arXiv:2103.00020,
section 3.1.4: "a photo of a {label}." instead of the bare name, and ensembles of sentences, whose
mean vector stands for the class). Nothing is trained and there is nothing to demonstrate with.
Validation rows, where there are some, choose the sentence and whether the mean answer over them
is divided out ("batch" calibration, Zhou et al. 2023, arXiv:2309.17249, section 3). There is no
content-free image as there are content-free texts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from optuna.distributions import CategoricalDistribution

from advisor.errors import SpecError, UnknownName
from advisor.traits import STRATEGIES
from harness.backbones.base import ImageTextMatcher, ModelFacts, View
from harness.datasets.base import Split
from harness.features import BLOCK_ROWS, cached_features, feature_blocks
from harness.strategies.base import (
    DataFacts,
    FitReport,
    Interrupted,
    Space,
    TrialBudget,
    Verdict,
)
from harness.strategies.probe_views import bundle, columns
from harness.strategies.prompt_file import class_logs, log_mean, read_prompt, write_prompt
from harness.tasks.base import Task
from harness.tasks.templates import label_words

SENTENCES: dict[str, tuple[str, ...]] = {
    "photo": ("a photo of a {label}.",),
    "name": ("{label}",),
    # The seven sentences that do for ImageNet almost what all eighty do: the authors' own
    # choice, in the notebook Prompt_Engineering_for_ImageNet of github.com/openai/CLIP.
    "ensemble": (
        "itap of a {label}.",
        "a bad photo of the {label}.",
        "a origami {label}.",
        "a photo of the large {label}.",
        "a {label} in a video game.",
        "art of the {label}.",
        "a photo of the small {label}.",
    ),
    "satellite": ("a satellite photo of {label}.",),
    "texture": ("a photo of a {label} texture.",),
}
"""Template id -> sentences about a class, the default first."""
CALIBRATIONS = ("none", "batch")
LIMITED_BLOCK = 16
"""Rows read between two looks at the clock when time is limited."""

Fitness = tuple[float, float]
"""Score of the task's metric, then mean log-probability of the truth: larger is better."""


@dataclass(frozen=True)
class ImagePrompt:
    """Everything a prediction needs besides the model.

    Attributes:
        template: Registered name; sentences: about a class, each holds "{label}".
        labels: Label words in the order of the classes.
        calibration: "none" or "batch".
        log_prior: What calibration subtracts, one per class.
    """

    template: str
    sentences: tuple[str, ...]
    labels: tuple[str, ...]
    calibration: str
    log_prior: tuple[float, ...]

    def probabilities(self, matches: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities, shape (n, n_classes)."""
        return np.exp(class_logs(class_logs(matches) - np.array(self.log_prior)))


def compares(facts: ModelFacts) -> bool:
    """Whether a model can be asked this way: one that reads images, of a family that words reach."""
    return facts.modality == "image" and facts.family in STRATEGIES["hard_prompt"].families


def feasible(task: Task, data: DataFacts) -> Verdict:
    """Whether classes can be told apart by their names."""
    if data.modality != "image":
        return Verdict(False, f"the model reads images, and the inputs are {data.modality}s")
    if task.output != "probabilities":
        return Verdict(
            False, f"comparing an image with sentences names a class; {task.id} asks for numbers"
        )
    if not data.named_labels:
        return Verdict(
            False,
            "the labels are bare numbers, and images are compared with the names of the classes; "
            "give --label-names",
        )
    return Verdict(True)


def space() -> Space:
    """One trial: "auto" compares all sentences on one reading of the images."""
    return Space(
        distributions={"template": CategoricalDistribution(("auto", *SENTENCES))},
        first=({"template": "auto"},),
        exhaustive=True,
    )


class ImagePrompting:
    """Chooses and asks a prompt of one model.

    Attributes:
        prompt: The finished prompt, once `fit` or `load` has run.
        charged_seconds: See `Strategy`.
    """

    prompt: ImagePrompt

    def __init__(self, backbone: ImageTextMatcher) -> None:
        self._backbone = backbone
        self._classes: dict[tuple[str, ...], np.ndarray] = {}
        self.charged_seconds = 0.0

    def fit(
        self,
        task: Task,
        validation: Split,
        *,
        template: str,
        calibration: str,
        n_demonstrations: int,
        budget: TrialBudget,
    ) -> FitReport:
        """Settle sentence and calibration on the validation rows there is time to read.

        Without rows "auto" is "a photo of a {label}." and no calibration.

        Raises:
            Interrupted: If the budget's `cancelled` turned true.
            SpecError: For demonstrations, and for a calibration that images do not have, or that
                lacks rows.
            UnknownName: For another template.
        """
        if n_demonstrations:
            raise SpecError(
                "an image is compared with sentences, not with examples: n_demonstrations must "
                f"be 0; got {n_demonstrations}"
            )
        if calibration not in ("auto", *CALIBRATIONS):
            raise SpecError(
                f"calibration of image prompts must be one of auto, {', '.join(CALIBRATIONS)}; "
                f"got {calibration!r}"
            )
        prompts = _prompts(task, template)
        images = self._read(validation.inputs, budget)
        targets = validation.targets[: len(images)]
        if not len(targets):
            if calibration == "batch":
                raise SpecError(
                    "batch calibration averages over validation rows and there are none; use 'none'"
                )
            prompts = prompts[:1]
        settled = []
        for prompt in prompts:
            matches = self._matches(prompt, images)
            wanted = CALIBRATIONS if calibration == "auto" else (calibration,)
            settled.append(_settle(prompt, matches, targets, task, wanted))
        self.prompt, _ = max(settled, key=lambda one: one[1])
        budget.progress(1.0)
        scores = {one.template: fitness[0] for one, fitness in settled}
        return FitReport(trained_parameters=0, chosen=self._chosen(scores, len(targets)))

    def predict(self, files: Sequence[Path]) -> np.ndarray:
        """Calibrated class probabilities, float64, shape (n, n_classes)."""
        found, charged = cached_features(self._backbone, files, views=bundle(self._backbone))
        self.charged_seconds += charged
        images = found[:, self._columns()]
        return self.prompt.probabilities(self._matches(self.prompt, images))

    def save(self, folder: Path) -> None:
        """The prompt as plain JSON (prompt.json)."""
        write_prompt(folder, self.prompt)

    @classmethod
    def load(cls, folder: Path, backbone: ImageTextMatcher) -> Self:
        """What `save` wrote.

        Raises:
            ModelError: If the file is missing or not such a prompt.
        """
        self = cls(backbone)
        self.prompt = read_prompt(folder, ImagePrompt)
        return self

    def _columns(self) -> np.ndarray:
        return columns(self._backbone, [View(self._backbone.image_pooling)])

    def _read(self, files: Sequence[Path], budget: TrialBudget) -> np.ndarray:
        """Images in the space shared with texts, as many of the first as there is time for."""

        def moved(share: float) -> None:
            if budget.cancelled():
                raise Interrupted
            budget.progress(0.9 * share)

        moved(0.0)
        read = self._columns()
        blocks, slowest, started = [np.zeros((0, len(read)), np.float32)], 0.0, time.monotonic()
        for features, charged in feature_blocks(
            self._backbone,
            files,
            views=bundle(self._backbone),
            progress=moved,
            rows=BLOCK_ROWS if budget.seconds is None else LIMITED_BLOCK,
        ):
            blocks.append(features[:, read])
            self.charged_seconds += charged
            now = time.monotonic()
            slowest, started = max(slowest, now - started), now
            if budget.remaining() < slowest:
                break
        return np.concatenate(blocks)

    def _matches(self, prompt: ImagePrompt, images: np.ndarray) -> np.ndarray:
        """How well each image fits each class, shape (n, n_classes)."""
        said = tuple(
            sentence.format(label=label) for label in prompt.labels for sentence in prompt.sentences
        )
        if said not in self._classes:  # the texts are read once
            vectors = self._backbone.text_vectors(said)
            each = vectors.reshape(len(prompt.labels), len(prompt.sentences), -1).mean(axis=1)
            self._classes[said] = each / np.linalg.norm(each, axis=1, keepdims=True)
        return self._backbone.match(images, self._classes[said])

    def _chosen(self, by_template: dict[str, float], n_rows: int) -> dict[str, Any]:
        """What was settled, for the record."""
        chosen: dict[str, Any] = {
            "template": self.prompt.template,
            "calibration": self.prompt.calibration,
            "demonstrations": 0,
            "validation_rows": n_rows,
        }
        if n_rows == 0:
            return chosen | {"note": "no validation rows: fixed defaults, nothing was chosen"}
        scores = list(by_template.values())
        return chosen | {
            "scores_by_template": by_template,
            "template_spread": max(scores) - min(scores),
        }


def _prompts(task: Task, template: str) -> list[ImagePrompt]:
    """What may be tried, uncalibrated, the default first."""
    if template not in ("auto", *SENTENCES):
        raise UnknownName("template", template, ["auto", *SENTENCES])
    names = tuple(SENTENCES) if template == "auto" else (template,)
    words = label_words(task.label_names)
    return [ImagePrompt(one, SENTENCES[one], words, "none", (0.0,) * len(words)) for one in names]


def _settle(
    prompt: ImagePrompt,
    matches: np.ndarray,
    targets: np.ndarray,
    task: Task,
    calibrations: Sequence[str],
) -> tuple[ImagePrompt, Fitness]:
    """The best calibration on the validation rows; ties, and no rows: the first."""
    if not len(targets):
        return prompt, (0.0, 0.0)
    settled: list[tuple[ImagePrompt, Fitness]] = []
    for calibration in calibrations:
        prior = (
            log_mean(class_logs(matches))
            if calibration == "batch"
            else np.zeros(len(prompt.labels))
        )
        tried = replace(
            prompt, calibration=calibration, log_prior=tuple(float(value) for value in prior)
        )
        probabilities = tried.probabilities(matches)
        truth = probabilities[np.arange(len(targets)), targets]
        score = task.scores(probabilities, targets)[task.metric]
        settled.append((tried, (score, float(np.log(truth + 1e-12).mean()))))
    return max(settled, key=lambda one: one[1])
