"""The answer as a page of 80 columns: what is best, why, what it costs, what would change it."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.catalogue import cost_check
from advisor.costs import FORMULAS, BreakEven, Costs
from advisor.explain_evidence import how_sure, learning_curves, name_of, percent
from advisor.quantities import (
    format_bytes,
    format_count,
    format_duration,
    format_money,
)
from advisor.recommend import Reason, Recommendation, StrategyAdvice
from advisor.terminal import Style, bullets, paragraph
from advisor.tipping import TippingPoint

_NAME_WIDTH, _BAR_WIDTH = 21, 10
_START = "start"
_NOTES_SHOWN = 3
_MOST_TO_MEASURE = 10_000
"""Examples the suggested run asks for; with more it takes the whole file."""


def to_text(recommendation: Recommendation, style: Style, *, explain: bool = False) -> str:
    """The whole page, ending in a line break.

    Args:
        explain: Also every reason of every candidate with its source, the parts of the memory,
            the formulas behind the costs, and all notes.
    """
    sections = [
        _question(recommendation, style),
        _table(recommendation, style),
        how_sure(recommendation, style),
        _why_first(recommendation, style, explain=explain),
        _others(recommendation, style, explain=explain),
        _impossible(recommendation, style, explain=explain),
        _demonstrations(recommendation, style),
        _changes(recommendation, style),
        _break_even(recommendation, style),
        _notes(recommendation, style, explain=explain),
        _assumptions(recommendation, style),
        learning_curves(recommendation, style) if explain else iter(()),
        _formulas(recommendation, style) if explain else iter(()),
        _next(recommendation, style),
    ]
    blocks = [list(section) for section in sections]
    text = "\n\n".join("\n".join(block) for block in blocks if block)
    return style.printable(text) + "\n"


def _heading(text: str, style: Style) -> str:
    return style.paint("bold", text)


def _question(r: Recommendation, style: Style) -> Iterator[str]:
    s = r.situation
    family = s.family.replace("_", "-")
    model = (
        f"{s.model} ({family}, {format_count(s.params)})"
        if s.model
        else f"{format_count(s.params)} {family}"
    )
    many = "example" if s.examples == 1 else "examples"
    data = f"{format_count(s.examples) if s.examples else 'no'} labelled {many}"
    task = s.task.replace("_", " ")
    yield _heading("Which adaptation strategy?", style)
    yield from paragraph(
        f"{model} · {task} on {s.modality}s · {data} · shift {s.shift:g}".replace("texts", "text"),
        "  ",
    )


def _table(r: Recommendation, style: Style) -> Iterator[str]:
    feasible = [each for each in r.recommendations if each.feasible]
    if not feasible:
        yield style.paint("red", "No candidate is possible here.")
        return
    yield style.paint("dim", f"{'training':>62}{'serving':>18}")
    known = "P(best)" if feasible[0].p_best is not None else ""
    columns = (
        f"{'score':>5} {known:>{_BAR_WIDTH}} {'memory':>8} {'time':>9} {'cost':>8} {'per 1,000':>9}"
    )
    yield style.paint("dim", f"  # {'strategy':{_NAME_WIDTH}} {columns}")
    for each in feasible:
        yield _row(each, style)
    hosted = feasible[0].costs
    yield from paragraph(_cost_basis(hosted), "  ")


def _row(advice: StrategyAdvice, style: Style) -> str:
    assert advice.score is not None
    training, serving = advice.costs.training, advice.costs.serving
    if advice.p_best is None:
        bar = _bar(advice.score / 100, _BAR_WIDTH)
    else:
        bar = f"{_bar(advice.p_best, _BAR_WIDTH - 5)} {percent(advice.p_best):>4}"
    name = f"{advice.rank:>3} {_short_name(advice):{_NAME_WIDTH}}"
    best = advice.rank == 1
    costs = (
        f"{_memory(advice.costs):>8} {_time(training.seconds):>9} "
        f"{_money(training.usd, training.flops):>8} {_money(serving.usd_per_1000, 1.0):>9}"
    )
    return (
        f"{style.paint('bold', name) if best else name} {advice.score:5.1f} "
        f"{style.paint('green' if best else 'cyan', bar)} {costs}"
    )


def _bar(share: float, width: int) -> str:
    filled = round(min(max(share, 0), 1) * width)
    return "█" * filled + "░" * (width - filled)


def _short_name(advice: StrategyAdvice) -> str:
    return advice.name if len(advice.name) <= _NAME_WIDTH else advice.strategy


def _memory(costs: Costs) -> str:
    held = costs.training.memory.total if costs.training.flops else 0.0
    return format_bytes(held) if held else "-"


def _time(seconds: float) -> str:
    return format_duration(seconds) if seconds else "-"


def _money(usd: float | None, work: float) -> str:
    if usd is None or not work:
        return "-"
    return "<$0.001" if usd < 0.001 else format_money(usd)


def _cost_basis(costs: Costs) -> str:
    """On what the numbers were estimated, and how far such estimates were off."""
    check = cost_check()
    if check is None:
        error = "estimates, not yet checked against measurements"
    else:
        summary = check["summary"]
        assert isinstance(summary, dict)
        error = (
            f"estimates: 9 in 10 were within a factor of {summary['memory_factor_p90']:.2g} (memory) and "
            f"{summary['seconds_factor_p90']:.2g} (time) of what was measured on {check['measured_on']}"
        )
    prices = f" at {costs.price_note}" if costs.price_note else ""
    return f"{'Through' if costs.serving.latency_seconds is None else 'On'} {costs.hardware}{prices}. Costs are {error}."


def _why_first(r: Recommendation, style: Style, *, explain: bool) -> Iterator[str]:
    if r.best is None:
        return
    yield _heading(f"Why {r.best.name}", style)
    yield from _reasons(r.best, style, explain=explain)


def _others(r: Recommendation, style: Style, *, explain: bool) -> Iterator[str]:
    others = [each for each in r.recommendations[1:] if each.feasible]
    if not others:
        return
    yield _heading("Why the others come after", style)
    for each in others:
        if explain:
            yield f"  {each.name}"
            yield from _reasons(each, style, explain=True)
        else:
            yield from _shortly(each, style)


def _shortly(advice: StrategyAdvice, style: Style) -> Iterator[str]:
    """The strongest reason against; without one, the strongest for."""
    told = [reason for reason in advice.reasons if reason.rule != _START]
    against = min(told, key=_effect, default=None)
    if against is None:
        yield from paragraph(f"{advice.name}: nothing speaks for it here.", "  ", "    ")
        return
    words, reason = "", against
    if _effect(against) >= 0:
        words, reason = "less speaks for it: ", max(told, key=_effect)
    text = f"{advice.name}: {words}{_signed(reason)} {reason.text} [{reason.rule}]"
    lines = paragraph(text, "  ", "    ")
    yield lines[0].replace(_signed(reason), _coloured(reason, style), 1)
    yield from lines[1:]


def _effect(reason: Reason) -> float:
    return reason.effect or 0.0


def _reasons(advice: StrategyAdvice, style: Style, *, explain: bool) -> Iterator[str]:
    for reason in advice.reasons:
        if reason.rule == _START and not explain:
            continue
        lines = paragraph(f"{reason.text} [{reason.rule}]", f"  {_signed(reason):>6} ")
        lines[0] = lines[0].replace(_signed(reason), _coloured(reason, style), 1)
        yield from lines
        if explain:
            yield from (style.paint("dim", line) for line in paragraph(reason.source, "         "))


def _signed(reason: Reason) -> str:
    return "" if reason.effect is None else f"{reason.effect:+.1f}".replace("-", "−")


def _coloured(reason: Reason, style: Style) -> str:
    return style.paint("green" if _effect(reason) > 0 else "red", _signed(reason))


def _impossible(r: Recommendation, style: Style, *, explain: bool) -> Iterator[str]:
    """Candidates ruled out for the same reasons share them."""
    together: dict[tuple[Reason, ...], list[str]] = {}
    for each in r.recommendations:
        if not each.feasible:
            reasons = each.reasons if explain else each.reasons[:1]
            together.setdefault(reasons, []).append(each.name)
    if together:
        yield _heading("Not possible here", style)
    for reasons, names in together.items():
        for reason in reasons:
            yield from paragraph(f"{', '.join(names)}: {reason.text} [{reason.rule}]", "  ", "    ")
            if explain:
                yield from (style.paint("dim", line) for line in paragraph(reason.source, "    "))


def _demonstrations(r: Recommendation, style: Style) -> Iterator[str]:
    answer = r.demonstrations
    if answer is None:
        return
    verdict = "yes, all that are left" if answer.advisable else "no"
    yield _heading(f"All {format_count(answer.asked)} examples in the prompt? {verdict}", style)
    yield from bullets(answer.reasons)
    yield from paragraph(
        f"Set {format_count(answer.reserved)} aside for validation first; of the rest {format_count(answer.fits)} "
        f"fit, and {format_count(answer.useful)} are worth trying. [{answer.source}]",
        "  ",
    )


def _changes(r: Recommendation, style: Style) -> Iterator[str]:
    telling = r.unknowns[0] if r.unknowns else None
    if not r.tipping_points and telling is None:
        return
    yield _heading("What would change the answer", style)
    for point in r.tipping_points:
        shown = (f"{point.start:g}", f"{point.to:g}") if point.field == "shift" else (
            format_count(point.start), format_count(point.to))  # fmt: skip
        yield from paragraph(
            f"{point.field} {shown[0]} → {shown[1]}{_between(point)}: {name_of(point.becomes)} first",
            "  · ",
        )
    if telling is not None:
        flag = "--" + telling.field.replace("_", "-")
        if telling.changes_answer:
            outcome = (
                f"{name_of(telling.becomes)} first" if telling.becomes else "nothing is possible"
            )
            text = f"{outcome} if {flag} were {telling.value}: of what you left open, this matters most."
        else:
            text = f"nothing you left open; {flag} {telling.value} would move the lead most."
        yield from paragraph(text, "  · ")


def _between(point: TippingPoint) -> str:
    """The interval in which measurements put the point."""
    if point.interval is None:
        return ""
    low, high = point.interval
    if point.field == "shift":
        return f" (between {low:.2g} and {high:.2g})"
    return f" (between {format_count(round(low))} and {format_count(round(high))})"


def _break_even(r: Recommendation, style: Style) -> Iterator[str]:
    pays = [each for each in r.break_even if each.own_hardware is not None or each.api is not None]
    if not pays:
        return
    yield _heading("From when training pays, compared with a long prompt", style)
    asked = r.situation.requests_per_month
    for each in pays:
        yield from paragraph(_pays(each, asked), "  · ", "    ")
    yield from paragraph(f"Assumed: {pays[0].assumption}.", "  ")


def _pays(point: BreakEven, asked: int | None) -> str:
    parts = []
    if point.own_hardware is not None:
        parts.append(f"{_requests(point.own_hardware)} a month on the same hardware")
    if point.api is not None:
        parts.append(f"{_requests(point.api)} a month against an API, hosting included")
    text = f"{name_of(point.strategy)}: {'; '.join(parts)}"
    if asked is None or point.own_hardware is None:
        return text + "."
    side = "above" if asked >= point.own_hardware else "below"
    return f"{text}. Your {format_count(asked)} are {side} the first."


def _requests(number: float) -> str:
    return f"{format_count(max(number, 1))} requests" if number > 1 else "the first request"


def _notes(r: Recommendation, style: Style, *, explain: bool) -> Iterator[str]:
    if not r.notes:
        return
    yield _heading("Worth knowing", style)
    shown = r.notes if explain else r.notes[:_NOTES_SHOWN]
    for note in shown:
        yield from paragraph(f"{note.text} [{note.rule}]", "  · ")
        if explain:
            yield from (style.paint("dim", line) for line in paragraph(note.source, "    "))
    if len(r.notes) > len(shown):
        yield f"  · {len(r.notes) - len(shown)} more with --explain"


def _assumptions(r: Recommendation, style: Style) -> Iterator[str]:
    if r.assumptions:
        yield _heading("Assumed", style)
        yield from bullets(r.assumptions)


def _formulas(r: Recommendation, style: Style) -> Iterator[str]:
    yield _heading("Where the costs come from", style)
    for what, formula, source in FORMULAS:
        yield from paragraph(f"{what}: {formula} ({source})", "  · ")
    for each in r.recommendations:
        held = sorted(each.costs.training.memory.parts().items(), key=lambda part: -part[1])
        parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in held if size)
        yield from paragraph(
            f"{each.name}: training {parts or 'nothing'}; at least "
            f"{format_bytes(each.costs.training.least_memory_bytes)} one example at a time; "
            f"{each.costs.training.flops:.1e} operations; saved {format_bytes(each.costs.artefact_bytes)}; "
            f"serving {format_bytes(each.costs.serving.memory.total)}, {_latency(each.costs)}",
            "  · ",
        )


def _latency(costs: Costs) -> str:
    latency = costs.serving.latency_seconds
    return (
        "answer time is the API's" if latency is None else f"{format_duration(latency)} an answer"
    )


def _next(r: Recommendation, style: Style) -> Iterator[str]:
    if r.also:
        yield from paragraph(r.also)
    if r.best is None:
        return
    if r.best.p_best is None:
        yield from paragraph(
            "The score adds up the reasons, from 50; it is no probability: none is shown before it "
            "is validated."
        )
    else:
        yield from paragraph("The score adds up the reasons, from 50; 20 points are one logit.")
    yield from paragraph("Measure the same question on your data:")
    s = r.situation
    data = "FOLDER" if s.modality == "image" else "FILE.csv"
    some = f" --examples {s.examples}" if 0 < (s.stated.examples or 0) <= _MOST_TO_MEASURE else ""
    yield style.paint("cyan", f"  harness run --model {s.model or 'MODEL'} --data {data}{some}")
