"""What a benchmark found, as values and as a JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sides import Measured
from harness.files import write_json

SCHEMA = 1


@dataclass(frozen=True)
class Agreement:
    """Whether both sides came to the same, and in which words."""

    text: str
    holds: bool


@dataclass(frozen=True)
class Figures:
    """One side of a row: seconds of each round, the highest memory, the seconds to get ready."""

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    prepare_seconds: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Row:
    """Ours against a peer.

    Attributes:
        wanted: The ratio to be reached, peer's median over ours.
        amount: How much work one round is, in `unit` ("texts", "steps").
        share: Of the machine's limit, and what is wanted of it; None where it is not counted.
        why: Where the ratio or the share is not reached: what holds it back.
    """

    title: str
    ours: Figures
    peer: Figures
    wanted: float
    agreement: Agreement
    amount: float = 1.0
    unit: str = "rounds"
    share: float | None = None
    share_wanted: float | None = None
    why: str = ""

    @property
    def ratio(self) -> float:
        return self.peer.median / self.ours.median

    @property
    def ratios(self) -> tuple[float, float]:
        """Smallest and largest ratio of any round."""
        each = [p / o for p, o in zip(self.peer.seconds, self.ours.seconds, strict=True)]
        return min(each), max(each)

    @property
    def reached(self) -> bool:
        enough = self.share is None or self.share_wanted is None or self.share >= self.share_wanted
        return self.ratio >= self.wanted and self.agreement.holds and enough


@dataclass(frozen=True)
class Series:
    """One line of a chart; points of x, y."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Growth of something. Both axes are logarithmic where `logarithmic`."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    note: str = ""
    logarithmic: bool = True


@dataclass(frozen=True)
class Table:
    """Figures that are no comparison of two sides; cells as text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Result:
    """Of one benchmark.

    Attributes:
        on: Versions, device, threads, commit, time; and "load": processes that wanted a core in
            the minute before the start and before the end.
    """

    benchmark: str
    quick: bool
    command: str
    on: dict[str, Any]
    rows: tuple[Row, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    schema: int = field(default=SCHEMA)

    @property
    def reached(self) -> bool:
        return all(row.reached for row in self.rows)


def figures(side: Measured) -> Figures:
    """What a table keeps of a side."""
    return Figures(side.name, side.seconds, side.peak_bytes, side.prepare_seconds)


def save(path: Path, result: Result) -> None:
    """Write a result; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(result))


def load(path: Path) -> Result:
    """What `save` wrote.

    Raises:
        ValueError: If it is of another schema or damaged.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise ValueError(f"{path} is of schema {raw['schema']}; this reads {SCHEMA}")
        return Result(
            **raw
            | {
                "rows": tuple(map(_row, raw["rows"])),
                "charts": tuple(map(_chart, raw["charts"])),
                "tables": tuple(map(_table, raw["tables"])),
                "notes": tuple(raw["notes"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no result of a benchmark: {error}") from error


def _row(raw: dict[str, Any]) -> Row:
    sides = {name: Figures(**_tuples(raw[name], "seconds")) for name in ("ours", "peer")}
    return Row(**raw | sides | {"agreement": Agreement(**raw["agreement"])})


def _chart(raw: dict[str, Any]) -> Chart:
    series = tuple(
        Series(one["name"], tuple((x, y) for x, y in one["points"])) for one in raw["series"]
    )
    return Chart(**raw | {"series": series})


def _table(raw: dict[str, Any]) -> Table:
    rows: Sequence[Sequence[str]] = raw["rows"]
    return Table(**_tuples(raw, "head") | {"rows": tuple(map(tuple, rows))})


def _tuples(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    return raw | {name: tuple(raw[name]) for name in names}
