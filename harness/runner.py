"""A run of the fair protocol from question to report; docs/protocol.md says it in words."""

from __future__ import annotations

import gc
import math
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from advisor.errors import SpecError
from harness.advice import advised, estimates
from harness.bench import ARTEFACTS, Bench
from harness.budget import Allowance, Budget, Clock, affordable_test_rows
from harness.catalog import EXECUTORS
from harness.datasets.base import Finding
from harness.decision import Decision, decide
from harness.executors.base import Executor, Resources, Site
from harness.executors.side_by_side import side_by_side
from harness.executors.work import Prepared, bench_of
from harness.files import unwritable, write_json
from harness.folder import (
    RESULT_FILE,
    STORE_FILE,
    Identity,
    RunFile,
    Terms,
    create,
    default_folder,
    earlier_run,
)
from harness.ledger import Ledger, files_of
from harness.models import load_backbone
from harness.plan import Plan, joined, make_plan
from harness.progress import Listener, Planned, Resuming, Stage, one_at_a_time, silent
from harness.question import Question
from harness.records import Happened
from harness.report import render
from harness.result import Expected, Json, Telling, build_result
from harness.scored_rows import cut_texts, write_rows
from harness.speed import seconds_per_row
from harness.storage import Storage
from harness.store import Store
from harness.tuning import Stopped, StrategyOutcome, Tuning
from harness.winner import export_winner

_BASELINE_SHARE = 0.02  # of the budget, after which no further seed is started


@dataclass(frozen=True)
class Conditions:
    """How a run is carried out, as opposed to what it asks.

    Attributes:
        command: What the user typed, for the record.
        cancelled: Asked between steps; True ends the run with `Stopped`.
        clock: Seconds from any fixed point.
        started: What the clock said when the command began; None for now.
        executor: Name of what does the trials. resources: What it may take.
        store: SQLAlchemy URL of a store that runs share; None for the run's own alone.
        storage: Where the files of a shared store lie; None for beside it.
    """

    command: str = ""
    on_event: Listener = silent
    cancelled: Callable[[], bool] = lambda: False
    clock: Clock = time.monotonic
    started: float | None = None
    executor: str = "local"
    resources: Resources = Resources()  # noqa: RUF009 - a value, never changed
    store: str | None = None
    storage: str | None = None


def run(question: Question, out: Path | None, how: Conditions) -> Path:
    """Measure a question and write records, result, winner and report.

    A folder that holds an interrupted run of the same question is taken up where it ended; a
    finished one is left as it is, except that its report is rendered again.

    Args:
        out: Folder to write; None for runs/<date>-<model>-<data>.

    Returns:
        The folder of the run.

    Raises:
        AdviceError: If the question cannot be used; nothing was written.
        Stopped: After an interruption; everything finished is in the store.
    """
    started = how.clock() if how.started is None else how.started
    how = replace(how, on_event=one_at_a_time(how.on_event))
    if question.protocol == "search" and (how.executor != "local" or how.store is not None):
        raise SpecError(
            "--protocol search decides trial by trial: leave --executor and --store out."
        )
    if how.store is not None:
        files_of(how.store, how.storage)  # refused before anything is read
    how.on_event(Stage("reading model and data"))
    plan = make_plan(question)
    identity = Identity(
        question=question, model_digest=plan.facts.digest, data_digest=plan.dataset.digest
    )
    folder = out or default_folder(question, identity, datetime.now(UTC).date().isoformat())
    earlier = earlier_run(folder, identity)
    if earlier is not None:
        finished = (folder / RESULT_FILE).exists()
        how.on_event(Resuming(folder, finished))
        if finished:
            render(folder)
            return folder
    work = _prepare(plan, folder, earlier, Budget(question.budget_seconds, how.clock, started), how)
    gc.freeze()  # libraries and model stay: trials need not search them for garbage
    try:
        with ExitStack() as opened:
            prepared = Prepared(plan.strategies, work.bench)
            executor: Executor = opened.enter_context(
                EXECUTORS.load(how.executor).open(how.resources, prepared)
            )
            if earlier is None:
                create(folder, RunFile(identity=identity, terms=work.terms, command=how.command))
            store = opened.enter_context(Store(folder / STORE_FILE))
            ledger = opened.enter_context(_ledger(store, folder, how)) if how.store else None
            work.budget.spent_before = _spent_before(store)
            answer = _answer(work, ledger or store, executor, how)
            how.on_event(Stage("choosing the winner and writing the report"))
            _conclude(work, answer, how.command, ledger)
    except (Stopped, KeyboardInterrupt):
        raise Stopped(
            f"stopped; what is finished is kept. Run the same command with --out {folder} to go on."
        ) from None
    except (OSError, sqlite3.OperationalError) as error:
        raise unwritable(folder, error) from error
    finally:
        gc.unfreeze()
    return folder


