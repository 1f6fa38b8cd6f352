from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from advisor.errors import SpecError
from harness.datasets.controlled import copy_of
from harness.datasets.foreign_words import foreign


@given(st.text(), st.floats(0.01, 1))
def test_what_is_no_word_stays_and_a_word_always_becomes_the_same(text: str, share: float) -> None:
    once = foreign(text, share)
    assert foreign(text, share) == once
    doubled = foreign(f"{text} {text}", share)
    assert doubled == f"{once} {once}"


def test_the_share_says_how_many_words_are_made_up() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnop" for c in "qrstuv"]
    changed = [sum(foreign(word, share) != word for word in words) for share in (0.2, 0.5, 1.0)]
    assert 0.1 * len(words) < changed[0] < 0.3 * len(words)
    assert 0.4 * len(words) < changed[1] < 0.6 * len(words)
    assert changed[2] >= 0.99 * len(words)
    assert foreign("Word 12, word!", 1.0).split()[0].lower() == foreign("word", 1.0)


def test_a_table_keeps_its_labels_and_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\nthe good film,good\nthe dull one,dull\n")
    copy = copy_of("vocabulary@1:train.csv", tmp_path, tmp_path / "made")
    assert copy is not None
    copy.make()
    with copy.target.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == ["good", "dull"]
    assert rows[0]["text"].split()[0] == rows[1]["text"].split()[0] != "the"
    before = copy.target.read_bytes()
    (tmp_path / "train.csv").write_text("text,label\nother,good\n")
    copy.make()
    assert copy.target.read_bytes() == before


def test_images_are_brought_down_and_never_up(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / "a" / "large.png")
    Image.new("RGB", (8, 9)).save(tmp_path / "photos" / "a" / "small.png")
    copy = copy_of("resolution@20:photos", tmp_path, tmp_path / "made")
    assert copy is not None
    copy.make()
    with Image.open(copy.target / "a" / "large.png") as image:
        assert image.size == (30, 20)
    with Image.open(copy.target / "a" / "small.png") as image:
        assert image.size == (8, 9)


@pytest.mark.parametrize("written", ["vocabulary@2:t.csv", "vocabulary:t.csv", "corrupt@x:t", "corrupt@9:t", "resolution@0:t"])  # fmt: skip
def test_a_strength_that_cannot_be_is_refused(written: str, tmp_path: Path) -> None:
    copy = copy_of(written, tmp_path, tmp_path / "made")
    assert copy is not None
    with pytest.raises(SpecError):
        copy.make()


def test_other_names_are_ordinary_data(tmp_path: Path) -> None:
    assert copy_of("bbc-news", tmp_path, tmp_path) is None
    assert copy_of("corrupted/data.csv", tmp_path, tmp_path) is None
