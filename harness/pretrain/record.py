"""pretraining.json: what was asked of a pretraining, and what happened."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import OutputError
from advisor.quantities import format_count, format_duration
from harness.files import write_text
from harness.records import OnWhat

FILE = "pretraining.json"
README = "README.md"


class Asked(BaseModel):
    """What makes two pretrainings the same.

    Attributes:
        data, tokenizer_data: Name and sha256 of the content of each source.
        tokenizer: sha256 of the tokenizer.json that was given; None where one is trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: str
    preset: str
    data: tuple[tuple[str, str], ...]
    tokenizer_data: tuple[tuple[str, str], ...]
    tokenizer: str | None
    vocabulary: int | None
    steps: int | None
    budget_seconds: float | None
    seed: int


class Pretraining(BaseModel):
    """One pretraining; fields about its course are there once it is finished.

    Attributes:
        status: "unfinished" until the model is written, then "done".
        objective: As the advisor calls it.
        examples, held_out: Passages, blocks, lines or images to learn from, and those kept apart.
        tokens: Tokens (images) read in training, repeats included, padding left out.
        curve: Points with step, train_loss (mean since the point before, not at step 0) and
            held_out_loss, in the loss's own unit: nats per token, summed with nats per pair where
            next sentences are judged; squared error of normalised pixels for images.
        seconds: Wall clock, all sessions together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    status: str = "unfinished"
    objective: str
    asked: Asked
    command: str
    on_what: OnWhat
    params: int | None = None
    examples: int | None = None
    held_out: int | None = None
    steps: int | None = None
    tokens: int | None = None
    curve: list[dict[str, float]] = []
    seconds: float | None = None


def earlier(folder: Path, asked: Asked) -> Pretraining | None:
    """The same pretraining, begun or finished; None if the folder is new or empty.

    Raises:
        OutputError: If something else is there.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file. Name a new folder with --out.")
    if not (folder / FILE).exists():
        if any(folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty and holds no pretraining. Name a new folder with --out."
            )
        return None
    try:
        found = Pretraining.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise OutputError(
            f"{folder / FILE} cannot be read ({reason}). Name a new folder with --out."
        ) from None
    before = found.asked.model_dump()
    for name, value in asked.model_dump().items():
        if before[name] != value:
            raise OutputError(
                f"{folder} already holds another pretraining ({name} was {before[name]!r}, now "
                f"{value!r}). Name a new folder with --out."
            )
    return found


def write(folder: Path, record: Pretraining) -> None:
    """Write pretraining.json and, of a finished pretraining, README.md.

    Raises:
        OutputError: If the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if record.status == "done":
            write_text(folder / README, summary(record))
        write_text(folder / FILE, record.model_dump_json(indent=2))
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder} ({error.strerror}). Name another --out."
        ) from None


def summary(record: Pretraining) -> str:
    """A finished pretraining in one paragraph of Markdown."""
    first, last = record.curve[0], record.curve[-1]
    kind = "images" if record.objective == "masked_autoencoder" else "tokens"
    return (
        f"Preset `{record.asked.preset}`, {format_count(record.params or 0)} parameters, "
        f"pretrained by {record.objective.replace('_', ' ')} on {', '.join(name for name, _ in record.asked.data)}: "
        f"{record.steps:,} steps, {record.tokens:,} {kind}, "
        f"{format_duration(record.seconds or 0.0)}; held-out loss "
        f"{first['held_out_loss']:.3f} before, {last['held_out_loss']:.3f} after. "
        f"`{FILE}` has the curve, the digests of the data and the versions."
    )
