from __future__ import annotations

import csv
from pathlib import Path

import pytest

from harness.cli import main
from tests.harness.fair_toys import KINDS, ToyRegistry, install
from tests.harness.studies.test_studies import STUDY, written


def test_every_score_of_a_study_becomes_a_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch)
    monkeypatch.setattr("harness.catalog.STRATEGIES", ToyRegistry(KINDS))
    monkeypatch.chdir(tmp_path)
    file = str(written(STUDY))
    assert main(["study", file, "--evidence", "evidence/toys.csv"]) == 0
    text = Path("evidence/toys.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 5 * 2  # strategies and sizes by seeds
    assert {row["n_train"] for row in rows} == {"40", "80"}
    assert {row["source"] for row in rows} == {"toys"}
    assert {row["source_group"] for row in rows} == {"own_studies"}
    assert {row["modality"] for row in rows} == {"text"}
    held = {row["protocol"] for row in rows if row["strategy"] == "linear_probe"}
    free = {row["protocol"] for row in rows if row["strategy"] == "full_finetune"}
    assert (held, free) == ({"controlled"}, {"fair"})
    exact = [row for row in rows if row["variant"] == "noise=0"]
    assert {row["seed"] for row in exact} == {"0", "1"}
    assert all(0 < float(row["value"]) <= 1 for row in rows)
    assert main(["study", file, "--no-runs", "--evidence", "evidence/toys.csv"]) == 0
    assert Path("evidence/toys.csv").read_text(encoding="utf-8") == text
