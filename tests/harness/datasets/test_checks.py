"""Duplicates, conflicts and leakage: found, counted, and only training rows removed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.checks import clusters, examine
from harness.datasets.images import signature
from harness.datasets.rows import Rows, Signature, normalised, text_rows


def texts(*pairs: tuple[str, str], groups: tuple[str, ...] | None = None) -> Rows:
    return text_rows(
        [t for t, _ in pairs],
        [label for _, label in pairs],
        [str(i) for i in range(len(pairs))],
        groups,
    )


def pairs(rows: Rows) -> list[tuple[str, str]]:
    return [(str(text), label) for text, label in zip(rows.inputs, rows.labels, strict=True)]


def counts(found: list) -> dict[str, int]:
    return {finding.code: finding.count for finding in found}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Free entry!", "free  entry"),
        ("It's  on\tsale", "it’s on sale"),
        ("wow...", "Wow!"),
        ("straße", "STRASSE"),
        ("ﬁne", "fine"),
    ],
)
def test_texts_that_are_nearly_equal(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("?", "!"),
        (":)", ":("),
        ("C++", "C"),
        ("5%", "5"),
        ("[[ a ]] << b >>", "<< a >> [[ b ]]"),
        ("not good", "good"),
    ],
)
def test_texts_whose_signs_carry_meaning_differ(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_duplicates_are_collapsed_to_the_first() -> None:
    kept, found = examine(
        texts(("Buy now", "spam"), ("see you", "ham"), ("Buy now", "spam"), ("buy NOW!", "spam")),
        None,
        None,
    )
    assert pairs(kept) == [("Buy now", "spam"), ("see you", "ham")]
    assert counts(found) == {"duplicates": 2}
    assert "(1 equal, 1 nearly equal)" in found[0].text


def test_of_conflicting_labels_the_most_frequent_stays_and_a_tie_goes_to_the_first() -> None:
    kept, found = examine(
        texts(("win", "ham"), ("win", "spam"), ("win", "spam"), ("tie", "ham"), ("tie", "spam")),
        None,
        None,
    )
    assert pairs(kept) == [("win", "spam"), ("tie", "ham")]
    assert counts(found) == {"conflicting_labels": 2, "duplicates": 1}


def test_where_labels_are_no_classes_one_input_may_have_several() -> None:
    rows = texts(("hello", "hola"), ("hello", "buenos días"), ("hello", "hola"), ("Hello!", "hola"))
    kept, found = examine(rows, None, None, classes=False)
    assert pairs(kept) == [("hello", "hola"), ("hello", "buenos días")]
    assert [one.code for one in found] == ["duplicates"]
    assert "(1 equal, 1 nearly equal)" in found[0].text


def test_nearly_equal_inputs_with_different_labels_are_left_alone() -> None:
    kept, found = examine(texts(("Really?", "doubt"), ("Really!", "surprise")), None, None)
    assert len(kept) == 2
    assert not found


def test_leaking_training_rows_are_removed_whatever_their_label() -> None:
    pool = texts(("a b", "x"), ("A b.", "x"), ("c", "y"), ("d", "x"), ("e", "y"))
    test = texts(("a b", "x"), ("c", "x"), ("new", "y"))
    kept, found = examine(pool, test, None)
    assert pairs(kept) == [("d", "x"), ("e", "y")]
    assert counts(found)["leakage"] == 3
    leak = next(finding for finding in found if finding.code == "leakage")
    assert "2 distinct inputs occurred in training word for word" in leak.text


def test_rows_of_the_shifted_set_leave_training_too() -> None:
    kept, found = examine(
        texts(("a", "x"), ("b", "y"), ("c", "x")), texts(("t", "x")), texts(("a", "x"))
    )
    assert pairs(kept) == [("b", "y"), ("c", "x")]
    assert counts(found) == {"leakage": 1}
    assert "the shifted set" in found[0].text


def test_groups_of_the_test_set_leave_training() -> None:
    pool = texts(("a", "x"), ("b", "y"), ("c", "x"), groups=("g1", "g2", "g2"))
    kept, found = examine(pool, texts(("t", "x"), groups=("g1",)), None)
    assert pairs(kept) == [("b", "y"), ("c", "x")]
    assert counts(found) == {"group_leakage": 1}


def test_repeats_inside_the_test_set_are_only_told() -> None:
    _, found = examine(texts(("a", "x"), ("b", "y")), texts(("t", "x"), ("T", "x")), None)
    assert counts(found) == {"test_duplicates": 1}
    assert found[0].level == "note"


def test_imbalance_is_warned_of() -> None:
    rows = texts(*((f"t{i}", "big") for i in range(20)), ("s1", "small"), ("s2", "small"))
    _, found = examine(rows, None, None)
    assert counts(found) == {"imbalance": 2}
    assert "20 training rows of 'big', 2 of 'small'" in found[0].text


words = st.lists(
    st.tuples(st.sampled_from(["a", "A", "a!", "b", "c", "c."]), st.sampled_from("xy")),
    min_size=1,
    max_size=12,
)


@given(words, words)
def test_what_is_kept_is_clean_and_nothing_clean_is_lost(train: list, test: list) -> None:
    held = texts(*test)
    kept = pairs(examine(texts(*train), held, None)[0])
    exact = {text for text, _ in test}
    alike = {(normalised(text), label) for text, label in test}
    keys = [(normalised(text), label) for text, label in kept]
    assert len(set(keys)) == len(keys)
    assert not exact & {text for text, _ in kept}
    assert not alike & set(keys)
    seen_in_test = {text for text, _ in train} & exact | {
        t for t, label in train if (normalised(t), label) in alike
    }
    conflicting = {t for t, _ in train if len({label for u, label in train if u == t}) > 1}
    for text, label in train:
        if text not in seen_in_test | conflicting:
            assert (normalised(text), label) in keys


def test_a_hundred_thousand_rows_are_no_effort() -> None:
    rows = [
        (f"row {i // 2} about something or other, number {i // 2}", "ab"[i // 2 % 2])
        for i in range(100_000)
    ]
    kept, found = examine(texts(*rows), texts(*rows[:1000]), None)
    assert len(kept) == 49_500
    assert counts(found) == {"leakage": 1_000, "duplicates": 49_500, "test_duplicates": 500}


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Smooth blobs: like a photo, most of it is low frequency."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, **how) -> Path:
    image.save(path, **how)
    return path


def known(path: Path) -> Signature:
    found = signature(path)
    assert found is not None
    return found


def test_copies_of_an_image_are_one_cluster_and_other_images_are_not(tmp_path: Path) -> None:
    original = photo(1)
    files = [
        save(tmp_path / "a.png", original),
        save(tmp_path / "b.png", original),
        save(tmp_path / "c.jpg", original, quality=60),
        save(tmp_path / "d.jpg", original.resize((80, 60)), quality=85),
        save(tmp_path / "e.png", original.convert("L")),
        save(tmp_path / "f.png", photo(2)),
        save(tmp_path / "g.png", original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    ]
    exact, near = clusters([known(file) for file in files])
    assert exact[0] == exact[1]
    assert len(set(exact)) == 6
    assert len(set(near[:5])) == 1
    assert len({near[0], near[5], near[6]}) == 3


def test_images_of_one_grey_are_duplicates_only_if_their_files_are_equal(tmp_path: Path) -> None:
    files = [
        save(tmp_path / "black.png", Image.new("L", (20, 20), 0)),
        save(tmp_path / "white.png", Image.new("L", (20, 20), 255)),
        save(tmp_path / "again.png", Image.new("L", (20, 20), 0)),
    ]
    _, near = clusters([known(file) for file in files])
    assert near[0] == near[2] != near[1]


def test_a_thumbnail_has_unit_length_and_ignores_brightness(tmp_path: Path) -> None:
    thumbnail = known(save(tmp_path / "a.png", photo(3))).near
    darker = known(save(tmp_path / "b.png", photo(3).point(lambda value: value // 2))).near
    assert isinstance(thumbnail, np.ndarray)
    assert isinstance(darker, np.ndarray)
    assert np.linalg.norm(thumbnail) == pytest.approx(1)
    assert thumbnail @ darker > 0.999


def test_bytes_that_are_no_image_have_no_signature(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"text")
    assert signature(tmp_path / "x.jpg") is None
    buffer = io.BytesIO()
    photo(4).save(buffer, "PNG")
    (tmp_path / "y.png").write_bytes(buffer.getvalue()[:200])
    assert signature(tmp_path / "y.png") is None
