from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.budget import (
    Allowance,
    Budget,
    Schedule,
    Spent,
    affordable_test_rows,
    affords_finalist,
    fit_limit,
)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_caps_are_equal_and_leave_room_for_the_report() -> None:
    clock = Clock()
    budget = Budget(600.0, clock)
    clock.now += 100.0
    cap = budget.cap(4)
    assert cap == (600 - 100 - 15) / 4
    assert Budget(20.0, clock).cap(2) == (20 - 1) / 2


def test_without_a_budget_there_is_no_cap() -> None:
    budget = Budget(None, Clock())
    assert budget.cap(3) is None
    assert budget.remaining() == math.inf
    assert Allowance(None, budget).remaining() == math.inf


def test_a_budget_that_is_used_up_leaves_a_cap_of_nothing() -> None:
    clock = Clock()
    budget = Budget(10.0, clock, spent_before=50.0)
    assert budget.cap(2) == 0.0


def test_an_allowance_pays_for_time_and_for_what_it_is_charged() -> None:
    clock = Clock()
    allowance = Allowance(50.0, Budget(600.0, clock))
    clock.now += 10.0
    allowance.pay(5.0)
    assert allowance.spent() == 15.0
    assert allowance.remaining() == 35.0


def test_an_allowance_ends_with_the_whole_budget() -> None:
    clock = Clock()
    budget = Budget(100.0, clock)
    clock.now += 105.0
    assert Allowance(50.0, budget).remaining() == pytest.approx(100 * 1.1 - 105)


SCHEDULE = Schedule(minimum=3, maximum=20, seeds=3)


def test_trials_and_finalists_share_equally_what_scoring_leaves() -> None:
    assert SCHEDULE.next_share([], remaining=100.0, scoring=10.0) == (100 - 30) / 5


def test_trials_that_keep_to_their_limit_get_the_minimum_and_leave_the_finalists_theirs() -> None:
    remaining, spent, limits = 100.0, [], []
    while (limit := SCHEDULE.next_share(spent, remaining=remaining, scoring=10.0)) is not None:
        limits.append(limit)
        spent.append(Spent(limit, limit))
        remaining -= limit
    assert len(limits) >= 3
    assert max(limits) - min(limits) < 1e-9
    assert remaining >= 2 * limits[-1] + 3 * 10.0 - 1e-9


def test_quick_trials_go_on_to_the_maximum() -> None:
    spent: list[Spent] = []
    while SCHEDULE.next_share(spent, remaining=100 - 0.1 * len(spent), scoring=1.0) is not None:
        spent.append(Spent(10.0, 0.1))
    assert len(spent) == 20


def test_a_first_trial_is_run_even_where_scoring_leaves_nothing() -> None:
    limit = SCHEDULE.next_share([], remaining=10.0, scoring=10.0)
    assert limit is not None
    assert 0 < limit <= 10


def test_nothing_is_started_when_the_time_is_up() -> None:
    assert SCHEDULE.next_share([], remaining=0.0, scoring=0.0) is None
    assert SCHEDULE.next_share([Spent(2.0, 8.0)], remaining=4.0, scoring=0.5) is None


def test_a_trial_that_keeps_to_a_shorter_share_than_the_last_is_run() -> None:
    assert SCHEDULE.next_share([Spent(14.0, 16.0)], remaining=60.0, scoring=10.0) == 7.5


def test_a_trial_that_overran_by_more_than_the_next_share_is_the_last() -> None:
    assert SCHEDULE.next_share([Spent(8.0, 35.0)], remaining=60.0, scoring=10.0) is None


def test_a_fit_gets_what_scoring_leaves_of_its_share() -> None:
    assert fit_limit(10.0, 3.0) == 7.0
    assert fit_limit(10.0, 30.0) == 2.5
    assert fit_limit(math.inf, 3.0) == math.inf


def test_without_a_limit_of_time_the_trials_are_counted() -> None:
    schedule = Schedule(minimum=3, maximum=5, seeds=3)
    taken = [
        schedule.next_share([Spent(1.0, 1e9)] * done, remaining=math.inf, scoring=1e9)
        for done in range(6)
    ]
    assert taken == [math.inf] * 5 + [None]


@given(
    st.lists(st.builds(Spent, st.floats(0.01, 100), st.floats(0.01, 100)), max_size=10),
    st.floats(0, 1000),
    st.floats(0, 100),
    st.floats(0, 1000),
)
def test_more_time_never_shortens_a_limit(
    spent: list[Spent], remaining: float, scoring: float, more: float
) -> None:
    less = SCHEDULE.next_share(spent, remaining=remaining, scoring=scoring) or 0.0
    longer = SCHEDULE.next_share(spent, remaining=remaining + more, scoring=scoring) or 0.0
    assert longer >= less


def test_a_finalist_may_overrun_a_little_and_not_a_lot() -> None:
    assert affords_finalist(8.0, fit=8.0, scoring=2.0)
    assert not affords_finalist(5.0, fit=8.0, scoring=2.0)


def test_test_rows_take_a_small_share_of_the_cap_and_are_never_too_few() -> None:
    assert affordable_test_rows(1000, cap=120.0, seeds=3, seconds_per_row=0.02) == 300
    assert affordable_test_rows(1000, cap=120.0, seeds=3, seconds_per_row=10.0) == 50
    assert affordable_test_rows(30, cap=120.0, seeds=3, seconds_per_row=10.0) == 30
    assert affordable_test_rows(1000, cap=None, seeds=3, seconds_per_row=10.0) == 1000
