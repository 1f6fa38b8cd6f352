"""From the records of a run to `result.json`, whose fields are listed in docs/harness.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from harness.bench import Bench
from harness.decision import Decision, score_interval
from harness.plan import Plan
from harness.records import RunRecord
from harness.report.result import parse
from harness.report.verdict import verdict
from harness.tuning import StrategyOutcome

SCHEMA_VERSION = 1
COVERS = (
    "loading libraries, data and model",
    "measuring speed",
    "baselines",
    "feature extraction",
    "tuning",
    "test scoring",
    "report",
)
"""What the wall clock of a budget runs for."""

Json = dict[str, object]


@dataclass(frozen=True)
class Expected:
    """What the cost model said a strategy takes at least, before anything was measured."""

    seconds: float
    peak_memory_bytes: float


@dataclass(frozen=True)
class Telling:
    """What a result tells besides what the strategies did.

    Attributes:
        estimates: Strategy -> what it was expected to take.
        baselines: Baseline -> metric -> mean over seeds.
        advice: What the advisor said before anything was measured; None if it could not.
        spent_seconds: Wall clock of the run, earlier sessions included.
        search: What a budgeted search found; None under the fair protocol.
    """

    estimates: Mapping[str, Expected]
    baselines: Mapping[str, Mapping[str, float]]
    advice: Json | None
    findings: Sequence[Json]
    cap_seconds: float | None
    spent_seconds: float
    started: str
    command: str
    search: Json | None = None


def build_result(
    plan: Plan,
    bench: Bench,
    outcomes: Sequence[StrategyOutcome],
    decision: Decision,
    telling: Telling,
) -> Json:
    """The values of `result.json`; numbers that are not finite become null."""
    question = plan.question
    strategies = [
        strategy_result(one, plan, bench, telling.estimates.get(one.strategy)) for one in outcomes
    ]
    on = next((record.on for one in outcomes for record in one.finals), None)
    difference = decision.difference
    values: Json = {
        "schema_version": SCHEMA_VERSION,
        "question": question_result(plan, bench, telling.findings),
        "winner": decision.winner,
        "winner_reason": decision.reason,
        "tied": list(decision.tied),
        "runner_up": decision.runner_up,
        "difference": difference
        and {"mean": difference.mean, "interval": [difference.low, difference.high]},
        "win_rate": decision.win_rate,
        "metric": bench.task.metric,
        "protocol": question.protocol,
        "search": telling.search,
        "target": question.target,
        "strategies": strategies,
        "baselines": {name: dict(scores) for name, scores in telling.baselines.items()},
        "advice": telling.advice,
        "agreement": agreement(telling.advice, strategies, decision.winner),
        "budget": {
            "covers": list(COVERS),
            "seconds": question.budget_seconds,
            "cap_per_strategy": telling.cap_seconds,
            "spent": telling.spent_seconds,
        },
        "versions": {} if on is None else {**on.versions, "adaptation-advisor": on.package_version},
        "device": {} if on is None else {"name": on.device, "threads": on.threads},
        "command": telling.command,
        "started": telling.started,
        "seconds": telling.spent_seconds,
    }
    finite = _finite(values)
    assert isinstance(finite, dict)
    return {**finite, "verdict": verdict(parse(finite)).headline}


def question_result(plan: Plan, bench: Bench, findings: Sequence[Json]) -> Json:
    question, dataset = plan.question, plan.dataset
    return {
        "model": asdict(plan.facts),
        "data": {
            "name": dataset.name,
            "modality": dataset.modality,
            "task": dataset.task,
            "n_train_pool": len(dataset.train),
            "n_test": len(bench.test),
            "n_test_available": len(dataset.test),
            "n_ood": None if bench.ood is None else len(bench.ood),
            "label_names": list(dataset.label_names),
            "description": dataset.description,
            "findings": list(findings),
            "digest": dataset.digest,
        },
        "examples": plan.examples,
        "validation_examples": len(bench.draws[0].validation),
        "seeds": list(bench.draws),
        "budget_seconds": question.budget_seconds,
        "target": question.target,
        "max_tokens": bench.backbone.max_tokens,
        "metric": bench.task.metric,
        "asked": question.model_dump(mode="json"),
    }


def strategy_result(
    outcome: StrategyOutcome, plan: Plan, bench: Bench, estimate: Expected | None
) -> Json:
    """One strategy's row: scores over seeds, cost in all, details of the finalist of seed 0."""
    scored = outcome.scored
    kind = plan.strategies[outcome.strategy]
    records = [*outcome.trials, *(one for one in outcome.finals if one.asked.seed > 0)]
    first = scored.get(min(scored)) if scored else None
    happened = None if first is None else first.happened
    return {
        "strategy": outcome.strategy,
        "name": kind.traits.name,
        "status": outcome.status,
        "reason": outcome.reason or None,
        "trials": len(outcome.trials),
        "failed_trials": sum(one.happened.status == "failed" for one in outcome.trials),
        "test": score_result(scored, bench, "test"),
        "validation": score_result(scored, bench, "validation"),
        "ood": score_result(scored, bench, "ood"),
        "metrics": _mean_metrics(scored),
        "per_class": _mean_recalls(scored),
        "hyperparameters": {} if first is None else dict(first.asked.hyperparameters),
        "chosen": {} if happened is None else happened.chosen,
        "curve": [] if happened is None else [dict(point) for point in happened.curve],
        "seconds": outcome.spent_seconds,
        "charged_seconds": sum(one.happened.charged_seconds for one in records),
        "trained_parameters": None if happened is None else happened.trained_parameters,
        "peak_memory_bytes": max(
            (one.happened.peak_memory_bytes or 0 for one in [*outcome.trials, *outcome.finals]),
            default=None,
        ),
        "artefact_bytes": None if happened is None else happened.artefact_bytes,
        "measures": {} if happened is None else dict(happened.measures),
        "latency_ms": None if happened is None else _latency(happened.score_seconds, bench),
        "flops": None if happened is None else happened.flops,
        "trial_seconds": None if happened is None else happened.fit_seconds,
        "estimate": estimate and asdict(estimate),
    }


