"""Batches: every row answered as the command would answer it, or nothing written at all."""

import csv
import os
import sys
from pathlib import Path

import pytest

from advisor import advise
from advisor.cli import main

HEADER = "id,params,family,task,examples,shift,candidates\n"
ROWS = (
    "a,175B,,qa,100k,,\n"
    'b,1B,convnet,classification,100,low,"linear_probe full_finetune"\n'
    "c,1B,vit,localization,100M,high,core\n"
    "d,1T,decoder,,10k,,lora soft_prompt\n"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + ROWS)
    return path


def answered(source: Path, target: Path) -> list[dict[str, str]]:
    assert main(["--batch", str(source), "--out", str(target)]) == 0
    with target.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_repeated_with_answers_beside_them(source: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "out.csv"
    rows = answered(source, target)
    assert [row["id"] for row in rows] == list("abcd")
    assert [row["best"] for row in rows] == ["soft_prompt", "linear_probe", "full_finetune", "lora"]
    alone = {
        each.strategy: each
        for each in advise({"params": "175B", "task": "qa", "examples": "100k"}).recommendations
    }
    for strategy, each in alone.items():
        assert rows[0][f"score_{strategy}"] == ("" if each.score is None else str(each.score))
        assert rows[0][f"feasible_{strategy}"] == str(int(each.feasible))
        for name, value in (("p_best", each.p_best), ("expected", each.expected_score)):
            told = rows[0][f"{name}_{strategy}"]
            assert (told == "") == (value is None)
            assert value is None or float(told) == pytest.approx(value, abs=1e-9)
    assert capsys.readouterr() == ("", f"4 situations answered in {target}\n")


def test_columns_are_those_of_every_candidate_of_any_row(source: Path, tmp_path: Path) -> None:
    rows = answered(source, tmp_path / "out.csv")
    scores = [name.removeprefix("score_") for name in rows[0] if name.startswith("score_")]
    assert scores == ["linear_probe", "full_finetune", "hard_prompt", "soft_prompt", "lora"]
    assert rows[1]["score_hard_prompt"] == rows[1]["feasible_hard_prompt"] == ""


def test_a_row_that_names_candidates_and_no_hardware_assumes_none(
    source: Path, tmp_path: Path
) -> None:
    """A trillion parameters do not fit the usual node, which only holds where nothing is named."""
    source.write_text(
        "params,family,examples,candidates,gpus,gpu_memory\n"
        "1T,decoder,10k,full_finetune,,\n1T,decoder,10k,,,\n1T,decoder,10k,full_finetune,8,80GB\n"
    )
    rows = answered(source, tmp_path / "out.csv")
    assert [row["feasible_full_finetune"] for row in rows] == ["1", "0", "0"]


def test_an_empty_file_of_rows_gives_an_empty_file_of_answers(source: Path, tmp_path: Path) -> None:
    source.write_text(HEADER)
    assert answered(source, tmp_path / "out.csv") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + ROWS + "e,banana,,,,,\n", "{source}, line 6: params must be a number of 0 or more such as 350M, 7e9 or 100k; got 'banana'."),
        (HEADER + "e,7B,,,,,lorra\n", "{source}, line 2: no strategy 'lorra'. Did you mean 'lora'? Known: all, core, from_scratch, full_finetune, hard_prompt, ia3, linear_probe, lora, lp_ft, soft_prompt."),
        (HEADER + "e,7B\n", "{source}, line 2: has not the 7 cells of the header. Quote cells with commas."),
        (HEADER + "e,7B,,,,,,,\n", "{source}, line 2: has not the 7 cells of the header. Quote cells with commas."),
        ("a,b\n1,2\n", "{source}: no column is a situation key. Name columns like access, budget_hours, candidates, classes, ..."),
        ("", "{source}: no column is a situation key. Name columns like access, budget_hours, candidates, classes, ..."),
        ("params,best\n7B,x\n", "{source}: column 'best' is one of the answers. Rename or remove it."),
        ("params,Params\n7B,8B\n", "{source}: column 'params' occurs twice. Keep one."),
    ],
    ids=["value", "strategy", "short", "long", "no key", "empty", "answer column", "twice"],
)  # fmt: skip
def test_bad_files_are_one_line_and_nothing_is_written(
    source: Path, tmp_path: Path, capsys, content: str, message: str
) -> None:
    source.write_text(content)
    before = sorted(tmp_path.iterdir())
    assert main(["--batch", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    assert capsys.readouterr() == ("", f"advise: {message.format(source=source)}\n")
    assert sorted(tmp_path.iterdir()) == before


def test_a_bad_row_below_blank_lines_is_named_by_its_own_line(
    source: Path, tmp_path: Path, capsys
) -> None:
    source.write_text("params,examples\n7B,100\n\n\nbanana,5\n")
    assert main(["--batch", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    assert f"{source}, line 5: params must be" in capsys.readouterr().err


def test_a_misspelt_column_names_the_nearest_key(source: Path, tmp_path: Path, capsys) -> None:
    source.write_text("parms,examples\n7B,100\n")
    assert main(["--batch", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    assert "no key 'parms'. Did you mean 'params'" in capsys.readouterr().err


def test_a_bad_row_leaves_the_old_answers_as_they_were(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    source.write_text(HEADER + ROWS + "e,banana,,,,,\n")
    assert main(["--batch", str(source), "--out", str(target)]) == 2
    assert target.read_text() == "old"


def test_what_is_no_file_is_neither_read_nor_replaced(source: Path, tmp_path: Path, capsys) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for target in (str(pipe), str(folder), "", f"{tmp_path}/new/"):
        assert main(["--batch", str(source), "--out", target]) == 2
        assert "is no file" in capsys.readouterr().err
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == sorted([source, pipe, folder])
    writer = os.open(pipe, os.O_RDWR)  # without one, opening it to read would wait
    assert main(["--batch", str(pipe), "--out", str(tmp_path / "out.csv")]) == 2
    os.close(writer)
    assert "is a pipe" in capsys.readouterr().err


def test_a_link_keeps_leading_to_its_file(source: Path, tmp_path: Path) -> None:
    link, real = tmp_path / "link.csv", tmp_path / "real.csv"
    link.symlink_to(real)
    answered(source, link)
    assert link.is_symlink()
    assert real.is_file()
    back = tmp_path / "back.csv"
    back.symlink_to(source)
    assert main(["--batch", str(source), "--out", str(back)]) == 2


def test_an_unclosed_quote_is_refused(tmp_path: Path, capsys) -> None:
    source = tmp_path / "in.csv"
    source.write_text('params,description\n7B,"spam\n8B,x\n')
    assert main(["--batch", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    assert "is no CSV" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_files_that_cannot_be_read_or_written(source: Path, tmp_path: Path, capsys) -> None:
    missing, nowhere = tmp_path / "missing.csv", tmp_path / "no" / "out.csv"
    for argv, message in (
        (
            (missing, tmp_path / "out.csv"),
            f"{missing}: cannot be read (No such file or directory). Give a CSV file.",
        ),
        (
            (source, nowhere),
            f"--out {nowhere}: cannot be written (No such file or directory). Give another place.",
        ),
        ((source, source), f"--out {source} is the file to read. Give another name."),
    ):
        assert main(["--batch", str(argv[0]), "--out", str(argv[1])]) == 2
        assert capsys.readouterr() == ("", f"advise: {message}\n")


def test_a_byte_order_mark_and_written_out_headers_are_understood(
    source: Path, tmp_path: Path
) -> None:
    source.write_text("Params,Mean note,examples\n7B,x,100\n", encoding="utf-8-sig")
    rows = answered(source, tmp_path / "out.csv")
    assert rows[0]["Mean note"] == "x"
    assert rows[0]["best"]


def test_many_rows_are_shared_by_processes_and_keep_their_order(
    source: Path, tmp_path: Path, monkeypatch
) -> None:
    source.write_text(HEADER + ROWS * 3)
    alone = answered(source, tmp_path / "alone.csv")
    monkeypatch.setattr("advisor.batch._AT_ONCE", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    shared = answered(source, tmp_path / "shared.csv")
    assert [list(row) for row in shared] == [list(row) for row in alone]
    for row, other in zip(shared, alone, strict=True):
        for key, cell in row.items():
            # sums over fewer rows at once may differ in the last digit
            if key.startswith(("score_", "p_best_", "expected_")) and cell:
                assert float(cell) == pytest.approx(float(other[key]), abs=1e-9)
            else:
                assert cell == other[key]
    source.write_text(HEADER + ROWS * 3 + "e,banana,,,,,\n" + ROWS)
    before = sorted(tmp_path.iterdir())
    assert main(["--batch", str(source), "--out", str(tmp_path / "bad.csv")]) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_without_numpy_each_row_is_worked_out_by_itself(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = answered(source, tmp_path / "fast.csv")
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "advisor.learned.many")
    slow = answered(source, tmp_path / "slow.csv")
    assert [list(row) for row in slow] == [list(row) for row in fast]
    for one, other in zip(slow, fast, strict=True):
        for name, cell in one.items():
            if name.startswith(("p_best_", "expected_")) and cell:
                assert float(cell) == pytest.approx(float(other[name]), abs=1e-9)
            else:
                assert cell == other[name]
    assert any(row["p_best_linear_probe"] for row in slow)


def test_a_header_that_is_no_utf8_is_one_line(tmp_path: Path, capsys) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("größe,params\na,1B\n".encode("latin-1"))
    assert main(["--batch", str(source), "--out", str(tmp_path / "out.csv")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"advise: {source}, line 1: is no CSV in UTF-8")
    assert said.count("\n") == 1
