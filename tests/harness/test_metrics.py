"""The metrics against scikit-learn and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from harness.metrics import classification as metrics


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (with exact ties and zeros) and targets; some classes may be absent."""
    k, n = draw(st.integers(2, 5)), draw(st.integers(1, 30))
    cells = draw(st.lists(st.integers(0, 3), min_size=n * k, max_size=n * k))
    raw = np.array(cells, dtype=np.float64).reshape(n, k)
    raw[raw.sum(axis=1) == 0] = 1
    targets = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    return raw / raw.sum(axis=1, keepdims=True), np.array(targets, dtype=np.int64)


relaxed = settings(max_examples=80)


@relaxed
@given(answers())
def test_accuracy_macro_f1_and_recall_equal_scikit_learn(made) -> None:
    probabilities, targets = made
    predictions = probabilities.argmax(axis=1)
    assert metrics.accuracy(predictions, targets) == pytest.approx(
        reference.accuracy_score(targets, predictions)
    )
    assert metrics.macro_f1(predictions, targets) == pytest.approx(
        reference.f1_score(targets, predictions, average="macro", zero_division=0)
    )
    k = probabilities.shape[1]
    expected = reference.recall_score(
        targets, predictions, labels=range(k), average=None, zero_division=np.nan
    )
    mine = metrics.recall_per_class(predictions, targets, k)
    assert [np.nan if value is None else value for value in mine] == pytest.approx(
        expected.tolist(), nan_ok=True
    )


@relaxed
@given(answers())
def test_log_loss_equals_scikit_learn(made) -> None:
    probabilities, targets = made
    expected = reference.log_loss(targets, probabilities, labels=range(probabilities.shape[1]))
    assert metrics.log_loss(probabilities, targets) == pytest.approx(expected)


def test_a_class_given_no_chance_costs_the_documented_most() -> None:
    assert metrics.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(36.04, abs=0.01)


def test_ties_go_to_the_lower_class() -> None:
    assert metrics.accuracy(np.array([[0.5, 0.5]]).argmax(axis=1), np.array([0])) == 1


def test_macro_f1_leaves_out_a_class_that_nobody_names() -> None:
    assert metrics.macro_f1(np.array([0, 2]), np.array([0, 2])) == 1
    assert metrics.macro_f1(np.array([0, 1]), np.array([0, 2])) == pytest.approx(1 / 3)


def test_calibration_error_by_hand() -> None:
    # bin (11/15, 12/15]: three rows of confidence 0.8, one right; bin (14/15, 1]: one right of 1.0
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [1.0, 0.0]])
    targets = np.array([0, 1, 0, 0])
    expected = 3 / 4 * (0.8 - 1 / 3) + 1 / 4 * 0
    assert metrics.expected_calibration_error(probabilities, targets) == pytest.approx(expected)


def test_gaps_of_opposite_sign_cancel_inside_a_bin_only() -> None:
    inside = np.array([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]])
    assert metrics.expected_calibration_error(inside, np.array([0, 0, 0, 1])) == pytest.approx(0)
    across = np.array([[0.75, 0.25], [0.95, 0.05]])
    assert metrics.expected_calibration_error(across, np.array([0, 1])) == pytest.approx(
        (0.25 + 0.95) / 2
    )


@relaxed
@given(answers())
def test_calibration_error_is_a_share_and_at_most_the_mean_gap(made) -> None:
    probabilities, targets = made
    error = metrics.expected_calibration_error(probabilities, targets)
    hit = probabilities.argmax(axis=1) == targets
    assert abs(hit.mean() - probabilities.max(axis=1).mean()) - 1e-12 <= error <= 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[0.5, 0.5, 0.0]], r"shape \(1, 2\); got \(1, 3\)"),
        ([0.5, 0.5], r"shape \(1, 2\); got \(2,\)"),
        ([[np.nan, 1.0]], "finite; 1 of 1 rows"),
        ([[np.inf, 0.0]], "finite"),
        ([[0.7, 0.7]], "sum to 1"),
        ([[-0.5, 1.5]], "at least 0"),
    ],
)
def test_what_are_no_probabilities_is_refused(rows: list, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        metrics.checked_probabilities(np.array(rows), 1, 2)


def test_no_rows_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="no rows"):
        metrics.checked_probabilities(np.zeros((0, 2)), 0, 2)


def test_single_precision_is_accepted() -> None:
    rows = np.array([[0.1, 0.2, 0.7]], dtype=np.float32)
    assert metrics.checked_probabilities(rows, 1, 3).dtype == np.float64


@relaxed
@given(st.integers(0, 200), st.floats(0.2, 5))
def test_the_fitted_temperature_undoes_a_temperature(seed: int, wrong: float) -> None:
    """Labels drawn from known probabilities: what was sharpened is flattened again."""
    draw = np.random.default_rng(seed)
    right = draw.dirichlet(np.ones(3), size=3000)
    targets = (right.cumsum(axis=1) > draw.random(3000)[:, None]).argmax(axis=1)
    shown = metrics.at_temperature(right, wrong)
    found = metrics.fit_temperature(shown, targets)
    assert found == pytest.approx(1 / wrong, rel=0.15)
    assert (
        metrics.log_loss(metrics.at_temperature(shown, found), targets)
        <= metrics.log_loss(shown, targets) + 1e-9
    )
    assert np.array_equal(shown.argmax(axis=1), right.argmax(axis=1))
