"""Doing a described trial: the same lines in this process, in another one, and on a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.artefacts import artefact_of, keep_artefact
from harness.backbones.base import Backbone
from harness.bench import ARTEFACTS, Bench
from harness.device import pick_device
from harness.executors.base import TrialDone, TrialSpec
from harness.features import charged_once
from harness.models import load_backbone, resolve_model
from harness.plan import Plan, make_plan, subset
from harness.progress import Listener, silent
from harness.question import Question
from harness.records import SCORED, RunRecord
from harness.storage import Storage
from harness.strategies.base import Strategy
from harness.trial import run_trial, score_finalist

_KEPT = 4  # questions a worker keeps prepared


@dataclass(frozen=True)
class Prepared:
    """A run as a worker holds it: who takes part, and what is equal for all."""

    kinds: dict[str, type[Strategy]]
    bench: Bench


def bench_of(
    plan: Plan,
    backbone: Backbone,
    rows: dict[str, int],
    folder: Path,
    on_event: Listener = silent,
    cancelled: Callable[[], bool] = lambda: False,
) -> Bench:
    """What is equal for every trial of a run.

    Args:
        rows: "test" (and "ood") -> rows that are scored.
    """
    ood = plan.dataset.ood
    return Bench(
        question=plan.question,
        backbone=backbone,
        task=plan.task,
        dataset=plan.dataset,
        draws=plan.draws,
        test=subset(plan.dataset.test, rows["test"]),
        ood=None if ood is None else subset(ood, rows["ood"]),
        folder=folder,
        on_event=on_event,
        cancelled=cancelled,
    )


def work_on(spec: TrialSpec, cancelled: Callable[[], bool] = lambda: False) -> TrialDone:
    """Do a trial in a worker, whose files go to the site's folder or storage."""
    site = spec.site
    folder = _scratch(site.folder, site.storage)
    prepared = _prepared(site.question.model_dump_json(), site.rows, folder)
    bench = replace(prepared.bench, cancelled=cancelled)
    storage = None if site.storage is None else Storage(site.storage)
    if storage is not None and spec.searched is not None:
        storage.fetch_model(spec.searched.content_id, bench.folder, spec.strategy)
        storage.fetch_predictions(spec.searched, bench.folder)
    with charged_once(spec.paid) as paid:
        record = perform(spec, prepared.kinds[spec.strategy], bench)
    if storage is not None:
        storage.send_predictions(record, bench.folder)
        if record.happened.artefact_bytes is not None and spec.searched is None:
            storage.send_model(record.content_id, bench.folder, spec.strategy)
    return TrialDone(record, frozenset(paid - spec.paid))


def perform(spec: TrialSpec, kind: type[Strategy], bench: Bench) -> RunRecord:
    """Do a trial on a prepared bench; the best model of seed 0 so far is kept on disk."""
    folder = bench.folder / ARTEFACTS / spec.strategy
    if spec.searched is not None:
        return score_finalist(
            bench,
            spec.searched,
            lambda: kind.load(folder, bench.backbone, bench.task),
            underfunded=spec.underfunded,
        )
    record, fitted = run_trial(
        bench,
        kind,
        spec.settings,
        stage=spec.stage,
        seed=spec.seed,
        limit=spec.limit,
        underfunded=spec.underfunded,
    )
    if fitted is None or not _is_kept(spec, bench, record):
        return record
    size = keep_artefact(folder, fitted, record.content_id)
    kept = record.happened.replacing(artefact_bytes=size)
    return record.model_copy(update={"happened": kept})


def has_model(spec: TrialSpec, bench: Bench) -> bool:
    """Whether the model of the searched trial is where `perform` looks for it."""
    if spec.searched is None:
        return True
    return artefact_of(bench.folder / ARTEFACTS / spec.strategy) == spec.searched.content_id


def _is_kept(spec: TrialSpec, bench: Bench, record: RunRecord) -> bool:
    if spec.seed != 0 or record.happened.status not in SCORED:
        return False
    if spec.stage == "final" or spec.to_beat is None:
        return True
    return bench.validation_score(record) > spec.to_beat


@lru_cache(maxsize=_KEPT)
def _prepared(asked: str, rows: tuple[tuple[str, int], ...], folder: Path) -> Prepared:
    """Args: asked: The question as JSON, which can be looked up."""
    question = Question.model_validate_json(asked)
    plan = make_plan(question)
    backbone = _backbone(question.model, question.device, question.max_tokens)
    return Prepared(plan.strategies, bench_of(plan, backbone, dict(rows), folder))


@lru_cache(maxsize=1)
def _backbone(model: str, device: str, max_tokens: int) -> Backbone:
    """Loaded once in a worker, however many questions share it."""
    return load_backbone(resolve_model(model), pick_device(device), max_tokens)


@lru_cache(maxsize=_KEPT)
def _scratch(folder: Path, storage: str | None) -> Path:
    """The folder of the run, or one of this worker's own where files go to a storage."""
    return folder if storage is None else Path(tempfile.mkdtemp(prefix="harness-"))
