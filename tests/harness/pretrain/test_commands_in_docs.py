"""The commands of docs/pretrain.md name flags, objectives, presets and data that exist."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from harness.catalog import OBJECTIVES
from harness.cli.pretrain import pretrain
from harness.datasets.packaged import PACKAGED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pretrain.md"
COMMANDS = [
    shlex.split(line.removeprefix("$ harness pretrain "))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("$ harness pretrain ")
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_can_be_given(words: list[str], request: pytest.FixtureRequest) -> None:
    given = pretrain.make_context("pretrain", list(words)).params
    kind = OBJECTIVES.load(given["objective"])
    assert given["preset"] in kind.presets
    for name in (*given["data"], *given["tokenizer_data"]):
        if name in PACKAGED:
            assert PACKAGED[name].modality == kind.modality
        else:
            folder = request.getfixturevalue("datasets")
            assert (folder / Path(name).relative_to("../shared/datasets")).exists()


def test_every_objective_has_its_command_and_its_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in OBJECTIVES.names():
        assert f"--objective {name} " in page
        assert f"| `{name}` |" in page
