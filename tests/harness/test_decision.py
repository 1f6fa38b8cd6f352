from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.decision import decide, score_interval
from harness.records import RunRecord
from harness.tuning import StrategyOutcome
from tests.harness.test_store import record

NAMES = {"linear_probe": "probe", "full_finetune": "fine-tuning", "soft_prompt": "soft prompt"}
TRAINED = {"linear_probe": 10, "soft_prompt": 100, "full_finetune": 1000}
TRUTH = {"validation": np.arange(40) % 2, "test": np.arange(60) % 2}


def final(
    folder: Path, strategy: str, seed: int, *, right: dict[str, float], seconds: float
) -> RunRecord:
    """A finalist that is right on the first share of each split."""
    arrays, scores = {}, {}
    for split, targets in TRUTH.items():
        hits = np.arange(len(targets)) < round(right[split] * len(targets))
        said = np.where(hits, targets, 1 - targets)
        arrays[f"{split}_probabilities"] = np.eye(2)[said]
        arrays[f"{split}_targets"] = targets
        scores[split] = {"accuracy": float(hits.mean())}
    name = f"{strategy}-{seed}.npz"
    np.savez(folder / name, **arrays)
    base = record(
        seed=seed,
        scores=scores,
        predictions=name,
        seconds=seconds,
        trained_parameters=TRAINED[strategy],
    )
    return base.model_copy(update={"asked": base.asked.model_copy(update={"strategy": strategy})})


def outcome(folder: Path, strategy: str, validation, test: float = 0.8, *, seconds: float = 10.0,
            status: str = "done") -> StrategyOutcome:  # fmt: skip
    finals = [
        final(folder, strategy, seed, right={"validation": share, "test": test}, seconds=seconds)
        for seed, share in enumerate(validation)
    ]
    return StrategyOutcome(strategy, status=status, finals=finals)


def decided(folder: Path, *outcomes: StrategyOutcome):
    return decide(outcomes, NAMES, folder=folder, metric="accuracy")


def test_the_highest_validation_score_wins(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.5, 0.5, 0.5]),
        outcome(tmp_path, "full_finetune", [0.9, 0.9, 0.9], seconds=99.0),
    )
    assert decision.winner == "full_finetune"
    assert decision.runner_up == "linear_probe"
    assert decision.tied == ("full_finetune",)
    assert "ahead of probe" in decision.reason


def test_a_tie_goes_to_the_cheaper_one_and_says_so(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "full_finetune", [0.9, 0.9, 0.9], seconds=99.0),
        outcome(tmp_path, "linear_probe", [0.875, 0.875, 0.875], seconds=1.0),
    )
    assert decision.winner == "linear_probe"
    assert set(decision.tied) == {"linear_probe", "full_finetune"}
    assert "tie goes to the cheaper" in decision.reason


def test_of_those_about_as_quick_the_one_that_trains_least_is_the_cheapest(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "full_finetune", [0.9, 0.9, 0.9], seconds=10.0),
        outcome(tmp_path, "linear_probe", [0.875, 0.875, 0.875], seconds=12.0),
    )
    assert decision.winner == "linear_probe"


def test_the_leader_keeps_a_tie_with_one_that_is_hardly_cheaper(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.9, 0.9, 0.9], seconds=10.0),
        outcome(tmp_path, "soft_prompt", [0.875, 0.875, 0.875], seconds=9.0),
    )
    assert decision.winner == "linear_probe"
    assert set(decision.tied) == {"linear_probe", "soft_prompt"}
    assert "not clearly cheaper" in decision.reason


def test_a_rival_is_compared_on_every_seed_it_shares_with_the_best(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.6, 0.9, 0.9], seconds=9.0),
        outcome(tmp_path, "soft_prompt", [0.55, 0.3, 0.3], seconds=1.0),
        outcome(tmp_path, "full_finetune", [0.3], status="underfunded", seconds=9.0),
    )
    assert decision.winner == "linear_probe"
    assert decision.tied == ("linear_probe",)


def test_the_test_set_never_selects(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.9, 0.9, 0.9], test=0.1),
        outcome(tmp_path, "full_finetune", [0.5, 0.5, 0.5], test=1.0),
    )
    assert decision.winner == "linear_probe"
    assert decision.difference.mean == pytest.approx(-0.9)
    assert decision.difference.high < 0
    assert decision.win_rate == 0.0


def test_fresh_seeds_select_where_there_are_any(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [1.0, 0.5, 0.5]),
        outcome(tmp_path, "full_finetune", [0.5, 0.9, 0.9], seconds=99.0),
    )
    assert decision.winner == "full_finetune"


def test_a_single_seed_selects_where_there_is_no_other(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.5]),
        outcome(tmp_path, "full_finetune", [0.9], seconds=99.0),
    )
    assert decision.winner == "full_finetune"


def test_a_failed_strategy_cannot_win(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.5, 0.5]),
        outcome(tmp_path, "full_finetune", [1.0, 1.0], status="failed"),
    )
    assert decision.winner == "linear_probe"
    assert decision.runner_up is None
    assert "only strategy" in decision.reason


def test_an_underfunded_strategy_is_compared_on_the_seeds_it_has(tmp_path: Path) -> None:
    decision = decided(
        tmp_path,
        outcome(tmp_path, "linear_probe", [0.5, 0.5, 0.5]),
        outcome(tmp_path, "full_finetune", [0.9], status="underfunded", seconds=99.0),
    )
    assert decision.winner == "full_finetune"


def test_nothing_scored_is_no_winner(tmp_path: Path) -> None:
    decision = decided(tmp_path, StrategyOutcome("linear_probe", status="failed"))
    assert decision.winner is None


def test_intervals_hold_the_mean_and_pool_validation_rows(tmp_path: Path) -> None:
    one = outcome(tmp_path, "linear_probe", [0.6, 0.8], test=0.7)
    validation = score_interval(one.scored, tmp_path, "validation", "accuracy")
    test = score_interval(one.scored, tmp_path, "test", "accuracy")
    assert validation.mean == pytest.approx(0.7)
    assert validation.low < 0.7 < validation.high
    assert test.mean == pytest.approx(0.7)
    assert score_interval(one.scored, tmp_path, "ood", "accuracy") is None
