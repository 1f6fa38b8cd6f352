"""The words that fill the `{blanks}` of the rules' sentences."""

from __future__ import annotations

from advisor.inference import Resolved
from advisor.learned.artefact import artefact
from advisor.quantities import format_bytes, format_count, format_duration
from advisor.scoring import Scored


def words_of_situation(s: Resolved) -> dict[str, str]:
    """Values of the situation as people write them."""
    return {
        "examples": format_count(s.examples),
        "classes": format_count(s.classes),
        "params": format_count(s.params),
        "family": s.family.replace("_", "-"),
        "shift": f"{s.shift:g}",
        "tokens": format_count(s.tokens),
        "window": "none" if s.window is None else f"{s.window:,}",
        "unlabeled": format_count(s.unlabeled),
        "tasks_served": format_count(s.tasks_served),
        "requests": format_count(s.requests_per_month or 0),
        "licence": s.licence or "",
        "target": "" if s.target is None else f"{s.target:g}",
        "memory": "" if s.memory is None else format_bytes(s.memory),
        "budget": "" if s.budget_hours is None else format_duration(3600 * s.budget_hours),
        "latency_limit": "" if s.latency_ms is None else format_duration(s.latency_ms / 1000),
    }


def words_of_strategy(scored: Scored) -> dict[str, str]:
    """What a strategy needs and would cost on the user's own devices."""
    traits, costs = scored.traits, scored.own_costs
    name = traits.name
    return {
        "strategy": name[0].upper() + name[1:],
        "access_needed": traits.access,
        "fraction": f"{100 * traits.trainable_fraction:g}%",
        "training_memory": format_bytes(costs.training.least_memory_bytes),
        "serving_memory": format_bytes(costs.serving.memory.total),
        "training_time": format_duration(costs.training.seconds),
        "latency": format_duration(costs.serving.latency_seconds or 0),
        "measured": _measured(),
    }


def _measured() -> str:
    """What `scoring.MEASURED` says."""
    model = artefact()
    if model is None:
        return ""
    known = model.evidence
    return (
        f"What {known['contexts']:,} measured comparisons of {known['sources']} groups of sources "
        "add to the rules here."
    )
