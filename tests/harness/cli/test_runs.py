"""`harness runs` on toy runs."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.export import EXPERIMENT
from harness.runner import Conditions, run
from harness.runs import records
from tests.harness.fair_toys import install, toy_question

ASKED = {"strategies": ("linear_probe", "soft_prompt"), "trials": 2, "seeds": 2}


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run(toy_question(**ASKED), Path("runs/a"), Conditions(command="harness run a"))
    run(toy_question(**ASKED, examples=40), Path("runs/b"), Conditions(command="harness run b"))
    return tmp_path


def test_runs_are_listed_and_shown(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["folder"], one["finished"], one["winner"]) for one in listed] == [
        ("runs/a", True, "linear_probe"),
        ("runs/b", True, "linear_probe"),
    ]
    assert main(["runs", "list"]) == 0
    assert "runs/a  toy  numbers  n 80" in capsys.readouterr().out
    assert main(["runs", "show", "runs/a"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("harness run a\n")
    assert shown.count("soft_prompt  search") == 2
    assert "no gradient today" in shown
    assert main(["runs", "show", "runs/a", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(records(Path("runs/a")))
    assert main(["runs", "show", "runs"]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_runs_are_compared_pairwise(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "compare", "runs/a", "runs/b", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    low, high = one["interval"]
    assert low <= one["difference"] <= high
    assert main(["runs", "compare", "runs/a", "runs/a"]) == 0
    assert "+0.000  [+0.000, +0.000]" in capsys.readouterr().out


def test_records_become_csv_parquet_and_mlflow_runs(
    two: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(records(Path("runs/a"))) + len(records(Path("runs/b")))
    assert main(["runs", "export", "runs", "--to", "all.csv"]) == 0
    with Path("all.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == count
    assert {row["status"] for row in rows} == {"done", "failed"}
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["runs", "export", "runs", "--to", "all.parquet"]) == 0
    assert parquet.read_table("all.parquet").num_rows == count
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for _ in range(2):  # the second time nothing joins
        assert main(["runs", "export", "runs", "--to", str(two / "mlruns"), "--as", "mlflow"]) == 0
    client = mlflow.MlflowClient(tracking_uri=str(two / "mlruns"))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert len(client.search_runs([experiment.experiment_id])) == count
    capsys.readouterr()


def test_a_run_an_export_left_unfinished_in_mlflow_is_made_anew(
    two: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    to = str(two / "mlruns")
    client = mlflow.MlflowClient(tracking_uri=to)
    experiment = client.create_experiment(EXPERIMENT)
    half = records(Path("runs/a"))[0].record_id
    client.create_run(experiment, tags={"trial": half})
    assert main(["runs", "export", "runs/a", "--to", to, "--as", "mlflow"]) == 0
    found = client.search_runs([experiment])
    assert {run.info.status for run in found} <= {"FINISHED", "FAILED"}
    marks = [run.data.tags["trial"] for run in found]
    assert sorted(marks) == sorted(one.record_id for one in records(Path("runs/a")))
    capsys.readouterr()


def test_mistakes_are_one_line(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "export", "runs", "--to", "all.xml"]) == 2
    assert "--as csv, parquet or mlflow" in capsys.readouterr().err
    assert main(["runs", "export", "none", "--to", "all.csv"]) == 2
    assert "holds no runs" in capsys.readouterr().err
    assert main(["runs", "export", "runs", "--to", "nowhere/all.csv"]) == 2
    assert "cannot write nowhere/all.csv" in capsys.readouterr().err
    pytest.importorskip("pyarrow")
    assert main(["runs", "export", "runs", "--to", "nowhere/all.parquet"]) == 2
    said = capsys.readouterr().err
    assert said == "harness: cannot write nowhere/all.parquet (No such file or directory).\n"
    pytest.importorskip("mlflow")
    assert main(["runs", "export", "runs", "--to", "foo://x", "--as", "mlflow"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("harness: MLflow cannot write to foo://x (")
    assert said.endswith("such as sqlite:///mlflow.db or the address of a server.\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "to", "form", "said"),
    [
        ("mlflow", "sqlite:///mlflow.db", "mlflow", "MLflow is not installed"),
        ("pyarrow", "all.parquet", "parquet", "Parquet needs pyarrow"),
    ],
)
def test_a_package_that_is_missing_is_named(
    two: Path, module: str, to: str, form: str, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["runs", "export", "runs", "--to", to, "--as", form]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "pip install 'adaptation-advisor[track]'" in told
