"""What the runner tells while it works; how it is shown is up to the listener."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.base import Finding
from harness.records import RunRecord


@dataclass(frozen=True)
class Stage:
    """A part of the run begins: "loading the model"."""

    text: str


@dataclass(frozen=True)
class Resuming:
    """The folder holds this run already, finished or not."""

    folder: Path
    finished: bool


@dataclass(frozen=True)
class Planned:
    """Who takes part: strategy -> reason for refusing it (empty where it takes part).

    Attributes:
        cap_seconds: What each strategy may take or, if `shared`, all of them together.
    """

    strategies: dict[str, str]
    cap_seconds: float | None
    budget_seconds: float | None
    findings: tuple[Finding, ...]
    shared: bool = False


@dataclass(frozen=True)
class StrategyStarted:
    strategy: str


@dataclass(frozen=True)
class TrialStarted:
    """`number` counts from 1 within a strategy; `of` is how many are planned, None if open."""

    strategy: str
    stage: str
    number: int
    of: int | None


@dataclass(frozen=True)
class TrialMoved:
    """The finished share of the running trial, in [0, 1]."""

    share: float


@dataclass(frozen=True)
class TrialEnded:
    """`resumed` is True where the record was found instead of measured."""

    record: RunRecord
    resumed: bool


@dataclass(frozen=True)
class StrategyEnded:
    strategy: str
    status: str
    seconds: float


Event = (
    Stage
    | Resuming
    | Planned
    | StrategyStarted
    | TrialStarted
    | TrialMoved
    | TrialEnded
    | StrategyEnded
)
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does not listen."""


def one_at_a_time(listener: Listener) -> Listener:
    """A listener that several threads may tell things."""
    lock = threading.RLock()

    def listen(event: Event) -> None:
        with lock:
            listener(event)

    return listen
