"""The path of a user through a run on boxes and on numbers, with a tiny vision transformer."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from tests.harness.backbones.test_vit import save_vit
from tests.harness.strategies.test_numbers import squares


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


def images(folder: Path) -> list[tuple[str, list[float]]]:
    """Squares in train/ and test/; names and boxes in pixels of 40 x 32."""
    folder.mkdir()
    rows = []
    for seed, (part, count) in enumerate((("train", 48), ("test", 16))):
        split = squares(folder / part, count, seed)
        for file, box in zip(split.inputs, split.targets, strict=True):
            scale = (40, 32, 40, 32)
            rows.append((f"{part}/{file.name}", [e * s for e, s in zip(box, scale, strict=True)]))
    return rows


def run(tmp_path: Path, data: Path, *more: str) -> Path:
    model, out = save_vit(tmp_path / "model"), tmp_path / "run"
    asked = ["--data", str(data), "--strategies", "linear_probe,full_finetune", *more]
    fixed = ["--trials", "1", "--seeds", "1", "--examples", "all", "--out", str(out)]
    assert main(["run", "--model", str(model), *asked, *fixed]) == 0
    return out


def test_boxes_from_folder_to_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "squares"
    rows = images(data)
    lines = [",".join([name, *(f"{edge:.6f}" for edge in box)]) for name, box in rows]
    (data / "boxes.csv").write_text("\n".join(["file,x_min,y_min,x_max,y_max", *lines]) + "\n")
    out = run(tmp_path, data)
    result = json.loads((out / "result.json").read_text())
    found = {one["strategy"]: one for one in result["strategies"]}
    assert result["metric"] == "mean_iou"
    assert set(result["baselines"]) == {"mean_box", "centre_box"}
    assert found["linear_probe"]["test"]["mean"] > result["baselines"]["mean_box"]["mean_iou"]
    assert set(found["linear_probe"]["metrics"]) == {"mean_iou", "hit_rate"}
    assert "ean IoU" in (out / "report.html").read_text()

    capsys.readouterr()
    assert main(["predict", str(out), "--input", str(data / "test")]) == 0
    said = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(said) == 16
    for row in said:
        shares = [float(one) for one in row["prediction"].split()]
        pixels = [float(row[edge]) for edge in ("x_min", "y_min", "x_max", "y_max")]
        assert pixels == pytest.approx(
            [share * size for share, size in zip(shares, (40, 32, 40, 32), strict=True)], abs=0.06
        )
        with Image.open(data / "test" / row["file"]) as image:
            assert pixels[2] <= image.width


def test_numbers_of_images_from_table_to_prediction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "squares"
    rows = images(data)  # what is asked: the square's area
    lines = [f"{name},{(box[2] - box[0]) * (box[3] - box[1]):.1f}" for name, box in rows]
    (data / "areas.csv").write_text("\n".join(["file,area", *lines]) + "\n")
    table = data / "areas.csv"
    out = run(tmp_path, table, "--task", "regression", "--label-column", "area")
    result = json.loads((out / "result.json").read_text())
    best = max(one["test"]["mean"] for one in result["strategies"])
    assert (result["metric"], set(result["baselines"])) == (
        "r2",
        {"mean", "colour_histogram_ridge"},
    )
    assert best > result["baselines"]["mean"]["r2"] + 0.2
    assert "R²" in (out / "report.html").read_text()

    capsys.readouterr()
    assert main(["predict", str(out), "--input", str(table)]) == 0
    said = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert all(float(row["prediction"]) == float(row["prediction"]) for row in said)
    assert len(said) == 64
