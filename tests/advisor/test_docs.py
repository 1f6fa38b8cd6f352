"""docs/advise.md: every command in it runs, every key is in it."""

import re
import shlex
from pathlib import Path

import pytest

from advisor.cli import main
from advisor.situation import KEYS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "advise.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, block in BLOCKS
    if language == "console"
    for line in block.splitlines()
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files the page speaks of, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (yaml,) = (block for language, block in BLOCKS if language == "yaml")
    Path("situation.yaml").write_text(yaml)
    Path("situations.csv").write_text("params,examples\n7B,1k\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command: str, files: None, capsys: pytest.CaptureFixture[str]) -> None:
    name, *argv = shlex.split(command)
    assert name == "advise"
    assert main(argv) == 0, capsys.readouterr().err


def test_there_are_commands_and_each_shows_something_else() -> None:
    assert len(COMMANDS) >= 10
    assert len(set(COMMANDS)) == len(COMMANDS)


def test_every_key_is_mentioned() -> None:
    for key in KEYS:
        assert f"`{key.name}`" in PAGE, key.name


def test_the_python_example_says_what_it_prints() -> None:
    (code,) = (block for language, block in BLOCKS if language == "python")
    values: dict[str, object] = {}
    exec(code, values)
    (shown,) = re.findall(r"best\.strategy +# (.+)", code)
    assert repr(values["answer"].best.strategy) == shown


def test_the_mistake_shown_is_the_one_made(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = (block for language, block in BLOCKS if language == "")
    assert main(["--parms", "7B"]) == 2
    assert capsys.readouterr().err == shown
