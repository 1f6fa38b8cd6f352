"""Studies on toy runs: declared, carried out, taken up again, compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.shipped import shipped
from harness.studies.findings import CurvePoint, curves, finished, rows, verdicts
from harness.studies.spec import cells, located, read_study, shifted_copies
from harness.studies.table import as_csv
from tests.harness.fair_toys import KINDS, Threshold, ToyRegistry, install

STUDY = {
    "title": "Thresholds",
    "question": "Which is better?",
    "settings": {"model": "toy", "seeds": 2, "trials": 1},
    "datasets": {"numbers": {"data": "numbers"}},
    "arms": [
        {
            "name": "exact",
            "strategies": ["linear_probe", "full_finetune"],
            "data": ["numbers"],
            "examples": [40, 80],
            "fixed": ["linear_probe.noise=0"],
        },
        {
            "name": "blurred",
            "strategies": ["linear_probe"],
            "data": ["numbers"],
            "examples": [80],
            "fixed": ["linear_probe.noise=0.4"],
        },
    ],
    "compare": [
        {"claim": "exact beats constant", "a": "exact/linear_probe", "b": "exact/full_finetune"},
        {"claim": "blur helps", "a": "blurred/linear_probe", "b": "exact/linear_probe"},
    ],
}


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    install(monkeypatch)
    monkeypatch.setattr("harness.catalog.STRATEGIES", ToyRegistry(KINDS))
    monkeypatch.chdir(tmp_path)
    return written(STUDY)


def written(study: dict, name: str = "toys.yaml") -> Path:
    Path(name).write_text(yaml.safe_dump(study), encoding="utf-8")
    return Path(name)


def test_a_study_runs_its_cells_and_says_what_holds(file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["study", str(file), "--publish", "reports"]) == 0
    text = Path("reports/toys.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.rstrip("\n") + "\n"
    asked = read_study(file)
    found = cells(asked, Path(), Path("runs/study-toys"))
    assert [cell.name for cell in found] == [
        "exact-numbers-40",
        "exact-numbers-80",
        "blurred-numbers-80",
    ]
    results = finished(found, Path("runs/study-toys"))
    scores = {(row.arm, row.strategy, row.examples): row.mean for row in rows(found, results)}
    assert scores["exact", "linear_probe", 80] > scores["blurred", "linear_probe", 80] > 0.5
    said = verdicts(asked, found, Path("runs/study-toys"))
    assert [(one.examples, one.says) for one in said[:2]] == [(40, "yes"), (80, "yes")]
    blur = said[2]
    expected = scores["blurred", "linear_probe", 80] - scores["exact", "linear_probe", 80]
    assert blur.difference == pytest.approx(expected)
    assert blur.says != "yes"
    assert f"| linear_probe (exact) | {scores['exact', 'linear_probe', 40]:.3f} [" in text
    kept = json.loads(Path("runs/study-toys/study.json").read_text())
    assert len(kept["rows"]) == 5
    assert len(kept["claims"]) == 3


def test_a_finished_cell_is_not_run_again_and_parts_share_the_work(file: Path):
    Threshold.fits = 0
    assert main(["study", str(file), "--part", "1/2"]) == 0
    first = Threshold.fits
    assert first > 0
    assert not Path("runs/study-toys/exact-numbers-80/result.json").exists()
    assert "Not measured yet: exact-numbers-80." in Path("runs/study-toys/study.md").read_text()
    assert main(["study", str(file), "--part", "1/2"]) == 0
    assert Threshold.fits == first
    assert main(["study", str(file), "--only", "exact"]) == 0
    assert "Not measured yet" not in Path("runs/study-toys/study.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"arms": [STUDY["arms"][0] | {"data": ["letters"]}]},
            "names data 'letters'; the study has numbers",
        ),
        (
            {"arms": [STUDY["arms"][0] | {"settings": {"epochs": 3}}]},
            "arm 'exact': epochs: Extra inputs",
        ),
        ({"titel": "x"}, "toys.yaml: titel: Extra inputs"),
        ({"settings": {"model": "toy", "seeds": 0}}, "seeds must be"),
        (
            {"arms": [STUDY["arms"][0] | {"fixed": ["lora.rank=3"]}]},
            "no strategy of this run 'lora'",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line(file: Path, change: dict, message: str, capsys):
    written(STUDY | change)
    assert main(["study", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("harness: ")
    assert said.count("\n") == 1
    assert message in said
    assert not Path("runs").exists()


def test_other_mistakes_are_one_line(file: Path, capsys):
    assert main(["study", "none.yaml"]) == 2
    assert "no study 'none.yaml'." in capsys.readouterr().err
    assert main(["study", str(file), "--part", "3/2"]) == 2
    assert "part must be K/N" in capsys.readouterr().err
    Path("bad.yaml").write_text("a: [", encoding="utf-8")
    assert main(["study", "bad.yaml"]) == 2
    assert "bad.yaml cannot be read" in capsys.readouterr().err


def test_a_run_that_fails_does_not_end_the_study(file: Path, capsys):
    (Path("runs/study-toys/exact-numbers-40")).mkdir(parents=True)
    Path("runs/study-toys/exact-numbers-40/other.txt").write_text("not a run")
    assert main(["study", str(file)]) == 1
    captured = capsys.readouterr()
    assert "exact-numbers-40: " in captured.err
    assert "is not empty and holds no run" in captured.err
    assert "Not measured yet: exact-numbers-40." in captured.out


def test_paths_lie_under_the_data_root_and_shifted_copies_beside_the_runs(
    tmp_path: Path, file: Path
):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "train.csv").write_text("text,label\n")
    datasets = {
        "numbers": {"data": "train.csv", "test_data": "minilm", "ood_data": "corrupt:val/x"}
    }
    asked = read_study(written(STUDY | {"datasets": datasets}))
    question = cells(asked, tmp_path / "root", Path("out"))[0].question
    assert question.data == str(tmp_path / "root" / "train.csv")
    assert question.test_data == "minilm"
    assert question.ood_data == str(Path("out/shifted/val_x"))
    copies = shifted_copies(asked, tmp_path / "root", Path("out"))
    assert [(one.source, one.target) for one in copies] == [
        (tmp_path / "root" / "val/x", Path("out/shifted/val_x"))
    ]


@pytest.mark.parametrize("name", sorted(one.stem for one in shipped("studies").glob("*.yaml")))
def test_shipped_studies_can_be_read(name: str):
    asked = read_study(located(Path(name)))
    arms = {arm.name for arm in asked.arms}
    for side in (side for one in asked.compare for side in (one.a, one.b)):
        assert side.rsplit("/", 1)[0] in arms


def test_a_strategy_nobody_knows_is_named(file: Path, capsys: pytest.CaptureFixture[str]):
    arm = STUDY["arms"][0] | {"strategies": ["lorra"], "fixed": []}
    written(STUDY | {"arms": [arm]})
    assert main(["study", str(file)]) == 2
    assert "no strategy 'lorra'" in capsys.readouterr().err


def test_curves_become_lines_of_csv():
    trained = {
        "strategy": "soft_prompt",
        "curve": [
            {"step": 4, "train_loss": 1.25, "validation_loss": 0.5, "validation_score": 0.75},
            {"step": 8, "train_loss": 0.123456789},
        ],
    }
    found = list(
        curves({"a": {"strategies": [trained, {"strategy": "linear_probe", "curve": []}]}})
    )
    assert found[1] == CurvePoint("a", "soft_prompt", 8, 0.123456789, None, None)
    assert as_csv(found).splitlines() == [
        "run,strategy,step,train_loss,validation_loss,validation_score",
        "a,soft_prompt,4,1.25,0.5,0.75",
        "a,soft_prompt,8,0.12346,,",
    ]


def test_a_page_gets_the_tables_between_the_marks(file: Path, capsys: pytest.CaptureFixture[str]):
    page = Path("page.md")
    page.write_text("# Page\n\n<!-- study toys -->\nold\n<!-- end of toys -->\n\nAfter.\n", "utf-8")
    assert main(["study", str(file), "--page", str(page)]) == 0
    once = page.read_text("utf-8")
    assert once.startswith("# Page\n\n<!-- study toys -->\n## numbers\n")
    assert once.endswith("<!-- end of toys -->\n\nAfter.\n")
    assert "old" not in once
    assert "Metric: accuracy." in once
    assert main(["study", str(file), "--page", str(page), "--no-runs"]) == 0
    assert page.read_text("utf-8") == once
    page.write_text("# No marks\n", "utf-8")
    assert main(["study", str(file), "--page", str(page), "--no-runs"]) == 2
    assert "<!-- study toys -->" in capsys.readouterr().err


def test_the_results_page_shows_the_published_table() -> None:
    root = Path(__file__).parents[3]
    page = (root / "docs" / "results.md").read_text("utf-8")
    shown = page.partition("<!-- study journeys -->")[2].partition("<!-- end of journeys -->")[0]
    report = (root / "reports" / "journeys.md").read_text("utf-8")
    assert shown.strip()
    assert shown.strip() in report
