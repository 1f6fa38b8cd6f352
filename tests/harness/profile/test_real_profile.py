"""The packaged models order near and far data as people do; skipped where data are not at hand."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.backbones.base import Backbone
from harness.datasets.corruptions import corrupt_folder
from harness.datasets.packaged import PACKAGED
from harness.profile.shift import measured_shift
from tests.harness.tiny_decoder import packaged_gemma

IMAGES = 32  # small photographs and aerial ones are the pair that lies close: 0.03 apart
TEXTS = 32
SEED = 11


def some(items: list, count: int) -> list:
    order = np.random.default_rng(SEED).permutation(len(items))[:count]
    return [items[row] for row in order]


def pictures(datasets: Path, name: str) -> list[Path]:
    folder = datasets / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set ADVISOR_DATASETS")
    suffixes = (".jpg", ".jpeg", ".png")
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in suffixes)
    random.Random(5).shuffle(found)
    return found[:IMAGES]


def column(datasets: Path, file: str, name: str) -> list[str]:
    path = datasets / file
    if not path.is_file():
        pytest.skip(f"{path} is not there; set ADVISOR_DATASETS")
    with path.open(encoding="utf-8", newline="") as table:
        return [row[name] for row in csv.DictReader(table)]


def news() -> list[str]:
    location = PACKAGED["bbc-news"].location()
    if location is None:
        pytest.skip("extra 'datasets' is not installed")
    files = sorted(location.glob("*/*.txt"))[1::5]  # none of the reference's own articles
    return [file.read_text(encoding="utf-8", errors="replace") for file in files]


def noise(folder: Path) -> list[Path]:
    draws = np.random.default_rng(SEED)
    files = [folder / f"{index}.png" for index in range(8)]
    for file in files:
        Image.fromarray(draws.integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(file)
    return files


def test_images_lie_in_order(efficientnet: Backbone, datasets: Path, tmp_path: Path) -> None:
    sets = {
        name: measured_shift(efficientnet, pictures(datasets, folder))
        for name, folder in (
            ("ants and bees", "images_ants_bees/val"),
            ("small photographs", "images_cifar10_sample/test"),
            ("aerial", "images_satellite_ucmerced/test"),
            ("X-ray", "xray_bone_fracture/test"),
        )
    }
    sets["noise"] = measured_shift(efficientnet, noise(tmp_path))
    values = [found.value for found in sets.values() if found.value is not None]
    assert len(values) == 5
    assert values == sorted(values), sets
    assert sets["noise"].word == sets["X-ray"].word == "high"
    # what this statistic is for: by divergence, small photographs lie beyond aerial ones
    photographs, aerial = (sets[name].details for name in ("small photographs", "aerial"))
    assert photographs["kl_all_layers"] > aerial["kl_all_layers"]


def test_worse_copies_of_the_same_images_lie_further_away(
    efficientnet: Backbone, datasets: Path, tmp_path: Path
) -> None:
    files = pictures(datasets, "images_ants_bees/val")[:12]
    for index, file in enumerate(files):
        (tmp_path / "plain").mkdir(exist_ok=True)
        with Image.open(file) as image:
            image.convert("RGB").save(tmp_path / "plain" / f"{index:02}.png")
    found = [measured_shift(efficientnet, sorted((tmp_path / "plain").iterdir()))]
    corrupt_folder(tmp_path / "plain", tmp_path / "worse", severity=5)
    found.append(measured_shift(efficientnet, sorted((tmp_path / "worse").rglob("*.png"))))
    assert found[0].value is not None
    assert found[1].value is not None
    assert found[1].value > found[0].value


def test_texts_lie_in_order_by_fertility(minilm: Backbone, datasets: Path) -> None:
    near = [
        measured_shift(minilm, some(news(), TEXTS)),
        measured_shift(minilm, some(column(datasets, "ag_news/test.csv", "text"), TEXTS)),
    ]
    far = [
        measured_shift(minilm, some(column(datasets, "far_chemprot/test.csv", "text"), TEXTS)),
        measured_shift(minilm, some(column(datasets, "enes_tatoeba/test.csv", "target"), TEXTS)),
    ]
    for close in near:
        assert close.word == "low"
        for away in far:
            assert close.value is not None
            assert away.value is not None
            assert away.value > close.value + 0.2
    assert {away.word for away in far} <= {"medium", "high"}


@pytest.mark.slow
def test_texts_lie_in_order_by_loss(datasets: Path) -> None:
    gemma = packaged_gemma()
    close, spanish, away = (
        measured_shift(gemma, [text[:250] for text in some(texts, 12)])
        for texts in (
            news(),
            column(datasets, "enes_tatoeba/test.csv", "target"),
            column(datasets, "far_chemprot/test.csv", "text"),
        )
    )
    assert close.word == "low"
    assert close.value is not None
    assert spanish.value is not None
    assert away.value is not None
    assert away.value > close.value + 0.15
    assert away.value > spanish.value  # Gemma reads many languages; chemistry is what is far
