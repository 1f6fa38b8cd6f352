"""One strategy's part of a fair run: search on seed 0, then the finalist on every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace

from harness.bench import Bench
from harness.budget import Allowance, Schedule, Spent, affords_finalist, fit_limit
from harness.executors.base import Executor, Site, TrialDone, TrialSpec
from harness.executors.work import has_model
from harness.features import Paid, charged_once
from harness.ledger import Ledger
from harness.progress import StrategyEnded, StrategyStarted, TrialEnded, TrialStarted
from harness.proposals import Proposals
from harness.records import NO_TIME, SCORED, Happened, RunRecord, Setting, Stage, Status
from harness.store import Store
from harness.strategies.base import Space, Strategy

Begun = RunRecord | tuple[TrialSpec, Future[TrialDone]]
"""A trial that was found or could not be afforded, or one that runs."""


class Stopped(Exception):
    """The run was interrupted; what is finished is in the store."""


@dataclass
class StrategyOutcome:
    """What came of one strategy.

    Attributes:
        status, reason: Of the strategy as a whole; the reason is empty for "done".
        trials: Records of the search, in the order in which they were tried.
        finals: Records of the finalist, one per seed.
        spent_seconds: Of its cap, charged work included.
    """

    strategy: str
    status: Status = "done"
    reason: str = ""
    trials: list[RunRecord] = field(default_factory=list)
    finals: list[RunRecord] = field(default_factory=list)
    spent_seconds: float = 0.0

    @property
    def scored(self) -> dict[int, RunRecord]:
        """Seed -> finalist, where it was scored."""
        return {
            record.asked.seed: record for record in self.finals if "test" in record.happened.scores
        }


@dataclass
class Tuning:
    """The work on one strategy: chooses trials, and takes their records.

    Attributes:
        store: Finds and keeps records; only this process writes to it.
        executor: Does the trials. site: The run they belong to.
        seconds_per_row: What predicting one row is expected to cost until it was measured.
    """

    bench: Bench
    kind: type[Strategy]
    space: Space
    schedule: Schedule
    allowance: Allowance
    store: Store | Ledger
    executor: Executor
    site: Site
    seconds_per_row: float = 0.0
    _paid: Paid = frozenset()
    _tried: int = 0
    _best: RunRecord | None = None
    _best_seconds: float = 0.0
    _overhead: float = field(init=False)  # seconds of a trial besides its fit

    def __post_init__(self) -> None:
        self._overhead = self.seconds_per_row * len(self.bench.draws[0].validation)

    def run(self) -> StrategyOutcome:
        """Search, then score the best setting on every seed.

        Raises:
            Stopped: After an interruption.
        """
        self.bench.on_event(StrategyStarted(self.kind.id))
        outcome = StrategyOutcome(self.kind.id)
        with charged_once():
            self._search(outcome)
            if self._best is not None:
                self._finish(outcome, self._best)
        if not outcome.trials:
            self.store.append(self._lacking("search", {}, 0))
        self._conclude(outcome)
        outcome.spent_seconds = self.allowance.spent()
        self.bench.on_event(StrategyEnded(outcome.strategy, outcome.status, outcome.spent_seconds))
        return outcome

    def _search(self, outcome: StrategyOutcome) -> None:
        proposals, spent = Proposals(self.space, seed=0), list[Spent]()
        while True:
            before = self.allowance.spent()
            share = self.schedule.next_share(
                spent, remaining=self.allowance.remaining(), scoring=self._scoring_seconds()
            )
            settings = None if share is None else proposals.ask()
            hopeless = self._best is None and len(spent) >= self.schedule.minimum
            if share is None or settings is None or hopeless:
                return
            spec = self._spec("search", settings, 0, fit_limit(share, self._overhead))
            of = self.schedule.maximum if math.isinf(share) else None
            self.bench.on_event(TrialStarted(self.kind.id, "search", len(spent) + 1, of))
            record = self._end(self._begin(spec))
            score = self.bench.validation_score(record)[0]
            proposals.tell(score if math.isfinite(score) else None)
            outcome.trials.append(record)
            seconds = self.allowance.spent() - before
            spent.append(Spent(share, seconds))
            self._overhead = max(seconds - record.happened.fit_seconds, 0.0)
            if record is self._best:
                self._best_seconds = seconds

    def _finish(self, outcome: StrategyOutcome, best: RunRecord) -> None:
        """Seed 0 first, which pays for what all seeds share; the others side by side if they can."""
        settings, limit = best.asked.hyperparameters, best.happened.limit_seconds or math.inf
        running: list[Begun] = []
        for seed in self.bench.draws:
            self.bench.on_event(TrialStarted(self.kind.id, "final", seed + 1, self.schedule.seeds))
            spec = self._spec("final", settings, seed, limit, underfunded=self._short)
            scoring = replace(spec, searched=best)
            if seed == 0 and has_model(scoring, self.bench):
                begun = self._begin(scoring)
            else:
                begun = self._begin(spec, affordable=seed == 0 or self._affords(1 + len(running)))
            if seed == 0 or not self.executor.concurrent:
                outcome.finals.append(self._end(begun))
            else:
                running.append(begun)
        outcome.finals += [self._end(begun) for begun in running]

    def _affords(self, finalists: int) -> bool:
        """Whether so many finalists can still be trained and scored."""
        return affords_finalist(
            self.allowance.remaining(),
            fit=finalists * self._best_seconds,
            scoring=finalists * self._scoring_seconds(),
        )

    def _spec(
        self,
        stage: Stage,
        settings: Mapping[str, Setting],
        seed: int,
        limit: float,
        underfunded: bool = False,
    ) -> TrialSpec:
        return TrialSpec(
            site=self.site,
            strategy=self.kind.id,
            settings=settings,
            stage=stage,
            seed=seed,
            limit=None if math.isinf(limit) else limit,
            underfunded=underfunded,
            to_beat=None if self._best is None else self.bench.validation_score(self._best),
            paid=self._paid,
        )

    def _lacking(self, stage: Stage, settings: Mapping[str, Setting], seed: int) -> RunRecord:
        """A record that says there was no time."""
        asked = self.bench.asked(self.kind.id, settings, stage=stage, seed=seed)
        happened = Happened(status="underfunded", error=NO_TIME)
        return self.bench.record(asked, happened)

    def _begin(self, spec: TrialSpec, affordable: bool = True) -> Begun:
        """A trial: found in the store, or begun.

        Raises:
            Stopped: If the run was interrupted.
        """
        asked = self.bench.asked(spec.strategy, spec.settings, stage=spec.stage, seed=spec.seed)
        record = self.store.find(asked.content_id)
        if record is not None:
            self.allowance.pay(record.happened.own_seconds)
            self.bench.on_event(TrialEnded(record, resumed=True))
            return record
        if self.bench.cancelled():
            raise Stopped
        if not affordable:
            record = self._lacking(spec.stage, spec.settings, spec.seed)
            self.store.append(record)
            self.bench.on_event(TrialEnded(record, resumed=False))
            return record
        return spec, self.executor.submit(spec)

    def _end(self, begun: Begun) -> RunRecord:
        """The record of a trial, which is kept and paid for.

        Raises:
            Stopped: If the run was interrupted during the trial.
        """
        if isinstance(begun, RunRecord):
            record = begun
        else:
            spec, running = begun
            try:
                done = running.result()
            except CancelledError:
                raise Stopped from None
            record, self._paid = done.record, self._paid | done.paid
            self._pay(spec, record)
            self.store.append(record)
            self.bench.on_event(TrialEnded(record, resumed=False))
        if record.happened.status == "stopped":
            raise Stopped
        self._learn(record)
        return record

    def _pay(self, spec: TrialSpec, record: RunRecord) -> None:
        """What the clock of this process does not tell of a trial."""
        happened = record.happened
        if self.executor.concurrent:
            self.allowance.pay(happened.own_seconds)
            return
        self.allowance.pay(happened.charged_seconds)
        if spec.searched is not None:
            self.allowance.pay(-spec.searched.happened.charged_seconds)
            # what is measured beside the score is the harness's business, not the strategy's
            self.allowance.pay(-happened.measures.get("measuring_seconds", 0.0))

    def _learn(self, record: RunRecord) -> None:
        """Take the measured speed of prediction, and the best setting of the search so far."""
        sizes = {"validation": len(self.bench.draws[record.asked.seed].validation)} | {
            name: len(split) for name, split in self.bench.unseen.items()
        }
        timed = record.happened.score_seconds
        if timed:
            self.seconds_per_row = sum(timed.values()) / sum(sizes[name] for name in timed)
        if record.asked.stage == "search":
            self._tried += 1
            if self._leads(record):
                self._best = record

    def _leads(self, record: RunRecord) -> bool:
        """Whether a trial on seed 0 is the best so far on validation; the earlier one on a tie."""
        if record.happened.status not in SCORED:
            return False
        if self._best is None or record.asked.stage == "final":
            return True
        return self.bench.validation_score(record) > self.bench.validation_score(self._best)

    def _scoring_seconds(self) -> float:
        return self.seconds_per_row * sum(len(split) for split in self.bench.unseen.values())

    @property
    def _short(self) -> bool:
        return self._tried < self.schedule.minimum

    def _conclude(self, outcome: StrategyOutcome) -> None:
        """Status and reason of the strategy as a whole, in plain words."""
        broken = [
            one for one in outcome.finals or outcome.trials if one.happened.status == "failed"
        ]
        seeds = len(outcome.scored)
        if broken:
            outcome.status, outcome.reason = "failed", broken[-1].happened.error or ""
        elif self._short or seeds < self.schedule.seeds:
            outcome.status = "underfunded"
            outcome.reason = (
                f"its cap allowed {self._tried} of at least {self.schedule.minimum} trials and "
                f"{seeds} of {self.schedule.seeds} seeds"
            )
        elif any(one.happened.status == "underfit" for one in outcome.scored.values()):
            outcome.status = "underfit"
            outcome.reason = (
                "the validation loss was still falling when training ended, or not all examples "
                "were used"
            )
