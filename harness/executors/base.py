"""What an executor is given and what it promises.

The trial is the unit of work: it is described by values that can be sent to another process, it is
idempotent (its record and files are named by its content id), and it is all that is lost when a
worker dies. The caller alone writes to the store.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from harness.closing import Closing
from harness.features import Paid
from harness.question import Question
from harness.records import RunRecord, Setting, Stage


@dataclass(frozen=True)
class Site:
    """The run a trial belongs to.

    Attributes:
        rows: "test" (and "ood") -> rows that are scored.
        folder: Where predictions and models are written.
        storage: Where they are sent instead, if workers do not share the folder (an fsspec URL).
    """

    question: Question
    rows: tuple[tuple[str, int], ...]
    folder: Path
    storage: str | None = None


@dataclass(frozen=True)
class TrialSpec:
    """One trial, described so that any process can do it.

    Attributes:
        limit: Seconds `fit` may take; None for no limit.
        underfunded: Whether this finalist's strategy did not get its minimum of trials.
        to_beat: Validation score from which on the fitted model of seed 0 is kept on disk; None
            to keep any that was scored.
        searched: Score the kept model of this trial instead of fitting one.
        paid: Rows of features its strategy was charged for already.
    """

    site: Site
    strategy: str
    settings: Mapping[str, Setting]
    stage: Stage
    seed: int
    limit: float | None = None
    underfunded: bool = False
    to_beat: tuple[float, float] | None = None
    searched: RunRecord | None = None
    paid: Paid = field(default_factory=frozenset)


@dataclass(frozen=True)
class TrialDone:
    """A record, and the rows of features its strategy has been charged for since."""

    record: RunRecord
    paid: Paid = field(default_factory=frozenset)


@dataclass(frozen=True)
class Resources:
    """What the user allows.

    Attributes:
        address: Of a cluster; None for one that is started here.
        jobs: Trials that run at once; None for as many as the cluster takes.
        cpus, gpus: Of one trial, where the executor shares them out.
        retries: How often a trial is repeated whose worker died.
        storage: See `Site`.
    """

    address: str | None = None
    jobs: int | None = 1
    cpus: float = 1
    gpus: float = 0
    retries: int = 3
    storage: str | None = None


class Executor(Closing):
    """Does trials; a context manager.

    Attributes:
        concurrent: Whether trials run side by side. If so the time of a strategy is the sum of
            what its trials measured in their workers; if not it is the clock of this process.
    """

    concurrent: bool = True

    @abstractmethod
    def submit(self, spec: TrialSpec) -> Future[TrialDone]:
        """Begin a trial; safe to call from several threads.

        The future raises what the trial raised beyond a failure of its strategy (which is a
        record), and WorkFailed if its worker died more often than is retried. A trial that was
        told to stop returns a record of status "stopped".
        """

    @abstractmethod
    def stop(self) -> None:
        """Tell running trials to end at their next step, and begin no further one."""

    @abstractmethod
    def close(self) -> None:
        """Give back what was taken. Trials that still run are stopped."""