@dataclass(frozen=True)
class _Work:
    """A prepared run; nothing of it is written yet.

    Attributes:
        row_seconds: Seconds the frozen model needs for one row; 0 if nobody asked.
    """

    plan: Plan
    bench: Bench
    budget: Budget
    terms: Terms
    row_seconds: float
    findings: tuple[Finding, ...]
    baselines: dict[str, dict[str, float]]
    advice: Json
    estimates: dict[str, Expected]


def _prepare(
    plan: Plan, folder: Path, earlier: RunFile | None, budget: Budget, how: Conditions
) -> _Work:
    """Load and measure what comes before the strategies, then settle what each may spend."""
    question = plan.question
    how.on_event(Stage("loading the model"))
    backbone = load_backbone(plan.facts, plan.device, question.max_tokens)
    row_seconds = 0.0
    if question.budget_seconds is not None and plan.facts.access == "weights":
        how.on_event(Stage("measuring speed"))
        row_seconds = seconds_per_row(backbone, plan.dataset.train.inputs, plan.task)
    rows = earlier.terms.rows if earlier else _test_rows(plan, budget, row_seconds)
    bench = bench_of(plan, backbone, rows, folder, how.on_event, how.cancelled)
    advice = advised(plan, backbone.device)
    expected = estimates(plan, backbone.device, len(bench.test))
    how.on_event(Stage("baselines"))
    baselines, findings = _baselines(bench, budget), _findings(plan, bench)
    if how.cancelled():
        raise Stopped("stopped before anything was measured; nothing was written.")
    shared = question.protocol == "search"
    terms = (
        earlier.terms if earlier else _settle(budget.cap(1 if shared else len(plan.feasible)), rows)
    )
    refused = {id: plan.refused.get(id, "") for id in plan.strategies}
    how.on_event(Planned(refused, terms.cap_seconds, question.budget_seconds, findings, shared))
    return _Work(plan, bench, budget, terms, row_seconds, findings, baselines, advice, expected)


def _settle(cap: float | None, rows: dict[str, int]) -> Terms:
    return Terms(cap_seconds=cap, rows=rows, started=datetime.now(UTC).isoformat())


def _test_rows(plan: Plan, budget: Budget, row_seconds: float) -> dict[str, int]:
    """How many rows of each unseen split are scored: what was asked, or what can be afforded."""
    cap = budget.cap(len(plan.feasible))
    splits = {"test": plan.dataset.test} | ({"ood": plan.dataset.ood} if plan.dataset.ood else {})
    asked = plan.question.test_examples
    return {
        name: min(asked, len(split))
        if asked is not None
        else affordable_test_rows(
            len(split),
            cap=cap and cap / len(splits),
            seeds=plan.question.seeds,
            seconds_per_row=row_seconds,
        )
        for name, split in splits.items()
    }


@dataclass(frozen=True)
class _Answer:
    """What the strategies did, who won, and what a budgeted search has to tell."""

    outcomes: list[StrategyOutcome]
    decision: Decision
    search: Json | None = None


def _answer(work: _Work, store: Store | Ledger, executor: Executor, how: Conditions) -> _Answer:
    """By the protocol that was asked for."""
    plan, bench = work.plan, work.bench
    names = {id: kind.traits.name for id, kind in plan.strategies.items()}
    if plan.question.protocol == "fair":
        outcomes = _measure(work, store, executor, how)
        folder, metric = bench.folder, plan.task.metric
        return _Answer(outcomes, decide(outcomes, names, folder=folder, metric=metric))
    from harness.search import outcome
    from harness.search.start import prepared

    search = prepared(plan, bench, store, work.terms.cap_seconds)
    refused = [_refused(id, plan, bench, store) for id in plan.refused]
    return _Answer(
        [*search.run(), *refused], outcome.decision(search, names), outcome.section(search)
    )


