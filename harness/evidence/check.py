"""What is wrong with rows of evidence, one line per fault."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.evidence.contexts import contexts
from harness.evidence.metrics import METRICS
from harness.evidence.metrics import OTHER as OTHER_METRIC
from harness.evidence.schema import IDS, OTHER, Row
from harness.evidence.tags import PROTOCOLS, TAGS

_LEAST = {
    "n_train": 0, "n_validation": 0, "shots_per_class": 0, "classes": 2, "tokens": 1, "params": 1,
    "trained_parameters": 0, "seed": 0, "seeds": 1, "spread": 0, "trials": 0, "seconds": 0, "cap_seconds": 0,
    "test_rows": 1, "year": 1950,
}  # fmt: skip
_HEAD = 2.0
"""A new head may add to what is trained; more than twice the model is a slip."""


@dataclass(frozen=True)
class Findings:
    """Outcome of a check.

    Attributes:
        faults: What must be mended, one line each, sorted.
        rows, sources, groups: How many there are.
        unusable: Reason -> rows it takes out.
        lowered: Reason -> rows it makes weigh less.
        without_contrast: Usable rows whose context holds no second strategy.
        no_n: Usable rows without a number of labels.
    """

    faults: tuple[str, ...]
    rows: int
    sources: int
    groups: int
    unusable: dict[str, int]
    lowered: dict[str, int]
    without_contrast: int
    no_n: int


def check(rows: Sequence[Row]) -> Findings:
    """Examine joined rows (see `harness.evidence.load`)."""
    faults = [fault for row in rows for fault in faults_of(row)] + list(_twice(rows))
    usable = [row for row in rows if row.usable]
    contrasted = {
        row.id for context in contexts(usable) for one in context.observations for row in one.rows
    }
    return Findings(
        faults=tuple(sorted(faults)),
        rows=len(rows),
        sources=len({row.source for row in rows}),
        groups=len({row.source_group for row in rows}),
        unusable=_reasons(row for row in rows if not row.usable),
        lowered=_reasons(row for row in usable if row.weight < 1),
        without_contrast=sum(row.id not in contrasted for row in usable),
        no_n=sum(row.n_train is None for row in usable),
    )


def faults_of(row: Row) -> Iterator[str]:
    """The faults of one joined row."""
    for kind in (_names, _numbers, _value, _labels, _provenance, _shift):
        for fault in kind(row):
            yield f"{named(row)}: {fault}"


def named(row: Row) -> str:
    """How a fault points at a row."""
    n = "?" if row.n_train is None else row.n_train
    return f"row {row.id} ({row.source}, {row.model}, {row.data}, n {n}, {row.strategy})"


def _names(row: Row) -> Iterator[str]:
    for name, known in IDS.items():
        given = getattr(row, name)
        if given not in known and not (name == "strategy" and given.startswith(OTHER)):
            yield f"{name} {given!r} is none of {', '.join(filter(None, known))}"
    if row.protocol not in PROTOCOLS:
        yield f"protocol {row.protocol!r} is none of {', '.join(PROTOCOLS)}"
    for tag in row.tags:
        if tag not in TAGS:
            yield f"tag {tag!r} is none of {', '.join(TAGS)}"
    if row.metric not in METRICS and not row.metric.startswith(OTHER_METRIC):
        yield f"metric {row.metric!r} is none of {', '.join(METRICS)} nor begins with {OTHER_METRIC}"


def _numbers(row: Row) -> Iterator[str]:
    for name, least in _LEAST.items():
        given = getattr(row, name)
        if given is not None and given < least:
            yield f"{name} must be at least {least}; it is {given}"
    if row.params and (row.trained_parameters or 0) > _HEAD * row.params:
        yield f"trained_parameters {row.trained_parameters} is more than the model has ({row.params})"


def _value(row: Row) -> Iterator[str]:
    metric = METRICS.get(row.metric)
    if metric is None:
        return
    low, high = metric.low, metric.high
    if (low is not None and row.value < low) or (high is not None and row.value > high):
        yield f"{row.metric} must be in [{low:g}, {'inf' if high is None else f'{high:g}'}]; it is {row.value:g}"
    if row.higher_is_better != metric.higher_is_better:
        yield f"higher_is_better is wrong for {row.metric}"


def _labels(row: Row) -> Iterator[str]:
    if row.n_train is None or row.strategy == "hard_prompt":
        return
    if row.n_train == 0:
        yield "trained on no labels"
    elif row.usable and row.classes and row.n_train < row.classes:
        yield f"trained on {row.n_train} labels, fewer than its {row.classes} classes"
    if row.classes and row.shots_per_class and row.n_train > row.classes * row.shots_per_class:
        yield f"{row.n_train} labels are more than {row.shots_per_class} in each of {row.classes} classes"


def _provenance(row: Row) -> Iterator[str]:
    needed = (
        ("paper", "year", "url", "place")
        if row.protocol == "published"
        else ("data_digest", "seed", "device")
    )
    missing = [name for name in needed if getattr(row, name) in ("", None)]
    if missing:
        yield f"no {', '.join(missing)}"


def _shift(row: Row) -> Iterator[str]:
    if row.shift is None:
        yield f"no shift for data {row.data!r} and corpus {row.corpus!r}"
    elif not 0 <= row.shift <= 1:
        yield f"shift must be in [0, 1]; it is {row.shift:g}"
    elif not row.shift_reason:
        yield "a shift without a reason"


def _twice(rows: Sequence[Row]) -> Iterator[str]:
    found: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[row.key].append(row)
    for same in found.values():
        if len(same) > 1:
            values = sorted({one.value for one in same})
            what = "is there twice" if len(values) == 1 else f"has several values: {values}"
            yield f"{named(same[0])}: {what}"


def _reasons(rows: Iterable[Row]) -> dict[str, int]:
    return dict(Counter(row.why for row in rows).most_common())
