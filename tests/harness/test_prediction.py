"""Predicting a table part by part gives what predicting it whole gives, and refuses before it writes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from advisor.errors import DataError
from harness import prediction
from harness.cli import main
from harness.files import write_parts
from harness.prediction import predict_file, predicted_parts
from harness.runner import Conditions, run
from tests.harness.fair_toys import install, toy_question


@pytest.fixture
def winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    return run(toy_question(), tmp_path / "toy", Conditions(command="harness run"))


def test_parts_join_to_the_whole(winner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predict_file(winner, winner / "test.csv")
    monkeypatch.setattr(prediction, "PART_ROWS", 7)
    monkeypatch.setattr(prediction, "UNCACHED_ABOVE", 5)
    moved: list[tuple[int, int]] = []
    parts = list(predicted_parts(winner, winner / "test.csv", told=lambda *at: moved.append(at)))
    again = csv.reader(io.StringIO("".join(parts)))
    assert [row[:-2] for row in again] == [row[:-2] for row in csv.reader(io.StringIO(whole))]
    rows = whole.count("\n") - 1
    assert len(parts) == -(-rows // 7) == len(moved)
    assert moved[-1] == (rows, rows)


def test_a_bad_last_row_is_refused_before_anything_is_written(
    winner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.setattr(prediction, "PART_ROWS", 2)
    bad, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    bad.write_text((winner / "test.csv").read_text() + "1,2,3,4,5,6,7,8,9,10,11,12\n")
    out.write_text("before\n")
    with pytest.raises(DataError, match="a row has 12 cells"):
        next(predicted_parts(winner, bad))
    capsys.readouterr()
    assert main(["predict", str(winner), "--input", str(bad), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.strip().splitlines())) == ("", 1)
    assert out.read_text() == "before\n"
    assert main(["predict", str(winner), "--input", str(winner / "test.csv"), "--out", str(out)]) == 0  # fmt: skip
    assert out.read_text() == predict_file(winner, winner / "test.csv")


def test_a_part_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def parts():
        yield "half"
        raise RuntimeError("no memory")

    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(RuntimeError):
        write_parts(tmp_path / "out.csv", parts())
    assert (tmp_path / "out.csv").read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]
