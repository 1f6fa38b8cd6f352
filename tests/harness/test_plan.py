from __future__ import annotations

import numpy as np
import pytest

from advisor.errors import SpecError, UnknownName
from harness.plan import joined, make_plan, subset
from tests.harness.fair_toys import Threshold, install, numbers, toy_data, toy_question

ALL = ("linear_probe", "full_finetune", "soft_prompt", "hard_prompt")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def test_every_seed_draws_its_own_examples_and_all_strategies_share_them() -> None:
    plan = make_plan(toy_question(examples=40, seeds=2))
    rows = [set(draw.train.ids) | set(draw.validation.ids) for draw in plan.draws.values()]
    assert [len(one) for one in rows] == [40, 40]
    assert rows[0] != rows[1]
    assert plan.examples == 40


def test_fewer_examples_are_contained_in_more() -> None:
    small = make_plan(toy_question(examples=20)).draws[1]
    large = make_plan(toy_question(examples=60)).draws[1]
    assert set(small.train.ids) <= set(large.train.ids)
    assert set(small.validation.ids) <= set(large.validation.ids)


def test_what_cannot_work_is_set_aside_with_its_reason() -> None:
    plan = make_plan(toy_question(strategies=ALL))
    assert plan.refused == {"hard_prompt": "there is nothing to say"}
    assert list(plan.feasible) == ["linear_probe", "full_finetune", "soft_prompt"]


def test_model_and_data_of_different_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    install(monkeypatch, dataset=replace(toy_data(), modality="image"))
    with pytest.raises(SpecError, match="reads texts, data 'numbers' are images"):
        make_plan(toy_question())


@pytest.mark.parametrize(
    ("asked", "minimum", "maximum"),
    [
        ({}, 3, 5),
        ({"budget_seconds": 60.0}, 3, 20),
        ({"trials": 2}, 2, 2),
        ({"trials": 9, "budget_seconds": 60.0}, 3, 9),
    ],
)
def test_how_many_trials_there_are(asked: dict, minimum: int, maximum: int) -> None:
    schedule = make_plan(toy_question(**asked)).schedule("linear_probe")
    assert (schedule.minimum, schedule.maximum) == (minimum, maximum)


def test_a_space_of_one_point_needs_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.strategies.base import Space

    class Whole(Threshold):
        @classmethod
        def space(cls, facts, task, data) -> Space:
            return Space({}, first=({},), exhaustive=True)

    install(monkeypatch, kinds={"linear_probe": Whole})
    schedule = make_plan(toy_question(budget_seconds=60.0)).schedule("linear_probe")
    assert (schedule.minimum, schedule.maximum) == (1, 1)


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'macro_f1'"):
        toy_question(metric="macro-f1s")


def test_subset_keeps_order_and_does_not_depend_on_who_asks() -> None:
    split = numbers(50, 1)
    part = subset(split, 20)
    assert len(part) == 20
    assert list(part.ids) == [id for id in split.ids if id in set(part.ids)]
    assert subset(split, 20).ids == part.ids
    assert subset(split, 99) is split


def test_joined_puts_one_behind_the_other() -> None:
    both = joined(numbers(3, 1), numbers(2, 2))
    assert len(both) == 5
    assert np.array_equal(both.targets[:3], numbers(3, 1).targets)
