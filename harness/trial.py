"""One trial: fit a strategy with one setting on one seed, score it, and write down what happened."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.backbones.base import Backbone
from harness.bench import PREDICTIONS, Bench
from harness.datasets.base import Split
from harness.files import no_room
from harness.measures import measure
from harness.memory import PeakMemory
from harness.metrics.classification import at_temperature, fit_temperature
from harness.out_of_memory import noting_halves
from harness.progress import TrialMoved
from harness.records import Asked, Happened, RunRecord, Setting, Stage, Status
from harness.strategies.base import Interrupted, Strategy, TrialBudget


@dataclass
class Scoring:
    """Scores, recalls, times and answers of one fitted strategy, split by split."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, record: RunRecord) -> Scoring:
        """What was scored before."""
        happened = record.happened
        return cls(
            dict(happened.scores),
            dict(happened.per_class),
            dict(happened.score_seconds),
            read_predictions(folder, record),
        )

    def add(self, bench: Bench, strategy: Strategy, name: str, split: Split) -> None:
        """Predict a split and score it; an empty split has no score.

        Raises:
            ValueError: If what was predicted are no answers of the task.
        """
        if len(split) == 0:
            return
        started, charged = time.perf_counter(), strategy.charged_seconds_
        answers = strategy.predict(split.inputs)
        wall = time.perf_counter() - started
        self.seconds[name] = wall + strategy.charged_seconds_ - charged
        self.scores[name] = bench.task.scores(answers, split.targets)
        recalls = bench.task.per_class(answers, split.targets)
        self.per_class[name] = {k: recall for k, recall in recalls.items() if recall is not None}
        self.arrays |= {
            f"{name}_{bench.task.output}": answers,
            f"{name}_targets": split.targets,
            f"{name}_ids": np.array(split.ids, dtype=np.str_),
        }

    def calibrate(self, bench: Bench) -> dict[str, float]:
        """Fit a temperature on validation and score the unseen splits with it, too.

        Returns:
            "temperature"; nothing where there was no validation or nothing else to score, or
            where answers are no probabilities.
        """
        if bench.task.output != "probabilities":
            return {}
        unseen = [name for name in bench.unseen if name in self.scores]
        if "validation" not in self.scores or not unseen:
            return {}
        temperature = fit_temperature(
            self.arrays["validation_probabilities"], self.arrays["validation_targets"]
        )
        for name in unseen:
            calibrated = at_temperature(self.arrays[f"{name}_probabilities"], temperature)
            scores = bench.task.scores(calibrated, self.arrays[f"{name}_targets"])
            self.scores[name]["log_loss_calibrated"] = scores["log_loss"]
            self.scores[name]["ece_calibrated"] = scores["ece"]
        return {"temperature": temperature}


def run_trial(
    bench: Bench,
    kind: type[Strategy],
    settings: Mapping[str, Setting],
    *,
    stage: Stage,
    seed: int,
    limit: float | None,
    underfunded: bool = False,
) -> tuple[RunRecord, Strategy | None]:
    """Fit, score (validation in a search; test and ood too for a finalist), record.

    Args:
        limit: Seconds `fit` may take; None for no limit.
        underfunded: Whether this finalist's strategy did not get its minimum of trials.

    Returns:
        The record and the fitted strategy; None in place of the latter if the trial failed or
        was interrupted, which the record's status tells.
    """
    draw, scoring = bench.draws[seed], Scoring()
    strategy = kind(**settings)

    def work() -> None:
        budget = TrialBudget(
            limit, bench.cancelled, lambda share: bench.on_event(TrialMoved(share))
        )
        strategy.fit(
            bench.backbone, bench.task, draw.train, draw.validation, seed=seed, budget=budget
        )
        scoring.add(bench, strategy, "validation", draw.validation)
        if stage == "final":
            for name, split in bench.unseen.items():
                scoring.add(bench, strategy, name, split)

    asked = bench.asked(kind.id, settings, stage=stage, seed=seed)
    tried = _attempt(bench, work)
    charged = strategy.charged_seconds_
    happened = tried.replacing(
        limit_seconds=limit, seconds=tried.seconds + charged, charged_seconds=charged
    )
    if happened.status != "done":
        return bench.record(asked, happened), None
    report = strategy.report_
    happened = happened.replacing(
        # Too few trials weighs more than a fit that was cut short: it concerns the whole strategy.
        status="underfunded" if underfunded else "underfit" if report.underfit else "done",
        trained_parameters=report.trained_parameters,
        steps=report.steps,
        curve=report.curve,
        chosen={**report.chosen, **tried.chosen},
        flops=report.flops,
    )
    return _scored(bench, asked, happened, scoring), strategy


