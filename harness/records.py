"""The record of one trial: what was asked, what happened, on what. The schema is this file.

A record is never edited. Its content id is a hash over what was asked, so that the same trial is
recognised wherever it ran; failed and stopped trials are kept beside the finished ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from harness.backbones.base import ModelFacts

SCHEMA_VERSION: Final = 1

Scalar = str | int | float | bool | None
# A point of a search space; tuples (layers, for one) become lists on the way to JSON and back.
Setting = Scalar | tuple[Scalar, ...]
Stage = Literal["search", "final"]
Protocol = Literal["fair", "search"]
"""How trials were chosen; docs/protocol.md and docs/search.md. Only "fair" ones are evidence."""
Status = Literal["done", "underfit", "underfunded", "failed", "stopped", "refused"]

SETTLED: frozenset[Status] = frozenset({"done", "underfit", "underfunded", "failed", "refused"})
"""Statuses that are not tried again when a run is resumed."""
SCORED: frozenset[Status] = frozenset({"done", "underfit", "underfunded"})
"""Statuses that come with scores."""
NO_TIME: Final = "no time was left in its cap"
"""The error of a trial that was not begun."""


def _settings(value: object) -> object:
    """Lists as tuples, so that a record read back equals the one written."""
    if isinstance(value, Mapping):
        return {
            str(key): tuple(item) if isinstance(item, list) else item for key, item in value.items()
        }
    return value


Settings = Annotated[dict[str, Setting], BeforeValidator(_settings)]


def _json(value: object) -> object:
    """Numbers and arrays of numpy, and tuples, as what JSON reads back."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


Chosen = Annotated[dict[str, JsonValue], BeforeValidator(_json)]
Curve = Annotated[tuple[dict[str, float], ...], BeforeValidator(_json)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelAsked(_Part):
    """Which model, without the path it happened to lie at."""

    name: str
    family: str
    params: int
    digest: str

    @classmethod
    def from_facts(cls, facts: ModelFacts) -> Self:
        return cls(
            name=facts.name,
            family=facts.family,
            params=facts.params,
            digest=facts.digest or facts.location,
        )


class Asked(_Part):
    """What defines a trial; two trials with equal values are the same trial.

    Attributes:
        protocol: Of the run.
        stage: "search" (validation is scored, to choose) or "final" (test and ood too).
        examples: Labelled examples used, training and validation together.
        seed: Draws the examples, their split, the initialization and the order of batches.
        test_examples: Test rows that are scored; fewer than there are under a short budget.
        budget_seconds: The budget of the whole run; None without a limit.
        description: What the task is in words, which prompts hold; None for none.
    """

    protocol: Protocol = "fair"
    stage: Stage
    model: ModelAsked
    task: str
    data: str
    data_digest: str
    strategy: str
    hyperparameters: Settings = Field(default_factory=dict)
    examples: int
    seed: int
    metric: str
    max_tokens: int | None
    test_examples: int
    budget_seconds: float | None
    description: str | None = None

    @property
    def content_id(self) -> str:
        """sha256 over the values, in hex; independent of the order of keys.

        A description that is None is left out: records from before there was one keep their id.
        """
        values = self.model_dump(mode="json")
        if self.description is None:
            del values["description"]
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class Happened(_Part):
    """What came of a trial.

    Attributes:
        error, trace: What a failed trial said, and where.
        scores: Split ("validation", "test", "ood") -> metric -> value.
        per_class: Split -> label -> recall, the share of its examples that were found.
        predictions: File beside the store with the probabilities of every example (.npz).
        limit_seconds: What `fit` was allowed; None without a limit.
        seconds: Wall clock of fit and scoring, shared extraction included.
        charged_seconds: The part of `seconds` that came from the cache instead of being spent.
        reused_seconds: The part of `seconds` that another record of the run holds: a finalist of
            seed 0 is the searched model itself, only scored further.
        score_seconds: Split -> seconds of prediction.
        peak_memory_bytes: Highest resident memory of the process (CPU) or highest allocated
            memory of the device (GPU) during the trial.
        start_memory_bytes: The same just before the trial.
        artefact_bytes: Size of what `save` wrote; None where nothing was saved.
        measures: What was measured beside the score, see `harness.measures`; "temperature" is
            the one fitted on validation, with which a split's "ece_calibrated" is taken.
    """

    status: Status
    error: str | None = None
    trace: str | None = None
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    per_class: dict[str, dict[str, float]] = Field(default_factory=dict)
    predictions: str | None = None
    limit_seconds: float | None = None
    seconds: float = 0.0
    charged_seconds: float = 0.0
    reused_seconds: float = 0.0
    score_seconds: dict[str, float] = Field(default_factory=dict)
    flops: float | None = None
    peak_memory_bytes: int | None = None
    start_memory_bytes: int | None = None
    trained_parameters: int | None = None
    steps: int = 0
    curve: Curve = ()
    chosen: Chosen = Field(default_factory=dict)
    artefact_bytes: int | None = None
    measures: dict[str, float] = Field(default_factory=dict)

    @property
    def own_seconds(self) -> float:
        """Seconds that only this record accounts for."""
        return self.seconds - self.reused_seconds

    @property
    def fit_seconds(self) -> float:
        """Seconds of the fit alone, without scoring."""
        return self.seconds - sum(self.score_seconds.values())

    def replacing(self, **changes: object) -> Self:
        """A checked copy in which some fields have other values."""
        return self.model_validate(self.model_dump() | changes)


class OnWhat(_Part):
    """Where and with what a trial ran.

    Attributes:
        commit: Commit of the git repository the command was started in, if any.
        dirty: Whether that repository had uncommitted changes.
        time: UTC, ISO 8601.
    """

    package_version: str
    versions: dict[str, str]
    device: str
    threads: int
    commit: str | None
    dirty: bool | None
    time: str


class RunRecord(_Part):
    """One trial. `schema_version` tells which version of this file wrote it."""

    schema_version: Literal[1] = SCHEMA_VERSION
    asked: Asked
    happened: Happened
    on: OnWhat

    @property
    def content_id(self) -> str:
        return self.asked.content_id

    @property
    def record_id(self) -> str:
        """sha256 over the whole record: the same record written twice is one record."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
