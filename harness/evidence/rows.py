"""Own measurements as evidence: one row per strategy, size and seed. The schema is this file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.folder import write_text
from harness.records import RunRecord


@dataclass(frozen=True)
class EvidenceRow:
    """One measured test score.

    Attributes:
        source: The study or run it comes from.
        model, params, family, objective: Of the pretrained model.
        data: Name of the data set; data_digest: hash of its content.
        n_train: Labels used, training and validation together.
        variant: Hyperparameters that validation chose, "key=value" joined by spaces.
        split: "test" or "ood". metric, value: in [0, 1]; higher is better.
        status: "done", "underfit" or "underfunded".
        cap_seconds: Compute every strategy of the run was allowed; empty for no limit.
        trials: Settings tried. seconds: one fit and its scoring.
        protocol: "fair", or "controlled" where some of the strategy's hyperparameters were held at a
            value, which is no way to learn how good the strategy is. commit: of the code, where known.
    """

    source: str
    model: str
    params: int
    family: str
    objective: str
    task: str
    data: str
    data_digest: str
    n_train: int
    classes: int
    strategy: str
    variant: str
    seed: int
    split: str
    metric: str
    value: float
    status: str
    cap_seconds: float | None
    trials: int
    seconds: float
    trained_parameters: int | None
    test_rows: int
    protocol: str
    device: str
    commit: str


def evidence_of(
    source: str, data: str, result: Mapping[str, Any], records: Iterable[RunRecord]
) -> Iterator[EvidenceRow]:
    """The rows of a finished run, one per scored finalist and unseen split.

    Args:
        data: What the data set is called in evidence.
        result: Content of `result.json`.
        records: Of the run's store.
    """
    question = result["question"]
    held = question["asked"].get("fixed", {})
    trials = {one["strategy"]: one["trials"] for one in result["strategies"]}
    for record in records:
        asked, happened = record.asked, record.happened
        if asked.stage != "final":
            continue
        for split in ("test", "ood"):
            if split not in happened.scores:
                continue
            yield EvidenceRow(
                source=source,
                model=asked.model.name,
                params=asked.model.params,
                family=asked.model.family,
                objective=question["model"]["objective"],
                task=asked.task,
                data=data,
                data_digest=asked.data_digest[:16],
                n_train=asked.examples,
                classes=len(question["data"]["label_names"]),
                strategy=asked.strategy,
                variant=_said(asked.hyperparameters),
                seed=asked.seed,
                split=split,
                metric=asked.metric,
                value=round(happened.scores[split][asked.metric], 6),
                status=happened.status,
                cap_seconds=result["budget"]["cap_per_strategy"],
                trials=trials.get(asked.strategy, 0),
                seconds=round(happened.seconds, 2),
                trained_parameters=happened.trained_parameters,
                test_rows=asked.test_examples,
                protocol="controlled" if asked.strategy in held else asked.protocol,
                device=record.on.device,
                commit=record.on.commit or "",
            )


def _said(settings: Mapping[str, Any]) -> str:
    """Hyperparameters in one cell."""
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in sorted(settings.items())
    )


def write_evidence(rows: Iterable[EvidenceRow], file: Path) -> int:
    """Write rows as CSV in a fixed order; returns how many."""
    kept = sorted(
        rows, key=lambda r: (r.data, r.model, r.n_train, r.strategy, r.variant, r.seed, r.split)
    )
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(EvidenceRow)], lineterminator="\n")
    table.writeheader()
    for row in kept:
        table.writerow(asdict(row))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text.getvalue().rstrip("\n"))
    return len(kept)
