"""Real data sets with known faults; skipped where they are not at hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.base import DataRequest, Dataset
from harness.datasets.checks import clusters
from harness.datasets.images import signature
from harness.datasets.load import load_dataset
from harness.text_pair import TextPair

FOLDER = Path(
    os.environ.get("ADVISOR_DATASETS", Path(__file__).resolve().parents[4] / "shared" / "datasets")
)


def load(name: str, **changes) -> Dataset:
    if not (FOLDER / name).is_dir():
        pytest.skip(f"{FOLDER / name} is not there; set ADVISOR_DATASETS")
    return load_dataset(DataRequest(str(FOLDER / name), **changes))


def counts(data: Dataset) -> dict[str, int]:
    return {found.code: found.count for found in data.findings}


def test_sms_spam_leaks_into_its_test_set_and_is_cleaned() -> None:
    data = load("sms_spam")
    columns = {}
    for part in ("train", "test"):
        with (FOLDER / "sms_spam" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            columns[part] = [row["text"] for row in csv.DictReader(file)]
    assert len(set(columns["test"]) & set(columns["train"])) == 99  # as its description says
    stripped = {part: {text.strip() for text in texts} for part, texts in columns.items()}
    equal = len(stripped["test"] & stripped["train"])
    leak = next(found for found in data.findings if found.code == "leakage")
    assert f"{equal} distinct inputs" in leak.text
    assert leak.count >= equal >= 99
    assert data.test.inputs == tuple(text.strip() for text in columns["test"])
    assert not set(data.train.inputs) & set(data.test.inputs)


def test_trec_has_train_and_test_tables_and_other_columns_can_be_the_label() -> None:
    data = load("trec6")
    assert len(data.label_names) == 6
    assert len(data.test) == 500
    fine = load_dataset(DataRequest(str(FOLDER / "trec6" / "train.csv"), label_column="fine_label"))
    assert len(fine.label_names) > 40


def test_chemprot_sentences_that_differ_in_their_marks_are_not_duplicates() -> None:
    assert counts(load("far_chemprot"))["duplicates"] < 20


def test_photos_of_one_tile_in_other_light_count_as_leakage() -> None:
    found = counts(load("defects_magnetic_tile"))
    assert found["leakage"] > 100
    assert found["duplicates"] > 50


@pytest.mark.parametrize(
    ("name", "train", "test"), [("images_ants_bees", 244, 153), ("images_cifar10_sample", 800, 250)]
)
def test_photo_folders_keep_their_split_and_hold_no_duplicates(
    name: str, train: int, test: int
) -> None:
    data = load(name)
    assert (len(data.train), len(data.test)) == (train, test)
    assert not {"duplicates", "leakage", "corrupt_images"} & set(counts(data))


def test_photos_and_their_copies_are_one_cluster_each(tmp_path: Path) -> None:
    files = load("images_ants_bees").train.inputs[::4]
    copies = []
    for number, file in enumerate(files):
        with Image.open(file) as image:
            photo = image.convert("RGB")
        for scale, quality in ((1.0, 60), (0.5, 85)):
            copies.append(tmp_path / f"{number}-{quality}.jpg")
            size = (round(photo.width * scale), round(photo.height * scale))
            photo.resize(size).save(copies[-1], quality=quality)
    known = [signature(file) for file in (*files, *copies)]
    exact, near = clusters([one for one in known if one is not None])
    assert len(set(exact)) == 3 * len(files)
    assert near[len(files) :].tolist() == np.repeat(near[: len(files)], 2).tolist()
    assert len(set(near)) == len(files)


def test_another_set_can_be_the_shifted_one() -> None:
    data = load("sentiment_uci_amazon_cells", ood_data=str(FOLDER / "sentiment_sst2"))
    assert data.ood is not None
    assert len(data.ood) == 1821  # of a folder with a test part, that part


def test_text_pairs_read_as_single_texts_are_warned_of() -> None:
    assert counts(load("nli_mnli", task="classification"))["conflicting_labels"] > 1000


def test_text_pairs_are_read_as_pairs_by_themselves() -> None:
    data = load("nli_mnli")
    assert data.task == "pair_classification"
    assert isinstance(data.train.inputs[0], TextPair)
    assert "conflicting_labels" not in counts(data)


def test_raccoons_have_a_box_each_and_the_largest_of_several() -> None:
    data = load("boxes_raccoon")
    assert data.task == "localization"
    removed = sum(counts(data).get(code, 0) for code in ("duplicates", "leakage"))
    assert (len(data.train), len(data.test)) == (160 - removed, 40)
    assert removed == 1
    assert counts(data)["several_boxes"] == 16  # 217 boxes in 200 images
    assert data.train.targets.min() >= 0
    assert data.train.targets.max() <= 1


def test_tiles_are_for_classes_unless_boxes_are_asked_for() -> None:
    assert len(load("defects_magnetic_tile").label_names) == 6
    data = load("defects_magnetic_tile", task="localization")
    removed = sum(counts(data).get(code, 0) for code in ("duplicates", "leakage"))
    assert len(data.train) + len(data.test) == 388 - removed
    assert removed == 10  # shots of one tile with the same box
    assert counts(data)["without_box"] == 204  # free of defect, and what has no mask