def score_finalist(
    bench: Bench, searched: RunRecord, load: Callable[[], Strategy], *, underfunded: bool
) -> RunRecord:
    """Score the best searched model on test (and ood): the finalist of seed 0, not fitted again.

    Args:
        load: Reads the model back from disk, so that what is scored is what is kept.
    """
    scoring = Scoring.of(bench.folder, searched)
    loaded: list[Strategy] = []

    def work() -> None:
        loaded.append(load())
        for name, split in bench.unseen.items():
            scoring.add(bench, loaded[0], name, split)

    asked = searched.asked.model_copy(update={"stage": "final"})
    tried, was = _attempt(bench, work), searched.happened
    if tried.status != "done":
        return bench.record(asked, tried)
    charged = loaded[0].charged_seconds_
    measures: dict[str, float] = {}
    watched = _attempt(bench, lambda: measures.update(measure(bench, loaded[0])))
    if watched.status == "stopped":
        return bench.record(asked, watched)
    measures["measuring_seconds"] = watched.seconds
    happened = was.replacing(
        chosen={
            **was.chosen,
            **tried.chosen,
            **({"not_measured": watched.error} if watched.error else {}),
        },
        status="underfunded" if underfunded else was.status,
        seconds=was.seconds + tried.seconds + charged,
        charged_seconds=was.charged_seconds + charged,
        reused_seconds=was.seconds,
        peak_memory_bytes=max(was.peak_memory_bytes or 0, tried.peak_memory_bytes or 0),
    )
    return _scored(bench, asked, happened, scoring, measures)


def read_predictions(folder: Path, record: RunRecord) -> dict[str, np.ndarray]:
    """Arrays of a record: SPLIT_targets, SPLIT_ids and, by the kind of the task's answers,
    SPLIT_probabilities (n, n_classes), SPLIT_numbers (n, n_outputs) or SPLIT_texts (n,)."""
    if record.happened.predictions is None:
        return {}
    with np.load(folder / record.happened.predictions, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def compared_answers(arrays: Mapping[str, np.ndarray], split: str) -> np.ndarray:
    """What metrics compare with the targets: of probabilities the likeliest class, shape (n,);
    numbers, shape (n, n_outputs), and texts, shape (n,), as they are."""
    if (probabilities := arrays.get(f"{split}_probabilities")) is not None:
        return probabilities.argmax(axis=1)
    return next(arrays[name] for name in (f"{split}_numbers", f"{split}_texts") if name in arrays)


def _attempt(bench: Bench, work: Callable[[], None]) -> Happened:
    """Do the work under watch: status "done", "failed" or "stopped", seconds and memory.

    Whatever a strategy does wrong becomes its own record; the others go on.
    """
    status: Status = "done"
    error = trace = None
    started = time.perf_counter()
    with PeakMemory(bench.backbone.device) as memory, noting_halves() as halves:
        try:
            work()
        except (Interrupted, KeyboardInterrupt):
            status = "stopped"
        except Exception as failure:
            if no_room(failure):  # says nothing about the strategy, and passes
                raise
            status, error = "failed", f"{type(failure).__name__}: {failure}"
            trace = traceback.format_exc()
    return Happened(
        status=status,
        error=error,
        trace=trace,
        seconds=time.perf_counter() - started,
        start_memory_bytes=memory.start_bytes,
        peak_memory_bytes=memory.peak_bytes,
        chosen={**halves, **_plain_path(bench.backbone)},
    )


def _plain_path(backbone: Backbone) -> dict[str, str]:
    """Why a slower of two equal ways was taken, where one was."""
    return {"plain_path": backbone.plain_path} if backbone.plain_path else {}


def _scored(
    bench: Bench,
    asked: Asked,
    happened: Happened,
    scoring: Scoring,
    measures: Mapping[str, float] | None = None,
) -> RunRecord:
    """Write the per-example predictions and complete the record."""
    measures = {**(measures or {}), **scoring.calibrate(bench)}
    name = f"{PREDICTIONS}/{asked.content_id}.npz"
    _write_arrays(bench.folder / name, scoring.arrays)
    complete = happened.replacing(
        scores=scoring.scores,
        per_class=scoring.per_class,
        score_seconds=scoring.seconds,
        predictions=name,
        measures=measures,
    )
    return bench.record(asked, complete)


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # a trial may run twice at once, after a node was given up too early
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    temporary.replace(path)
