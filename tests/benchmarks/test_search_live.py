"""What is said of a live search beside brute force, from real runs of toys."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.search_live import main, report
from harness.runner import Conditions, run
from harness.runs import paired
from tests.harness.fair_toys import install, toy_question


def test_a_live_search_is_told_beside_brute_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    strategies = ("linear_probe", "full_finetune")
    given = Namespace(
        model="toy",
        data="numbers",
        examples=80,
        strategies=",".join(strategies),
        trials=3,
        share=0.25,
    )
    budgets = {"fair": {"trials": 3}, "search": {"budget_trials": 3}}
    results = []
    for protocol, budget in budgets.items():
        asked = toy_question(strategies=strategies, protocol=protocol, seeds=1, **budget)
        folder = run(asked, tmp_path / protocol, Conditions(command="harness run"))
        results.append(json.loads((folder / "result.json").read_text()))
    ends = [(tmp_path / p, one["winner"]) for p, one in zip(budgets, results, strict=True)]
    ahead = paired(*ends, "accuracy")
    assert ahead is not None
    told = report(given, *results, ahead)
    assert f"brute force is {100 * ahead.mean:+.1f} points ahead" in told
    assert "| budgeted search |" in told
    assert "not trained on everything" in told
    assert ahead.mean == pytest.approx(_score(results[0]) - _score(results[1]))


def _score(result: dict) -> float:
    return next(
        one["test"]["mean"] for one in result["strategies"] if one["strategy"] == result["winner"]
    )


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "brute force" in capsys.readouterr().out


def test_a_run_that_is_refused_ends_the_command_as_the_run_ends(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path / "nowhere"), "--runs", str(tmp_path), "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "nowhere" in capfd.readouterr().err
    assert not (tmp_path / "search_live.md").exists()
