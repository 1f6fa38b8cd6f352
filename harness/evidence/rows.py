"""Own measurements as evidence: one row per strategy, size, seed and unseen split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.evidence.corpora import corpus_of
from harness.evidence.schema import Row
from harness.records import RunRecord


def evidence_of(
    source: str,
    data: str,
    result: Mapping[str, Any],
    records: Iterable[RunRecord],
    group: str = "",
) -> Iterator[Row]:
    """The rows of a finished run, one per scored finalist and unseen split.

    Args:
        data: What the data set is called in evidence.
        result: Content of `result.json`.
        records: Of the run's store.
        group: What the run shares its baselines with; "" for nothing but itself.
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
            objective = question["model"]["objective"]
            known = "" if objective == "unknown" else objective
            scratch = asked.strategy == "from_scratch"
            yield Row(
                source=source,
                source_group=group,
                protocol="controlled" if asked.strategy in held else asked.protocol,
                model=asked.model.name,
                family=asked.model.family,
                params=asked.model.params,
                objective=known,
                corpus="none" if scratch else corpus_of(asked.model.family, known),
                modality=question["data"]["modality"],
                task=asked.task,
                data=data,
                data_digest=asked.data_digest[:16],
                split=split,
                n_train=asked.examples,
                classes=len(question["data"]["label_names"]),
                strategy=asked.strategy,
                variant=_said(asked.hyperparameters),
                trained_parameters=happened.trained_parameters,
                metric=asked.metric,
                value=round(happened.scores[split][asked.metric], 6),
                seed=asked.seed,
                status=happened.status,
                cap_seconds=result["budget"]["cap_per_strategy"],
                trials=trials.get(asked.strategy, 0),
                seconds=round(happened.seconds, 2),
                test_rows=asked.test_examples,
                device=record.on.device,
                commit=record.on.commit or "",
            )


def _said(settings: Mapping[str, Any]) -> str:
    """Hyperparameters in one cell."""
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in sorted(settings.items())
    )
