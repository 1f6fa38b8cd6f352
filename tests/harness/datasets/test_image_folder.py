"""Folders of images: layouts, broken files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advisor.errors import DataError
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.load import load_dataset


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def folder(root: Path, parts: dict[str, int], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    seed = 0
    for part, count in parts.items():
        for name in classes:
            for number in range(count):
                seed += 1
                picture(root / part / name / f"{number:03}.png", seed)
    return root


def load(path: Path, **changes) -> Dataset:
    return load_dataset(DataRequest(str(path), **changes))


def codes(data: Dataset) -> dict[str, int]:
    return {found.code: found.count for found in data.findings}


def test_class_folders_alone_give_a_pool_and_a_held_out_test_set(tmp_path: Path) -> None:
    data = load(folder(tmp_path / "pets", {"": 10}))
    assert (data.name, data.modality, data.label_names) == ("pets", "image", ("cat", "dog"))
    assert (len(data.train), len(data.test)) == (16, 4)
    assert data.train.ids == tuple(sorted(data.train.ids))
    for split in (data.train, data.test):
        for file, id, target in zip(split.inputs, split.ids, split.targets, strict=True):
            assert file == tmp_path / "pets" / id
            assert data.label_names[target] == file.parent.name


def test_train_and_test_folders_are_respected(tmp_path: Path) -> None:
    data = load(folder(tmp_path, {"train": 5, "test": 2}))
    assert (len(data.train), len(data.test)) == (10, 4)
    assert data.test.ids[0] == "test/cat/000.png"
    assert "held_out" not in codes(data)


def test_a_validation_folder_joins_the_pool_beside_test_and_stands_in_for_it_otherwise(
    tmp_path: Path,
) -> None:
    with_test = load(folder(tmp_path / "a", {"train": 5, "Val": 3, "test": 2}))
    assert (len(with_test.train), len(with_test.test)) == (16, 4)
    without = load(folder(tmp_path / "b", {"train": 5, "val": 3}))
    assert (len(without.train), len(without.test)) == (10, 6)
    assert codes(without)["validation_part"] == 6


def test_hidden_and_system_files_are_not_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 5})
    for name in (
        ".DS_Store",
        "cat/.hidden.png",
        "cat/Thumbs.db",
        ".cache/x/y.png",
        "__MACOSX/cat.png",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not an image")
    data = load(root)
    assert data.label_names == ("cat", "dog")
    assert len(data.train) + len(data.test) == 10
    assert "corrupt_images" not in codes(data)


def test_up_to_five_percent_unreadable_files_are_skipped_and_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 19})
    (root / "cat" / "notes.txt").write_text("not an image")
    whole = (root / "dog" / "000.png").read_bytes()
    (root / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    data = load(root)
    assert codes(data)["corrupt_images"] == 2
    assert len(data.train) + len(data.test) == 38
    text = next(found.text for found in data.findings if found.code == "corrupt_images")
    assert "cat/notes.txt" in text
    assert "dog/cut.png" in text


def test_more_than_five_percent_are_refused_with_names(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 18})
    for number in range(2):
        (root / "cat" / f"bad{number}.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(
        DataError, match=r"2 of 38 files cannot be read as images \(cat/bad0.jpg, cat/bad1.jpg\)"
    ):
        load(root)


def test_a_truncated_jpeg_counts_as_unreadable(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 20})
    Image.open(root / "cat" / "000.png").resize((200, 200)).save(root / "cat" / "t.jpg")
    whole = (root / "cat" / "t.jpg").read_bytes()
    (root / "cat" / "t.jpg").write_bytes(whole[: len(whole) // 2])
    assert codes(load(root))["corrupt_images"] == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((), "is empty"),
        (("loose.png",), "holds no class folders"),
        (("train/loose.png",), "holds no class folders"),
        (("cat/", "dog/"), "holds no images"),
        (("cat/1.png", "cat/2.png"), "all 2 rows have the label 'cat'"),
    ],
    ids=["nothing", "loose files", "loose files in train", "empty class folders", "one class"],
)
def test_folders_that_cannot_be_used(tmp_path: Path, made: tuple[str, ...], said: str) -> None:
    for number, name in enumerate(made):
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            picture(tmp_path / name, number)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_class_folder_is_said(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 5})
    (root / "bird").mkdir()
    assert codes(load(root))["empty_class"] == 1


def test_numeric_folder_names_can_be_given_names(tmp_path: Path) -> None:
    root = folder(tmp_path, {"": 5}, classes=("0", "1"))
    assert not load(root).named_labels
    assert load(root, label_names=("cat", "dog")).label_names == ("cat", "dog")


def test_a_shifted_folder_is_read_and_columns_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", {"": 5})
    for name in ("cat", "dog"):
        picture(tmp_path / "b" / name / "1.png", 500 + len(name + name[0]) + (name == "cat"))
    data = load(root, ood_data=str(tmp_path / "b"))
    assert data.ood is not None
    assert len(data.ood) == 2
    with pytest.raises(DataError, match="has no columns"):
        load(root, group_column="who")
    (tmp_path / "t.csv").write_text("text,label\na,cat\n")
    with pytest.raises(DataError, match="must be a folder of images per class"):
        load(root, test_data=str(tmp_path / "t.csv"))
