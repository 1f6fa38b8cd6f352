"""Folders of images with boxes.csv: what is read, what is said of it, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advisor.errors import DataError
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.load import load_dataset

HEADER = "file,x_min,y_min,x_max,y_max"


def write(folder: Path, rows: list[str], header: str = HEADER, *, images: int = 8) -> Path:
    """Images of 40 x 20 pixels in train/ and test/, every one of another grey."""
    draw = np.random.default_rng(0)
    for part, count in (("train", images), ("test", 2)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = draw.integers(0, 255, (20, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / f"{index}.png")
    (folder / "boxes.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def rows(images: int = 8) -> list[str]:
    train = [f"train/{index}.png,{index},2,{index + 10},12" for index in range(images)]
    return [*train, "test/0.png,0,0,40,20", "test/1.png,10,5,20,10"]


def load(folder: Path, **changes) -> Dataset:
    return load_dataset(DataRequest(str(folder), **changes))


def test_boxes_are_shares_of_the_image_and_keep_their_part(tmp_path: Path) -> None:
    data = load(write(tmp_path / "made", rows()))
    assert (data.task, data.modality, data.name, data.label_names) == (
        "localization", "image", "made", ()
    )  # fmt: skip
    assert (len(data.train), len(data.test)) == (8, 2)
    np.testing.assert_array_equal(data.test.targets, [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]])
    assert data.train.ids[3] == "train/3.png"
    np.testing.assert_allclose(data.train.targets[3], [3 / 40, 0.1, 13 / 40, 0.6])
    assert data.findings == ()


def test_other_spellings_and_sizes_of_the_table_are_understood(tmp_path: Path) -> None:
    given = [f"{row},80,40,thing" for row in rows()]
    header = "File,XMin,YMin,XMax,YMax,width,height,label"
    data = load(write(tmp_path / "made", given, header))
    np.testing.assert_array_equal(data.test.targets[0], [0, 0, 0.5, 0.5])


def test_the_largest_of_several_boxes_is_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    given = [*rows(), "train/0.png,0,0,30,20", "train/0.png,1,1,2,2", "train/1.png,1,1,2,2"]
    folder = write(tmp_path / "made", [row for row in given if "7.png" not in row])
    data = load(folder)
    np.testing.assert_array_equal(data.train.targets[0], [0, 0, 0.75, 1])
    found = {one.code: one for one in data.findings}
    assert found["several_boxes"].count == 2
    assert "the largest of each was kept, 3 left out" in found["several_boxes"].text
    assert found["without_box"].count == 1


def test_class_folders_are_for_classes_unless_boxes_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for part in ("train", "test"):
        for label in ("crack", "hole"):
            (folder / part / label).mkdir(parents=True)
            for index in range(4):
                noise = np.random.default_rng(len(part) + 9 * len(label) + 99 * index)
                pixels = noise.integers(0, 255, (20, 20), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{index}.png")
    names = sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*.png"))
    (folder / "boxes.csv").write_text(
        "\n".join([HEADER, *(f"{name},1,2,10,12" for name in names)]) + "\n"
    )
    assert load(folder).label_names == ("crack", "hole")
    data = load(folder, task="localization")
    assert data.task == "localization"
    assert data.train.targets.shape == (8, 4)


def test_a_table_alone_is_split_and_can_be_tested_on_another(tmp_path: Path) -> None:
    folder = write(tmp_path / "made", rows()[:8])
    data = load(folder / "boxes.csv", task="localization")
    assert {one.code for one in data.findings} == {"held_out"}
    other = write(tmp_path / "other", rows())
    data = load(folder, test_data=str(other))
    assert len(data.test) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "train/9.png,1,2,3,4",
            r"line 2: no such image: train/9\.png\. Names in the column 'file'",
        ),
        ("train/0.png,1,2,41,4", "line 2: the box 1 2 41 4 reaches outside the image of 40 x 20"),
        ("train/0.png,-1,2,4,4", "line 2: the box -1 2 4 4 reaches outside"),
        ("train/0.png,9,2,3,4", "line 2: x_max 3 is not above x_min 9; a box is x_min, y_min"),
        ("train/0.png,1,2,3,2", "line 2: y_max 2 is not above y_min 2"),
        ("train/0.png,1,two,3,4", "line 2: y_min is 'two'; write a number of pixels"),
        ("train/0.png,1,nan,3,4", "line 2: y_max 4 is not above y_min nan"),
    ],
)
def test_a_row_that_tells_of_no_box_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path / "made", [row]))
    assert "\n" not in str(caught.value)


def test_what_is_no_table_of_boxes_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "made", rows(), "file,left,top,right,bottom")
    with pytest.raises(DataError, match=r"has no column 'x_min'\. Columns: file, left"):
        load(folder)
    (folder / "boxes.csv").unlink()
    with pytest.raises(DataError, match=r"holds no boxes\.csv; write one with the columns file"):
        load(folder, task="localization")
    write(folder, [])
    with pytest.raises(DataError, match="holds no rows"):
        load(folder)
    with pytest.raises(DataError, match="have no groups"):
        load(folder, group_column="patient")
