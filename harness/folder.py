"""The folder of a run: what it was asked, so that the same question resumes and no other enters."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import OutputError
from harness.files import write_text
from harness.question import Question

RUN_FILE = "run.json"
STORE_FILE = "store.sqlite"
RESULT_FILE = "result.json"
WINNER = "winner"


class Identity(BaseModel):
    """What makes two runs the same: the question and the content behind its names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Question
    model_digest: str
    data_digest: str


class Terms(BaseModel):
    """What was settled from measured speed when the run began; a resumed run keeps it.

    Attributes:
        cap_seconds: What every strategy may spend; None without a limit.
        rows: "test" (and "ood") -> rows that are scored.
        started: UTC, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cap_seconds: float | None
    rows: dict[str, int]
    started: str


class RunFile(BaseModel):
    """Content of `run.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    identity: Identity
    terms: Terms
    command: str


def earlier_run(folder: Path, identity: Identity) -> RunFile | None:
    """The run of the same question that a folder holds; None if it holds nothing.

    Raises:
        OutputError: If something else is there.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file. Name a new folder with --out.")
    if not (folder / RUN_FILE).exists():
        if any(folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty and holds no run. Name a new folder with --out."
            )
        return None
    found = read_run(folder)
    if found.identity != identity:
        raise OutputError(
            f"{folder} already holds another run ({_difference(found.identity, identity)}). "
            "Name a new folder with --out."
        )
    return found


def read_run(folder: Path) -> RunFile:
    """What the run in a folder was asked.

    Raises:
        OutputError: If the folder holds no run.
    """
    path = folder / RUN_FILE
    try:
        return RunFile.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OutputError(f"{folder} holds no run. Give the folder `harness run` wrote.") from None
    except (OSError, ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise OutputError(
            f"{path} cannot be read ({first}). Name a new folder with --out."
        ) from None


def create(folder: Path, run: RunFile) -> None:
    """Make the folder and say whose it is, in one step.

    Raises:
        OutputError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / RUN_FILE, run.model_dump_json(indent=2))
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder} ({error.strerror}). Name another --out."
        ) from None


def default_folder(question: Question, identity: Identity, date: str) -> Path:
    """runs/<date>-<model>-<data>, with a number behind it where another question has that name."""
    names = (Path(name.rstrip("/")).stem or name for name in (question.model, question.data))
    base = "-".join([date, *("".join(c if c.isalnum() else "-" for c in name) for name in names)])
    number = 1
    while True:
        folder = Path("runs") / (base if number == 1 else f"{base}-{number}")
        try:
            earlier_run(folder, identity)
        except OutputError:
            number += 1
        else:
            return folder


def _difference(old: Identity, new: Identity) -> str:
    """The first thing that is asked differently, in words."""
    before, after = old.question.model_dump(), new.question.model_dump()
    for name, value in after.items():
        if before[name] != value:
            return f"{name} was {before[name]!r}, now {value!r}"
    return (
        "the model's weights changed"
        if old.model_digest != new.model_digest
        else "the data changed"
    )
