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
from typing import Any, Protocol

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

    def matches(self, backbone: ImageTextMatcher, images: np.ndarray) -> np.ndarray:
        """How well each image, a view, fits each class, shape (n, n_classes)."""
        said = [one.format(label=label) for label in self.labels for one in self.sentences]
        vectors = backbone.text_vectors(said)
        means = vectors.reshape(len(self.labels), len(self.sentences), -1).mean(axis=1)
        return backbone.match(images, means / np.linalg.norm(means, axis=1, keepdims=True))

    def answers(self, backbone: ImageTextMatcher, files: Sequence[Any]) -> tuple[np.ndarray, float]:
        """Calibrated class probabilities, and the seconds of reading taken from the cache."""
        found, charged = cached_features(backbone, files, views=bundle(backbone))
        images = found[:, _columns(backbone)]
        return self.probabilities(self.matches(backbone, images)), charged

    def save(self, folder: Path) -> None:
        """As plain JSON (prompt.json)."""
        write_prompt(folder, self)

    @classmethod
    def load(cls, folder: Path) -> ImagePrompt:
        """What `save` wrote.

        Raises:
            ModelError: If the file is missing or not such a prompt.
        """
        return read_prompt(folder, cls)


class Wanted(Protocol):
    """What is asked of a prompt: the hyperparameters of hard prompting that images have."""

    template: str
    calibration: str
    length_normalization: str
    n_demonstrations: int


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


def choose(
    wanted: Wanted,
    backbone: ImageTextMatcher,
    task: Task,
    validation: Split,
    *,
    budget: TrialBudget,
) -> tuple[ImagePrompt, FitReport, float]:
    """Settle sentence and calibration on the validation rows there is time to read.

    Without rows "auto" is "a photo of a {label}." and no calibration.

    Returns:
        The prompt, what happened, and the seconds of reading taken from the cache.

    Raises:
        Interrupted: If the budget's `cancelled` turned true.
        SpecError: For what images do not have: demonstrations, content-free images, likelihoods
            per token; and for batch calibration without rows.
        UnknownName: For another template.
    """
    _check(wanted, len(validation))
    images, charged = _read(backbone, validation.inputs, budget)
    targets = validation.targets[: len(images)]
    prompts = _prompts(task, wanted.template)
    if not len(targets):
        prompts = prompts[:1]
    calibrations = CALIBRATIONS if wanted.calibration == "auto" else (wanted.calibration,)
    settled = [
        _settle(prompt, prompt.matches(backbone, images), targets, task, calibrations)
        for prompt in prompts
    ]
    best, _ = max(settled, key=lambda one: one[1])
    budget.progress(1.0)
    scores = {one.template: fitness[0] for one, fitness in settled}
    report = FitReport(trained_parameters=0, chosen=_chosen(best, scores, len(targets)))
    return best, report, charged


def _check(wanted: Wanted, n_rows: int) -> None:
    if wanted.n_demonstrations:
        raise SpecError(
            "an image is compared with sentences, not with examples: n_demonstrations must be 0; "
            f"got {wanted.n_demonstrations}"
        )
    if wanted.calibration not in ("auto", *CALIBRATIONS):
        raise SpecError(
            f"calibration of image prompts must be one of auto, {', '.join(CALIBRATIONS)}; "
            f"got {wanted.calibration!r}"
        )
    if wanted.length_normalization == "tokens":
        raise SpecError(
            "sentences are compared as a whole, not token by token: length_normalization must be "
            "auto or none; got 'tokens'"
        )
    if wanted.calibration == "batch" and not n_rows:
        raise SpecError(
            "batch calibration averages over validation rows and there are none; use 'none'"
        )


def _columns(backbone: ImageTextMatcher) -> np.ndarray:
    return columns(backbone, [View(backbone.image_pooling)])


def _read(
    backbone: ImageTextMatcher, files: Sequence[Path], budget: TrialBudget
) -> tuple[np.ndarray, float]:
    """Images in the space shared with texts, as many of the first as there is time for, and the
    seconds to be charged."""

    def moved(share: float) -> None:
        if budget.cancelled():
            raise Interrupted
        budget.progress(0.9 * share)

    moved(0.0)
    read, charged = _columns(backbone), 0.0
    blocks, slowest, started = [np.zeros((0, len(read)), np.float32)], 0.0, time.monotonic()
    for features, seconds in feature_blocks(
        backbone,
        files,
        views=bundle(backbone),
        progress=moved,
        rows=BLOCK_ROWS if budget.seconds is None else LIMITED_BLOCK,
    ):
        blocks.append(features[:, read])
        charged += seconds
        now = time.monotonic()
        slowest, started = max(slowest, now - started), now
        if budget.remaining() < slowest:
            break
    return np.concatenate(blocks), charged


def _chosen(prompt: ImagePrompt, by_template: dict[str, float], n_rows: int) -> dict[str, Any]:
    """What was settled, for the record."""
    chosen: dict[str, Any] = {
        "template": prompt.template,
        "calibration": prompt.calibration,
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
