"""What of the data a run scored, and what it had to cut."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.backbones.base import TokenCounter
from harness.bench import Bench
from harness.datasets.base import LABEL, TEXT, TEXT_B, Finding
from harness.files import write_text
from harness.text_pair import TextPair

TEST_FILE = "test.csv"


def write_rows(bench: Bench) -> None:
    """Write the scored test rows, with their labels, so that the winner can be checked on them."""
    read_from = bench.dataset.columns
    columns = [read_from.get(TEXT, TEXT) if bench.dataset.modality == "text" else "file"]
    if isinstance(bench.test.inputs[0], TextPair):
        columns.append(read_from.get(TEXT_B, TEXT_B))
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["id", *columns, read_from.get(LABEL, LABEL)])
    for id, given, target in zip(
        bench.test.ids, bench.test.inputs, bench.test.targets, strict=True
    ):
        texts = (given.first, given.second) if isinstance(given, TextPair) else (given,)
        table.writerow([id, *texts, _written(target, bench.task.label_names)])
    write_text(bench.folder / TEST_FILE, written.getvalue().removesuffix("\n"))


def _written(target: Any, labels: Sequence[str]) -> str:
    """A target as it stood in the data: a class by its name, numbers parted by blanks."""
    if isinstance(target, np.integer):
        return labels[int(target)]
    return str(target) if isinstance(target, str) else " ".join(f"{one:.6g}" for one in target)


def cut_texts(bench: Bench) -> list[Finding]:
    """How many texts of this run are longer than what the model is shown of them."""
    backbone = bench.backbone
    if bench.dataset.modality != "text" or backbone.max_tokens is None:
        return []
    if not isinstance(backbone, TokenCounter):
        return []
    draw = bench.draws[0]
    texts = [*draw.train.inputs, *draw.validation.inputs, *bench.test.inputs]
    long = int((backbone.token_counts(texts) > backbone.max_tokens).sum())
    if not long:
        return []
    text = (
        f"{long:,} of {len(texts):,} texts ({long / len(texts):.0%}) are longer than "
        f"{backbone.max_tokens} tokens and were cut to that length. Set --max-tokens to use more."
    )
    return [Finding("long_texts", "warning" if long > len(texts) / 2 else "note", text, long)]
