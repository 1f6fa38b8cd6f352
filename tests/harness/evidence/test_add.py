from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.evidence import load
from harness.evidence.add import Faulty, add
from harness.evidence.older import read_first
from harness.evidence.places import everywhere
from harness.evidence.table import write_rows
from tests.harness.evidence.toys import toy
from tests.harness.fair_toys import KINDS, ToyRegistry, install

OLD = Path(__file__).parent / "old"
VALUES = st.dictionaries(st.integers(2, 50), st.floats(0, 1), max_size=6)


def written(folder: Path, *rows) -> Path:
    file = folder / "given.csv"
    write_rows(rows, file)
    return file


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
def test_adding_twice_changes_nothing(values: dict[int, float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = written(folder, *(toy(n_train=n, value=value) for n, value in values.items()))
        first = add(file, folder / "to")
        assert (first.new, first.known) == (len(values), 0)
        before = {one: one.read_bytes() for one in folder.rglob("*.csv")}
        second = add(file, folder / "to")
        assert (second.new, second.known, second.files) == (0, len(values), ())
        assert {one: one.read_bytes() for one in folder.rglob("*.csv")} == before


def test_rows_join_those_that_are_there_and_the_commands_read_them(
    tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packaged = len(load())
    assert main(["evidence", "add", str(written(tmp_path, toy()))]) == 0
    assert (
        main(["evidence", "add", str(written(tmp_path, toy(), toy(strategy="full_finetune")))]) == 0
    )
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.endswith("already.")] == [
        "1 rows added, 0 were there already.",
        "1 rows added, 1 were there already.",
    ]
    assert [file.name for file in own_folder.iterdir()] == ["published_text.csv"]
    assert len(load(everywhere())) == packaged + 2
    assert len(load()) == packaged
    assert main(["evidence", "list", "--source", "toy_paper", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["strategy"] for row in listed} == {"linear_probe", "full_finetune"}
    assert main(["evidence", "check"]) == 0


def test_what_the_package_holds_is_not_added_again(tmp_path: Path) -> None:
    some = [row for file in everywhere() for row in load([file / "own_lp_ft.csv"])][:5]
    bare = [row for row in some if row.protocol == "fair"]
    file = tmp_path / "again.csv"
    write_rows(bare, file)
    done = add(file, tmp_path / "to")
    assert (done.new, done.known) == (0, len(bare))


def test_a_fault_stops_everything(tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    file = written(tmp_path, toy(), toy(n_train=50, value=80.0))
    assert main(["evidence", "add", str(file)]) == 2
    fault, last = capsys.readouterr().err.splitlines()
    assert fault.endswith("accuracy must be in [0, 1]; it is 80")
    assert last == "harness: nothing was added: 1 faults."
    assert not own_folder.exists()


def test_another_value_for_the_same_measurement_is_a_contradiction(tmp_path: Path) -> None:
    add(written(tmp_path, toy()), tmp_path / "to")
    with pytest.raises(Faulty) as error:
        add(written(tmp_path, toy(value=0.7)), tmp_path / "to")
    assert error.value.faults[0].endswith("accuracy is 0.7 here and 0.8 in the evidence")


def test_a_shift_can_be_given_for_data_nobody_knows(tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    file = written(tmp_path, toy(data="my own"))
    assert main(["evidence", "add", str(file)]) == 2
    assert "no shift for data 'my own'" in capsys.readouterr().err
    assert (
        main(
            ["evidence", "add", str(file), "--shift", "medium", "--reason", "letters of customers"]
        )
        == 0
    )
    (row,) = load([own_folder])
    assert (row.shift, row.shift_reason) == (0.5, "letters of customers")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.csv", "there is no file or folder nothing.csv."),
        ("folder", "folder holds no finished run (result.json and store.sqlite)."),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    given: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert main(["evidence", "add", given]) == 2
    assert capsys.readouterr().err == f"harness: {message}\n"


def test_tables_beside_the_rows_of_a_user_are_read_and_their_slips_told(
    tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_folder.mkdir()
    shifts = own_folder / "shifts.csv"
    shifts.write_text("data,corpus,shift,reason\nmy own,web_text,0.8,legal letters\n")
    file = written(tmp_path, toy(data="my own"))
    assert main(["evidence", "add", str(file)]) == 0
    (row,) = load([own_folder])
    assert (row.shift, row.shift_reason) == (0.8, "legal letters")
    shifts.write_text("data,corpus,shift,reason\nmy own,web_text,far,legal letters\n")
    capsys.readouterr()
    assert main(["evidence", "check"]) == 2
    assert capsys.readouterr().err == f"harness: {shifts}: 'far' is no number.\n"


def test_a_file_that_is_no_text_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "picture.csv"
    file.write_bytes(bytes(range(128, 256)))
    assert main(["evidence", "add", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"harness: {file} cannot be read as CSV (")


def test_a_finished_run_joins(
    tmp_path: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    install(monkeypatch)
    monkeypatch.setattr("harness.catalog.STRATEGIES", ToyRegistry(KINDS))
    monkeypatch.chdir(tmp_path)
    run = ["run", "--model", "toy", "--data", "numbers", "--examples", "40", "--seeds", "2", "--trials", "1",
           "--strategies", "linear_probe,full_finetune", "--out", "runs/mine"]  # fmt: skip
    assert main(run) == 0, capsys.readouterr().err
    assert main(["evidence", "add", "runs/mine"]) == 2
    assert "no shift for data 'numbers'" in capsys.readouterr().err
    named = ["--corpus", "web_text", "--shift", "1", "--reason", "numbers are no text"]
    assert main(["evidence", "add", "runs/mine", *named]) == 0
    rows = load([own_folder])
    assert {(row.source, row.strategy, row.seed) for row in rows} == {
        ("mine", name, seed) for name in ("linear_probe", "full_finetune") for seed in (0, 1)
    }
    assert {(row.n_train, row.shift, row.corpus, row.protocol) for row in rows} == {(40, 1.0, "web_text", "fair")}  # fmt: skip
    capsys.readouterr()
    assert main(["evidence", "add", "runs/mine", *named]) == 0
    assert capsys.readouterr().out == "0 rows added, 4 were there already.\n"


def test_a_file_of_the_first_schema_is_still_read(tmp_path: Path) -> None:
    file = OLD / "own_first_schema.csv"
    rows = read_first(file)
    assert {row.source_group for row in rows} == {"own_studies"}
    assert {(row.modality, row.corpus) for row in rows} == {("image", "imagenet"), ("text", "web_text")}  # fmt: skip
    done = add(file, tmp_path / "to")
    assert (done.new, done.known) == (0, len(rows)), "the package holds them"
