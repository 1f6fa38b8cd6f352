from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.report.result import parse
from harness.result import agreement
from harness.runner import Conditions, run
from tests.harness.fair_toys import install, toy_question


def test_a_result_holds_what_others_rely_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    asked = toy_question(strategies=("linear_probe", "full_finetune"), target=0.7)
    folder = run(asked, tmp_path / "toy", Conditions(command="harness run --model toy"))
    result = json.loads((folder / "result.json").read_text())
    assert result["schema_version"] == 1
    assert result["command"] == "harness run --model toy"
    assert result["question"]["examples"] == 80
    assert result["question"]["seeds"] == [0, 1, 2]
    assert result["question"]["asked"]["target"] == result["target"] == 0.7
    assert {"python", "torch", "numpy", "adaptation-advisor"} <= set(result["versions"])
    assert "tuning" in result["budget"]["covers"]
    for one in result["strategies"]:
        for split in ("test", "validation"):
            score = one[split]
            assert score["interval"][0] <= score["mean"] <= score["interval"][1]
            assert score["mean"] == pytest.approx(sum(score["values"].values()) / score["seeds"])
        assert {"accuracy", "macro_f1", "log_loss", "ece"} <= set(one["metrics"])
        assert set(one["per_class"]) == {"low", "high"}
        assert one["seconds"] > one["trial_seconds"] > 0
        assert one["peak_memory_bytes"] > 0
        assert one["estimate"]["seconds"] > 0
        assert one["latency_ms"] > 0
    parsed = parse(result)
    assert parsed.winner == result["winner"] == "linear_probe"
    assert parsed.named("full_finetune").test.n_seeds == 3


STRATEGIES = [
    {"strategy": "linear_probe", "test": {"mean": 0.7}},
    {"strategy": "full_finetune", "test": {"mean": 0.9}},
    {"strategy": "soft_prompt", "test": None},
]


def advice(first: str) -> dict:
    ranked = [{"strategy": "lora", "rank": None}, {"strategy": first, "rank": 1}]
    return {"recommendations": ranked}


def test_regret_is_what_following_the_advice_would_have_cost() -> None:
    found = agreement(advice("linear_probe"), STRATEGIES, "full_finetune")
    assert found["advised"] == "linear_probe"
    assert found["agreed"] is False
    assert found["regret"] == pytest.approx(0.2)
    assert agreement(advice("full_finetune"), STRATEGIES, "full_finetune")["regret"] == 0.0


def test_regret_is_unknown_where_the_advised_one_was_not_scored() -> None:
    assert agreement(advice("soft_prompt"), STRATEGIES, "full_finetune")["regret"] is None
    assert agreement(None, STRATEGIES, "full_finetune") is None
    assert agreement({"recommendations": []}, STRATEGIES, "full_finetune") is None


def test_one_scored_strategy_proves_no_advice_right() -> None:
    advice = {"recommendations": [{"strategy": "lora", "rank": 1}]}
    scored = {"strategy": "lora", "test": {"mean": 0.9}}
    missed = {"strategy": "ia3", "test": None}
    assert agreement(advice, [scored, missed], "lora") is None
    assert agreement(advice, [scored, {"strategy": "ia3", "test": {"mean": 0.95}}], "ia3") == {
        "advised": "lora", "winner": "ia3", "agreed": False, "regret": pytest.approx(0.05),
    }  # fmt: skip
