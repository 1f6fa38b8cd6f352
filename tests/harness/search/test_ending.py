"""How a search ends: something that can be paid for is trained on everything, and the words say so."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from harness.runner import Conditions, run
from harness.search.costs import TrialCosts
from harness.search.curves import Curves, Point, Prior, Scales, Seen
from harness.search.decide import standing
from harness.search.loop import Search
from harness.search.policy import Choice, Ended, Policy
from harness.search.space import Rung
from tests.harness.fair_toys import install, toy_question

FULL = 80


def policy_of(costs: dict[str, float]) -> Policy:
    """One setting of each strategy, on a quarter of the rows or on all; "good" promises most."""
    waiting = {name: iter([f"{name}1"]) for name in costs}
    return Policy(
        next_setting={n: lambda score, one=one: next(one, None) for n, one in waiting.items()},
        rungs=lambda strategy, setting: [Rung(FULL // 4), Rung(FULL)],
        cost=lambda choice: costs[choice.strategy] * choice.rung.examples / FULL,
        price=lambda choice: costs[choice.strategy] * choice.rung.examples / FULL,
        prior=Prior(mean={"good": 2.0, "poor": -1.0}),
        scales=Scales(),
        full=FULL,
        validation_rows=40,
        tolerance=0.0,
    )


@pytest.mark.parametrize(
    ("remaining", "trained"), [(math.inf, "good"), (100.0, "good"), (99.0, "poor"), (1.0, "poor")]
)
def test_the_last_training_is_the_most_promising_that_can_be_paid_for(
    remaining: float, trained: str
) -> None:
    policy = policy_of({"good": 100.0, "poor": 10.0})
    assert policy.last(remaining) == Choice(trained, f"{trained}1", Rung(FULL))


def test_a_setting_that_fails_on_everything_after_a_score_ends_the_search() -> None:
    policy = policy_of({"good": 100.0})
    policy.tell(Choice("good", "good1", Rung(FULL // 4)), 0.8)
    policy.tell(Choice("good", "good1", Rung(FULL)), None)
    assert policy.last(-1.0) == Choice("good", "good1", Rung(FULL))
    assert policy.ask(math.inf) == Ended("exhausted")


def test_without_a_score_on_everything_the_cheapest_is_named_even_if_it_failed() -> None:
    policy = policy_of({"good": 100.0})
    policy.tell(Choice("good", "good1", Rung(FULL)), 0.8)
    policy.tell(Choice("good", "good1", Rung(FULL // 4)), None)
    assert policy.last(-1.0) == Choice("good", "good1", Rung(FULL))


def test_a_favourite_that_is_too_dear_does_not_end_the_search() -> None:
    policy = policy_of({"good": 1000.0, "poor": 10.0})
    choice = policy.ask(50.0)
    assert isinstance(choice, Choice)
    assert choice.strategy == "poor"


def test_what_is_trained_at_the_end_is_no_training_that_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials turn out to be dear: nothing is left for the favourite on all examples."""
    install(monkeypatch)
    monkeypatch.setattr(
        "harness.search.start.prior_of",
        lambda *_: Prior(mean={"full_finetune": 3.0, "linear_probe": -3.0}),
    )

    def expect(self: TrialCosts, choice: Choice) -> float:
        share = choice.rung.examples / FULL
        return 1e5 if choice.strategy == "full_finetune" and share == 1 else 1e-3 * share

    monkeypatch.setattr(TrialCosts, "expect", expect)
    asked = toy_question(
        strategies=("linear_probe", "full_finetune"), protocol="search", budget_seconds=60, seeds=1
    )
    out = run(asked, tmp_path / "out", Conditions(command="harness run"))
    result = json.loads((out / "result.json").read_text())
    assert result["winner"] == "linear_probe"
    whole = {
        one["strategy"]
        for one in result["search"]["history"]
        if (one["examples"], one["passes"]) == (FULL, 1.0)
    }
    assert whole == {"linear_probe"}


def test_a_trial_leaves_time_for_the_last_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    limits = []
    inner = Search._limit

    def watched(self: Search, choice: Choice) -> float | None:
        limit = inner(self, choice)
        before = self.pick is None and choice.rung.examples < FULL
        limits.append((before, self.remaining, limit))
        return limit

    monkeypatch.setattr(Search, "_limit", watched)
    monkeypatch.setattr(TrialCosts, "expect", lambda self, choice: choice.rung.examples / FULL)
    monkeypatch.setattr("harness.search.loop.spent_on", lambda *_: 5.0)
    asked = toy_question(
        strategies=("linear_probe", "full_finetune"), protocol="search", budget_seconds=60, seeds=1
    )
    run(asked, tmp_path / "out", Conditions(command="harness run"))
    early = [(left, limit) for before, left, limit in limits if before]
    assert early
    assert all(limit == pytest.approx(left - 1.0) for left, limit in early)
    assert all(limit == left for before, left, limit in limits if not before)


def test_a_look_after_which_the_favourite_cannot_be_paid_for_is_worth_nothing() -> None:
    """A quarter of a training to learn more of it, and then the whole training is out of reach."""
    policy = policy_of({"good": 40.0, "poor": 1.0})
    policy.prior = Prior()
    policy.tell(Choice("poor", "poor1", Rung(FULL)), 0.7)
    look = Choice("good", "good1", Rung(FULL // 4))
    whole = look._replace(rung=Rung(FULL))
    rich, short = (policy._gains([look, whole], remaining) for remaining in (50.0, 49.0))
    assert short[0] <= 0 < rich[0]
    assert short[1] > 0
    assert policy.ask(49.0) == whole


@pytest.mark.parametrize("trials", [20, 45])
def test_whatever_was_trained_on_everything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: int
) -> None:
    install(monkeypatch)
    alike = {"linear_probe": 0.9, "full_finetune": 0.89}
    monkeypatch.setattr(
        "harness.bench.Bench.validation_score",
        lambda _, record: (alike[record.asked.strategy], 0.0),
    )
    asked = toy_question(
        strategies=tuple(alike),
        protocol="search",
        budget_trials=trials,
        seeds=1,
    )
    out = run(asked, tmp_path / "out", Conditions(command="harness run"))
    result = json.loads((out / "result.json").read_text())
    whole = {
        one["strategy"]
        for one in result["search"]["history"]
        if (one["examples"], one["passes"]) == (FULL, 1.0) and one["score"] is not None
    }
    assert whole
    assert whole == {one["strategy"] for one in result["strategies"] if one["test"] is not None}


def test_the_loss_of_a_chosen_setting_is_its_own() -> None:
    seen = [Seen(Point("good", "g", 0.0), 0.9, 200), Seen(Point("poor", "p", 0.0), 0.5, 200)]
    curves = Curves(Prior(), Scales(), seen)
    both = [Point("good", "g", 0.0), Point("poor", "p", 0.0)]
    best, other = standing(curves, both), standing(curves, both[:1], both[1])
    assert best.pick == both[0]
    assert best.expected_loss < 5
    assert other.pick == both[1]
    assert other.expected_loss > 20


def test_a_search_in_which_everything_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    asked = toy_question(strategies=("soft_prompt",), protocol="search", budget_seconds=60, seeds=1)
    out = run(asked, tmp_path / "out", Conditions(command="harness run"))
    result = json.loads((out / "result.json").read_text())
    assert result["winner"] is None
    assert all("no gradient today" in one["reason"] for one in result["strategies"])
