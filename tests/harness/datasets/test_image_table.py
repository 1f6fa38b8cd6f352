"""Tables that name an image a row: numbers and classes as labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DataError
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.load import load_dataset
from tests.harness.tiny_models import save_images


def write(folder: Path, rows: list[str], header: str = "file,label") -> Path:
    folder.mkdir(exist_ok=True)
    save_images(folder, 8)
    (folder / "table.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder / "table.csv"


def load(location: Path, **changes) -> Dataset:
    return load_dataset(DataRequest(str(location), **changes))


def test_numbers_of_images_are_targets(tmp_path: Path) -> None:
    table = write(tmp_path, [f"{i}.png,{i / 2}" for i in range(8)])
    data = load(table, task="regression")
    assert (data.task, data.modality) == ("regression", "image")
    both = {
        path.name: float(value[0])
        for split in (data.train, data.test)
        for path, value in zip(split.inputs, split.targets, strict=True)
    }
    assert both == {f"{i}.png": i / 2 for i in range(8)}


def test_classes_groups_and_other_columns_are_read_too(tmp_path: Path) -> None:
    rows = [f"{i}.png,{'red' if i % 2 == 0 else 'blue'},{i // 2}" for i in range(8)]
    data = load(write(tmp_path, rows, "file,colour,box"), label_column="colour", group_column="box")
    assert (data.task, data.label_names) == ("classification", ("blue", "red"))
    assert data.train.groups is not None
    assert not set(data.train.groups) & set(data.test.groups or ())


def test_a_folder_has_its_own_test_table_and_rows_without_label_are_left_out(
    tmp_path: Path,
) -> None:
    table = write(tmp_path, ["0.png,1", "1.png,2", "2.png,", "3.png,3"])
    table.rename(tmp_path / "train.csv")
    (tmp_path / "test.csv").write_text("file,label\n4.png,1.5\n", encoding="utf-8")
    data = load(tmp_path, task="regression")
    assert (len(data.train), len(data.test)) == (3, 1)
    assert {one.code: one.count for one in data.findings} == {"empty_rows": 1}


def test_a_table_with_the_text_column_stays_one_of_texts(tmp_path: Path) -> None:
    rows = [f"{i}.png,text {i},{i % 2}" for i in range(8)]
    assert load(write(tmp_path, rows, "file,text,label")).modality == "text"


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["9.png,1"], "file,label", r"line 2: no such image: 9\.png"),
        (["0.png,1"], "file,lable", r"no column 'label'\. Did you mean 'lable'\?"),
        (["0.png,"], "file,label", "holds no labelled image"),
        (["0.png,one", "1.png,2"], "file,label", r"0\.png: 'one' is no number"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, rows: list[str], header: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path, rows, header), task="regression")
    assert "\n" not in str(caught.value)
