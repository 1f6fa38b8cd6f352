from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.budget import Allowance, Budget, Schedule
from harness.executors.base import Site
from harness.executors.local import InProcess
from harness.executors.work import Prepared
from harness.progress import TrialEnded, TrialMoved
from harness.store import Store
from harness.trial import read_predictions
from harness.tuning import Stopped, StrategyOutcome, Tuning
from tests.harness.fair_toys import Broken, Threshold, Underfit, toy_bench, toy_data, toy_question

SCHEDULE = Schedule(minimum=3, maximum=4, seeds=3)


def tune(
    folder: Path, kind=Threshold, *, cap: float | None = None, schedule=SCHEDULE, clock=None, **more
) -> tuple[StrategyOutcome, tuple]:
    question = toy_question(seeds=schedule.seeds)
    bench = toy_bench(folder, question, more.pop("dataset", None), **more)
    budget = Budget(None if cap is None else 10 * cap, **({"clock": clock} if clock else {}))
    with Store(folder / "store.sqlite") as store:
        space = kind.space(None, bench.task, None)
        executor = InProcess(Prepared({kind.id: kind}, bench))
        site = Site(question, (), folder)
        allowance = Allowance(cap, budget)
        outcome = Tuning(bench, kind, space, schedule, allowance, store, executor, site).run()
        return outcome, store.query()


def test_search_then_one_finalist_per_seed(tmp_path: Path) -> None:
    outcome, kept = tune(tmp_path)
    assert outcome.status == "done"
    assert [one.asked.stage for one in outcome.trials] == ["search"] * 4
    assert [one.asked.seed for one in outcome.finals] == [0, 1, 2]
    assert len(kept) == 7
    best = max(outcome.trials, key=lambda one: one.happened.scores["validation"]["accuracy"])
    for final in outcome.finals:
        assert (
            final.happened.scores["validation"].keys() == best.happened.scores["validation"].keys()
        )
        assert set(final.happened.scores) == {"validation", "test"}
    chosen = outcome.finals[0].asked.hyperparameters
    assert all(final.asked.hyperparameters == chosen for final in outcome.finals)


def test_the_test_set_is_not_read_during_the_search(tmp_path: Path) -> None:
    outcome, _ = tune(tmp_path)
    assert all(set(one.happened.scores) == {"validation"} for one in outcome.trials)


def test_shifted_data_are_scored_beside_the_test_set(tmp_path: Path) -> None:
    outcome, _ = tune(tmp_path, dataset=toy_data(ood=True))
    assert all("ood" in one.happened.scores for one in outcome.finals)


def test_the_finalist_of_seed_0_is_the_searched_model_itself(tmp_path: Path) -> None:
    Threshold.fits = 0
    outcome, _ = tune(tmp_path)
    assert Threshold.fits == 4 + 2
    final = outcome.finals[0]
    source = next(
        one for one in outcome.trials
        if one.asked.hyperparameters == final.asked.hyperparameters
    )  # fmt: skip
    assert final.happened.chosen == source.happened.chosen
    assert final.happened.reused_seconds == source.happened.seconds


def test_predictions_of_every_example_are_kept(tmp_path: Path) -> None:
    outcome, _ = tune(tmp_path)
    final = outcome.finals[1]
    arrays = read_predictions(tmp_path, final)
    right = arrays["test_probabilities"].argmax(axis=1) == arrays["test_targets"]
    assert right.mean() == final.happened.scores["test"]["accuracy"]
    assert arrays["test_ids"][0] == "row 2.0"
    assert np.allclose(arrays["validation_probabilities"].sum(axis=1), 1)


def test_records_hold_memory_and_seconds(tmp_path: Path) -> None:
    outcome, _ = tune(tmp_path)
    for one in [*outcome.trials, *outcome.finals]:
        assert one.happened.seconds > 0
        assert one.happened.peak_memory_bytes >= one.happened.start_memory_bytes > 1e6
    assert outcome.finals[0].happened.artefact_bytes > 0


