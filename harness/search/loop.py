"""A budgeted search carried out: trials chosen by the policy, then the finalists on the test rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from harness.artefacts import artefact_of, keep_artefact
from harness.bench import ARTEFACTS, Bench, Draw
from harness.ledger import Ledger
from harness.plan import Plan
from harness.progress import StrategyEnded, TrialEnded, TrialStarted
from harness.records import SCORED, Happened, RunRecord, Setting
from harness.search.budget import SearchBudget
from harness.search.costs import TrialCosts, spent_on
from harness.search.curves import Point, Prior, fitted_scales
from harness.search.policy import Choice, Ended, Policy
from harness.search.space import Candidates, Rung, at, rungs, sizes
from harness.splits import draw_examples
from harness.store import Store
from harness.strategies.base import Strategy
from harness.trial import run_trial, score_finalist
from harness.tuning import Stopped, StrategyOutcome


@dataclass(frozen=True)
class Terms:
    """What a search may spend and when it may end early.

    Attributes:
        budget: Of which the search itself may use `available`, the rest being set aside.
        tolerance: Points of expected loss at which it ends.
        flops_per_second: Of the device.
    """

    budget: SearchBudget
    available: float
    tolerance: float
    flops_per_second: float = 1.0


Guess = Callable[[str, Mapping[str, Setting], int, int], float]
"""Seconds of a trial of a strategy and setting on so many examples, one of so many that share work."""


class Step(NamedTuple):
    """A trial of the search.

    Attributes:
        score: On the validation rows; None if it failed.
        cost: In units of the budget.
    """

    choice: Choice
    status: str
    score: float | None
    cost: float


@dataclass
class Search:
    """The work of a search.

    Attributes:
        outcomes: Strategy -> what came of it.
        steps: Its trials, in order.
        spent: In units of the budget.
        ended: Why no further trial was run.
    """

    plan: Plan
    bench: Bench
    store: Store | Ledger
    terms: Terms
    prior: Prior
    guess: Guess
    outcomes: dict[str, StrategyOutcome] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    spent: float = 0.0
    ended: str = ""
    policy: Policy = field(init=False)
    sizes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.sizes = sizes(plan.examples, plan.task.n_classes)
        self._rows = {n: self._training_rows(n) for n in self.sizes}
        self._candidates = {id: Candidates(plan.space(id)) for id in plan.feasible}
        self.outcomes = {id: StrategyOutcome(id) for id in plan.feasible}
        self._records: dict[Choice, RunRecord] = {}
        together = {id: max(len(plan.space(id).first), 1) for id in plan.feasible}
        self._costs = TrialCosts(self._guessed, together.__getitem__, self.terms.budget.unit)
        self.policy = Policy(
            next_setting={id: one.next for id, one in self._candidates.items()},
            rungs=lambda strategy, setting: rungs(self._known(strategy, setting), self.sizes),
            cost=self._costs.expect,
            price=self._costs.price,
            prior=self.prior,
            scales=fitted_scales(),
            full=plan.examples,
            validation_rows=max(len(self.bench.draws[0].validation), 1),
            tolerance=self.terms.tolerance,
        )

    def run(self) -> list[StrategyOutcome]:
        """Search, train the pick on everything if it was not yet, score the finalists.

        Raises:
            Stopped: After an interruption; what is finished is in the store.
        """
        while True:
            choice = self.policy.ask(self.remaining)
            if isinstance(choice, Ended):
                self.ended = choice.why
                break
            self._try(choice)
        self._settle()
        self._finish()
        for outcome in self.outcomes.values():
            self._conclude(outcome)
        return list(self.outcomes.values())

    @property
    def remaining(self) -> float:
        return self.terms.available - self.spent

    @property
    def pick(self) -> Point | None:
        """The setting to use: of those trained on everything, the one with the best expectation."""
        return self._best_trained(tuple(self._candidates))

    def _best_trained(self, strategies: Sequence[str]) -> Point | None:
        """Of the strategies' settings that were trained on everything, the most promising."""
        ready = [
            Point(name, setting, 0.0)
            for name in strategies
            for setting in self._candidates[name].known
            if self._scored(name, setting)
        ]
        if not ready:
            return None
        mean, _ = self.policy.curves.predict(ready)
        return ready[int(mean.argmax())]

    def _settle(self) -> None:
        """Train what is expected to be best on everything; what comes out may change who that is."""
        for _ in range(len(self.outcomes) + 1):
            if not self.policy.candidates():
                return
            last = self.policy.last(self.remaining)
            affordable = self._costs.expect(last) <= self.remaining or self.pick is None
            if self.policy.is_full(Point(last.strategy, last.setting, 0.0)) or not affordable:
                return
            self._try(last)

    def _try(self, choice: Choice) -> None:
        """One trial: found in the store, or measured and kept there."""
        name, outcome = choice.strategy, self.outcomes[choice.strategy]
        settings = at(self._known(name, choice.setting), choice.rung.passes)
        bench = self._bench(choice.rung.examples)
        self.bench.on_event(TrialStarted(name, "search", len(outcome.trials) + 1, None))
        asked = bench.asked(name, settings, stage="search", seed=0)
        record = self.store.find(asked.content_id)
        resumed, fitted = record is not None, None
        if record is None:
            if self.bench.cancelled():
                raise Stopped
            kind, limit = self.plan.strategies[name], self._limit(choice)
            record, fitted = run_trial(bench, kind, settings, stage="search", seed=0, limit=limit)
        self._learn(choice, record)
        self._records[choice] = record
        if fitted is not None and self._leads(choice):
            record = self._records[choice] = self._kept(record, fitted)
        if not resumed:
            self.store.append(record)
        self.bench.on_event(TrialEnded(record, resumed=resumed))
        if record.happened.status == "stopped":
            raise Stopped
        outcome.trials.append(record)

    def _learn(self, choice: Choice, record: RunRecord) -> None:
        happened = record.happened
        if happened.status == "stopped":
            return
        cost = spent_on(happened, self.terms.budget.unit, self.terms.flops_per_second)
        self.spent += cost
        self._costs.learn(choice, cost)
        told = self.bench.validation_score(record)[0]
        score = told if math.isfinite(told) else None
        self.steps.append(Step(choice, happened.status, score, cost))
        self.policy.tell(choice, score)

    def _leads(self, choice: Choice) -> bool:
        """Whether a trial on everything is now its strategy's best of those."""
        best = self._best_trained([choice.strategy])
        whole = choice.rung == Rung(self.plan.examples)
        return whole and best is not None and best.setting == choice.setting

    def _kept(self, record: RunRecord, fitted: Strategy) -> RunRecord:
        folder = self.bench.folder / ARTEFACTS / record.asked.strategy
        size = keep_artefact(folder, fitted, record.content_id)
        happened = record.happened.replacing(artefact_bytes=size)
        return record.model_copy(update={"happened": happened})

    def _finish(self) -> None:
        """The pick on the test rows, and the model that every other strategy left on disk."""
        pick = self.pick
        for name, outcome in self.outcomes.items():
            if pick is not None and pick.strategy == name:
                record = self._whole(name, pick.setting)
            else:
                record = self._on_disk(name)
            if record is not None:
                outcome.finals.append(self._final(record))

    def _on_disk(self, name: str) -> RunRecord | None:
        """The trial whose model is kept: that which led its strategy last."""
        kept = artefact_of(self.bench.folder / ARTEFACTS / name)
        found = (one for one in self.outcomes[name].trials if one.content_id == kept)
        return next(found, None)

    def _final(self, searched: RunRecord) -> RunRecord:
        """The finalist: the searched model read back; trained again if it is gone."""
        name = searched.asked.strategy
        kind, folder = self.plan.strategies[name], self.bench.folder / ARTEFACTS / name
        asked = searched.asked.model_copy(update={"stage": "final"})
        known = self.store.find(asked.content_id)
        there = artefact_of(folder) == searched.content_id
        if known is not None and there:
            return known
        self.bench.on_event(TrialStarted(name, "final", 1, 1))
        if there:
            record = score_finalist(
                self.bench,
                searched,
                lambda: kind.load(folder, self.bench.backbone, self.bench.task),
                underfunded=False,
            )
        else:
            settings = searched.asked.hyperparameters
            record, fitted = run_trial(
                self.bench, kind, settings, stage="final", seed=0, limit=None
            )
            if fitted is not None:
                size = keep_artefact(folder, fitted, searched.content_id)
                happened = record.happened.replacing(artefact_bytes=size)
                record = record.model_copy(update={"happened": happened})
        self.store.append(record)
        self.bench.on_event(TrialEnded(record, resumed=False))
        if record.happened.status == "stopped":
            raise Stopped
        return known or record

    def _conclude(self, outcome: StrategyOutcome) -> None:
        """Status and reason of a strategy, in plain words."""
        name = outcome.strategy
        outcome.spent_seconds = sum(
            one.happened.own_seconds for one in [*outcome.trials, *outcome.finals]
        )
        failed = [one for one in outcome.trials if one.happened.status == "failed"]
        if outcome.scored:
            pass
        elif failed and len(failed) == len(outcome.trials):
            outcome.status, outcome.reason = "failed", failed[-1].happened.error or ""
        else:
            outcome.status = "underfunded"
            chance = self.policy.dropped.get(name)
            if self._best_trained([name]) is not None:
                outcome.reason = "the model that was trained on all examples is no longer on disk"
            elif chance is not None:
                outcome.reason = f"it was dropped: its chance of being best is {chance:.1%}"
            else:
                outcome.reason = "it was not trained on all examples"
            if not outcome.trials:
                asked = self.bench.asked(name, {}, stage="search", seed=0)
                happened = Happened(status="underfunded", error=outcome.reason)
                self.store.append(self.bench.record(asked, happened))
        self.bench.on_event(StrategyEnded(name, outcome.status, outcome.spent_seconds))

    def _whole(self, name: str, setting: str) -> RunRecord | None:
        """The trial of a setting on everything."""
        return self._records.get(Choice(name, setting, Rung(self.plan.examples)))

    def _scored(self, name: str, setting: str) -> bool:
        record = self._whole(name, setting)
        return record is not None and record.happened.status in SCORED

    def _limit(self, choice: Choice) -> float | None:
        """Seconds a trial may take, where the budget is one of seconds: what is left and, while nothing
        was trained on everything, not needed for that."""
        if self.terms.budget.unit != "seconds":
            return None
        if self.pick is not None or choice.rung == Rung(self.plan.examples):
            return self.remaining
        needed = self.policy.reserve(self.policy.last(self.remaining), before=choice)
        # what is needed may exceed what is left, where the budget is too small for any training
        return max(self.remaining - needed, min(self._costs.expect(choice), self.remaining))

    def _guessed(self, choice: Choice, together: int) -> float:
        settings = at(self._known(choice.strategy, choice.setting), choice.rung.passes)
        return self.guess(choice.strategy, settings, choice.rung.examples, together)

    def _known(self, strategy: str, setting: str) -> dict[str, Setting]:
        return self._candidates[strategy].known[setting]

    def _training_rows(self, examples: int) -> Draw:
        """The training rows of the nested draw of a size; validation rows are always all."""
        plan = self.plan
        train, _ = draw_examples(plan.dataset.train, examples, 0, plan.task.n_classes)
        return Draw(train, self.bench.draws[0].validation)

    def _bench(self, examples: int) -> Bench:
        if examples == self.plan.examples:
            return self.bench
        return replace(self.bench, draws={0: self._rows[examples]})
