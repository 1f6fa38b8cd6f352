"""Runs on disk as plain values: what `harness runs` lists, shows, compares and exports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from advisor.errors import OutputError
from harness.comparison import Interval, paired_difference
from harness.folder import RESULT_FILE, RUN_FILE, STORE_FILE, read_run
from harness.records import RunRecord
from harness.store import Store
from harness.trial import compared_answers, read_predictions


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        score: Mean test score of the winner; None where there is none.
        trials: Records in its store.
    """

    folder: str
    model: str
    data: str
    examples: int | None
    started: str
    finished: bool
    winner: str | None
    metric: str | None
    score: float | None
    trials: int


@dataclass(frozen=True)
class Compared:
    """A strategy of two runs; the difference is the first minus the second, with its interval.

    Attributes:
        difference: None where the test rows differ, so that nothing can be paired.
    """

    strategy: str
    a: float
    b: float
    difference: Interval | None


def find_runs(root: Path) -> list[Path]:
    """Folders of runs at or below a folder, sorted."""
    return sorted(file.parent for file in root.rglob(RUN_FILE))


def summary(folder: Path) -> RunSummary:
    """Raises OutputError if the folder holds no run."""
    run = read_run(folder)
    result = read_result(folder)
    winner = None if result is None else result["winner"]
    asked = run.identity.question
    return RunSummary(
        folder=str(folder),
        model=Path(asked.model).name,
        data=Path(asked.data).name,
        examples=asked.examples,
        started=run.terms.started,
        finished=result is not None,
        winner=winner,
        metric=None if result is None else result["metric"],
        score=None if result is None or winner is None else _scores(result).get(winner),
        trials=len(records(folder)),
    )


def read_result(folder: Path) -> dict[str, Any] | None:
    """`result.json` of a finished run."""
    file = folder / RESULT_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def records(folder: Path) -> tuple[RunRecord, ...]:
    """The records of a run, oldest first; none where it has not begun."""
    if not (folder / STORE_FILE).exists():
        return ()
    with Store(folder / STORE_FILE) as store:
        return store.query()


def compare_runs(a: Path, b: Path) -> list[Compared]:
    """Every strategy that both runs scored.

    Raises:
        OutputError: If one is not finished, or they were scored by different metrics.
    """
    results = []
    for folder in (a, b):
        read_run(folder)
        result = read_result(folder)
        if result is None:
            raise OutputError(f"{folder} is not finished; give its command again to go on.")
        results.append(result)
    first, second = results
    if first["metric"] != second["metric"]:
        raise OutputError(
            f"{a} was scored by {first['metric']}, {b} by {second['metric']}: nothing to compare."
        )
    mine, its = _scores(first), _scores(second)
    both = [name for name in mine if name in its]
    return [
        Compared(one, mine[one], its[one], paired((a, one), (b, one), first["metric"]))
        for one in both
    ]


def flat(folder: Path, kept: Iterable[RunRecord]) -> Iterator[dict[str, Any]]:
    """A record as one row: no nesting, the same columns for all."""
    for record in kept:
        asked, happened, on = record.asked, record.happened, record.on
        row: dict[str, Any] = {
            "run": str(folder),
            "trial": record.content_id,
            "model": asked.model.name,
            "family": asked.model.family,
            "params": asked.model.params,
            "task": asked.task,
            "data": asked.data,
            "data_digest": asked.data_digest,
            "strategy": asked.strategy,
            "hyperparameters": json.dumps(asked.hyperparameters, sort_keys=True),
            "stage": asked.stage,
            "examples": asked.examples,
            "seed": asked.seed,
            "protocol": asked.protocol,
            "status": happened.status,
            "error": happened.error,
            "metric": asked.metric,
        }
        for split in ("validation", "test", "ood"):
            row[split] = happened.scores.get(split, {}).get(asked.metric)
        yield row | {
            "seconds": happened.seconds,
            "charged_seconds": happened.charged_seconds,
            "flops": happened.flops,
            "peak_memory_bytes": happened.peak_memory_bytes,
            "trained_parameters": happened.trained_parameters,
            "device": on.device,
            "threads": on.threads,
            "commit": on.commit,
            "time": on.time,
        }


def _scores(result: Mapping[str, Any]) -> dict[str, float]:
    """Strategy -> mean test score, where it was scored."""
    return {
        one["strategy"]: one["test"]["mean"]
        for one in result["strategies"]
        if one["test"] is not None
    }


def paired(a: tuple[Path, str], b: tuple[Path, str], metric: str) -> Interval | None:
    """The score of a run's strategy minus that of another on the seeds both have.

    Args:
        a, b: Folder of the run, strategy.

    Returns:
        None where no seed is common or the test rows differ, so that nothing can be paired.
    """
    mine, its = _finals(*a), _finals(*b)
    seeds = sorted(set(mine) & set(its))
    if not seeds:
        return None
    (said_a, rows_a, targets), (said_b, rows_b, _) = (
        _answers(folder, [found[seed] for seed in seeds])
        for (folder, _), found in ((a, mine), (b, its))
    )
    if not np.array_equal(rows_a, rows_b):
        return None
    return paired_difference(said_a, said_b, targets, metric=metric)


def _finals(folder: Path, strategy: str) -> dict[int, RunRecord]:
    return {
        one.asked.seed: one
        for one in records(folder)
        if one.asked.strategy == strategy
        and one.asked.stage == "final"
        and "test" in one.happened.scores
    }


def _answers(
    folder: Path, finals: Sequence[RunRecord]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers (seeds, rows), ids (rows,) and targets (rows,) of the test set."""
    arrays = [read_predictions(folder, one) for one in finals]
    said = np.stack([compared_answers(one, "test") for one in arrays])
    return said, arrays[0]["test_ids"], arrays[0]["test_targets"]
