"""Every journey of the study `journeys`, in small: real data, real or freshly pretrained models."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import pytest

import harness.cli
from harness.question import Question
from harness.runner import Conditions, run
from harness.studies.spec import Cell, cells, located, read_study

DATA = Path(
    os.environ.get("ADVISOR_DATASETS", Path(__file__).resolve().parents[4] / "shared" / "datasets")
)
OBJECTIVES = {
    "bert": ("masked_tokens", ["en_unpaired_wikitext2"], []),
    "t5": ("span_corruption", ["en_unpaired_wikitext2"], []),
    "gpt": ("next_token", ["en_unpaired_wikitext2"], []),
    "lstm": ("denoising", ["enes_tatoeba/test.csv"], ["--text-column", "source"]),
    "mae": ("masked_autoencoder", ["images_cifar10_sample"], []),
}
"""Model of the study -> how a tiny one is made here: objective, data, further flags."""
SMALL = {"seeds": 1, "trials": 1, "test_examples": 12, "max_tokens": 40, "budget_seconds": 150.0}
GENERATED = "fractures_generated"


@cache
def all_cells() -> list[Cell]:
    return cells(read_study(located(Path("journeys"))), DATA, Path("out"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def model_of(name: str, folder: Path) -> str:
    """A packaged name as it is; else a tiny model pretrained for some steps."""
    if name not in OBJECTIVES:
        return name
    objective, data, more = OBJECTIVES[name]
    given = [word for one in data for word in ("--data", str(DATA / one))]
    preset = "small" if name == "bert" else "tiny"  # a tiny BERT has no room for a prompt
    command = ["pretrain", "--objective", objective, *given, *more, "--preset", preset]
    out = folder / name
    if not out.exists():
        assert harness.cli.main([*command, "--steps", "15", "--out", str(out)]) == 0
    return str(out)


def data_of(given: str, folder: Path) -> str:
    if given != GENERATED:
        return given
    out = folder / GENERATED
    if not out.exists():
        command = ["generate", "fractures", "--out", str(out), "--images", "60"]
        assert harness.cli.main(command) == 0
    return str(out)


def small(question: Question, folder: Path) -> Question:
    """The question with few examples and a short budget."""
    fields = question.model_dump() | SMALL
    fields["model"] = model_of(question.model, folder)
    fields["data"] = data_of(question.data, folder)
    classes = {"clinc150": 151, "images_satellite_ucmerced": 42}
    fields["examples"] = classes.get(Path(question.data).name, 40)
    return Question.model_validate(fields)


@pytest.mark.slow
@pytest.mark.parametrize("cell", all_cells(), ids=lambda cell: cell.name)
def test_a_journey_ends_with_scores_of_every_strategy(
    cell: Cell, made: Path, tmp_path: Path
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there; set ADVISOR_DATASETS")
    folder = run(small(cell.question, made), tmp_path / "run", Conditions())
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["winner"] in cell.question.strategies
    for one in result["strategies"]:
        assert one["status"] not in ("failed", "stopped"), one["reason"]
        assert one["status"] == "refused" or one["test"] is not None, one
    assert (folder / "report.html").exists()
    assert (folder / "winner" / "manifest.json").exists()


def test_the_study_takes_every_family_and_every_kind_of_target() -> None:
    asked = {(cell.question.model.partition("@")[0], cell.question.task) for cell in all_cells()}
    models = {model for model, _ in asked}
    assert models >= {"minilm", "gemma-3-270m", "efficientnet-lite0", *OBJECTIVES}
    assert {task for _, task in asked} >= {None, "qa", "translation", "localization"}
