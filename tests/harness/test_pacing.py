"""Schedules and stopping as pure arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pacing import SCHEDULES, Pace, rate_multiplier, still_falling


@given(
    total=st.integers(1, 500),
    warmup=st.floats(0.0, 0.9),
    schedule=st.sampled_from(SCHEDULES),
)
def test_the_rate_rises_once_and_falls_once_and_is_never_0(
    total: int, warmup: float, schedule: str
) -> None:
    rates = [
        rate_multiplier(step, total, warmup=warmup, schedule=schedule) for step in range(total)
    ]
    assert all(0 < rate <= 1 + 1e-12 for rate in rates)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def simulate(
    seconds: float,
    *,
    step_seconds: float,
    evaluation_seconds: float,
    full_steps: int = 1000,
) -> tuple[float, int, list[int]]:
    """A training on a made-up clock: seconds spent, steps taken, steps after which it validated."""
    pace = Pace(
        full_steps=full_steps,
        step_cost=16.0,
        validation_cost=40.0,
        evaluations=10,
        limited=True,
    )
    spent, step = step_seconds / 4, 0
    pace.warmed_up(spent, 4.0)
    pace.plan(0, seconds - spent)
    validated = []
    while step < max(1, pace.total):
        spent, step = spent + step_seconds, step + 1
        pace.stepped(step_seconds, 16.0)
        pace.plan(step, seconds - spent)
        if pace.due(step):
            spent += evaluation_seconds
            pace.validated(step, evaluation_seconds)
            validated.append(step)
            pace.plan(step, seconds - spent)
    return spent, step, validated


@given(
    seconds=st.floats(1.0, 1000.0),
    step_seconds=st.floats(0.01, 10.0),
    ratio=st.floats(0.05, 5.0),
)
def test_the_planned_schedule_fits_and_ends_with_an_evaluation(
    seconds: float, step_seconds: float, ratio: float
) -> None:
    evaluation_seconds = ratio * step_seconds
    spent, steps, validated = simulate(
        seconds, step_seconds=step_seconds, evaluation_seconds=evaluation_seconds
    )
    assert validated[-1] == steps
    assert len(validated) <= 10
    # No more than one step and what an evaluation costs beyond its estimate.
    assert spent <= seconds + 2.25 * step_seconds + 2 * evaluation_seconds


def test_validation_takes_a_fifth_of_the_time_at_most_where_it_is_dear() -> None:
    spent, steps, validated = simulate(100.0, step_seconds=0.5, evaluation_seconds=5.0)
    assert 2 <= len(validated) <= 5
    assert 90 < spent <= 100
    assert steps >= 140


def test_ample_time_means_the_full_schedule_evenly_validated() -> None:
    _, steps, validated = simulate(1e6, step_seconds=0.1, evaluation_seconds=0.1, full_steps=100)
    assert steps == 100
    assert validated == list(range(10, 101, 10))


def test_without_a_limit_nothing_looks_at_the_clock() -> None:
    pace = Pace(full_steps=40, step_cost=1.0, validation_cost=1.0, evaluations=4, limited=False)
    pace.warmed_up(1e9, 1.0)
    pace.plan(0, float("-inf"))
    assert pace.total == 40
    assert [step for step in range(1, 41) if pace.due(step) and not pace.validated(step, 1.0)] == [
        10, 20, 30, 40,
    ]  # fmt: skip


def curve(*losses: float) -> list[dict[str, float]]:
    return [{"step": step, "validation_loss": loss} for step, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("losses", "falling"),
    [
        ((1.0, 0.8, 0.6, 0.4), True),
        ((1.0, 0.5, 0.4, 0.395), False),
        ((1.0, 0.5, 0.4, 0.45), False),
        ((1.0, 0.9), True),
        ((0.9, 1.0), False),
    ],
)
def test_falling_means_lower_by_more_than_a_hundredth_of_a_nat_in_the_last_quarter(
    losses: tuple[float, ...], falling: bool
) -> None:
    for shortened in (True, False):
        found = still_falling(curve(*losses), shortened=shortened, stopped_early=False)
        assert found == falling
    assert not still_falling(curve(*losses), shortened=True, stopped_early=True)


@pytest.mark.parametrize("shortened", [True, False])
def test_where_nothing_can_be_compared_a_shortened_schedule_counts_as_underfit(
    shortened: bool,
) -> None:
    for points in ([], [{"step": 1, "train_loss": 1.0}], curve(0.3)):
        assert still_falling(points, shortened=shortened, stopped_early=False) == shortened
