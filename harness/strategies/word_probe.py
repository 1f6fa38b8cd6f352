"""A linear probe on words: the frozen state of each word's first token, and its tag.

The path of regularization is that of `probe_path`, over words instead of texts; the strength is
the one whose tags score best on the validation texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from harness.backbones.base import Backbone
from harness.backbones.token_batches import token_batches
from harness.datasets.base import Split
from harness.inference import BATCH_COST, BATCH_ROWS
from harness.strategies.base import Interrupted, TrialBudget
from harness.strategies.probe_path import (
    DEFAULT_C,
    STRENGTHS,
    LinearClassifier,
    regularization_path,
)
from harness.tasks.base import Task

MOST_WORDS = 20_000
"""Words of the training texts that are fitted on; more change a probe's weights little."""
_EXTRACTION = 0.6
"""Share of a limited time in which features are extracted at most."""


def fit_word_probe(
    backbone: Backbone, task: Task, train: Split, validation: Split, *, budget: TrialBudget
) -> tuple[float, LinearClassifier, int]:
    """The strength of regularization that validation prefers, its classifier, and how many of the
    training texts were read: as many as there was time for, up to 20,000 words.

    Raises:
        Interrupted: If the budget's `cancelled` turned true.
    """
    # validation texts are a quarter of all examples
    x_val = _within(backbone, task, validation.inputs, budget, share=_EXTRACTION / 4)
    x = _within(backbone, task, train.inputs, budget, share=_EXTRACTION, most=MOST_WORDS)
    index = {tag: place for place, tag in enumerate(task.label_names)}
    y = np.array([index[tag] for target in train.targets[: len(x)] for tag in target.split()])
    true = validation.targets[: len(x_val)]
    y_val = np.array([index[tag] for target in true for tag in target.split()], dtype=np.int64)
    best: tuple[tuple[float, float], float, LinearClassifier] | None = None
    strengths = STRENGTHS if len(x_val) else (DEFAULT_C,)
    for strength, one in regularization_path(
        np.concatenate(x), y, len(task.label_names), strengths
    ):
        if budget.cancelled():
            raise Interrupted
        fitness = _fitness(task, one, x_val, y_val, true)
        if best is None or fitness > best[0]:
            best = fitness, strength, one
        if budget.remaining() <= 0:
            break
    assert best is not None
    return best[1], best[2], len(x)


def predict_tags(
    backbone: Backbone, task: Task, classifier: LinearClassifier, inputs: Sequence[str]
) -> np.ndarray:
    """The likeliest tag of each word, joined by blanks, numpy's str, shape (n,)."""
    found: dict[int, str] = {}
    for row, features in word_features(backbone, task, inputs, in_order=False):
        found[row] = _tags(task, classifier, features)
    return np.array([found[row] for row in range(len(inputs))], dtype=np.str_)


def word_features(
    backbone: Backbone, task: Task, inputs: Sequence[str], *, in_order: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Each text's number and the states of its words, float32, shape (n_words, width).

    Args:
        in_order: Whether texts come in their order, so that one can stop after any of them;
            else those of similar length are read together, which is faster.
    """
    if not inputs:
        return
    trainee = backbone.trainee(task, frozen=True).eval()
    lengths = np.zeros(len(inputs), dtype=np.int64) if in_order else trainee.lengths(inputs)
    rows = 16 if in_order else BATCH_ROWS
    for batch in token_batches(lengths, tokens=BATCH_COST, rows=rows):
        texts = [inputs[row] for row in batch]
        with torch.no_grad():
            states = trainee.word_states(trainee.encode(texts)).float().cpu().numpy()
        ends = np.cumsum([len(text.split()) for text in texts])[:-1]
        yield from zip(batch.tolist(), np.split(states, ends), strict=True)


def _within(
    backbone: Backbone,
    task: Task,
    inputs: Sequence[str],
    budget: TrialBudget,
    *,
    share: float,
    most: int | None = None,
) -> list[np.ndarray]:
    """Features of the first texts, until this share of the budget's time is over or so many
    words are read; of one text at least."""
    found: list[np.ndarray] = []
    words = 0
    for row, features in word_features(backbone, task, inputs, in_order=True):
        if budget.cancelled():
            raise Interrupted
        found.append(features)
        words += len(features)
        budget.progress(0.9 * share * (row + 1) / len(inputs))
        late = budget.seconds is not None and budget.remaining() < (1 - share) * budget.seconds
        if late or (most is not None and words >= most):
            break
    return found


def _fitness(
    task: Task,
    classifier: LinearClassifier,
    features: list[np.ndarray],
    targets: np.ndarray,
    texts: np.ndarray,
) -> tuple[float, float]:
    """Score of the task's metric, then mean log-probability of the truth: larger is better."""
    if not features:
        return 0.0, 0.0
    probabilities = classifier.probabilities(np.concatenate(features))
    truth = probabilities[np.arange(len(targets)), targets]
    said = np.array([_tags(task, classifier, one) for one in features], dtype=np.str_)
    return task.scores(said, texts)[task.metric], float(np.log(np.maximum(truth, 1e-12)).mean())


def _tags(task: Task, classifier: LinearClassifier, features: np.ndarray) -> str:
    said = classifier.probabilities(features).argmax(axis=1)
    return " ".join(task.label_names[place] for place in said)
