from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import pytest

from harness.cli import main
from tests.harness.fair_toys import KINDS, Threshold, ToyRegistry, install


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch)
    monkeypatch.setattr("harness.catalog.STRATEGIES", ToyRegistry(KINDS))
    monkeypatch.chdir(tmp_path)


def harness(*args: str) -> int:
    return main(args)


def run(*args: str) -> int:
    return harness("run", "--model", "toy", "--data", "numbers", "--examples", "80", *args)


def test_run_writes_a_report_and_prints_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--strategies", "linear-probe,full-finetune", "--out", "toy") == 0
    printed = capsys.readouterr()
    assert "linear probe" in printed.out.lower()
    assert "toy/report.html" in printed.out
    assert "trial 1: validation" in printed.err
    assert "seed 2: validation" in printed.err
    result = json.loads(Path("toy/result.json").read_text())
    assert [one["strategy"] for one in result["strategies"]] == ["linear_probe", "full_finetune"]
    assert result["command"].startswith("harness run --model toy --data numbers ")


def test_core_is_the_default_and_all_is_what_is_registered() -> None:
    from harness.cli.run import read_strategies

    assert set(read_strategies("core")) == set(KINDS)
    assert read_strategies("all") == tuple(KINDS)
    assert read_strategies("Hard-Prompt, linear_probe,hard_prompt") == (
        "hard_prompt",
        "linear_probe",
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--strategies", "lineer-probe"], "no strategy 'lineer-probe'. Did you mean 'linear_probe'"),
        (["--budget", "soon"], "budget must be a duration such as 90s, 10m or 5h; got 'soon'"),
        (["--budget", "0"], "budget must be above 0; got"),
        (["--budget=-5m"], "budget must be a duration"),
        (["--examples", "many"], "examples must be a number"),
        (["--examples", "1.5"], "examples must be a whole number or all; got '1.5'"),
        (["--examples", "1"], "2 classes need at least 2 examples"),
        (["--seeds", "0"], "seeds must be between 1 and 50; got 0"),
        (["--seeds", "x"], "Invalid value for '--seeds'"),
        (["--trials", "0"], "trials must be at least 1; got 0"),
        (["--device", "tpu"], "no device 'tpu' here. Use cpu"),
        (["--metric", "accurracy"], "no metric 'accurracy'. Did you mean 'accuracy'"),
        (["--target", "90"], "target must be above 0 and at most 1; got 90. Write 0.9."),
        (["--target", "nan"], "target must be above 0"),
        (["--max-tokens", "0"], "max-tokens must be at least 4"),
        (["--strategies", "hard-prompt"], "hard_prompt: there is nothing to say"),
        (["--frobnicate"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(*args) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert said in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_missing_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness("run", "--data", "numbers") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_another_question_in_the_same_folder_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--strategies", "linear-probe", "--out", "toy") == 0
    before = Path("toy/result.json").read_bytes()
    assert run("--strategies", "full-finetune", "--out", "toy") == 2
    assert "already holds another run" in capsys.readouterr().err
    assert Path("toy/result.json").read_bytes() == before


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Threshold.fits = 0
    assert run("--dry-run", "--budget", "5m", "--seeds", "2") == 0
    printed = capsys.readouterr().out
    assert "80 labelled examples a seed: 59 to train, 21 to validate" in printed
    assert "left out: there is nothing to say" in printed
    assert "at least 3 trials and 2 seeds: about" in printed
    assert "5 min of wall clock" in printed
    assert Threshold.fits == 0
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Threshold.fit

    def interrupted(self, *args, **kwargs):
        if Threshold.fits == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return fit(self, *args, **kwargs)

    Threshold.fits = 0
    monkeypatch.setattr(Threshold, "fit", interrupted)
    args = ("--strategies", "linear-probe", "--out", "toy")
    assert run(*args) == 130
    assert "--out toy to go on" in capsys.readouterr().err
    assert not Path("toy/result.json").exists()
    monkeypatch.setattr(Threshold, "fit", fit)
    assert run(*args) == 0
    printed = capsys.readouterr().err
    assert printed.count("found in the store") == 2
    assert Path("toy/report.html").exists()


def test_predict_adds_the_prediction_and_a_probability_per_class(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--strategies", "linear-probe", "--out", "toy") == 0
    Path("new.csv").write_text('note,text\n"a, b",0.9\n,0.1\n')
    assert harness("predict", "toy", "--input", "new.csv", "--out", "said.csv") == 0
    with Path("said.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["note", "text", "prediction", "probability_low", "probability_high"]
    assert [row["prediction"] for row in rows] == ["high", "low"]
    assert rows[0]["note"] == "a, b"
    capsys.readouterr()
    assert harness("predict", "toy", "--input", "new.csv") == 0
    assert capsys.readouterr().out == Path("said.csv").read_text()


def test_bad_inputs_to_predict_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--strategies", "linear-probe", "--out", "toy") == 0
    for content, said in [
        ("words\nhello\n", "has no column 'text'. Columns: words."),
        ("text\n", "holds no rows"),
        ("text,prediction\n0.5,high\n", "has a column 'prediction' already"),
        ("text\n0.5,0.6\n", "2 cells, but the header names 1"),
    ]:
        capsys.readouterr()
        Path("new.csv").write_text(content)
        assert harness("predict", "toy", "--input", "new.csv", "--out", "said.csv") == 2
        assert said in capsys.readouterr().err
        assert not Path("said.csv").exists()


def test_predict_and_report_need_a_finished_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("new.csv").write_text("text\n0.5\n")
    assert harness("predict", "nowhere", "--input", "new.csv") == 2
    assert harness("report", "nowhere") == 2
    assert harness("predict", str(tmp_path), "--input", "gone.csv") == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_report_renders_again() -> None:
    assert run("--strategies", "linear-probe", "--out", "toy") == 0
    Path("toy/report.html").unlink()
    assert harness("report", "toy") == 0
    assert Path("toy/report.html").exists()
