"""One strategy's part of a fair run: search on seed 0, then the finalist on every seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.artefacts import artefact_of, keep_artefact
from harness.bench import ARTEFACTS, Bench
from harness.budget import Allowance, Schedule, Spent, affords_finalist, fit_limit
from harness.features import charged_once
from harness.progress import StrategyEnded, StrategyStarted, TrialEnded, TrialStarted
from harness.proposals import Proposals
from harness.records import SCORED, Happened, RunRecord, Setting, Stage, Status
from harness.store import Store
from harness.strategies.base import Space, Strategy
from harness.trial import run_trial, score_finalist

Measure = Callable[[], RunRecord]


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
    """The work on one strategy.

    Attributes:
        seconds_per_row: What predicting one row is expected to cost until it was measured.
    """

    bench: Bench
    kind: type[Strategy]
    space: Space
    schedule: Schedule
    allowance: Allowance
    store: Store
    seconds_per_row: float = 0.0
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
            self.store.append(self._lacking("search", {}, 0)())
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
            limit = fit_limit(share, self._overhead)
            of = self.schedule.maximum if math.isinf(share) else None
            self.bench.on_event(TrialStarted(self.kind.id, "search", len(spent) + 1, of))
            record = self._once("search", settings, 0, self._fitting("search", settings, 0, limit))
            score = self.bench.validation_score(record)[0]
            proposals.tell(score if math.isfinite(score) else None)
            outcome.trials.append(record)
            seconds = self.allowance.spent() - before
            spent.append(Spent(share, seconds))
            self._overhead = max(seconds - record.happened.fit_seconds, 0.0)
            if record is self._best:
                self._best_seconds = seconds

    def _finish(self, outcome: StrategyOutcome, best: RunRecord) -> None:
        settings, limit = best.asked.hyperparameters, best.happened.limit_seconds or math.inf
        for seed in self.bench.draws:
            self.bench.on_event(TrialStarted(self.kind.id, "final", seed + 1, self.schedule.seeds))
            affordable = affords_finalist(
                self.allowance.remaining(),
                fit=self._best_seconds,
                scoring=self._scoring_seconds(),
            )
            if seed == 0 and artefact_of(self._artefact) == best.content_id:
                measure = self._scoring_of(best)
            elif seed == 0 or affordable:
                measure = self._fitting("final", settings, seed, limit)
            else:
                measure = self._lacking("final", settings, seed)
            outcome.finals.append(self._once("final", settings, seed, measure))

    def _fitting(
        self, stage: Stage, settings: Mapping[str, Setting], seed: int, limit: float
    ) -> Measure:
        """A new trial; the best model of seed 0 so far is kept on disk."""

        def measure() -> RunRecord:
            record, fitted = run_trial(
                self.bench,
                self.kind,
                settings,
                stage=stage,
                seed=seed,
                limit=None if math.isinf(limit) else limit,
                underfunded=stage == "final" and self._short,
            )
            self.allowance.pay(record.happened.charged_seconds)
            if fitted is None or seed != 0 or not self._leads(record):
                return record
            size = keep_artefact(self._artefact, fitted, record.content_id)
            kept = record.happened.replacing(artefact_bytes=size)
            return record.model_copy(update={"happened": kept})

        return measure

    def _scoring_of(self, best: RunRecord) -> Measure:
        """Score the searched model itself, read back from disk."""

        def measure() -> RunRecord:
            record = score_finalist(
                self.bench,
                best,
                lambda: self.kind.load(self._artefact, self.bench.backbone, self.bench.task),
                underfunded=self._short,
            )
            happened = record.happened
            self.allowance.pay(happened.charged_seconds - best.happened.charged_seconds)
            # what is measured beside the score is the harness's business, not the strategy's
            self.allowance.pay(-happened.measures.get("measuring_seconds", 0.0))
            return record

        return measure

    def _lacking(self, stage: Stage, settings: Mapping[str, Setting], seed: int) -> Measure:
        """A record that says there was no time."""
        asked = self.bench.asked(self.kind.id, settings, stage=stage, seed=seed)
        happened = Happened(status="underfunded", error="no time was left in its cap")
        return lambda: self.bench.record(asked, happened)

    def _once(
        self, stage: Stage, settings: Mapping[str, Setting], seed: int, measure: Measure
    ) -> RunRecord:
        """The record of a trial: found in the store, or measured and kept there.

        Raises:
            Stopped: If the run was interrupted before or during the trial.
        """
        asked = self.bench.asked(self.kind.id, settings, stage=stage, seed=seed)
        record = self.store.find(asked.content_id)
        resumed = record is not None
        if record is not None:
            self.allowance.pay(record.happened.own_seconds)
        elif self.bench.cancelled():
            raise Stopped
        else:
            record = measure()
            self.store.append(record)
        self.bench.on_event(TrialEnded(record, resumed=resumed))
        if record.happened.status == "stopped":
            raise Stopped
        self._learn(record)
        return record

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

    @property
    def _artefact(self) -> Path:
        return self.bench.folder / ARTEFACTS / self.kind.id

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
