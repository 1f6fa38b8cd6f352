"""Suites on toy runs: measured in pieces, joined to the evidence, told what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.evidence.load import load, read_tables
from harness.shipped import shipped
from harness.studies.spec import cells
from harness.suites.cost import CPU, GPU, cell_cost
from harness.suites.spec import find_suite, read_suite
from tests.harness.fair_toys import KINDS, Threshold, ToyRegistry, install

SUITE = {
    "title": "Toys",
    "question": "Which is better?",
    "settings": {"model": "toy", "seeds": 2, "trials": 1},
    "datasets": {"digits": {"data": "numbers"}},
    "about": {
        "digits": {
            "group": "digits",
            "subject": "numbers",
            "shifts": {"web_text": {"shift": 0.5, "reason": "numbers are no prose"}},
        }
    },
    "arms": [
        {
            "name": "toy",
            "strategies": ["linear_probe", "full_finetune"],
            "data": ["digits"],
            "examples": [40, 80],
        }
    ],
}
MEASURE = ["calibrate", "--suite", "toys.yaml", "--to", "evidence", "--no-fit"]


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    from dataclasses import replace

    from tests.harness import fair_toys

    monkeypatch.setattr(fair_toys, "FACTS", replace(fair_toys.FACTS, objective="masked_tokens"))
    install(monkeypatch)
    monkeypatch.setattr("harness.catalog.STRATEGIES", ToyRegistry(KINDS))
    monkeypatch.chdir(tmp_path)
    Path("toys.yaml").write_text(yaml.safe_dump(SUITE), encoding="utf-8")
    return Path("toys.yaml")


def test_a_suite_is_measured_in_pieces_that_join_the_evidence(file: Path) -> None:
    assert main([*MEASURE, "--cells", "1"]) == 0
    first = load([Path("evidence")])
    assert {row.n_train for row in first} == {40}
    assert main([*MEASURE, "--time", "1h"]) == 0
    rows = load([Path("evidence")])
    assert {row.n_train for row in rows} == {40, 80}
    assert {row.id for row in first} < {row.id for row in rows}
    assert {(row.source, row.protocol, row.shift, row.shift_reason) for row in rows} == {
        ("suite_toys", "fair", 0.5, "numbers are no prose")
    }
    assert {(row.data_group, row.subject) for row in rows} == {("digits", "numbers")}
    assert read_tables([Path("evidence")]).sources["suite_toys"][0] == "Toys"
    Threshold.fits = 0
    assert main(MEASURE) == 0
    assert Threshold.fits == 0
    assert load([Path("evidence")]) == rows
    assert "## digits" in Path("reports/suite_toys.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("validation", ["brief", "full"])
def test_a_suite_says_how_its_fit_is_validated(
    file: Path, validation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(yaml.safe_dump(SUITE | {"validation": validation}), encoding="utf-8")
    asked: list[bool] = []

    def fit(rows, artefact, reports, say, *, brief):
        asked.append(brief)
        scores = {"regret": 1.0, "regret_balanced": 1.0}
        return {"sources_out": {"model": scores}}

    monkeypatch.setattr("harness.fit.calibrate.calibrate", fit)
    arguments = [one for one in MEASURE if one != "--no-fit"]
    assert main([*arguments, "--cells", "1", "--artefact", "artefact"]) == 0
    assert asked == [validation == "brief"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"about": {}}, "about lacks digits"),
        (
            {"about": {"digits": SUITE["about"]["digits"] | {"shifts": {"web": {"shift": 0.5, "reason": "x"}}}}},
            "no kind of pretraining data 'web'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line(file: Path, change: dict, message: str, capsys) -> None:
    file.write_text(yaml.safe_dump(SUITE | change), encoding="utf-8")
    assert main(MEASURE) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not Path("evidence").exists()


def test_one_of_suite_and_evidence_only_is_needed(capsys) -> None:
    assert main(["calibrate"]) == 2
    assert "--suite smoke" in capsys.readouterr().err
    assert main(["calibrate", "--suite", "smok"]) == 2
    assert "Did you mean 'smoke'" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(one.stem for one in shipped("suites").glob("*.yaml")))
def test_shipped_suites_hold_distinct_runs_and_shifts_of_the_rubric(name: str) -> None:
    suite = read_suite(find_suite(name))
    names = [cell.name for cell in cells(suite, Path(), Path("out"))]
    assert len(set(names)) == len(names)
    for about in suite.about.values():
        assert all(one.shift in (0, 0.25, 0.5, 0.8, 1) for one in about.shifts.values())


def test_a_gpu_is_quicker_and_a_budget_bounds_the_cost() -> None:
    suite = read_suite(find_suite("standard"))
    for cell in cells(suite, Path(), Path("out")):
        slow, fast = cell_cost(cell, CPU), cell_cost(cell, GPU)
        assert 0 < fast.seconds <= slow.seconds <= (cell.question.budget_seconds or 0)
        assert fast.longest <= fast.seconds
