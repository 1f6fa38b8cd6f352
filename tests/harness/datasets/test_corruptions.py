from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advisor.errors import DataError, SpecError, UnknownName
from harness.datasets.corruptions import CORRUPTIONS, SIDE, corrupt_folder, corrupted


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for label in ("ants", "bees"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            small = draw.integers(0, 255, (8, 10, 3), dtype=np.uint8)
            image = Image.fromarray(small).resize((300, 260))
            image.save(tmp_path / "photos" / label / f"{number}.jpg")
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_more_severe_the_further_from_the_picture(photos: Path, kind: str):
    file = photos / "ants" / "0.jpg"
    with Image.open(file) as opened:
        shrunk = opened.resize((258, SIDE), Image.Resampling.BICUBIC)
    clean = np.asarray(shrunk, dtype=float)
    apart = []
    for severity in (1, 3, 5):
        worse = np.asarray(corrupted(file, kind, severity, seed=1), dtype=float)
        assert worse.shape == clean.shape
        apart.append(np.abs(worse - clean).mean())
    assert 0 < apart[0] < apart[1] < apart[2]


def test_a_folder_keeps_its_classes_and_is_made_once(photos: Path, tmp_path: Path):
    target = tmp_path / "worse"
    assert corrupt_folder(photos, target) == 6
    names = sorted(one.relative_to(target).as_posix() for one in target.rglob("*.png"))
    assert names == [f"{label}/{n}.png" for label in ("ants", "bees") for n in range(3)]
    before = (target / "ants" / "0.png").read_bytes()
    assert corrupt_folder(photos, tmp_path / "again") == 6
    assert (tmp_path / "again" / "ants" / "0.png").read_bytes() == before
    (target / "ants" / "0.png").unlink()
    corrupt_folder(photos, target)
    assert not (target / "ants" / "0.png").exists()


def test_what_cannot_be_is_refused(photos: Path, tmp_path: Path):
    with pytest.raises(SpecError, match="severity must be between 1 and 5; got 6"):
        corrupt_folder(photos, tmp_path / "worse", severity=6)
    with pytest.raises(DataError, match="holds no images"):
        corrupt_folder(tmp_path / "none", tmp_path / "worse")
    with pytest.raises(UnknownName, match="no corruption 'fog'"):
        corrupted(photos / "ants" / "0.jpg", "fog", 1, seed=0)
    (photos / "ants" / "0.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"0\.jpg cannot be read as an image"):
        corrupt_folder(photos, tmp_path / "worse")
    assert not (tmp_path / "worse").exists()