def score_result(scored: Mapping[int, RunRecord], bench: Bench, split: str) -> Json | None:
    """Mean, spread and interval of the metric over seeds; None where nothing was scored."""
    metric = bench.task.metric
    found = {
        seed: record.happened.scores[split][metric]
        for seed, record in scored.items()
        if split in record.happened.scores
    }
    interval = score_interval(scored, bench.folder, split, metric)
    if not found or interval is None:
        return None
    values = list(found.values())
    return {
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "seeds": len(values),
        "values": {str(seed): value for seed, value in found.items()},
        "interval": [interval.low, interval.high],
    }


def agreement(advice: Json | None, strategies: Sequence[Json], winner: str | None) -> Json | None:
    """Whether the strategy advised first won, and what following the advice would have cost; None
    where fewer than two were scored: then nothing was found out."""
    advised = _first_advised(advice)
    means = ((str(one["strategy"]), _test_mean(one)) for one in strategies)
    test = {id: mean for id, mean in means if mean is not None}
    if advised is None or winner is None or len(test) < 2:
        return None
    return {
        "advised": advised,
        "winner": winner,
        "agreed": advised == winner,
        "regret": max(test.values()) - test[advised] if advised in test else None,
    }


def _first_advised(advice: Json | None) -> str | None:
    recommendations = (advice or {}).get("recommendations")
    if not isinstance(recommendations, list):
        return None
    return next((str(one["strategy"]) for one in recommendations if one.get("rank") == 1), None)


def _test_mean(strategy: Json) -> float | None:
    test = strategy["test"]
    return test["mean"] if isinstance(test, dict) else None


def _mean_metrics(scored: Mapping[int, RunRecord]) -> dict[str, float]:
    """Every metric on the test set, averaged over seeds."""
    tests = [record.happened.scores["test"] for record in scored.values()]
    return {name: float(np.mean([one[name] for one in tests])) for name in (tests or [{}])[0]}


def _mean_recalls(scored: Mapping[int, RunRecord]) -> dict[str, float]:
    tests = [record.happened.per_class["test"] for record in scored.values()]
    return {label: float(np.mean([one[label] for one in tests])) for label in (tests or [{}])[0]}


def _latency(score_seconds: Mapping[str, float], bench: Bench) -> float | None:
    """Milliseconds per example in batches, on the test set."""
    return 1000 * score_seconds["test"] / len(bench.test) if "test" in score_seconds else None


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
