"""The command: what it prints where, and with which exit code."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advisor import cli
from advisor.cli import main
from advisor.flags import read_flags
from advisor.situation import KEYS

COURSE = ["--params", "175B", "--task", "qa", "--examples", "100k"]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict:
    code, out, err = run(capsys, *argv, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_without_arguments_it_shows_how_to_ask(capsys) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    commands = [line.strip() for line in out.splitlines() if line.startswith("  advise ")]
    assert len(commands) == 3
    for command in commands:
        import shlex

        assert main(shlex.split(command)[1:]) == 0


def test_every_key_is_a_flag_with_help(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    for key in KEYS:
        assert f"--{key.name.replace('_', '-')}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_page_ranks_first_what_json_ranks_first(capsys) -> None:
    code, page, err = run(capsys, *COURSE)
    assert (code, err) == (0, "")
    best = answer(capsys, *COURSE)["recommendations"][0]
    assert f"Why {best['name']}" in page
    assert best["rank"] == 1


@pytest.mark.parametrize(
    "argv", [COURSE, [*COURSE, "--params", "7B"], ["--description", "spam?", "--examples", ""]]
)
def test_plain_questions_are_read_as_argparse_reads_them(argv: list[str]) -> None:
    assert cli._given(argv) == read_flags(argv)


def test_candidates_may_be_several_words(capsys) -> None:
    found = answer(capsys, *COURSE, "--candidates", "linear-probe", "lora")
    assert {each["strategy"] for each in found["recommendations"]} == {"linear_probe", "lora"}
    everything = answer(capsys, *COURSE, "--candidates", "all")
    assert len(everything["recommendations"]) == 8


def test_robust_needs_no_value(capsys) -> None:
    assert answer(capsys, *COURSE, "--robust")["situation"]["robust"] is True
    assert answer(capsys, *COURSE, "--robust", "no")["situation"]["robust"] is False


@pytest.mark.parametrize(
    "text",
    [
        "params: 175B\ntask: qa\nexamples: 100k\n",
        '{"params": "175B", "task": "qa", "examples": 100000}',
    ],
    ids=["yaml", "json"],
)
def test_a_file_says_the_same_as_flags(capsys, tmp_path: Path, text: str) -> None:
    spec = tmp_path / "situation"
    spec.write_text(text)
    assert answer(capsys, "--spec", str(spec)) == answer(capsys, *COURSE)


def test_a_situation_may_come_from_stdin(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("params: 1B\nfamily: convnet\n"))
    assert answer(capsys, "--spec", "-")["situation"]["family"] == "convnet"


def test_flags_override_the_file_and_the_answer_says_so(capsys, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("params: 7B\nexamples: 100\ngpu-memory: 24GB\n")
    found = answer(capsys, "--spec", str(spec), "--examples", "500", "--params", "7B")
    assert found["situation"]["examples"] == 500
    assert found["situation"]["gpu_memory"] == 24e9
    assert (
        found["assumptions"][0] == f"examples 500 from the command line replaces 100 from {spec}."
    )
    assert sum("replaces" in each for each in found["assumptions"]) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--params", "banana"], "params must be a number of 0 or more such as 350M, 7e9 or 100k; got 'banana'."),
        (["--params", "-5"], "params must be a number of 0 or more such as 350M, 7e9 or 100k; got '-5'."),
        (["--examples", "nan"], "examples must be a number of 0 or more such as 350M, 7e9 or 100k; got 'nan'."),
        (["--examples", "inf"], "examples must be a number of 0 or more such as 350M, 7e9 or 100k; got 'inf'."),
        (["--shift", "7"], "shift must be a number in [0, 1], or none, low, medium or high; got '7'."),
        (["--parms", "7B"], "no flag --parms. Did you mean --params? `advise --help` lists all."),
        (["--example=7"], "no flag --example. Did you mean --examples? `advise --help` lists all."),
        (["--zzzzqqq"], "no flag --zzzzqqq. `advise --help` lists all."),
        (["175B"], "'175B' belongs to no flag. Write --KEY 175B; `advise --help` lists all."),
        (["--params"], "argument --params: expected one argument. `advise --help` lists all flags."),
        (["--batch", "x.csv"], "--batch IN.csv and --out OUT.csv belong together. Give both."),
        (["--out", "x.csv"], "--batch IN.csv and --out OUT.csv belong together. Give both."),
        (
            ["--batch", "x.csv", "--out", "y.csv", "--params", "7B"],
            "--params does not go with --batch. Make it a column of the file or leave it out.",
        ),
        (
            ["--spec", "missing.yaml"],
            "--spec missing.yaml: cannot be read (No such file or directory). Give a YAML or JSON file, or - for stdin.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(capsys, argv: list[str], message: str) -> None:
    assert run(capsys, *argv) == (2, "", f"advise: {message}\n")


@pytest.mark.parametrize(
    ("argv", "start"),
    [
        (["--family", "convnett"], "no family 'convnett'. Did you mean 'convnet'? Known: "),
        (["--task", "clasification"], "no task 'clasification'. Did you mean 'classification'"),
        (["--candidates", "lorra"], "no strategy 'lorra'. Did you mean 'lora'"),
        (["--family", "convnet", "--task", "translation"], "family convnet reads images, task translation is about text"),
    ],
)  # fmt: skip
def test_unknown_and_contradictory_names_are_one_line_too(
    capsys, argv: list[str], start: str
) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.startswith(f"advise: {start}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "params: [1, 2\n",
            ", line 2: expected ',' or ']', but got '<stream end>'. Write `key: value` lines, or JSON.",
        ),
        ('{"params": 7B}', ", line 1: Expecting ',' delimiter. Write `key: value` lines, or JSON."),
        ("7B", ": must hold keys with values, such as `params: 7B`; got '7B'."),
        ("", ": must hold keys with values, such as `params: 7B`; got 'None'."),
        (
            "gpu-memory: 24GB\nparams: 7B\ngpu_memory: 8GB\n",
            ", line 1: gpu_memory occurs twice. Write `key: value` lines, or JSON.",
        ),
        (
            "[" * 100_000,
            ", line 1: a nesting beyond all bounds. Write `key: value` lines, or JSON.",
        ),
        (
            '{"a":' * 100_000,
            ", line 1: a number or a nesting beyond all bounds. Write `key: value` lines, or JSON.",
        ),
    ],
    ids=["yaml", "json", "no mapping", "empty", "twice", "deep yaml", "deep json"],
)
def test_a_broken_file_is_named_with_its_line(
    capsys, tmp_path: Path, text: str, message: str
) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(text)
    assert run(capsys, "--spec", str(spec)) == (2, "", f"advise: --spec {spec}{message}\n")


def test_values_of_a_file_are_read_as_they_are_written(capsys, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("label_names: [yes, no]\nexamples: 0100\nrobust: yes\nparams: 1_000_000\n")
    said = answer(capsys, "--spec", str(spec))["situation"]
    assert (said["label_names"], said["examples"]) == (["yes", "no"], 100)
    assert (said["robust"], said["params"]) == (True, 1_000_000)


@pytest.mark.parametrize("value", ["2020-13-45", "0x_", "!!int abc", "!!timestamp x"])
def test_a_value_that_is_no_number_is_one_line(capsys, tmp_path: Path, value: str) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(f"params: {value}\n")
    code, out, err = run(capsys, "--spec", str(spec))
    assert (code, out) == (2, "")
    assert err.startswith("advise: params must be a number")


def test_an_answer_that_cannot_be_written_is_one_line(capsys, monkeypatch) -> None:
    class Full:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["--params", "7B"]) == 2
    assert "the answer cannot be written (No space left on device)" in capsys.readouterr().err


def test_data_that_must_stay_rules_out_embeddings_of_somebody_else(capsys) -> None:
    found = answer(capsys, "--params", "7B", "--access", "embeddings", "--privacy", "local")
    assert not any(each["feasible"] for each in found["recommendations"])


def test_an_unknown_key_in_a_file_names_the_nearest(capsys, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("parms: 7B\n")
    code, out, err = run(capsys, "--spec", str(spec))
    assert (code, out) == (2, "")
    assert "no key 'parms'. Did you mean 'params'" in err


def test_a_file_that_is_no_text_is_refused(capsys, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_bytes(b"\xff\xfe\x00")
    code, out, err = run(capsys, "--spec", str(spec))
    assert (code, out) == (2, "")
    assert "(it is no UTF-8 text)" in err


def test_schema_and_version(capsys) -> None:
    code, out, err = run(capsys, "--schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "Recommendation"
    code, out, err = run(capsys, "--version")
    assert (code, err) == (0, "")
    assert out.startswith("advise ")


def as_process(*argv: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", *argv],
        capture_output=True,
        env=os.environ | environment,
        check=False,
    )


def test_without_a_terminal_there_is_no_colour() -> None:
    done = as_process(*COURSE)
    assert done.returncode == 0
    assert b"\033" not in done.stdout


def test_a_stream_that_only_takes_ascii_gets_ascii() -> None:
    done = as_process(*COURSE, "--explain", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    page = done.stdout.decode("ascii")
    assert "##" in page
    assert "?" not in page.replace("strategy?", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m advisor --params 7B --explain | head -c 10",
        shell=True,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


@pytest.mark.parametrize(
    "module",
    ["argparse", "locale", "dataclasses", "inspect", "difflib", "textwrap", "csv", "yaml", "numpy", "pathlib", "shutil"],
)  # fmt: skip
def test_answering_imports_nothing_that_takes_long(module: str) -> None:
    code = f"import advisor.cli, sys; advisor.cli.main({COURSE!r}); sys.exit({module!r} in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )


def test_records_evaluate_their_annotations() -> None:
    """With postponed evaluation NamedTuple compiles every annotation again at each start: 1.5 of
    2.4 million instructions for a record of 8 fields."""
    package = Path(sys.modules["advisor"].__file__).parent
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "(NamedTuple):" in source:
            assert "from __future__ import annotations" not in source, path
