"""The bootstrap: right in the mean, as wide as theory says, paired, and honest about ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import UnknownName
from harness import comparison, metrics
from harness.comparison import bootstrap_scores, interval, paired_difference, win_rate


def answers(targets: np.ndarray, accuracy: float, seeds: int, seed: int) -> np.ndarray:
    """Predictions that are right with this probability, independently."""
    rng = np.random.default_rng(seed)
    wrong = rng.random((seeds, len(targets))) > accuracy
    return np.where(wrong, 1 - targets, targets)


TARGETS = np.tile([0, 1], 200)


def test_an_interval_over_examples_is_as_wide_as_the_binomial() -> None:
    predictions = answers(TARGETS, 0.8, 1, seed=0)
    found = interval(predictions, TARGETS)
    share = float((predictions[0] == TARGETS).mean())
    assert found.mean == share
    half = 1.96 * (share * (1 - share) / len(TARGETS)) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)
    assert found.low < found.mean < found.high


def test_seeds_that_disagree_widen_the_interval() -> None:
    alike = np.repeat(answers(TARGETS, 0.8, 1, seed=1), 5, axis=0)
    differing = np.concatenate(
        [answers(TARGETS, share, 1, seed=2) for share in (0.6, 0.7, 0.8, 0.9, 1.0)]
    )
    narrow, wide = interval(alike, TARGETS), interval(differing, TARGETS)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_wider_level_holds_the_narrower() -> None:
    predictions = answers(TARGETS, 0.7, 3, seed=0)
    inner, outer = (interval(predictions, TARGETS, level=level) for level in (0.5, 0.95))
    assert outer.low < inner.low < inner.high < outer.high


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    targets = np.tile([0, 1], 60)
    hits = sum(
        found.low <= 0.75 <= found.high
        for found in (
            interval(answers(targets, 0.75, 1, seed=seed), targets, level=0.9, resamples=300)
            for seed in range(200)
        )
    )
    assert 0.84 <= hits / 200 <= 0.96


def test_win_rates_sum_to_one_and_follow_the_scores() -> None:
    rates = win_rate(
        {
            name: answers(TARGETS, share, 3, seed=i)
            for i, (name, share) in enumerate([("a", 0.9), ("b", 0.7), ("c", 0.5)])
        },
        TARGETS,
    )
    assert sum(rates.values()) == pytest.approx(1)
    assert rates["a"] > 0.99


def test_equal_strategies_share_every_resample() -> None:
    same = answers(TARGETS, 0.8, 2, seed=0)
    assert win_rate({"a": same, "b": same.copy()}, TARGETS) == {"a": 0.5, "b": 0.5}


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_right_wherever_the_other_is_and_more_often_never_loses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(2, size=30)
    weak = answers(targets, 0.6, 2, seed=seed)
    strong = np.where(rng.random(weak.shape) < 0.5, targets, weak)
    rates = win_rate({"weak": weak, "strong": strong}, targets, resamples=200)
    assert rates["strong"] >= rates["weak"]
    assert paired_difference(strong, weak, targets, resamples=200).low >= 0


def test_pairing_by_example_narrows_a_difference() -> None:
    a = answers(TARGETS, 0.7, 1, seed=0)
    b = a.copy()
    b[0, :8] = 1 - b[0, :8]
    difference = paired_difference(a, b, TARGETS)
    alone = interval(a, TARGETS)
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)
    assert difference.mean == pytest.approx(interval(a, TARGETS).mean - interval(b, TARGETS).mean)
    back = paired_difference(b, a, TARGETS)
    assert (back.low, back.high) == pytest.approx((-difference.high, -difference.low))


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_every_resample_is_the_metric_of_the_drawn_rows(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(4, size=25)
    targets[targets == 3] = 0  # a class that is only ever predicted
    predictions = rng.integers(4, size=(3, 25))
    drawn: list[np.ndarray] = []
    original = comparison._draws

    def spy(*args) -> np.ndarray:
        drawn.append(original(*args))
        return drawn[-1]

    monkeypatch.setattr(comparison, "_draws", spy)
    scores = bootstrap_scores({"it": predictions}, targets, metric=metric, resamples=40)["it"]
    seeds, rows = drawn
    for resample in range(40):
        picked = np.repeat(np.arange(25), rows[resample].astype(int))
        by_hand = [
            metrics.METRICS[metric](predictions[s][picked], targets[picked]) for s in range(3)
        ]
        assert scores[resample] == pytest.approx(np.average(by_hand, weights=seeds[resample]))


def test_strategies_may_have_different_numbers_of_seeds() -> None:
    rates = win_rate({"a": answers(TARGETS, 0.9, 1, 0), "b": answers(TARGETS, 0.6, 3, 1)}, TARGETS)
    assert rates["a"] > 0.99


def test_the_generator_is_fixed_and_another_seed_changes_little() -> None:
    predictions = {"a": answers(TARGETS, 0.72, 3, 0), "b": answers(TARGETS, 0.7, 3, 1)}
    first, again = win_rate(predictions, TARGETS), win_rate(predictions, TARGETS)
    assert first == again
    assert win_rate(predictions, TARGETS, seed=1)["a"] == pytest.approx(first["a"], abs=0.05)


def test_large_tests_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_ENTRIES", 1000)
    found = bootstrap_scores({"a": answers(TARGETS, 0.8, 2, 0)}, TARGETS, resamples=101)["a"]
    assert found.shape == (101,)
    assert found.std() > 0


def test_shapes_and_metrics_are_checked() -> None:
    with pytest.raises(ValueError, match=r"a: shape \(400,\) is not \(seeds, 400\)"):
        win_rate({"a": TARGETS}, TARGETS)
    with pytest.raises(ValueError, match=r"is not \(seeds, 400\)"):
        win_rate({"a": TARGETS[None, :5]}, TARGETS)
    with pytest.raises(UnknownName, match="no metric 'f2'"):
        interval(TARGETS[None], TARGETS, metric="f2")
