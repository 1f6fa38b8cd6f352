"""Metrics of numbers and boxes against scikit-learn, scipy, torchvision and their own laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import r2_score
from torchvision.ops import box_iou as torch_iou

from harness.metrics.numbers import box_iou, checked_numbers, hit_rate, mean_iou, pearson, r2

NUMBERS = arrays(
    np.float64, st.tuples(st.integers(2, 30), st.just(2)), elements=st.integers(-50, 50)
)
EDGES = st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def boxes(draw) -> np.ndarray:
    """Rows of x_min, y_min, x_max, y_max that enclose some area."""
    n = draw(st.integers(1, 5))
    sides = [(draw(EDGES), draw(EDGES)) for _ in range(n)]
    return np.array([[x[0], y[0], x[1], y[1]] for x, y in sides]) / 1000


@given(NUMBERS, st.sampled_from([0.0, 1e6]))
def test_r2_is_scikit_learns(columns, shift):
    answers, targets = columns[:, :1] + shift, columns[:, 1:] + shift
    assert r2(answers, targets) == pytest.approx(r2_score(targets, answers), rel=1e-6, abs=1e-9)


@given(NUMBERS)
def test_pearson_is_scipys_and_0_without_variation(columns):
    answers, targets = columns[:, :1], columns[:, 1:]
    varies = np.ptp(answers) > 0 and np.ptp(targets) > 0
    expected = pearsonr(answers[:, 0], targets[:, 0]).statistic if varies else 0.0
    assert pearson(answers, targets) == pytest.approx(expected, abs=1e-9)


@given(NUMBERS, st.data())
def test_scores_of_a_resample_come_from_its_rows_sums(columns, data):
    answers, targets = columns[:, :1], columns[:, 1:]
    drawn = data.draw(st.lists(st.integers(0, len(columns) - 1), min_size=1, max_size=40))
    for metric in (r2, pearson):
        sums = metric.statistics(answers, targets)[drawn].sum(axis=0)
        expected = metric(answers[drawn], targets[drawn])
        assert float(metric.score(sums)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.data())
def test_overlap_is_a_share_symmetric_and_1_for_equal_boxes_only(data):
    one = data.draw(boxes())
    other = data.draw(st.permutations(one.tolist()).map(np.array))
    found = box_iou(one, other)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, box_iou(other, one))
    np.testing.assert_array_equal(box_iou(one, one), 1.0)
    np.testing.assert_array_equal(found == 1, (one == other).all(axis=1))
    expected = torch_iou(torch.from_numpy(one), torch.from_numpy(other)).diagonal().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(boxes(), st.floats(1, 4000), st.floats(1, 4000))
def test_overlap_is_the_same_in_pixels(one, width, height):
    other = one[::-1]
    scale = np.tile([width, height], 2)
    np.testing.assert_allclose(box_iou(one, other), box_iou(one * scale, other * scale), atol=1e-9)


def test_hits_are_overlaps_of_a_half():
    right = np.array([[0, 0, 1, 1.0]] * 3)
    said = np.array([[0, 0, 1, 0.5], [0, 0, 1, 0.49], [2, 2, 3, 3]])
    assert mean_iou(said, right) == pytest.approx((0.5 + 0.49 + 0) / 3)
    assert hit_rate(said, right) == pytest.approx(1 / 3)
    flat = np.array([[0.5, 0.5, 0.5, 0.5]])
    assert (mean_iou(flat, flat), mean_iou(flat, right[:1])) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("answers", "n", "message"),
    [
        (np.zeros((0, 1)), 0, "no rows"),
        (np.zeros((2, 4)), 2, r"shape \(2, 1\); got \(2, 4\)"),
        (np.array([[1.0], [np.nan]]), 2, "finite; 1 of 2"),
    ],
)
def test_what_is_no_answer_is_refused(answers, n, message):
    with pytest.raises(ValueError, match=message):
        checked_numbers(answers, n, 1)
