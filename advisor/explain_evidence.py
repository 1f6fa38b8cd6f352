"""The part of the page that speaks of measurements: how sure, on what it rests, what would settle it."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.learned.further import Agreement
from advisor.learned.nearest import Nearby
from advisor.quantities import format_count, format_duration
from advisor.recommend import Recommendation, StrategyAdvice
from advisor.terminal import Style, paragraph
from advisor.traits import CORE, STRATEGIES

_CURVES_SHOWN = 4
"""Candidates whose curve fits the page; JSON has all."""


def name_of(strategy: str | None) -> str:
    return STRATEGIES[strategy].name if strategy in STRATEGIES else str(strategy)


def percent(share: float) -> str:
    """Whole per cent; never 0% or 100%, which would be certainty."""
    shown = round(100 * share)
    return "<1%" if shown < 1 else ">99%" if shown > 99 else f"{shown}%"


def how_sure(r: Recommendation, style: Style) -> Iterator[str]:
    """Differences with intervals, who moved the answer, the evidence, and what would settle it."""
    best, moved = r.best, r.agreement
    if best is None or moved is None:
        return
    yield style.paint("bold", "How sure, and on what it rests")
    if best.expected_regret is not None:
        yield from paragraph(_expectation(r, best), "  · ", "    ")
    is_open = sum(each.feasible for each in r.recommendations) > 1
    if is_open:
        yield from paragraph(_who_moved(r), "  · ", "    ")
    for one in r.nearest:
        yield from paragraph(f"Measured: {_comparison(one)}", "  · ", "    ")
    if r.pilot is not None:
        yield from paragraph(_pilot(r), "  · ", "    ")
    if is_open and r.cheapest is not None:
        yield from paragraph(_cheapest(r, best), "  · ", "    ")


def _expectation(r: Recommendation, best: StrategyAdvice) -> str:
    others = [each for each in r.recommendations if each.feasible and each is not best]
    if not others:
        return f"{_capital(best.name)} is the only candidate that is possible."
    shown = "; ".join(_beside(each) for each in others)
    behind = -(best.expected_score or 0.0)
    reference, limited = "Beside the best", ""
    if behind > 0:
        reference = "Beside the best that all access would allow"
        limited = f" With all access one candidate would be {behind:.1f} ahead."
    return (
        f"{reference}, in points of the metric (80% interval): {shown}. Choosing {best.name} "
        f"is expected to miss the best by {best.expected_regret:.1f}.{limited}{_validated(r)}"
    )


def _validated(r: Recommendation) -> str:
    if all(each.strategy in CORE for each in r.recommendations if each.feasible):
        return ""
    return (
        " Probabilities were validated between the core strategies; those of the others follow from "
        "what they share with them."
    )


def _beside(each: StrategyAdvice) -> str:
    assert each.interval is not None
    low, high = each.interval
    return f"{each.name} {_points(each.expected_score)} ({_points(low)} to {_points(high)})"


def _points(value: float | None) -> str:
    return f"{value or 0.0:+.1f}".replace("-", "−")


def _who_moved(r: Recommendation) -> str:
    moved = r.agreement
    assert moved is not None
    first = r.recommendations[0].strategy
    rules, measured = name_of(moved.rules), name_of(moved.measured)
    if moved.rules == first == moved.measured:
        text = "Rules and measurements agree."
    elif moved.rules == first:
        text = f"The rules decide: measurements alone would lean to {measured}."
    elif moved.measured == first:
        text = f"Measurements moved the answer: by the rules alone {rules} would come first."
    else:
        text = f"Neither decides alone: the rules would put {rules} first, measurements {measured}."
    if moved.turned:
        text += f" Measurements contradict: {', '.join(moved.turned)}."
    if moved.rests_on_rules:
        text += f" The first two were {_compared(moved)}: little is measured of their difference."
    return text


def _compared(moved: Agreement) -> str:
    if not moved.contexts:
        return "never compared in what is known"
    sources = f"{moved.sources} source{'' if moved.sources == 1 else 's'}"
    return f"compared in {moved.contexts} contexts of {sources} alone"


def _comparison(one: Nearby) -> str:
    year = "" if one.year is None else f" {one.year}"
    return (
        f"{one.model} on {one.data}, {format_count(one.examples)} examples: "
        f"{name_of(one.winner)} led by {one.lead:.1f} ({one.paper}{year})"
    )


def _pilot(r: Recommendation) -> str:
    found = r.pilot
    assert found is not None
    one, other = (name_of(strategy) for strategy in found.strategies)
    return (
        f"Worth measuring first: {one} against {other} "
        f"(about {format_duration(found.seconds)} of training). It would change the answer with "
        f"{percent(found.changes)} probability and save {found.gain:.1f} points on average."
    )


def _tolerance(r: Recommendation) -> str:
    return f"{r.tolerance:g} point{'' if r.tolerance == 1 else 's'}"


def _cheapest(r: Recommendation, best: StrategyAdvice) -> str:
    assert r.cheapest is not None
    strategy, behind = r.cheapest
    if strategy == best.strategy:
        return f"No candidate with less training is expected within {_tolerance(r)} (--tolerance)."
    return (
        f"Cheapest within {_tolerance(r)} (--tolerance): {name_of(strategy)}, expected "
        f"{behind:.1f} behind."
    )


def learning_curves(r: Recommendation, style: Style) -> Iterator[str]:
    """P(best) of each candidate over the number of examples."""
    if not r.learning_curves:
        return
    names = [each.strategy for each in r.recommendations[:_CURVES_SHOWN]]
    yield style.paint("bold", "With another number of examples, P(best)")
    yield style.paint("dim", f"  {'examples':>9} " + " ".join(f"{name:>13}" for name in names))
    for point in r.learning_curves:
        told = point["strategies"]
        assert isinstance(told, dict)
        cells = [percent(told[name]["p_best"]) if name in told else "-" for name in names]
        examples = point["examples"]
        assert isinstance(examples, int)
        yield f"  {format_count(examples):>9} " + " ".join(f"{cell:>13}" for cell in cells)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
