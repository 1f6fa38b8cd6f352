"""Every command in the README and the documentation runs as it is written.

`advise` commands run whole. `harness run` commands are planned (`--dry-run`): that reads the
model, the data and every flag, with a model of the hub only where there is a network. Whole runs
are among the slow tests.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import advisor.cli
import harness.cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETS_UP = "python3 -m pip install -q uv && python3 -m "
RUNNER = re.compile(r"^uv run(?: --all-extras)?(?: --group dev)? ")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def commands(program: str) -> list[tuple[str, list[str]]]:
    """(page, words) of every `$ program …` line, without what sets up or starts the program."""
    found = []
    for page in PAGES:
        for line in re.findall(r"^\$ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            words = shlex.split(RUNNER.sub("", line.removeprefix(SETS_UP)), comments=True)
            if words[0] == program and "|" not in words:
                found.append((page.name, words[1:]))
    return found


def runs() -> list[ParameterSet]:
    """What `commands` finds of `harness run`; those with a hub id need the network."""
    found = []
    for page, words in commands("harness"):
        if words[0] == "run":
            model = words[words.index("--model") + 1] if "--model" in words else ""
            marks = [pytest.mark.network] if HUB_ID.fullmatch(model) else []
            found.append(pytest.param(page, words, marks=marks))
    return found


def shown(case: object) -> str:
    return " ".join(case) if isinstance(case, list) else str(case)


@pytest.mark.parametrize(("page", "words"), commands("advise"), ids=shown)
def test_advise_commands_answer(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    if "--spec" in words or "--batch" in words:
        pytest.skip("needs a file of the reader's; tests/advisor/test_docs.py makes one")
    monkeypatch.chdir(tmp_path)
    assert advisor.cli.main(words) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize(("page", "words"), runs(), ids=shown)
def test_run_commands_can_be_planned(
    page: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if any(word.endswith((".csv", "/")) or word.startswith(("path", "PATH")) for word in words):
        pytest.skip("reads a file of the reader's")
    monkeypatch.chdir(tmp_path)
    planned = words if "--dry-run" in words else [*words, "--dry-run"]
    assert harness.cli.main(planned) == 0, capsys.readouterr().err
    assert "linear probe" in capsys.readouterr().out
    assert not any(tmp_path.iterdir()), "a plan writes nothing"


@pytest.mark.parametrize(("page", "words"), [c for c in commands("harness") if c[1][0] == "study"], ids=shown)  # fmt: skip
def test_study_commands_find_their_study(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """The runs take minutes to hours; what is read and written around them is whole."""
    monkeypatch.chdir(tmp_path)
    (tmp_path.parent / "datasets").mkdir(exist_ok=True)
    assert harness.cli.main([*words, "--no-runs"]) == 0, capsys.readouterr().err
    assert "Not measured yet" in capsys.readouterr().out


@pytest.mark.parametrize(("page", "words"), [c for c in commands("harness") if c[1][0] == "evidence"], ids=shown)  # fmt: skip
def test_evidence_commands_answer(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    if words[1] == "add":
        pytest.skip(
            "reads a file or run of the reader's; tests/harness/evidence/test_add.py makes one"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADVISOR_EVIDENCE", str(tmp_path / "none"))
    assert harness.cli.main(words) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


LISTINGS = [c for c in commands("harness") if c[1][0] in ("matrix", "models", "data")]


@pytest.mark.parametrize(("page", "words"), LISTINGS, ids=shown)
def test_listings_answer(page: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.cli.main(words) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize(("page", "words"), [c for c in commands("harness") if c[1][0] == "generate"], ids=shown)  # fmt: skip
def test_generate_commands_write_images(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """As written, but for fewer images."""
    monkeypatch.chdir(tmp_path)
    fewer = [*words, "--images", "10"]
    assert harness.cli.main(fewer) == 0, capsys.readouterr().err
    assert (tmp_path / words[words.index("--out") + 1] / "boxes.csv").exists()


def test_every_documented_command_is_run_by_some_test() -> None:
    """Here, or beside the code for commands that need a model or data of their own."""
    elsewhere = {"predict", "report", "pretrain", "profile", "calibrate"}
    here = {"run", "study", "evidence", "matrix", "models", "data", "generate"}
    assert {words[0] for _, words in commands("harness")} <= here | elsewhere


def test_the_readme_names_the_two_commands_that_set_everything_up() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(f"$ {SETS_UP}")]
    assert len(lines) == 2
    assert lines[0].endswith("uv run advise --params 175B --examples 100k")
    assert lines[1].endswith("uv run --all-extras --group dev pytest -n auto --dist loadfile")
