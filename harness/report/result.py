"""What `result.json` holds, as far as a report reads it.

Only the winner and the strategies are sure to be there; whatever else is missing or null was
not measured, and the report says so. A number that is not finite counts as not measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.errors import DataError

SCHEMA_VERSION = 1
"""The newest layout of `result.json` this report can read."""


Number = float | None
Interval = tuple[float, float] | None
Scores = dict[str, float]
Setting = dict[str, object]
Status = Literal["done", "underfit", "underfunded", "failed", "stopped", "refused"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Score(_Part):
    """A score over seeds; `seeds` is their number or the list of them."""

    mean: Number = None
    std: Number = None
    seeds: int | tuple[float, ...] | None = None
    interval: Interval = None

    @property
    def n_seeds(self) -> int | None:
        return len(self.seeds) if isinstance(self.seeds, tuple) else self.seeds


class Difference(_Part):
    """The winner's score minus the runner-up's."""

    mean: Number = None
    interval: Interval = None


class CurvePoint(_Part):
    step: Number = None
    train_loss: Number = None
    validation_loss: Number = None
    validation_score: Number = None


class Estimate(_Part):
    """What the cost model expected before the run: of the least work the protocol asks for."""

    seconds: Number = None
    peak_memory_bytes: Number = None


class StrategyResult(_Part):
    """One strategy: what was tried, how good it is, what it cost.

    `seconds` are those spent in all; `charged_seconds` those of them that are its share of work
    done once for several strategies; `latency_ms` is per example, in batches.
    """

    strategy: str
    name: str | None = None
    status: Status = "done"
    reason: str | None = None
    trials: Number = None
    failed_trials: Number = None
    test: Score | None = None
    validation: Score | None = None
    ood: Score | None = None
    metrics: Scores = {}
    per_class: Scores = {}
    hyperparameters: Setting = {}
    chosen: Setting = {}
    curve: tuple[CurvePoint, ...] = ()
    seconds: Number = None
    charged_seconds: Number = None
    trained_parameters: Number = None
    peak_memory_bytes: Number = None
    artefact_bytes: Number = None
    measures: dict[str, Number] = {}
    latency_ms: Number = None
    flops: Number = None
    estimate: Estimate = Estimate()

    @property
    def test_mean(self) -> float | None:
        return self.test.mean if self.test else None


class Model(_Part):
    name: str | None = None
    family: str | None = None
    params: Number = None
    layers: Number = None
    width: Number = None
    window: Number = None
    objective: str | None = None


class Finding(_Part):
    code: str = ""
    level: str = "note"
    text: str = ""
    count: Number = None


class Data(_Part):
    name: str | None = None
    modality: str | None = None
    task: str | None = None
    n_train_pool: Number = None
    n_test: Number = None
    n_test_available: Number = None
    n_ood: Number = None
    label_names: tuple[str, ...] = ()
    description: str | None = None
    findings: tuple[Finding, ...] = ()
    digest: str | None = None


class Question(_Part):
    model: Model = Model()
    data: Data = Data()
    examples: Number = None
    validation_examples: Number = None
    seeds: int | tuple[int, ...] | None = None
    budget_seconds: Number = None
    target: Number = None
    max_tokens: Number = None


class Reason(_Part):
    rule: str = ""
    effect: float | str | None = None
    text: str = ""
    source: str | None = None


class Recommended(_Part):
    strategy: str
    rank: int | None = None
    feasible: bool | None = None
    score: Number = None
    p_best: Number = None
    reasons: tuple[Reason, ...] = ()


class TippingPoint(_Part):
    """The smallest change of a field that would put another strategy first."""

    field: str = ""
    start: str | float | None = Field(default=None, alias="from")
    end: str | float | None = Field(default=None, alias="to")
    becomes: str = ""


class Advice(_Part):
    recommendations: tuple[Recommended, ...] = ()
    assumptions: tuple[str, ...] = ()
    tipping_points: tuple[TippingPoint, ...] = ()


class Agreement(_Part):
    advised: str | None = None
    winner: str | None = None
    agreed: bool | None = None
    regret: Number = None


class Budget(_Part):
    covers: str | tuple[str, ...] | None = None
    seconds: Number = None
    cap_per_strategy: Number = None
    spent: Number = None


class Spending(_Part):
    """The budget of a search: "seconds", "flops" or "trials"."""

    unit: str = "seconds"
    amount: Number = None
    spent: Number = None


class Tried(_Part):
    """A trial of a search; `passes` is the share of its epochs or demonstrations."""

    strategy: str = ""
    settings: Setting = {}
    examples: Number = None
    passes: Number = None
    status: str = ""
    score: Number = None
    cost: Number = None


class Foreseen(_Part):
    """A score that the learning curves predict."""

    strategy: str = ""
    examples: Number = None
    score: Number = None
    interval: Interval = None
    reaches_target: Number = None


class Crossing(_Part):
    before: str = ""
    after: str = ""
    examples: Number = None
    interval: Interval = None
    probability: Number = None
    measured: bool = False


class Reach(_Part):
    """The fewest labels with which some strategy more likely than not reaches the target."""

    score: Number = None
    strategy: str | None = None
    examples: Number = None
    looked_up_to: Number = None


class Searched(_Part):
    """What a budgeted search did; docs/search.md lists the parts."""

    ended: str = ""
    budget: Spending = Spending()
    tolerance: Number = None
    dropped: tuple[str, ...] = ()
    validated: bool = False
    history: tuple[Tried, ...] = ()
    level: Number = None
    p_best: Scores = {}
    expected_loss: Number = None
    predicted: Foreseen | None = None
    crossovers: tuple[Crossing, ...] = ()
    more_labels: tuple[Foreseen, ...] = ()
    target: Reach | None = None
    curves: tuple[Foreseen, ...] = ()


class Result(_Part):
    """A finished run."""

    schema_version: int = SCHEMA_VERSION
    question: Question = Question()
    winner: str | None = None
    winner_reason: str | None = None
    runner_up: str | None = None
    difference: Difference | None = None
    win_rate: Number = None
    interval_level: Number = None
    metric: str = "accuracy"
    protocol: str | None = None
    strategies: tuple[StrategyResult, ...] = ()
    baselines: dict[str, Scores] = {}
    advice: Advice | None = None
    agreement: Agreement | None = None
    target: Number = None
    budget: Budget | None = None
    search: Searched | None = None
    versions: Setting = {}
    device: Setting = {}
    command: str | None = None
    started: str | None = None
    seconds: Number = None

    def named(self, strategy: str | None) -> StrategyResult | None:
        """The strategy with this id."""
        return next((one for one in self.strategies if one.strategy == strategy), None)

    @property
    def wanted(self) -> float | None:
        """The score the user said is needed."""
        return self.target if self.target is not None else self.question.target


def parse(values: Mapping[str, object], source: str = "result.json") -> Result:
    """Check what was read.

    Raises:
        DataError: If a newer version wrote it, or a field holds what it cannot hold.
    """
    version = values.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(
            f"{source} has schema version {version}; this harness reads up to {SCHEMA_VERSION}. "
            "Update it (pip install -U adaptation-advisor) and render again."
        )
    try:
        return Result.model_validate(_measured(values))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        given = repr(first["input"])
        raise DataError(
            f"{source} cannot be used: {field}: {first['msg']}; "
            f"got {given if len(given) <= 60 else given[:60] + '…'}. Run the comparison again."
        ) from None


def read(path: Path) -> Result:
    """A finished run from its file.

    Raises:
        DataError: If the file is missing, no JSON object, or cannot be used.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"no {path.name} in {path.parent}: not the folder of a finished run. "
            "Give the folder that `harness run` wrote."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: bad JSON or bad UTF-8
        raise DataError(
            f"{path} cannot be read ({error}). Run the comparison again to rewrite it."
        ) from None
    if not isinstance(values, dict):
        raise DataError(f"{path} holds no JSON object; got {type(values).__name__}.")
    return parse(values, source=str(path))


def _measured(value: object) -> object:
    """The value without the fields that hold nothing, so that a default is their one meaning.

    Nothing is null, a number that is not finite, or a list with such a number (an interval with
    an unknown end).
    """
    if isinstance(value, Mapping):
        return {key: _measured(one) for key, one in value.items() if not _unknown(one)}
    if isinstance(value, list | tuple):
        return [_measured(one) for one in value]
    return value


def _unknown(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_unknown(one) for one in value)
    return value is None or (isinstance(value, float) and not math.isfinite(value))
