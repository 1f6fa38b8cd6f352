"""The winner on disk: written at the end of a run, read again to predict."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from advisor.errors import ModelError, OutputError
from harness.artefacts import artefact_of
from harness.bench import ARTEFACTS, Bench
from harness.catalog import STRATEGIES, TASKS
from harness.datasets.base import TEXT, TEXT_B
from harness.files import write_text
from harness.folder import WINNER
from harness.models import load_backbone, resolve_model
from harness.records import RunRecord, Settings
from harness.strategies.base import Strategy
from harness.tasks.base import Output, Task
from harness.text_pair import TextPair

MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """Everything needed to use a winner besides the files its strategy wrote.

    Attributes:
        model: What the user called it; model_digest: hash of the weights it was fitted on.
        text_b_column: Where the second text of a pair is read from; None for single inputs.
        output: Kind of its answers; task_settings: what makes the task again.
        scores: Split -> metric -> value of this very model (the finalist of seed 0).
        trial: Content id of its record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    strategy: str
    model: str
    model_facts: dict[str, JsonValue]
    model_digest: str
    task: str
    output: Output
    task_settings: dict[str, JsonValue]
    label_names: tuple[str, ...]
    metric: str
    modality: str
    text_column: str
    text_b_column: str | None = None
    max_tokens: int | None
    hyperparameters: Settings
    chosen: dict[str, JsonValue]
    examples: int
    seed: int
    scores: dict[str, dict[str, float]]
    test_rows: int
    versions: dict[str, str]
    trial: str


def export_winner(bench: Bench, final: RunRecord) -> Path:
    """Copy a finalist's files to OUT/winner/ and describe them; replaces an earlier copy.

    Raises:
        OutputError: If its files were removed since.
    """
    source = bench.folder / ARTEFACTS / final.asked.strategy
    if artefact_of(source) is None:
        raise OutputError(
            f"the model of the winner is gone from {source}. Run again with another --out."
        )
    target = bench.folder / WINNER
    temporary = target.with_name(f"{WINNER}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary)
    write_text(temporary / MANIFEST, _manifest(bench, final).model_dump_json(indent=2))
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


def read_manifest(run: Path) -> Manifest:
    """What the winner of a run is.

    Raises:
        OutputError: If the folder has no finished winner.
    """
    path = run / WINNER / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OutputError(
            f"{run} holds no winner. Give the folder of a finished `harness run`."
        ) from None
    except (OSError, ValueError, ValidationError) as error:
        raise OutputError(f"{path} cannot be read ({str(error).splitlines()[0]}).") from None


@dataclass(frozen=True)
class Winner:
    """A loaded winner; `predict` may be called any number of times."""

    manifest: Manifest
    strategy: Strategy

    def predict(self, inputs: Sequence[str | Path | TextPair]) -> np.ndarray:
        """Answers of the kind of the winner's task."""
        return self.strategy.predict(tuple(inputs))


def load_winner(run: Path, *, device: str = "auto") -> Winner:
    """The winner of a run, ready to predict.

    Raises:
        OutputError: If the run has no winner.
        ModelError: If the pretrained model is gone or is no longer the same.
    """
    manifest = read_manifest(run)
    facts = resolve_model(manifest.model)
    if facts.digest != manifest.model_digest:
        raise ModelError(
            f"model {manifest.model!r} is no longer the one the winner was fitted on. "
            f"Put back the weights with digest {manifest.model_digest[:12]} or run again."
        )
    backbone = load_backbone(facts, device, manifest.max_tokens)
    task: Task = TASKS.load(manifest.task)(**manifest.task_settings)
    return Winner(manifest, STRATEGIES.load(manifest.strategy).load(run / WINNER, backbone, task))


def _manifest(bench: Bench, final: RunRecord) -> Manifest:
    facts, happened = bench.backbone.facts, final.happened
    return Manifest(
        strategy=final.asked.strategy,
        model=bench.question.model,
        model_facts=asdict(facts),
        model_digest=facts.digest,
        task=bench.task.id,
        output=bench.task.output,
        task_settings=bench.task.settings(),
        label_names=bench.task.label_names,
        metric=bench.task.metric,
        modality=bench.dataset.modality,
        text_column=bench.dataset.columns.get(TEXT, TEXT),
        text_b_column=bench.dataset.columns.get(TEXT_B),
        max_tokens=bench.backbone.max_tokens,
        hyperparameters=final.asked.hyperparameters,
        chosen=happened.chosen,
        examples=final.asked.examples,
        seed=final.asked.seed,
        scores=happened.scores,
        test_rows=len(bench.test),
        versions=final.on.versions,
        trial=final.content_id,
    )
