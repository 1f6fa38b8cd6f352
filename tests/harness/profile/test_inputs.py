from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DataError, UnknownName
from harness.datasets.base import DataRequest
from harness.profile.inputs import Inputs, class_counts, read_inputs
from tests.harness.tiny_models import save_images


def read(location: Path, label_column: str | None = None, **more) -> Inputs:
    return read_inputs(DataRequest(str(location), **more), label_column=label_column)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_labelled_tables_are_read_as_for_a_run(tmp_path: Path) -> None:
    rows = "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(20))
    found = read(write(tmp_path / "t.csv", f"text,label\n{rows}"))
    assert (len(found), found.held, found.task) == (16, 4, "classification")
    assert class_counts(found) == {"a": 8, "b": 8}


def test_a_table_without_labels_is_looked_through_all_the_same(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "source,target\nhi,hola\nbye,adiós\nhello,Hola\n")
    found = read(table, text_column="target")
    assert found.inputs == ("hola", "adiós")
    assert found.targets is None
    assert class_counts(found) == {}
    assert [one.code for one in found.findings] == ["duplicates"]


def test_a_folder_of_tables_without_labels_finds_leakage(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "text\none\ntwo\nthree\n")
    write(tmp_path / "test.csv", "text\ntwo\n")
    found = read(tmp_path)
    assert found.inputs == ("one", "three")
    assert found.held == 1
    assert [one.code for one in found.findings] == ["leakage"]


def test_a_text_file_holds_one_text_a_line(tmp_path: Path) -> None:
    found = read(write(tmp_path / "t.txt", "one\n\n two \nthree\n"))
    assert found.inputs == ("one", "two", "three")
    assert (found.name, found.modality, found.targets) == ("t", "text", None)


def test_a_flat_folder_holds_images_without_classes(tmp_path: Path) -> None:
    save_images(tmp_path, 4)
    found = read(tmp_path)
    assert (found.modality, found.targets, len(found)) == ("image", None, 4)


def test_the_sample_is_drawn_by_the_seed(tmp_path: Path) -> None:
    found = read(write(tmp_path / "t.txt", "\n".join(f"text {n}" for n in range(50))))
    assert found.sample(10, 0).tolist() == found.sample(10, 0).tolist()
    assert found.sample(10, 0).tolist() != found.sample(10, 1).tolist()
    assert found.sample(99, 0).tolist() == list(range(50))


def test_a_label_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "text,topic\none,a\ntwo,b\n")
    with pytest.raises(DataError, match=r"no column 'topik'.*Did you mean 'topic'"):
        read(table, "topik")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "\n\n", "is empty"),
        ("t.txt", "same\nsame\n", "leaves 1 input"),
        ("t.csv", "title\none\n", "no column 'text'"),
        ("t.pdf", "x", "cannot read .pdf files"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / name, content))


def test_a_flat_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "notes.md", "x")
    with pytest.raises(DataError, match="cannot be read as images"):
        read(tmp_path)


def test_text_files_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("señor".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        read(tmp_path / "t.txt")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName):
        read_inputs(DataRequest("bbc-newz"))