def _measure(
    work: _Work, store: Store | Ledger, executor: Executor, how: Conditions
) -> list[StrategyOutcome]:
    """Every strategy within the same cap: in turn, or side by side if the executor can."""
    plan, bench = work.plan, work.bench
    rows = tuple(sorted(work.terms.rows.items()))
    site = Site(plan.question, rows, bench.folder.resolve(), how.resources.storage)

    def tune(id: str) -> StrategyOutcome:
        if id in plan.refused:
            return _refused(id, plan, bench, store)
        allowance = Allowance(work.terms.cap_seconds, work.budget, by_trials=executor.concurrent)
        kind, space, schedule = plan.strategies[id], plan.space(id), plan.schedule(id)
        return Tuning(
            bench, kind, space, schedule, allowance, store, executor, site, work.row_seconds
        ).run()

    if not executor.concurrent:
        return [tune(id) for id in plan.strategies]
    return side_by_side(tune, tuple(plan.strategies), executor, how.cancelled)


@contextmanager
def _ledger(own: Store, folder: Path, how: Conditions) -> Iterator[Ledger]:
    assert how.store is not None
    files = Storage(files_of(how.store, how.storage))
    with Store(how.store) as shared, Ledger(own, folder, shared, files, how.cancelled) as ledger:
        yield ledger


def _conclude(work: _Work, answer: _Answer, command: str, ledger: Ledger | None) -> None:
    """Write the winner, the result and the report."""
    plan, bench = work.plan, work.bench
    outcomes, decision = answer.outcomes, answer.decision
    winner = next((one for one in outcomes if one.strategy == decision.winner), None)
    if winner is not None:
        if ledger is not None:
            ledger.fetch_model(winner.scored[0])
        export_winner(bench, winner.scored[0])
    write_rows(bench)
    telling = Telling(
        estimates=work.estimates,
        baselines=work.baselines,
        advice=work.advice,
        findings=[asdict(one) for one in work.findings],
        cap_seconds=work.terms.cap_seconds,
        spent_seconds=work.budget.elapsed(),
        started=work.terms.started,
        command=command,
        search=answer.search,
    )
    write_json(bench.folder / RESULT_FILE, build_result(plan, bench, outcomes, decision, telling))
    render(bench.folder)
    shutil.rmtree(bench.folder / ARTEFACTS, ignore_errors=True)


def _refused(id: str, plan: Plan, bench: Bench, store: Store | Ledger) -> StrategyOutcome:
    """A strategy that cannot work here has a record, too, which says why."""
    asked = bench.asked(id, {}, stage="search", seed=0)
    store.append(bench.record(asked, Happened(status="refused", error=plan.refused[id])))
    return StrategyOutcome(id, status="refused", reason=plan.refused[id])


def _baselines(bench: Bench, budget: Budget) -> dict[str, dict[str, float]]:
    """Predictors without a pretrained model on the same examples: mean scores over seeds.

    Seed 0 always; further seeds as long as a small share of the budget lasts.
    """
    until = budget.elapsed() + _BASELINE_SHARE * (budget.total or math.inf)
    runs: list[dict[str, dict[str, float]]] = []
    for seed, draw in bench.draws.items():
        if runs and budget.elapsed() > until:
            break
        examples = joined(draw.train, draw.validation)
        runs.append(bench.task.baselines(examples, bench.test, seed=seed))
    return {
        name: {metric: float(np.mean([one[name][metric] for one in runs])) for metric in scores}
        for name, scores in runs[0].items()
    }


def _findings(plan: Plan, bench: Bench) -> tuple[Finding, ...]:
    """What was noticed about the data, and what this run cuts of it."""
    found = list(plan.dataset.findings)
    if len(bench.test) < len(plan.dataset.test):
        why = (
            "as was asked"
            if plan.question.test_examples is not None
            else "more would not fit the budget. Set --test-examples to decide yourself"
        )
        text = (
            f"{len(bench.test):,} of {len(plan.dataset.test):,} test rows are scored, the same for "
            f"every strategy: {why}."
        )
        found.append(Finding("test_subset", "note", text, len(bench.test)))
    return (*found, *cut_texts(bench))


def _spent_before(store: Store) -> float:
    """Seconds an interrupted session spent on what it recorded."""
    return sum(one.happened.own_seconds for one in store.query())
