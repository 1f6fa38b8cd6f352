"""Laws of drawing: nested, stratified, every class present, groups on one side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from advisor.errors import DataError, SpecError
from harness.datasets.base import Split
from harness.splits import draw_examples, hold_out


def pool(targets: list[int], groups: list[int] | None = None) -> Split:
    n = len(targets)
    return Split(
        inputs=tuple(f"text {row}" for row in range(n)),
        targets=np.array(targets, dtype=np.int64),
        ids=tuple(f"row{row}" for row in range(n)),
        groups=None if groups is None else tuple(f"g{group}" for group in groups),
    )


@st.composite
def pools(draw: st.DrawFn, grouped: bool = False) -> tuple[Split, int]:
    """A pool in which each of 2 to 5 classes has a row, in any order, perhaps in groups."""
    n_classes = draw(st.integers(2, 5))
    targets = [*range(n_classes), *draw(st.lists(st.integers(0, n_classes - 1), max_size=60))]
    targets = draw(st.permutations(targets))
    groups = None
    if grouped:
        groups = draw(st.lists(st.integers(0, 12), min_size=len(targets), max_size=len(targets)))
    return pool(targets, groups), n_classes


seeds = st.integers(0, 5)
relaxed = settings(max_examples=60)


@relaxed
@given(st.booleans().flatmap(lambda grouped: pools(grouped)), seeds, st.data())
def test_draws_are_nested_in_training_and_in_validation(
    made, seed: int, data: st.DataObject
) -> None:
    rows, k = made
    small, large = sorted(data.draw(st.lists(st.integers(k, len(rows)), min_size=2, max_size=2)))
    few, many = draw_examples(rows, small, seed, k), draw_examples(rows, large, seed, k)
    for part, whole in zip(few, many, strict=True):
        assert set(part.ids) <= set(whole.ids)
    ids = few[0].ids + few[1].ids
    assert len(ids) == len(set(ids)) == small


@relaxed
@given(st.booleans().flatmap(lambda grouped: pools(grouped)), seeds, st.data())
def test_every_class_is_drawn_once_there_is_room(made, seed: int, data: st.DataObject) -> None:
    rows, k = made
    train, validation = draw_examples(rows, data.draw(st.integers(k, len(rows))), seed, k)
    assert set(np.concatenate([train.targets, validation.targets])) == set(range(k))


@relaxed
@given(pools(), seeds, st.data())
def test_without_groups_each_class_trains_and_a_quarter_of_it_validates(
    made, seed: int, data: st.DataObject
) -> None:
    rows, k = made
    train, validation = draw_examples(rows, data.draw(st.integers(k, len(rows))), seed, k)
    for label in range(k):
        trains, validates = (
            int((train.targets == label).sum()),
            int((validation.targets == label).sum()),
        )
        count = trains + validates
        assert trains >= 1
        assert validates == (0 if count == 1 else max(1, int(count / 4 + 0.5)))


@relaxed
@given(pools(), seeds, st.data())
def test_classes_are_drawn_in_proportion(made, seed: int, data: st.DataObject) -> None:
    rows, k = made
    n = data.draw(st.integers(k, len(rows)))
    drawn = np.bincount(
        np.concatenate([split.targets for split in draw_examples(rows, n, seed, k)])
    )
    # within a row of the divisor method's share, but for the one row that each class has first
    assert (drawn <= np.bincount(rows.targets)).all()
    exact = n * np.bincount(rows.targets) / len(rows)
    assert (abs(drawn - exact) <= k).all()


@relaxed
@given(pools(grouped=True), seeds, st.data())
def test_no_group_is_on_both_sides(made, seed: int, data: st.DataObject) -> None:
    rows, k = made
    train, validation = draw_examples(rows, data.draw(st.integers(k, len(rows))), seed, k)
    assert not set(train.groups or ()) & set(validation.groups or ())
    assert set(train.targets) == set(range(k))


@relaxed
@given(st.booleans().flatmap(lambda grouped: pools(grouped)), seeds)
def test_none_draws_everything_and_zero_nothing(made, seed: int) -> None:
    rows, k = made
    train, validation = draw_examples(rows, None, seed, k)
    assert set(train.ids) | set(validation.ids) == set(rows.ids)
    assert [len(split) for split in draw_examples(rows, 0, seed, k)] == [0, 0]


def test_the_share_of_a_large_draw_is_a_quarter() -> None:
    train, validation = draw_examples(pool([0, 1] * 500), 200, 0, 2)
    assert (len(train), len(validation)) == (150, 50)
    assert np.bincount(train.targets).tolist() == [75, 75]


def test_a_draw_depends_on_its_seed_alone() -> None:
    rows = pool([0, 1, 2] * 20)
    first = draw_examples(rows, 20, 3, 3)
    assert draw_examples(rows, 20, 3, 3)[0].ids == first[0].ids
    assert set(draw_examples(rows, 20, 4, 3)[0].ids) != set(first[0].ids)


def test_a_rare_class_is_there_from_the_first() -> None:
    train, validation = draw_examples(pool([0] * 997 + [1, 1, 1]), 10, 0, 2)
    assert (np.bincount(train.targets).tolist(), np.bincount(validation.targets).tolist()) == (
        [7, 1],
        [2],
    )


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (2, "3 classes need at least 3 examples, one of each; got 2."),
        (-1, "must be between 0 and 9"),
        (10, "must be between 0 and 9, the size of the pool; got 10."),
    ],
)
def test_impossible_numbers_are_refused(n: int, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        draw_examples(pool([0, 1, 2] * 3), n, 0, 3)


def test_a_pool_without_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="2 of 3 classes"):
        draw_examples(pool([0, 1] * 3), 4, 0, 3)


@relaxed
@given(pools(), st.sampled_from([0.1, 0.2, 0.5, 0.8]), seeds)
def test_holding_out_parts_the_rows_and_leaves_each_class_to_train(
    made, fraction: float, seed: int
) -> None:
    rows, k = made
    if np.bincount(rows.targets).max() < 2:
        return
    kept, held = hold_out(rows.targets, None, fraction=fraction, seed=seed)
    assert sorted([*kept, *held]) == list(range(len(rows)))
    assert set(rows.targets[kept]) == set(range(k))
    for label in range(k):
        count, out = int((rows.targets == label).sum()), int((rows.targets[held] == label).sum())
        assert out == 0 if count == 1 else 1 <= out < count
        assert abs(out - fraction * count) <= 1


@relaxed
@given(pools(grouped=True), seeds)
def test_holding_out_respects_groups(made, seed: int) -> None:
    rows, k = made
    groups = np.array(rows.groups)
    try:
        kept, held = hold_out(rows.targets, rows.groups, fraction=0.2, seed=seed)
    except DataError:  # see test_too_few_rows_or_groups_cannot_be_held_out
        assume(False)
    assert not set(groups[kept]) & set(groups[held])
    assert set(rows.targets[kept]) == set(range(k))


def test_a_group_that_is_most_of_the_data_stays_in_training() -> None:
    groups = ["large"] * 80 + [f"small {i // 4}" for i in range(20)]
    for seed in range(10):
        _, held = hold_out(np.tile([0, 1], 50), groups, fraction=0.2, seed=seed)
        assert 0 < len(held) <= 20


def test_too_few_rows_or_groups_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match="2 rows are too few"):
        hold_out(np.array([0, 1]), None, fraction=0.2, seed=0)
    with pytest.raises(DataError, match="4 rows in too few groups"):
        hold_out(np.array([0, 1, 0, 1]), ["a"] * 4, fraction=0.2, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 1.5])
def test_a_fraction_is_inside_zero_and_one(fraction: float) -> None:
    with pytest.raises(SpecError, match="between 0 and 1"):
        hold_out(np.array([0, 1]), None, fraction=fraction, seed=0)
