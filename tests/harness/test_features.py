"""The feature cache: what is extracted once, what it charges, what it survives."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.backbones.base import View
from harness.features import cached_features, feature_blocks
from tests.harness.toy import ToyBackbone, toy_split

TEXTS = tuple(dict.fromkeys(toy_split(60).inputs))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def extract(backbone: ToyBackbone, texts: Sequence, **more) -> tuple[np.ndarray, float]:
    return cached_features(backbone, texts, **({"views": (View("mean"),)} | more))


def the_file(cache: Path) -> Path:
    (file,) = cache.glob("*.sqlite")
    return file


def test_a_text_goes_through_the_model_once_whatever_asks_for_it() -> None:
    backbone = ToyBackbone()
    direct = backbone.features(TEXTS, pooling="mean")
    backbone.extracted = 0
    first, charged = extract(backbone, TEXTS[:40])
    assert charged == 0.0
    assert backbone.extracted == 40
    second, _ = extract(backbone, TEXTS[20:][::-1])
    assert backbone.extracted == len(TEXTS)
    assert np.array_equal(first, direct[:40])
    assert np.array_equal(second, direct[20:][::-1])
    assert first.dtype == np.float32
    again, _ = extract(ToyBackbone(), TEXTS)  # another process, as far as the cache can tell
    assert np.array_equal(again, direct)


def test_what_is_taken_costs_what_it_took() -> None:
    backbone = ToyBackbone()
    extract(backbone, TEXTS[:30])
    _, all_of_it = extract(backbone, TEXTS[:30])
    _, half = extract(backbone, TEXTS[:15])
    _, mixed = extract(backbone, TEXTS[15:45])
    assert all_of_it > 0
    assert half == pytest.approx(all_of_it / 2)
    assert mixed == pytest.approx(all_of_it / 2)  # what was spent just now is not charged again
    _, twice = extract(backbone, [*TEXTS[:15], *TEXTS[:15]])
    assert twice == pytest.approx(half)


def test_repeated_inputs_are_extracted_once() -> None:
    backbone = ToyBackbone()
    features, _ = extract(backbone, [TEXTS[0], TEXTS[1], TEXTS[0]])
    assert backbone.extracted == 2
    assert np.array_equal(features[0], features[2])


def test_another_model_pooling_layer_or_length_shares_nothing() -> None:
    backbone = ToyBackbone()
    extract(backbone, TEXTS)
    for other, more in (
        (backbone, {"views": (View("max"),)}),
        (backbone, {"views": (View("mean", -2), View("mean"))}),
        (ToyBackbone("encoder"), {}),
    ):
        other.extracted = 0
        extract(other, TEXTS, **more)
        assert other.extracted == len(TEXTS)
    shorter = ToyBackbone()
    shorter.max_tokens = 8
    extract(shorter, TEXTS)
    assert shorter.extracted == len(TEXTS)


def test_image_files_are_known_by_content(tmp_path: Path) -> None:
    class Reader(ToyBackbone):
        def views(self, inputs, views, *, progress=None):
            texts = [path.read_text() for path in inputs]
            return super().views(texts, views, progress=progress)

    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_text("goal")
    same.write_text("goal")
    other.write_text("bank")
    backbone = Reader()
    features, _ = extract(backbone, [one, same, other])
    assert backbone.extracted == 2
    one.write_text("bank")
    changed, _ = extract(backbone, [one])
    assert backbone.extracted == 2
    assert np.array_equal(changed[0], features[2])


def test_nothing_in_nothing_out() -> None:
    features, charged = extract(ToyBackbone(), [])
    assert features.shape == (0, 32)
    assert charged == 0.0


def test_blocks_come_in_order_and_can_be_left_off() -> None:
    backbone = ToyBackbone()
    blocks = feature_blocks(backbone, TEXTS, views=(View("mean"),), rows=7)
    first, _ = next(blocks)
    assert backbone.extracted == 7
    blocks.close()
    direct = ToyBackbone().features(TEXTS, pooling="mean")
    assert np.array_equal(first, direct[:7])
    whole = np.concatenate(
        [b for b, _ in feature_blocks(backbone, TEXTS, views=(View("mean"),), rows=7)]
    )
    assert np.array_equal(whole, direct)
    assert backbone.extracted == len(TEXTS)


def test_an_interruption_keeps_finished_blocks() -> None:
    backbone, seen = ToyBackbone(), []

    def stop(share: float) -> None:
        seen.append(share)
        if share > 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(feature_blocks(backbone, TEXTS, views=(View("mean"),), rows=10, progress=stop))
    assert seen == sorted(seen)
    backbone.extracted = 0
    extract(backbone, TEXTS)
    assert backbone.extracted < 0.6 * len(TEXTS)


def test_a_damaged_row_is_reported_and_computed_again(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backbone = ToyBackbone()
    right, _ = extract(backbone, TEXTS)
    with sqlite3.connect(the_file(cache)) as connection:
        connection.execute(
            "UPDATE features SET value = zeroblob(128) WHERE key = "
            "(SELECT key FROM features LIMIT 1)"
        )
    backbone.extracted = 0
    with caplog.at_level(logging.WARNING):
        again, _ = extract(backbone, TEXTS)
    assert backbone.extracted == 1
    assert "1 damaged rows are computed again" in caplog.text
    assert np.array_equal(again, right)
    extract(backbone, TEXTS)
    assert backbone.extracted == 1  # mended


@pytest.mark.parametrize(
    "content", [b"this is no database" * 400, b"SQLite format 3\0" + b"x" * 4096]
)
def test_a_damaged_file_is_set_aside_and_made_again(
    cache: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    backbone = ToyBackbone()
    right, _ = extract(backbone, TEXTS)
    file = the_file(cache)
    file.write_bytes(content)
    backbone.extracted = 0
    with caplog.at_level(logging.WARNING):
        again, _ = extract(backbone, TEXTS)
    assert backbone.extracted == len(TEXTS)
    assert "is damaged" in caplog.text
    assert np.array_equal(again, right)
    assert file.with_suffix(".damaged").read_bytes() == content
    extract(backbone, TEXTS)
    assert backbone.extracted == len(TEXTS)


def test_many_writers_at_once() -> None:
    right = ToyBackbone().features(TEXTS, pooling="mean")
    backbones = [ToyBackbone() for _ in range(6)]  # made one by one: they draw random numbers
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        order = np.random.default_rng(number).permutation(len(TEXTS))
        features, _ = extract(backbones[number], [TEXTS[row] for row in order])
        found[number] = features[np.argsort(order)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(np.array_equal(features, right) for features in found.values())
