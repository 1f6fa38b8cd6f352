"""A finished hard prompt as a value: the words, the calibration, and their JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic import TypeAdapter

from advisor.errors import ModelError
from harness.tasks.templates import Shown, Template, continuations, join, render_query

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE = "prompt.json"
SCHEMA_VERSION = 1

Saved = TypeVar("Saved")


@dataclass(frozen=True)
class Prompt:
    """Everything a prediction needs besides the model.

    Attributes:
        instruction: As written in front, "" for none.
        demonstrations: (text, label words) in the order in which they are shown.
        pool: Pairs from which each query gets its own demonstrations; neighbours: how many.
        labels: Label words in the order of the classes.
        label_tokens: Tokens of each label, for the normalised likelihood.
        text_tokens: Texts are cut to so many tokens.
        calibration: "none", "contextual" or "batch".
        log_prior: What calibration subtracts, one per class.
        length_normalization: "none" or "tokens".
    """

    template: Template
    instruction: str
    demonstrations: tuple[tuple[Shown, str], ...]
    labels: tuple[str, ...]
    label_tokens: tuple[int, ...]
    text_tokens: int
    calibration: str
    log_prior: tuple[float, ...]
    length_normalization: str
    pool: tuple[tuple[Shown, str], ...] = ()
    neighbours: int = 0

    @property
    def prefix(self) -> str:
        return join(self.template, self.instruction, self.demonstrations)

    @property
    def continuations(self) -> tuple[str, ...]:
        return continuations(self.labels)

    def queries(
        self, texts: Sequence[Shown], shown: Sequence[Sequence[int]] | None = None
    ) -> list[str]:
        """What follows the prefix for each text.

        Args:
            shown: For each text the members of the pool it is shown, in order; None for none.
        """
        questions = [render_query(self.template, text) for text in texts]
        if shown is None:
            return questions
        return [
            join(self.template, "", [self.pool[one] for one in members]) + question
            for members, question in zip(shown, questions, strict=True)
        ]

    def probabilities(self, log_likelihoods: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities, shape (n, n_classes)."""
        lengths = self.label_tokens if self.length_normalization == "tokens" else None
        logs = class_logs(log_likelihoods, lengths) - np.array(self.log_prior)
        return np.exp(_log_softmax(logs))

    def save(self, folder: Path) -> None:
        write_prompt(folder, self)

    @classmethod
    def load(cls, folder: Path) -> Prompt:
        """What `save` wrote.

        Raises:
            ModelError: If the file is missing or not such a prompt.
        """
        return read_prompt(folder, cls)


def write_prompt(folder: Path, prompt: DataclassInstance) -> None:
    """A prompt as plain JSON (prompt.json)."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(prompt)}, indent=1)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_prompt(folder: Path, kind: type[Saved]) -> Saved:
    """What `write_prompt` wrote of a prompt of this kind.

    Raises:
        ModelError: If the file is missing or not such a prompt.
    """
    file = folder / FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        version = values.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise ModelError(f"{file} has schema {version}; this version reads {SCHEMA_VERSION}")
        return TypeAdapter(kind).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{file} is not a saved prompt: {reason}; run the harness again"
        ) from error


def class_logs(log_likelihoods: np.ndarray, lengths: Sequence[int] | None = None) -> np.ndarray:
    """Label log-likelihoods as log-probabilities over the classes, shape (n, n_classes).

    Args:
        lengths: Tokens per label, to compare likelihoods per token; None to compare whole ones.
    """
    return _log_softmax(log_likelihoods if lengths is None else log_likelihoods / np.array(lengths))


def log_mean(logs: np.ndarray) -> np.ndarray:
    """Logarithm of the mean probability of each class over the rows, shape (n_classes,)."""
    return np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))


def _log_softmax(logs: np.ndarray) -> np.ndarray:
    return logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)
