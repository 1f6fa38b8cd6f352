"""The report in the terminal: the same view in 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.report.parts import Cell, Table
from harness.report.result import parse
from harness.report.view import Report, build

WIDTH = 80
MARGIN = 2


def summary_text(result: Mapping[str, object]) -> str:
    """What came out of a run, for the end of `harness run`: plain text, 80 columns, no colours.

    Args:
        result: The values of `result.json`.

    Raises:
        DataError: If they cannot be used.
    """
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, color_system=None)
    for part in _parts(build(parse(result))):
        console.print(part)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _parts(report: Report) -> Iterator[RenderableType]:
    verdict = report.verdict
    yield _text(report.title)
    yield ""
    yield _text(verdict.headline)
    if verdict.certainty:
        yield _text(verdict.certainty)
    yield ""
    yield _indented(_grid(report.overview))
    for row in report.overview.rows:
        if row.remark:
            yield _indented(_text(f"{_said(row.cells[0])}: {row.remark}"))
    yield ""
    yield _text(report.advice.outcome)
    for caution in verdict.cautions:
        yield _text(f"! {caution}")


def _grid(table: Table) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in table.columns:
        grid.add_column(
            _text(column.label), justify="right" if column.numeric else "left", overflow="fold"
        )
    for row in table.rows:
        if not row.remark:
            grid.add_row(*(_text(_said(cell)) for cell in row.cells))
    return grid


def _said(cell: Cell) -> str:
    text = "–" if cell.text is None else cell.text
    return f"{text} ({cell.badge})" if cell.badge else text


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, MARGIN))


def _text(text: str) -> Text:
    """Text as it is: no markup, and no character that could steer a terminal."""
    return Text("".join(sign if sign.isprintable() else " " for sign in text), overflow="fold")
