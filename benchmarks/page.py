"""Results as text, Markdown and one HTML page that needs nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.results import Chart, Figures, Result, Row

HEAD = (
    "benchmark", "ours", "peer", "ratio", "wanted", "reached", "same result", "share of GEMM peak",
    "peak memory, ours", "peer's",
)  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 300, 64, 540, 16, 250


@dataclass(frozen=True)
class Failure:
    """A benchmark that could not be measured, and why in one line."""

    benchmark: str
    reason: str


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text under `HEAD`."""
    low, high = row.ratios
    spread = f" ({low:.2f} to {high:.2f})" if len(row.ours.seconds) > 1 else ""
    wanted = f"{row.wanted:g}"
    share = "" if row.share is None else f"{row.share:.2f}"
    if row.share is not None and row.share_wanted is not None:
        share += f" (wanted {row.share_wanted:g})"
    return (
        row.title,
        _side(row.ours, row),
        _side(row.peer, row),
        f"{row.ratio:.2f}{spread}",
        wanted,
        "yes" if row.reached else "no",
        row.agreement.text,
        share,
        _bytes(row.ours.peak_bytes),
        _bytes(row.peer.peak_bytes),
    )


def as_text(result: Result) -> str:
    """For a terminal."""
    lines = []
    for row in result.rows:
        lines.append(row.title)
        named = zip(HEAD[1:], cells(row)[1:], strict=True)
        lines += [f"  {name:22} {cell}" for name, cell in named if cell]
        lines += [f"  {row.why}"] if row.why else []
    for table in result.tables:
        lines.append(table.title)
        lines += ["  " + "  ".join(row) for row in (table.head, *table.rows)]
    lines += result.notes
    lines.append(_where(result))
    return "\n".join(lines) + "\n"


def as_markdown(
    full: Sequence[Result], quick: Sequence[Result], failures: Sequence[Failure]
) -> str:
    """The report, tables only."""
    parts = ["# Benchmarks", *_lead()]
    for title, results in (("Full", full), ("Quick", quick)):
        rows = [row for one in results for row in one.rows]
        if rows:
            parts += [f"## {title}", _table(HEAD, [cells(row) for row in rows])]
            parts += [f"- {row.title}: {row.why}" for row in rows if row.why]
    parts += _details(full or quick)
    parts += [f"**{one.benchmark} was not measured**: {one.reason}" for one in failures]
    return "\n\n".join(parts) + "\n"


def as_html(full: Sequence[Result], quick: Sequence[Result], failures: Sequence[Failure]) -> str:
    """The report with its charts."""
    parts = [(title, some) for title, some in (("Full", full), ("Quick", quick)) if some]
    css = files("harness.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    return (
        _templates()
        .get_template("benchmarks.html.j2")
        .render(
            css=css,
            lead=_lead(),
            head=HEAD,
            parts=parts,
            details=full or quick,
            failures=failures,
            cells=cells,
            where=_where,
            drawn=drawn,
        )
    )


@dataclass(frozen=True)
class Mark:
    """A tick or a name; `x`, `y` in pixels."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """A series in pixels; `kind` numbers its colour."""

    name: str
    kind: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """A chart in pixels."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    bottom: int = _BOTTOM


def drawn(chart: Chart) -> Drawing:
    """Where everything in a chart lies."""
    xs = [x for one in chart.series for x, _ in one.points]
    ys = [y for one in chart.series for _, y in one.points]
    low, high = min(ys), max(ys)
    middle = math.sqrt(low * high) if chart.logarithmic else (low + high) / 2

    def across(x: float) -> float:
        return _place(x, xs, (_LEFT, _RIGHT), chart.logarithmic)

    def up(y: float) -> float:
        return _place(y, ys, (_BOTTOM, _TOP), chart.logarithmic)

    return Drawing(
        lines=tuple(
            Line(one.name, kind, tuple((across(x), up(y)) for x, y in one.points))
            for kind, one in enumerate(chart.series)
        ),
        x_ticks=tuple(Mark(across(x), _BOTTOM + 18, f"{x:,.10g}") for x in sorted(set(xs))),
        y_ticks=tuple(Mark(_LEFT - 8, up(y) + 4, f"{y:.3g}") for y in (low, middle, high)),
    )


def _place(
    value: float, values: Sequence[float], ends: tuple[float, float], logarithmic: bool
) -> float:
    """Pixels of a value on the axis that spans `values`."""
    shape = math.log if logarithmic else float
    low, high = shape(min(values)), shape(max(values))
    share = (shape(value) - low) / ((high - low) or 1.0)
    return round(ends[0] + share * (ends[1] - ends[0]), 1)


def _lead() -> list[str]:
    return [
        "Made by `python -m benchmarks.run_all`. Each row: the same model, data and result by our "
        "path and by what a user would otherwise call, in turn in one run, each in a process of "
        "its own. Seconds are medians; a ratio is the peer's median over ours, in brackets the "
        "smallest and largest of any round. GEMM peak is what float32 products of "
        "2048 x 2048 matrices reached in the same run over three seconds, by MKL or by oneDNN.",
    ]


def _details(results: Sequence[Result]) -> list[str]:
    parts = ["## Each benchmark"] if results else []
    for one in results:
        parts += [f"### {one.benchmark}", *one.notes]
        for table in one.tables:
            parts += [f"**{table.title}**", _table(table.head, table.rows)]
            parts += [table.note] if table.note else []
        for chart in one.charts:
            rows = [
                (series.name, f"{x:,.10g}", f"{y:.4g}")
                for series in chart.series
                for x, y in series.points
            ]
            parts += [f"**{chart.title}**", _table(("", chart.x, chart.y), rows)]
            parts += [chart.note] if chart.note else []
        parts.append(_where(one))
    return parts


def _where(result: Result) -> str:
    on = result.on
    start, end = on["load"]
    commit = str(on["commit"])[:10] + (" with changes" if on["dirty"] else "")
    return (
        f"`{result.command}`: {result.seconds:.0f} s on {on['device']}, {on['threads']} threads, "
        f"load of the machine {start} before and {end} at the end, commit {commit}, "
        f"{on['time'][:16]}."
    )


def _side(side: Figures, row: Row) -> str:
    rate = row.amount / side.median
    if row.unit == "rounds":
        return f"{side.name}: {_seconds(side.median)}"
    return f"{side.name}: {_seconds(side.median)}, {rate:,.3g} {row.unit}/s"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _bytes(value: int) -> str:
    return f"{value / 1e9:.2f} GB"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,  # for every file, whatever its ending: all of them make HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["code"] = _code
    return made


def _code(text: str) -> Markup:
    """Text for HTML, with what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))
