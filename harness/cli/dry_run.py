"""What `harness run --dry-run` prints: the plan, who can take part, what it would cost."""

from __future__ import annotations

from advisor.quantities import format_bytes, format_count, format_duration
from harness.advice import estimates
from harness.budget import Budget
from harness.cli import STARTED
from harness.plan import Plan, make_plan
from harness.question import Question


def describe(question: Question) -> str:
    """The plan of a question in words; loads no weights and writes nothing.

    Raises:
        AdviceError: If the question cannot be used.
    """
    plan = make_plan(question)
    budget = Budget(question.budget_seconds, started=STARTED)
    rows = min(question.test_examples or len(plan.dataset.test), len(plan.dataset.test))
    expected = estimates(plan, plan.device, rows)
    lines = [*_asked(plan), *_findings(plan), "", *_terms(plan, budget), ""]
    for id, kind in plan.strategies.items():
        lines.append(f"{kind.traits.name}")
        if id in plan.refused:
            lines.append(f"  left out: {plan.refused[id]}")
            continue
        cost = expected[id]
        lines.append(
            f"  at least {_trials(plan, id)} and {question.seeds} seeds: about "
            f"{format_duration(cost.seconds)} and {format_bytes(cost.peak_memory_bytes)} of memory "
            "at the peak"
        )
    return "\n".join(lines) + "\n"


def _asked(plan: Plan) -> list[str]:
    facts, data, draw = plan.facts, plan.dataset, plan.draws[0]
    shifted = f", {len(data.ood):,} shifted" if data.ood is not None else ""
    return [
        f"model: {facts.name}, {facts.family}, {format_count(facts.params)} parameters",
        f"data:  {data.name}, {_kind(plan)}, {len(data.train):,} rows to draw "
        f"from, {len(data.test):,} to test on{shifted}",
        f"uses:  {plan.examples:,} labelled examples a seed: {len(draw.train):,} to train, "
        f"{len(draw.validation):,} to validate",
    ]


def _kind(plan: Plan) -> str:
    classes = len(plan.dataset.label_names)
    return f"{classes} classes" if classes else plan.task.id.replace("_", " ")


def _findings(plan: Plan) -> list[str]:
    return [f"{found.level}: {found.text}" for found in plan.dataset.findings]


def _terms(plan: Plan, budget: Budget) -> list[str]:
    cap = budget.cap(len(plan.feasible))
    if cap is None:
        return ["budget: counted in trials; there is no limit of time"]
    return [
        f"budget: {format_duration(budget.total or 0)} of wall clock, loading, test scoring and "
        f"report included; up to {format_duration(cap)} for each strategy, less the loading"
    ]


def _trials(plan: Plan, id: str) -> str:
    minimum = plan.schedule(id).minimum
    return f"{minimum} trial{'s' if minimum > 1 else ''}"
