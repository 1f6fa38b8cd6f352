"""The packaged data sets, as they really are."""

from __future__ import annotations

import pytest

from advisor.errors import DataError
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.load import load_dataset


@pytest.fixture(scope="module")
def bbc() -> Dataset:
    return load_dataset(DataRequest("bbc-news"))


def test_bbc_news_has_its_five_topics_and_no_text_twice(bbc: Dataset) -> None:
    assert bbc.label_names == ("business", "entertainment", "politics", "sports", "tech")
    assert bbc.description
    assert bbc.named_labels
    inputs = bbc.train.inputs + bbc.test.inputs
    duplicates = next(found for found in bbc.findings if found.code == "duplicates")
    assert len(set(inputs)) == len(inputs) == 2225 - duplicates.count
    assert duplicates.count == 103


def test_a_fifth_of_every_topic_is_held_out(bbc: Dataset) -> None:
    for target in range(5):
        train, test = (int((split.targets == target).sum()) for split in (bbc.train, bbc.test))
        assert test / (train + test) == pytest.approx(0.2, abs=0.005)


def test_the_one_latin_1_article_is_read_right(bbc: Dataset) -> None:
    where = dict(zip(bbc.train.ids + bbc.test.ids, bbc.train.inputs + bbc.test.inputs, strict=True))
    assert "a £15.8m signing" in where["sports/199.txt"]


def test_reading_twice_gives_the_same_data_and_a_seed_another_test_set(bbc: Dataset) -> None:
    again, other = (
        load_dataset(DataRequest("bbc-news")),
        load_dataset(DataRequest("bbc-news", seed=1)),
    )
    assert (again.digest, again.test.ids) == (bbc.digest, bbc.test.ids)
    assert other.digest != bbc.digest


def test_a_description_of_ones_own_goes_first() -> None:
    assert (
        load_dataset(DataRequest("bbc-news", description="Which section?")).description
        == "Which section?"
    )


def test_textile_images_are_read_and_none_repeats_another() -> None:
    data = load_dataset(DataRequest("textile"))
    assert data.modality == "image"
    assert data.label_names == ("global", "local", "nominal")
    assert len(data.train) + len(data.test) == 2000
    assert {found.code for found in data.findings} == {"held_out"}


def test_packaged_data_have_no_columns() -> None:
    with pytest.raises(DataError, match="has no columns; leave it out"):
        load_dataset(DataRequest("bbc-news", group_column="author"))
