from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import DataError, SpecError
from harness.evidence.add import run_rows
from harness.runner import Conditions, run
from harness.search.budget import parse_budget
from harness.search.costs import TrialCosts
from harness.search.curves import (
    Curves,
    Point,
    Prior,
    Scales,
    Seen,
    curves_validated,
    fitted_scales,
    observed,
)
from harness.search.policy import Choice, Policy
from harness.search.space import Rung
from harness.store import Store
from tests.harness.fair_toys import install, toy_question


@pytest.mark.parametrize(
    ("given_text", "unit", "amount"),
    [("20m", "seconds", 1200), ("1h30m", "seconds", 5400), ("1e15flop", "flops", 1e15),
     ("200trials", "trials", 200), ("1 trial", "trials", 1)],
)  # fmt: skip
def test_budgets_are_read(given_text: str, unit: str, amount: float) -> None:
    assert parse_budget(given_text) == (unit, amount)


@pytest.mark.parametrize("bad", ["0trials", "1.5trials", "many trials", "-3m", "0s", "flop"])
def test_bad_budgets_are_refused(bad: str) -> None:
    with pytest.raises(SpecError, match="budget"):
        parse_budget(bad)


@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=4))
def test_intervals_widen_beyond_what_was_measured(scores: list[float]) -> None:
    seen = [Seen(Point("a", "s", float(-i)), score, 50) for i, score in enumerate(scores)]
    curves = Curves(Prior(), Scales(), seen)
    _, covariance = curves.predict([Point("a", "s", float(x)) for x in (0, 1, 2, 4)])
    assert (np.diff(np.diag(covariance)) > 0).all()


def test_a_known_line_is_found_again() -> None:
    line = [Seen(Point("a", "s", -x), 1 / (1 + np.exp(-(1 - 0.3 * x))), 5000) for x in (1.0, 2.0, 3.0)]  # fmt: skip
    mean, covariance = Curves(Prior(), Scales(), line).predict([Point("a", "s", 0.0)])
    assert abs(mean[0] - 1.0) < 2 * np.sqrt(covariance[0, 0]) < 1.5


def test_a_rise_towards_one_is_not_taken_for_noise_of_the_validation_rows() -> None:
    # high scores vary more in logits: a common shift that grew with them would explain the rise away
    seen = [
        Seen(Point("a", str(i), x), score + 0.01 * i, 48)
        for i in range(8)
        for x, score in ((-4.0, 0.5), (-3.0, 0.7), (-2.0, 0.82))
    ]
    mean, _ = Curves(Prior(), fitted_scales(), seen).predict([Point("a", "0", 0.0)])
    assert 1 / (1 + np.exp(-mean[0])) > 0.82


def test_what_rows_have_in_common_moves_every_score_alike() -> None:
    seen = [Seen(Point("a", str(i), 0.0), score, 48) for i, score in enumerate((0.6, 0.8, 0.98))]
    _, noise = observed(seen, Scales(shared=0.9, training=0.0))
    off = noise[~np.eye(3, dtype=bool)]
    assert np.allclose(off, off[0])
    assert np.linalg.eigvalsh(noise).min() > 0


def test_probabilities_are_shown_only_while_the_curves_hold() -> None:
    text = files("harness.search").joinpath("scales.json").read_text(encoding="utf-8")
    told = json.loads(text)["validation"]
    holds = told["cases"] >= 60 and 0.85 <= told["coverage"] <= 0.95
    better = told["crps"] < min(told["last_value"], told["with_noise"])
    assert curves_validated() == told["passed"] == (holds and better)


