"""The generated fracture set: the same for the same seed, and its boxes hold the dark line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from advisor.errors import OutputError, SpecError
from harness.cli import main
from harness.datasets.base import DataRequest
from harness.datasets.generated import MARGIN, SIDE, fracture, write_fractures
from harness.datasets.load import load_dataset


def content(folder: Path) -> dict[str, bytes]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def test_the_same_seed_writes_the_same_set_and_another_another(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_fractures(tmp_path / name, images=10, seed=seed)
    a, b, c = (content(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert a["train/00001.jpg"] != c["train/00001.jpg"]


def test_the_command_writes_what_a_run_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "fractures"
    assert main(["generate", "fractures", "--out", str(folder), "--images", "20"]) == 0
    assert "20 images" in capsys.readouterr().out
    data = load_dataset(DataRequest(str(folder)))
    assert (data.task, len(data.train), len(data.test)) == ("localization", 16, 4)
    assert "not medical data" in (folder / "README.md").read_text()


def test_boxes_lie_inside_differ_and_hold_the_darkest_part_of_the_shaft() -> None:
    boxes, darker = [], 0
    for index in range(60):
        pixels, box = fracture(np.random.default_rng((1, index)))
        left, upper, right, lower = box
        assert 0 <= left < right <= SIDE
        assert 0 <= upper < lower <= SIDE
        assert min(right - left, lower - upper) >= 2 * MARGIN - 0.01
        boxes.append(box)
        # along the shaft, greys inside the box dip below those above and below it
        x, y, high = round((left + right) / 2), round((upper + lower) / 2), round(lower - upper)
        strip = pixels[:, max(0, x - 1) : x + 2].astype(float).min(axis=1)
        inside = strip[round(upper) : round(lower)].min()
        around = np.r_[strip[max(0, y - high) : round(upper)], strip[round(lower) : y + high]]
        darker += inside < np.median(around)
    assert darker >= 50
    assert (np.std(boxes, axis=0) > 5).all()


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is there already"):
        write_fractures(tmp_path, images=10, seed=0)
    with pytest.raises(SpecError, match="at least 10; got 9"):
        write_fractures(tmp_path / "a", images=9, seed=0)
    with pytest.raises(SpecError, match="seed must be at least 0"):
        write_fractures(tmp_path / "a", images=10, seed=-1)
    assert not list(tmp_path.iterdir())
