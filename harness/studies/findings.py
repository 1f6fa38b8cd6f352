"""From finished runs to what a study found: scores, differences with intervals, loss curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.comparison import Interval, paired_difference
from harness.evidence.rows import evidence_of
from harness.evidence.schema import STUDIES
from harness.evidence.schema import Row as EvidenceRow
from harness.folder import RESULT_FILE, STORE_FILE
from harness.records import RunRecord
from harness.store import Store
from harness.studies.spec import Cell, Comparison, Study
from harness.trial import compared_answers, read_predictions


@dataclass(frozen=True)
class Row:
    """One strategy of one run.

    Attributes:
        metric: Name of the test metric; mean: averaged over seeds; low, high: its 95 % interval; None if not scored.
        ood: The same metric on the shifted test set, or None.
        seconds: Wall clock the strategy spent, shared extraction included.
    """

    arm: str
    strategy: str
    data: str
    examples: int
    metric: str
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


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation during the training of a finalist of seed 0."""

    run: str
    strategy: str
    step: int
    train_loss: float
    validation_loss: float | None
    validation_score: float | None


@dataclass(frozen=True)
class Findings:
    """Everything a study has to say so far.

    Attributes:
        missing: Names of runs without a result.
        command: What makes it.
    """

    study: Study
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    curves: tuple[CurvePoint, ...]
    missing: tuple[str, ...]
    command: str


def gather(study: Study, cells: Sequence[Cell], out: Path, command: str) -> Findings:
    """Read every finished run of a study from its folder."""
    results = finished(cells, out)
    return Findings(
        study=study,
        rows=tuple(rows(cells, results)),
        verdicts=tuple(verdicts(study, cells, out)),
        curves=tuple(curves(results)),
        missing=tuple(cell.name for cell in cells if cell.name not in results),
        command=command,
    )


def curves(results: Mapping[str, Mapping[str, Any]]) -> Iterator[CurvePoint]:
    """The loss curves of every strategy that was trained by steps."""
    for name, result in results.items():
        for one in result["strategies"]:
            for point in one["curve"]:
                yield CurvePoint(
                    run=name,
                    strategy=one["strategy"],
                    step=int(point["step"]),
                    train_loss=point["train_loss"],
                    validation_loss=point.get("validation_loss"),
                    validation_score=point.get("validation_score"),
                )


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


def evidence_rows(source: str, cells: Sequence[Cell], out: Path) -> Iterator[EvidenceRow]:
    """Every score of every finished run."""
    results = finished(cells, out)
    for cell in cells:
        if cell.name in results:
            with Store(out / cell.name / STORE_FILE) as store:
                records = store.query()
            yield from evidence_of(source, cell.data, results[cell.name], records, STUDIES)


def _row(cell: Cell, result: Mapping[str, Any], one: Mapping[str, Any]) -> Row:
    test, ood = one["test"] or {}, one["ood"] or {}
    low, high = test.get("interval") or (None, None)
    settings = {**one["hyperparameters"], **{k: v for k, v in one["chosen"].items() if _short(v)}}
    return Row(
        arm=cell.arm.name,
        strategy=one["strategy"],
        data=cell.data,
        examples=result["question"]["examples"],
        metric=result["metric"],
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
                mine[seeds[0]].asked.metric,
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
        said = np.stack([compared_answers(one, split) for one in arrays])
        return said, arrays[0][f"{split}_targets"]

    (said_a, targets), (said_b, _) = answers(a), answers(b)
    return paired_difference(said_a, said_b, targets, metric=metric)