@pytest.mark.parametrize("validated", [True, False])
def test_a_search_ends_within_its_trials_and_is_no_evidence(
    validated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    monkeypatch.setattr("harness.search.outcome.curves_validated", lambda: validated)
    asked = toy_question(
        strategies=("linear_probe", "full_finetune"), protocol="search", budget_trials=8, seeds=1
    )
    out = run(asked, tmp_path / "out", Conditions(command="harness run"))
    result = json.loads((out / "result.json").read_text())
    assert result["protocol"] == "search"
    assert result["winner"] == "linear_probe"
    assert result["search"]["trials"] <= 8
    told = {"p_best", "expected_loss", "predicted", "crossovers", "more_labels", "curves"}
    assert result["search"]["validated"] is validated
    assert told & set(result["search"]) == (told if validated else set())
    with Store(out / "store.sqlite") as store:
        records = store.query()
        assert {record.asked.protocol for record in records} == {"search"}
        tried = {record.asked.strategy for record in records if record.happened.scores}
        assert tried == {"linear_probe", "full_finetune"}
    with pytest.raises(DataError, match="is no evidence"):
        run_rows(out)
    with pytest.raises(SpecError, match="leave --executor and --store out"):
        run(asked, tmp_path / "other", Conditions(command="harness run", executor="processes"))


def test_a_search_needs_a_budget_and_a_fair_run_no_shared_one() -> None:
    with pytest.raises(SpecError, match="needs one --budget"):
        toy_question(protocol="search", seeds=1)
    with pytest.raises(SpecError, match="scores one seed"):
        toy_question(protocol="search", budget_trials=8, seeds=3)
    with pytest.raises(SpecError, match="needs --protocol search"):
        toy_question(budget_trials=8)


def policy_of(settings: dict[str, list[str]], **other: object) -> Policy:
    """Trials on 100 examples that cost 1 each."""
    given: dict[str, object] = {
        "rungs": lambda strategy, setting: [Rung(100)],
        "cost": lambda choice: 1.0,
        "price": lambda choice: 1.0,
        "prior": Prior(mean={"good": 2.0, "poor": -4.0}),
        "tolerance": 0.0,
    }
    waiting = {id: iter(several) for id, several in settings.items()}
    return Policy(
        next_setting={id: lambda score, one=one: next(one, None) for id, one in waiting.items()},
        scales=Scales(),
        full=100,
        validation_rows=40,
        **(given | other),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("budget", "tolerance"), [(3.0, 0.0), (9.0, 50.0)])
def test_every_strategy_is_tried_once_however_little_it_promises(
    budget: float, tolerance: float
) -> None:
    """Before the budget ends, and before the search ends for want of a gain."""
    policy = policy_of({"good": ["g1", "g2", "g3", "g4"], "poor": ["p1"]}, tolerance=tolerance)
    tried = []
    while isinstance(choice := policy.ask(budget - len(tried)), Choice):
        tried.append(choice.strategy)
        policy.tell(choice, 0.9 if choice.strategy == "good" else 0.2)
    assert set(tried) == {"good", "poor"}
    assert tried[0] == "good"
    assert len(tried) <= budget


def test_a_strategy_that_cannot_be_paid_for_holds_up_no_other() -> None:
    policy = policy_of(
        {"good": ["g1", "g2"], "poor": ["p1"]},
        cost=lambda choice: 100.0 if choice.strategy == "poor" else 1.0,
    )
    tried = []
    while isinstance(choice := policy.ask(4.0 - len(tried)), Choice):
        tried.append(choice.strategy)
        policy.tell(choice, 0.9)
    assert tried == ["good", "good"]


def test_work_that_is_done_once_is_divided_among_the_trials_that_share_it() -> None:
    costs = TrialCosts(lambda choice, together: 1.0 + 8.0 / together, lambda strategy: 4)
    one = Choice("linear_probe", "s", Rung(100))
    assert (costs.expect(one), costs.price(one)) == (9.0, 3.0)
    costs.learn(one, 18.0)  # twice as long as was guessed
    assert (costs.expect(one), costs.price(one)) == (18.0, 6.0)
    trials = TrialCosts(lambda choice, together: 5.0, lambda strategy: 4, "trials")
    assert (trials.expect(one), trials.price(one)) == (1.0, 1.0)
