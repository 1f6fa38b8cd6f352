"""The localization task: boxes inside the image, crops that carry them, loss and baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SpecError
from harness.backbones.images import WHOLE, frame
from harness.catalog import TASKS
from harness.datasets.base import Dataset, Split
from harness.tasks.base import GridTask, NumberTask
from harness.tasks.localization import CENTRE_BOX, Localization

BOXES = np.array([[0.1, 0.2, 0.5, 0.6], [0.3, 0.1, 0.9, 0.4], [0.0, 0.5, 0.2, 1.0]])
SHARES = st.lists(st.floats(0, 0.999), min_size=5, max_size=5)


def made(boxes: np.ndarray = BOXES) -> Localization:
    names = tuple(f"{i}.jpg" for i in range(len(boxes)))
    rows = Split(names, boxes, names)
    return Localization.of(Dataset("made", "image", (), rows, rows, task="localization"), None)


def test_it_is_registered_and_comes_back_from_its_settings() -> None:
    task: NumberTask = made()
    grid: GridTask = made()
    assert TASKS.load("localization") is Localization
    assert (task.metric, task.n_outputs, grid.head, task.mirrors) == ("mean_iou", 4, "grid", False)
    assert Localization(**task.settings()) == task
    with pytest.raises(SpecError, match="predicts 4 numbers for each input; made has 1 numbers"):
        made(BOXES[:, :1])


@given(st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4))
def test_whatever_a_head_says_is_a_box_inside_the_image(scores: list[float]) -> None:
    box = made().answer(torch.tensor([scores]))[0]
    assert ((box >= 0) & (box <= 1)).all()
    assert (box[:2] <= box[2:]).all()


def test_the_right_scores_have_no_loss_and_others_some_that_can_be_descended() -> None:
    task, targets = made(), torch.from_numpy(BOXES)
    right = task.standardised(targets)
    np.testing.assert_allclose(task.answer(right).numpy(), BOXES, atol=1e-6)
    assert float(task.loss(right, targets)) == pytest.approx(0, abs=1e-5)
    wrong = (right + 0.7).requires_grad_()
    before = task.loss(wrong, targets)
    before.backward()
    assert wrong.grad is not None
    assert task.loss(wrong.detach() - 0.1 * wrong.grad, targets) < before


def test_a_box_that_a_crop_does_not_show_counts_for_nothing() -> None:
    task, targets = made(), torch.from_numpy(BOXES)
    lost = targets.clone()
    lost[1] = torch.tensor([0.0, 0.3, 0.0, 0.6])
    scores = torch.zeros(3, 4)
    expected = task.loss(scores[[0, 2]], targets[[0, 2]])
    assert float(task.loss(scores, lost)) == pytest.approx(float(expected))
    assert float(task.loss(scores[:1], lost[1:2])) == 0


@given(SHARES)
def test_boxes_follow_the_crop_and_lie_inside_it(draws: list[float]) -> None:
    task, boxes = made(), torch.from_numpy(BOXES)
    seen = frame(draws)
    moved = task.in_frame(boxes, torch.tensor([seen] * 3))
    assert ((moved >= 0) & (moved <= 1)).all()
    assert (moved[:, :2] <= moved[:, 2:]).all()
    left, upper, right, lower, mirrored = seen
    x = (torch.from_numpy(BOXES)[:, [0, 2]] - left) / (right - left)
    x = (1 - x).flip(1) if mirrored else x
    np.testing.assert_allclose(moved[:, [0, 2]], x.clamp(0, 1), atol=1e-5)
    y = (torch.from_numpy(BOXES)[:, [1, 3]] - upper) / (lower - upper)
    np.testing.assert_allclose(moved[:, [1, 3]], y.clamp(0, 1), atol=1e-5)


def test_a_whole_image_changes_no_box() -> None:
    moved = made().in_frame(torch.from_numpy(BOXES), torch.tensor([WHOLE] * 3))
    np.testing.assert_array_equal(moved, BOXES)


def test_baselines_say_the_same_box_of_every_image() -> None:
    names = ("a.jpg", "b.jpg", "c.jpg")
    rows = Split(names, BOXES, names)
    task = made()
    found = task.baselines(rows, rows, seed=0)
    assert set(found) == {"mean_box", "centre_box"}
    mean = np.tile(BOXES.mean(axis=0), (3, 1))
    assert found["mean_box"] == task.scores(mean, BOXES)
    centre = np.tile(CENTRE_BOX, (3, 1))
    assert found["centre_box"] == task.scores(centre, BOXES)
    assert set(task.baselines(rows.take([]), rows, seed=0)) == {"centre_box"}
