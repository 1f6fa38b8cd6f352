import math

from hypothesis import given
from hypothesis import strategies as st

from harness.report.charts import (
    LABEL_HEIGHT,
    LABEL_WIDTH,
    cost_chart,
    curve_panels,
    round_seconds,
    round_values,
    score_chart,
)
from harness.report.parts import Curve, Point

shares = st.floats(0, 1)
times = st.floats(0.002, 3e6)
points = st.builds(
    Point,
    label=st.just("one"),
    kind=st.sampled_from(["winner", "strategy", "baseline"]),
    score=shares,
    interval=st.none() | st.tuples(shares, shares).map(lambda ends: tuple(sorted(ends))),
    shifted=st.none() | shares,
    seconds=st.none() | times,
)
ABOVE = Point("probe", "winner", 0.95, (0.94, 0.96), None, 10.0)


def test_scores_lie_in_order_on_the_axis():
    chart = score_chart((ABOVE, Point("tuned", "strategy", 0.9, (0.85, 0.93))), "accuracy")
    first, second = chart.marks
    assert second.low < second.x < second.high < first.x
    assert (first.value, second.value) == ("95.0%", "90.0%")
    assert [tick.text for tick in chart.ticks] == ["85%", "90%", "95%", "100%"]
    assert chart.description == "probe 95.0%; tuned 90.0%"


def test_a_baseline_far_below_is_an_arrow_at_the_edge():
    points = (ABOVE, Point("tuned", "strategy", 0.9), Point("majority", "baseline", 0.2))
    best = Point("tfidf", "baseline", 0.88)
    chart = score_chart((*points, best), "accuracy")
    assert [mark.below for mark in chart.marks] == [False, False, True, False]
    assert chart.has_below
    assert chart.ticks[0].text != "20%"


def test_the_target_is_on_the_axis_too():
    chart = score_chart((ABOVE, Point("tuned", "strategy", 0.9)), "accuracy", target=0.99)
    assert chart.target.text == "target 99.0%"
    assert chart.marks[0].x < chart.target.at <= 100


def test_the_best_baseline_is_always_on_the_axis():
    chart = score_chart((ABOVE, Point("majority", "baseline", 0.2)), "accuracy")
    assert not chart.has_below


@given(st.lists(points, min_size=1, max_size=8))
def test_every_mark_lies_inside_and_in_its_own_row(drawn):
    chart = score_chart(tuple(drawn), "accuracy")
    for mark in chart.marks:
        places = [mark.x, mark.low, mark.high, mark.shifted]
        assert all(0 <= place <= 100 for place in places if place is not None)
        assert 0 < mark.y < chart.height
    assert len({mark.y for mark in chart.marks}) == len(drawn)


@given(st.lists(points, min_size=2, max_size=8))
def test_labels_in_the_cost_chart_never_cover_one_another(drawn):
    chart = cost_chart(tuple(drawn), "accuracy")
    if chart is None:
        assert sum(point.seconds is not None for point in drawn) < 2
        return
    spots = chart.spots
    for place, one in enumerate(spots):
        assert 0 <= one.x <= 100
        for other in spots[:place]:
            apart = one.side == other.side and abs(one.x - other.x) >= LABEL_WIDTH
            height = abs((one.y + one.drop) - (other.y + other.drop))
            assert apart or height >= LABEL_HEIGHT - 0.2


def test_dearer_is_to_the_right_and_better_is_above():
    other = Point("tuned", "strategy", 0.9, None, None, 100.0)
    chart = cost_chart((ABOVE, other), "accuracy")
    cheap, dear = chart.spots
    assert cheap.x < dear.x
    assert cheap.y < dear.y
    assert chart.floor is None


def test_the_best_baseline_is_a_line_where_it_fits():
    other = Point("tuned", "strategy", 0.9, None, None, 100.0)
    baselines = (Point("majority", "baseline", 0.2), Point("tfidf", "baseline", 0.92))
    chart = cost_chart((ABOVE, other, *baselines), "accuracy")
    assert chart.spots[0].y < chart.floor < chart.spots[1].y


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_round_values_cover_the_range_in_few_even_steps(low, spread):
    ticks = round_values(low, low + spread, "bleu")
    slack = 1e-6 * max(abs(low), abs(low + spread), 1e-9)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + spread - slack
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


@given(shares, shares)
def test_round_shares_stay_between_zero_and_one(one, other):
    ticks = round_values(min(one, other), max(one, other), "accuracy")
    assert 0 <= ticks[0] < ticks[-1] <= 1
    assert ticks[0] <= min(one, other) + 1e-9
    assert ticks[-1] >= max(one, other) - 1e-9


@given(st.lists(times, min_size=1))
def test_round_times_cover_the_costs(costs):
    ticks = round_seconds(costs)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] <= min(costs)
    assert ticks[-1] >= max(costs)


def test_panels_share_the_loss_axis_and_fall_downwards():
    one = Curve("one", ((10, 2.0), (20, 1.0)), ((10, 1.9), (20, 0.5)))
    two = Curve("two", ((100, 1.0), (300, 0.5)))
    first, second = curve_panels((one, two))
    assert first.y_ticks == second.y_ticks
    assert first.validation[0][1] < first.validation[1][1]  # pixels count from the top
    assert math.isclose(first.validation[1][1], second.validation[0][1])
    assert (first.last_step, second.last_step) == ("step 20", "step 300")


def test_without_numbers_there_is_no_chart():
    assert score_chart((), "accuracy") is None
    assert cost_chart((ABOVE,), "accuracy") is None
    assert curve_panels(()) == ()
