"""A run without any labelled example, from the command line to predictions: a tiny CLIP."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from tests.harness.tiny_clip import COLOURS, noisy, save_clip


@pytest.fixture
def folders(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """model/, and images/ of the three colours."""
    monkeypatch.chdir(tmp_path)
    save_clip("clip", Path("model"))
    draw = np.random.default_rng(5)
    for index, colour in enumerate(COLOURS):
        folder = Path("images") / colour
        folder.mkdir(parents=True)
        for row in range(20):
            noisy(index, draw, (40, 44)).save(folder / f"{row}.png")


@pytest.mark.usefixtures("folders")
def test_names_of_classes_classify_images(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "--model", "model", "--data", "images", "--examples", "0", "--out", "out"]
    assert main(asked) == 0, capsys.readouterr().err
    result = json.loads(Path("out/result.json").read_text(encoding="utf-8"))
    assert result["winner"] == "hard_prompt"
    (scored,) = [one for one in result["strategies"] if one["status"] == "done"]
    assert scored["test"]["mean"] >= 0.9
    assert scored["trained_parameters"] == 0
    capsys.readouterr()
    assert main(["predict", "out", "--input", "images/blue"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 20
    assert sum(row["prediction"] == "blue" for row in rows) >= 18


@pytest.mark.usefixtures("folders")
def test_labels_that_are_numbers_need_names(capsys: pytest.CaptureFixture[str]) -> None:
    for index, colour in enumerate(COLOURS):
        (Path("images") / colour).rename(Path("images") / str(index))
    asked = ["run", "--model", "model", "--data", "images", "--examples", "0", "--dry-run"]
    assert main(asked) == 2
    assert "give --label-names" in capsys.readouterr().err
    assert main([*asked, "--label-names", ",".join(COLOURS)]) == 0
    assert "hard prompting" in capsys.readouterr().out
