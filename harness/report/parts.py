"""What a report is made of: plain values, neither HTML nor drawing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One statement inside a cell: what it counts, what it says, where that comes from."""

    text: str
    lead: str = ""
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Attributes:
        text: None where it was not measured.
        lines: Statements below the text.
        badge: A status worth seeing ("underfit"); empty for none.
    """

    text: str | None = None
    lines: tuple[Line, ...] = ()
    badge: str = ""


@dataclass(frozen=True)
class Row:
    """One row; its first cell is its heading.

    Attributes:
        kind: "winner", "baseline", "unmeasured" or empty.
        remark: Stands in place of the cells that are missing to the right.
    """

    cells: tuple[Cell, ...]
    kind: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Column:
    label: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under columns, the first column holding the row headings."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Whether some cell is empty, so that the sign for it needs explaining."""
        return any(cell.text is None and not cell.lines for row in self.rows for cell in row.cells)

    @property
    def has_lines(self) -> bool:
        """Whether it holds statements, which a narrow screen shows below one another."""
        return any(cell.lines for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Block:
    """A table and the plain sentence that stands above it."""

    said: str
    table: Table


@dataclass(frozen=True)
class Fact:
    """A term and what there is to say about it."""

    term: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Point:
    """One competitor in a chart of scores.

    Attributes:
        kind: "winner", "strategy" or "baseline".
        shifted: Score on the shifted test set.
        seconds: What it cost; None where unknown.
    """

    label: str
    kind: str
    score: float
    interval: tuple[float, float] | None = None
    shifted: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Curve:
    """Losses of one training run: (step, loss), steps ascending."""

    label: str
    validation: tuple[tuple[float, float], ...]
    train: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Band:
    """Predicted scores of one strategy: (examples, low, middle, high), examples ascending.

    Attributes:
        seen: (examples, validation score) of its trials.
        full: Examples there are; beyond them nothing was measured.
    """

    label: str
    predicted: tuple[tuple[float, float, float, float], ...]
    seen: tuple[tuple[float, float], ...]
    full: float


@dataclass(frozen=True)
class Notice:
    """Something found in the data; `level` is "note" or "warning"."""

    level: str
    text: str


def table(
    caption: str, heading: str, columns: list[Column], rows: list[Row], notes: list[str]
) -> Table:
    """A table without the columns in which nothing was measured; a note names those.

    Args:
        heading: Label of the first column.
        columns: The other columns; every row without a remark has one cell for each.
    """
    full = [row for row in rows if not row.remark]
    kept = [
        place
        for place in range(len(columns))
        if any(row.cells[place + 1].text or row.cells[place + 1].lines for row in full)
    ]
    gone = [column.label for place, column in enumerate(columns) if place not in kept]
    if full and gone:
        notes = [*notes, f"Not measured in this run: {', '.join(gone)}."]
    return Table(
        caption,
        (Column(heading, numeric=False), *(columns[place] for place in kept)),
        tuple(
            row
            if row.remark
            else Row((row.cells[0], *(row.cells[place + 1] for place in kept)), row.kind)
            for row in rows
        ),
        tuple(notes),
    )
