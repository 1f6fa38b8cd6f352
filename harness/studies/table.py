"""From finished runs to the table of a study: scores by arm and size, differences with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.comparison import Interval, paired_difference
from harness.folder import RESULT_FILE, STORE_FILE
from harness.records import RunRecord
from harness.store import Store
from harness.studies.spec import Cell, Comparison, Study
from harness.trial import read_predictions


@dataclass(frozen=True)
class Row:
    """One strategy of one run.

    Attributes:
        mean: Test metric averaged over seeds; low, high: its 95 % interval; None if not scored.
        ood: The same metric on the shifted test set, or None.
        seconds: Wall clock the strategy spent, shared extraction included.
    """

    arm: str
    strategy: str
    data: str
    examples: int
    seeds: int
    status: str
    mean: float | None
    low: float | None
    high: float | None
    ood: float | None
    trials: int
    seconds: float
    trained_parameters: int | None
    chosen: str


@dataclass(frozen=True)
class Verdict:
    """A comparison on one data set and size; difference is a minus b, in units of the metric."""

    claim: str
    data: str
    examples: int | None
    split: str
    difference: float
    low: float
    high: float

    @property
    def says(self) -> str:
        if self.low > 0:
            return "yes"
        return "no" if self.high < 0 else "cannot be told"


def finished(cells: Sequence[Cell], out: Path) -> dict[str, dict[str, Any]]:
    """Name of a cell -> its result, of those that have one."""
    return {
        cell.name: json.loads((out / cell.name / RESULT_FILE).read_text(encoding="utf-8"))
        for cell in cells
        if (out / cell.name / RESULT_FILE).exists()
    }


def rows(cells: Sequence[Cell], results: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """A row per strategy of every finished run."""
    return [
        _row(cell, results[cell.name], one)
        for cell in cells
        if cell.name in results
        for one in results[cell.name]["strategies"]
    ]


def verdicts(study: Study, cells: Sequence[Cell], out: Path) -> list[Verdict]:
    """Every comparison wherever both sides were scored on the same data and size."""
    done = [cell for cell in cells if (out / cell.name / RESULT_FILE).exists()]
    return [found for one in study.compare for found in _compare(one, done, out)]


def as_markdown(
    study: Study,
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
    missing: Sequence[str],
    command: str,
) -> str:
    """The report of a study."""
    metric = str(study.settings.get("metric", "accuracy")).replace("_", " ")
    parts = [
        f"# {study.title}",
        study.question,
        f"Made by `{command}`. Test {metric}, mean over seeds, 95 % interval over seeds and test examples in brackets.",
    ]
    for data in dict.fromkeys(row.data for row in rows):
        parts.append(f"## {data}")
        parts.append(_score_table([row for row in rows if row.data == data]))
    if verdicts:
        parts += ["## Claims", _verdict_table(verdicts)]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _row(cell: Cell, result: Mapping[str, Any], one: Mapping[str, Any]) -> Row:
    test, ood = one["test"] or {}, one["ood"] or {}
    low, high = test.get("interval") or (None, None)
    settings = {**one["hyperparameters"], **{k: v for k, v in one["chosen"].items() if _short(v)}}
    return Row(
        arm=cell.arm.name,
        strategy=one["strategy"],
        data=cell.data,
        examples=result["question"]["examples"],
        seeds=test.get("seeds", 0),
        status=one["status"],
        mean=test.get("mean"),
        low=low,
        high=high,
        ood=ood.get("mean"),
        trials=one["trials"],
        seconds=one["seconds"],
        trained_parameters=one["trained_parameters"],
        chosen=", ".join(f"{key} {_plain(value)}" for key, value in settings.items()),
    )


def _short(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _score_table(rows: Sequence[Row]) -> str:
    """Arms down, sizes across."""
    sizes = sorted({row.examples for row in rows})
    several = len({row.arm for row in rows}) > 1
    lines = ["| strategy | " + " | ".join(f"n = {size:,}" for size in sizes) + " |"]
    lines.append("| --- |" + " ---: |" * len(sizes))
    for arm, strategy in dict.fromkeys((row.arm, row.strategy) for row in rows):
        label = f"{strategy} ({arm})" if several else strategy
        found = {row.examples: row for row in rows if (row.arm, row.strategy) == (arm, strategy)}
        lines.append(f"| {label} | " + " | ".join(_cell(found.get(size)) for size in sizes) + " |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    if row.mean is None or row.low is None or row.high is None:
        return row.status
    text = f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
    text += "" if row.ood is None else f"; shifted {row.ood:.3f}"
    return text if row.status == "done" else f"{text} ({row.status})"


def _verdict_table(verdicts: Sequence[Verdict]) -> str:
    lines = [
        "| claim | data | n | split | difference | 95 % interval | holds |",
        "| --- | --- | ---: | --- | ---: | --- | --- |",
    ]
    for one in verdicts:
        size = "all" if one.examples is None else f"{one.examples:,}"
        lines.append(
            f"| {one.claim} | {one.data} | {size} | {one.split} | {one.difference:+.3f} | "
            f"[{one.low:+.3f}, {one.high:+.3f}] | {one.says} |"
        )
    return "\n".join(lines)


def _compare(comparison: Comparison, done: Sequence[Cell], out: Path) -> Iterator[Verdict]:
    (arm_a, a), (arm_b, b) = (side.rsplit("/", 1) for side in (comparison.a, comparison.b))
    others = {(cell.data, cell.examples): cell for cell in done if cell.arm.name == arm_b}
    for cell in done:
        other = others.get((cell.data, cell.examples))
        if cell.arm.name != arm_a or other is None:
            continue
        mine, its = _finals(out / cell.name, a), _finals(out / other.name, b)
        seeds = sorted(set(mine) & set(its))
        for split in ("test", "ood"):
            if not seeds or any(
                split not in one[seed].happened.scores for one in (mine, its) for seed in seeds
            ):
                continue
            found = _difference(
                [(out / cell.name, mine[seed]) for seed in seeds],
                [(out / other.name, its[seed]) for seed in seeds],
                split,
                cell.question.metric,
            )
            yield Verdict(
                comparison.claim, cell.data, cell.examples, split, found.mean, found.low, found.high
            )


def _finals(folder: Path, strategy: str) -> dict[int, RunRecord]:
    """Seed -> scored finalist of a strategy."""
    with Store(folder / STORE_FILE) as store:
        return {
            record.asked.seed: record
            for record in store.query(strategy=strategy)
            if record.asked.stage == "final" and record.happened.scores
        }


def _difference(
    a: Sequence[tuple[Path, RunRecord]],
    b: Sequence[tuple[Path, RunRecord]],
    split: str,
    metric: str,
) -> Interval:
    """Paired over seeds and test rows, which are the same for all runs of a study's data set."""

    def answers(side: Sequence[tuple[Path, RunRecord]]) -> tuple[np.ndarray, np.ndarray]:
        arrays = [read_predictions(folder, record) for folder, record in side]
        said = np.stack([one[f"{split}_probabilities"].argmax(axis=1) for one in arrays])
        return said, arrays[0][f"{split}_targets"]

    (said_a, targets), (said_b, _) = answers(a), answers(b)
    return paired_difference(said_a, said_b, targets, metric=metric)


def as_json(study: Study, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The same numbers for programs."""
    return {
        "title": study.title,
        "rows": [asdict(row) for row in rows],
        "claims": [asdict(one) | {"holds": one.says} for one in verdicts],
    }
