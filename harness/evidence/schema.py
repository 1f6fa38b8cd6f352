"""One row of evidence: a measured score with provenance. The schema is this file.

Rows lie in CSV files, one column per field below; a column that is empty throughout may be left
out. Fields marked as joined are never in those files: `harness.evidence.load` fills them, from the
tables `sources.csv`, `data_sets.csv` and `shifts.csv` and from what is known of metrics and tags.
"""

from __future__ import annotations

import hashlib
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from advisor.situation import OBJECTIVES
from advisor.traits import FAMILIES, STRATEGIES, TASKS
from harness.evidence.corpora import CORPORA

OTHER = "other_"
"""Prefix of the strategies that are not ours; they stay as context."""
MODALITIES = ("text", "image", "video")
SPLITS = ("test", "ood")
STUDIES = "own_studies"
"""Group of the studies of the package: same models, data sets and machine."""


def column(meaning: str, *, default: Any = MISSING, joined: bool = False) -> Any:
    """A column: what it holds, what an empty cell means, whether it comes from another table."""
    return field(default=default, metadata={"help": meaning, "joined": joined})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured score; every column is described at its field."""

    source: str = column("study, run, paper or repository it comes from")
    source_group: str = column(
        "sources that share baselines or authors' runs; empty: the source itself", default=""
    )
    place: str = column("table, file or run in the source", default="")
    protocol: str = column("published, fair, controlled or search")
    model: str = column("name of the pretrained model")
    family: str = column("family id of the advisor")
    params: int | None = column("parameters of the model", default=None)
    pretraining: str = column(
        "how the model was pretrained, as the source says it; with `model` it tells models apart",
        default="",
    )
    objective: str = column(
        "objective id of the advisor; empty: none of them, or unknown", default=""
    )
    corpus: str = column("kind of pretraining data, from which the shift is counted", default="")
    modality: str = column("text, image or video")
    task: str = column("task id of the advisor")
    data: str = column("name of the data set")
    data_digest: str = column("hash of its content, where we hold it", default="")
    split: str = column("test, or ood for a test set from another distribution", default="test")
    n_train: int | None = column(
        "labels trained on (ours: training and validation together); for prompting the demonstrations; empty: not stated",
        default=None,
    )
    n_validation: int | None = column(
        "further labels that chose settings or checkpoint, where stated", default=None
    )
    shots_per_class: int | None = column(
        "labels per class, where the source counts so", default=None
    )
    classes: int | None = column("number of classes", default=None)
    tokens: float | None = column("mean tokens of one input", default=None)
    strategy: str = column("strategy id of the advisor, or other_…")
    variant: str = column("which kind or setting of the strategy", default="")
    trained_parameters: int | None = column("parameters that were trained", default=None)
    metric: str = column("metric id")
    value: float = column(
        "the score; a fraction in [0, 1] (correlations in [-1, 1]) unless unbounded"
    )
    higher_is_better: bool = column("direction of the metric", default=True)
    seed: int | None = column("seed, where the row is one run of several", default=None)
    seeds: int | None = column("runs the value is a mean or median of", default=None)
    spread: float | None = column("spread over those runs, in the unit of the value", default=None)
    spread_kind: str = column("what the spread is: sd or iqr", default="")
    status: str = column("ours: done, underfit or underfunded", default="")
    cap_seconds: float | None = column(
        "ours: compute allowed to every strategy; empty: no limit", default=None
    )
    trials: int | None = column("ours: settings tried", default=None)
    seconds: float | None = column("ours: one fit and its scoring", default=None)
    test_rows: int | None = column("rows that were scored", default=None)
    device: str = column("ours: what it ran on", default="")
    commit: str = column("ours: of the code, where known", default="")
    tags: tuple[str, ...] = column("cautions, separated by spaces", default=())
    paper: str = column("title of the source; empty: joined from sources.csv", default="")
    year: int | None = column("year of publication; empty: joined from sources.csv", default=None)
    url: str = column("address, or where it was read; empty: joined from sources.csv", default="")
    shift: float | None = column(
        "domain shift in [0, 1]; empty: joined from shifts.csv by data and corpus", default=None
    )
    shift_reason: str = column("why the shift is what it is, in one clause", default="")
    data_group: str = column(
        "one id for all names of a data set, for leaving data sets out", default="", joined=True
    )
    subject: str = column("what the data is about", default="", joined=True)
    metric_group: str = column(
        "accuracy, overlap, correlation or unbounded", default="", joined=True
    )
    usable: bool = column("whether the row takes part in contrasts", default=True, joined=True)
    weight: float = column("in [0, 1]; below 1 for the reasons in `why`", default=1.0, joined=True)
    why: str = column("what lowers the weight", default="", joined=True)

    @property
    def examples(self) -> int | None:
        """All labels used, training and validation together; None where n is not stated."""
        return None if self.n_train is None else self.n_train + (self.n_validation or 0)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What makes two rows the same measurement."""
        return (
            self.source, self.place, self.protocol, self.model, self.pretraining, self.task, self.data,
            self.data_digest, self.split, self.n_train, self.shots_per_class, self.strategy, self.variant,
            self.trained_parameters, self.metric, self.seed, self.cap_seconds, self.device, self.commit,
        )  # fmt: skip

    @property
    def arm(self) -> tuple[object, ...]:
        """What the seeds of one strategy in one run have in common."""
        return (
            self.source, self.protocol, self.model, self.pretraining, self.task, self.data, self.data_digest,
            self.n_train, self.strategy, self.cap_seconds, self.device, self.commit,
        )  # fmt: skip

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that name the measurement."""
        return hashlib.sha256(repr(self.key).encode()).hexdigest()[:12]


class Column(NamedTuple):
    """A field of `Row` as the files and the documentation see it."""

    name: str
    kind: str
    help: str
    required: bool
    joined: bool


def _column(one: Field[Any]) -> Column:
    kind = str(one.type).removesuffix(" | None")
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no"}
    return Column(
        one.name,
        names.get(kind, "names"),
        one.metadata["help"],
        one.default is MISSING,
        one.metadata["joined"],
    )


COLUMNS: tuple[Column, ...] = tuple(_column(one) for one in fields(Row))
STORED: tuple[Column, ...] = tuple(one for one in COLUMNS if not one.joined)

IDS: dict[str, tuple[str, ...]] = {
    "family": FAMILIES,
    "objective": ("", *OBJECTIVES),
    "corpus": ("", *CORPORA),
    "modality": MODALITIES,
    "task": TASKS,
    "split": SPLITS,
    "strategy": tuple(STRATEGIES),
}
"""Column -> the ids it takes; a strategy may also begin with `other_`."""