def test_a_failing_strategy_is_recorded_with_what_it_said(tmp_path: Path) -> None:
    outcome, kept = tune(tmp_path, Broken)
    assert len(outcome.trials) == SCHEDULE.minimum
    assert outcome.status == "failed"
    assert outcome.reason == "RuntimeError: no gradient today"
    assert outcome.finals == []
    assert {one.happened.status for one in kept} == {"failed"}
    assert "in fit" in kept[0].happened.trace


def test_a_strategy_whose_loss_still_falls_is_marked(tmp_path: Path) -> None:
    outcome, _ = tune(tmp_path, Underfit)
    assert outcome.status == "underfit"
    assert {one.happened.status for one in outcome.finals} == {"underfit"}


class Ticking:
    """A clock that goes on by what trials are said to take."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        return self.now

    def listen(self, event: object) -> None:
        if isinstance(event, TrialMoved):
            self.now += self.seconds


def test_too_little_time_for_the_minimum_is_marked_and_finished(tmp_path: Path) -> None:
    clock = Ticking(40.0)
    outcome, kept = tune(tmp_path, cap=50.0, clock=clock, on_event=clock.listen)
    assert outcome.status == "underfunded"
    assert len(outcome.trials) == 1
    assert "1 of at least 3 trials" in outcome.reason
    assert outcome.finals[0].happened.status == "underfunded"
    assert "test" in outcome.finals[0].happened.scores
    assert [one.happened.error for one in outcome.finals[1:]] == ["no time was left in its cap"] * 2
    assert len(kept) == 4


def test_no_time_at_all_is_recorded(tmp_path: Path) -> None:
    outcome, kept = tune(tmp_path, cap=0.0)
    assert outcome.status == "underfunded"
    assert outcome.finals == []
    assert [one.happened.status for one in kept] == ["underfunded"]


def test_the_cap_bounds_what_is_spent(tmp_path: Path) -> None:
    clock = Ticking(5.0)
    schedule = Schedule(minimum=3, maximum=20, seeds=3)
    outcome, _ = tune(tmp_path, cap=50.0, schedule=schedule, clock=clock, on_event=clock.listen)
    assert outcome.status == "done"
    assert len(outcome.trials) >= 3
    assert clock.now <= 50.0


def test_finalists_may_take_as_long_as_the_trial_that_chose_them(tmp_path: Path) -> None:
    clock = Ticking(5.0)
    outcome, _ = tune(tmp_path, cap=50.0, clock=clock, on_event=clock.listen)
    limits = {one.happened.limit_seconds for one in outcome.finals}
    assert len(limits) == 1
    assert limits <= {one.happened.limit_seconds for one in outcome.trials}


def settled(records: tuple) -> list:
    """Everything but times, memory and where they ran, in order of trials."""
    kept = [
        (one.asked, one.happened.status, one.happened.scores, one.happened.chosen)
        for one in records
        if one.happened.status != "stopped"
    ]
    return sorted(kept, key=lambda one: one[0].content_id)


@pytest.mark.parametrize("after", [0, 1, 3, 4, 5])
def test_an_interrupted_strategy_resumes_to_the_same_records(tmp_path: Path, after: int) -> None:
    whole, undisturbed = tune(tmp_path / "whole", **{})
    ended: list[TrialEnded] = []

    def listen(event: object) -> None:
        if isinstance(event, TrialEnded):
            ended.append(event)

    broken = tmp_path / "broken"
    with pytest.raises(Stopped):
        tune(broken, on_event=listen, cancelled=lambda: len(ended) >= after)
    Threshold.fits = 0
    outcome, records = tune(broken)
    assert settled(records) == settled(undisturbed)
    assert Threshold.fits <= 6 - after + (after > 4)
    assert [one.asked for one in outcome.finals] == [one.asked for one in whole.finals]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
