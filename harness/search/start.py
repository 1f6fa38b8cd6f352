"""A search made ready from a prepared run: its budget, the advisor's prior, the cost model."""

from __future__ import annotations

import math
from collections.abc import Mapping

from advisor.costs.workload import Workload
from harness.advice import LocalCosts, situation_of
from harness.bench import Bench
from harness.ledger import Ledger
from harness.plan import Plan
from harness.question import Question
from harness.records import Setting
from harness.search.budget import SearchBudget
from harness.search.loop import Guess, Search, Terms
from harness.search.prior import prior_of
from harness.speed import flops_per_second
from harness.splits import VALIDATION_SHARE
from harness.store import Store
from harness.train_settings import TrainSettings

_TEST_SHARE = 0.1  # of the seconds, for scoring the finalists on the test rows


def prepared(plan: Plan, bench: Bench, store: Store | Ledger, seconds: float | None) -> Search:
    """A search that has not begun.

    Args:
        seconds: What is left of a budget of wall clock after loading and the report.
    """
    device = bench.backbone.device
    budget = budget_of(plan.question)
    available = budget.amount
    if budget.unit == "seconds" and seconds is not None:
        available = seconds * (1 - _TEST_SHARE)
    speed = flops_per_second(device) if budget.unit == "flops" else 1.0
    return Search(
        plan=plan,
        bench=bench,
        store=store,
        terms=Terms(budget, available, plan.question.tolerance, speed),
        prior=prior_of(situation_of(plan, device), tuple(plan.feasible)),
        guess=_guess(plan, bench),
    )


def budget_of(question: Question) -> SearchBudget:
    """The one budget of a search."""
    if question.budget_trials is not None:
        return SearchBudget("trials", float(question.budget_trials))
    if question.budget_flops is not None:
        return SearchBudget("flops", question.budget_flops)
    return SearchBudget("seconds", question.budget_seconds or math.inf)


def _guess(plan: Plan, bench: Bench) -> Guess:
    """Seconds of a trial by the cost model, up to a factor for each strategy."""
    if plan.facts.access == "text":
        # an endpoint charges by the row
        return lambda strategy, settings, examples, together: float(examples)
    costs = LocalCosts(plan, bench.backbone.device)
    held = len(bench.draws[0].validation)

    def guess(
        strategy: str, settings: Mapping[str, Setting], examples: int, together: int
    ) -> float:
        kind = plan.strategies[strategy]
        work = costs.usual._replace(examples=examples, test_rows=held, trials=together)
        if kind.traits.needs_gradients:
            epochs = settings.get("epochs")
            passes = epochs if isinstance(epochs, int) else work.passes(kind.traits)
            work = _steps(work, settings, passes, held)
        return costs.expect(kind, work).seconds / together

    return guess


def _steps(work: Workload, settings: Mapping[str, Setting], epochs: float, held: int) -> Workload:
    """A training as the loop does it: whole batches, and all validation rows at every evaluation.

    A batch that is not full takes nearly as long as a full one where texts are short, so that a
    training on an eighth of the rows may cost a quarter.
    """
    size = settings.get("batch_size")
    batch = size if isinstance(size, int) else work.batch_size
    batches = math.ceil(max(1.0, work.examples * (1 - VALIDATION_SHARE)) / batch)
    trained = float(batches * batch)
    validated = held * min(TrainSettings.evaluations / epochs, batches)
    return work._replace(
        examples=trained + validated,
        validation_share=validated / (trained + validated),
        test_rows=0,
        epochs=epochs,
        batch_size=batch,
    )
