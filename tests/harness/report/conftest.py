"""A made-up finished run: invented numbers in the shape `harness run` writes, measured nowhere."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import strategies as st

LABELS = ["business", "entertainment", "politics", "sport", "tech"]


def curve(start: float, end: float, steps: int, points: int) -> list[dict[str, float]]:
    """An exponential decay with a training loss that falls a little below it."""
    found = []
    for place in range(1, points + 1):
        share = place / points
        loss = end + (start - end) * math.exp(-4 * share)
        found.append(
            {
                "step": round(steps * share),
                "train_loss": loss * (1 - 0.3 * share),
                "validation_loss": loss,
                "validation_score": 1 - loss / 2,
            }
        )
    return found


def score(mean: float, std: float, half: float) -> dict[str, object]:
    return {"mean": mean, "std": std, "seeds": 3, "interval": [mean - half, mean + half]}


PROBE = {
    "strategy": "linear_probe",
    "name": "linear probe",
    "status": "done",
    "trials": 6,
    "test": score(0.951, 0.004, 0.014),
    "validation": score(0.95, 0.011, 0.03),
    "ood": score(0.87, 0.012, 0.03),
    "metrics": {"accuracy": 0.951, "macro_f1": 0.95, "log_loss": 0.186, "ece": 0.031},
    "per_class": dict(zip(LABELS, (0.93, 0.97, 0.92, 0.99, 0.94), strict=True)),
    "hyperparameters": {"pooling": "mean", "layers": [-1]},
    "chosen": {"C": 3.1623},
    "curve": [],
    "seconds": 38.4,
    "charged_seconds": 21.7,
    "trained_parameters": 1925,
    "peak_memory_bytes": 912_000_000,
    "artefact_bytes": 8_912,
    "latency_ms": 9.4,
    "estimate": {"seconds": 29.0, "peak_memory_bytes": 850_000_000},
}
FULL = {
    "strategy": "full_finetune",
    "name": "full fine-tuning",
    "status": "done",
    "trials": 4,
    "test": score(0.943, 0.011, 0.019),
    "validation": score(0.945, 0.014, 0.033),
    "ood": score(0.811, 0.03, 0.041),
    "metrics": {"accuracy": 0.943, "macro_f1": 0.941, "log_loss": 0.232, "ece": 0.044},
    "per_class": dict(zip(LABELS, (0.91, 0.96, 0.93, 0.99, 0.92), strict=True)),
    "hyperparameters": {"lr": 1e-4, "batch_size": 16, "epochs": 6},
    "chosen": {},
    "curve": curve(1.6, 0.21, 180, 9),
    "seconds": 131.0,
    "charged_seconds": 0.0,
    "trained_parameters": 22_715_141,
    "peak_memory_bytes": 1_710_000_000,
    "artefact_bytes": 90_900_000,
    "latency_ms": 9.6,
    "failed_trials": 1,
    "estimate": {"seconds": 188.0, "peak_memory_bytes": 1_400_000_000},
}
SOFT = {
    "strategy": "soft_prompt",
    "name": "soft prompting",
    "status": "underfit",
    "reason": "its validation loss was still falling when its time was up",
    "trials": 3,
    "test": score(0.902, 0.021, 0.029),
    "validation": score(0.91, 0.02, 0.041),
    "ood": score(0.79, 0.03, 0.045),
    "metrics": {"accuracy": 0.902, "macro_f1": 0.897, "log_loss": 0.355, "ece": 0.052},
    "per_class": dict(zip(LABELS, (0.86, 0.93, 0.87, 0.98, 0.87), strict=True)),
    "hyperparameters": {"lr": 0.01, "virtual_tokens": 20, "kind": "prefix"},
    "chosen": {},
    "curve": curve(1.7, 0.36, 240, 10),
    "seconds": 139.0,
    "charged_seconds": 0.0,
    "trained_parameters": 94_085,
    "peak_memory_bytes": 1_420_000_000,
    "artefact_bytes": 380_000,
    "latency_ms": 10.8,
    "estimate": {"seconds": 116.0, "peak_memory_bytes": 1_300_000_000},
}
HARD = {
    "strategy": "hard_prompt",
    "name": "hard prompting",
    "status": "refused",
    "reason": "an encoder has no next-token output to prompt; cloze prompting is not offered here",
}


START = ("start", 50.0, "every feasible strategy starts here", "convention")


def advised(strategy: str, rank: int | None, score: float | None, *reasons) -> dict[str, object]:
    reasons = reasons if rank is None else (START, *reasons)
    return {
        "strategy": strategy,
        "rank": rank,
        "feasible": rank is not None,
        "score": score,
        "p_best": None,
        "reasons": [
            {"rule": rule, "effect": effect, "text": text, "source": source}
            for rule, effect, text, source in reasons
        ],
    }


ADVICE = {
    "recommendations": [
        advised(
            "linear_probe", 1, 76.0,
            ("few-labels", 14.0, "few labels: a frozen body cannot overfit", "course text, 1c"),
            ("near-domain", 9.0, "news lies near what the model was trained on", "Kumar et al. 2022"),
            ("robust", 3.0, "frozen features keep their quality under shift", "Kumar et al. 2022"),
        ),
        advised(
            "full_finetune", 2, 46.0,
            ("few-labels", -12.0, "few labels and many parameters: features are distorted", "Kumar et al. 2022"),
            ("small-model", 8.0, "a small model is cheap to train as a whole", "course text, 2a"),
        ),
        advised("soft_prompt", 3, 40.0, ("small-model", -10.0, "soft prompts need a large model", "Lester et al. 2021")),
        advised("hard_prompt", None, None, ("encoder", None, "an encoder writes no text", "course text, 1b")),
    ],
    "assumptions": ["shift 0.25 (near), from the description", "one node of 8 x 80 GB"],
    "tipping_points": [{"field": "examples", "from": 200, "to": 4000, "becomes": "full_finetune"}],
}  # fmt: skip

RUN = {
    "schema_version": 1,
    "question": {
        "model": {
            "name": "all-MiniLM-L6-v2", "family": "encoder", "params": 22_713_216, "layers": 6,
            "width": 384, "window": 512, "objective": "contrastive",
        },
        "data": {
            "name": "bbc-news", "modality": "text", "task": "classification", "n_train_pool": 1780,
            "n_test": 445, "n_test_available": 445, "n_ood": 200, "label_names": LABELS,
            "description": "Which section of the newspaper does this article belong to?",
            "findings": [
                {"code": "long_texts", "level": "note", "count": 1630,
                 "text": "1,630 of 2,225 texts are longer than 128 tokens and are cut"},
                {"code": "leakage", "level": "warning", "count": 11,
                 "text": "11 test articles also stand in the training pool; they were taken out of the pool"},
            ],
            "digest": "5f2d" * 16,
        },
        "examples": 200, "validation_examples": 40, "seeds": [0, 1, 2], "budget_seconds": 300.0,
        "target": None, "max_tokens": 128,
    },
    "winner": "linear_probe",
    "winner_reason": "linear probe has the highest validation accuracy (0.950); it cannot be told "
    "from full fine-tuning and costs less.",
    "runner_up": "full_finetune",
    "difference": {"mean": 0.008, "interval": [-0.004, 0.021]},
    "win_rate": 0.86,
    "interval_level": 0.95,
    "metric": "accuracy",
    "protocol": "fair",
    "strategies": [HARD, FULL, PROBE, SOFT],
    "baselines": {
        "majority": {"accuracy": 0.229, "macro_f1": 0.075},
        "tfidf": {"accuracy": 0.924, "macro_f1": 0.922},
    },
    "advice": ADVICE,
    "agreement": {"advised": "linear_probe", "winner": "linear_probe", "agreed": True, "regret": 0.0},
    "budget": {
        "covers": ["loading data and model", "feature extraction", "tuning", "test scoring"],
        "seconds": 300.0, "cap_per_strategy": 92.0, "spent": 309.0,
    },
    "versions": {"adaptation-advisor": "0.1.0", "python": "3.11.9", "torch": "2.15.0"},
    "device": {"name": "cpu (an invented processor, x86_64)", "threads": 2},
    "command": "harness run --model minilm --data bbc-news --strategies core --examples 200 --budget 5m",
    "started": "2026-01-31T09:14:05+00:00",
    "seconds": 309.0,
}  # fmt: skip


@pytest.fixture
def run() -> dict:
    """A copy a test may change."""
    return copy.deepcopy(RUN)


def measured_paths(value: object, path: tuple = ()) -> list[tuple]:
    """Where every value of a run lies, as keys and positions from the top; ids are left out."""
    if isinstance(value, dict):
        below = [(key, one) for key, one in value.items() if key != "strategy"]
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        below = list(enumerate(value))
    else:
        return [path]
    found = [spot for key, one in below for spot in measured_paths(one, (*path, key))]
    return [path, *found] if path and isinstance(path[-1], str) else found


def without(run: dict, paths: list[tuple], as_null: bool) -> dict:
    """The run with the values at these places missing or null; places already gone are skipped."""
    left = copy.deepcopy(run)
    for path in paths:
        parent: object = left
        for key in path[:-1]:
            known = isinstance(parent, list) or (isinstance(parent, dict) and key in parent)
            parent = parent[key] if known else None
        if isinstance(parent, dict) and as_null:
            parent[path[-1]] = None
        elif isinstance(parent, dict):
            parent.pop(path[-1], None)
    return left


@st.composite
def partial_runs(draw) -> dict:
    """Any run in which some of what may be missing is missing."""
    paths = draw(st.lists(st.sampled_from(measured_paths(RUN)), max_size=40))
    run = without(RUN, paths, as_null=draw(st.booleans()))
    if run.get("strategies"):
        kept = draw(st.sets(st.integers(0, len(run["strategies"]) - 1)))
        run["strategies"] = [run["strategies"][place] for place in sorted(kept)]
    return run


@pytest.fixture(scope="session")
def any_run() -> st.SearchStrategy[dict]:
    return partial_runs()
