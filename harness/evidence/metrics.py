"""The metrics evidence is given in: range, direction and which may be compared on one scale."""

from __future__ import annotations

from typing import NamedTuple

GROUPS = ("accuracy", "overlap", "correlation", "unbounded")
OTHER = "other_"
"""A metric of this prefix is accepted without an entry here and says nothing but order."""


class Metric(NamedTuple):
    """How to read the values of a metric.

    Attributes:
        group: "accuracy" (shares of right answers and their kin), "overlap" (with a reference
            text), "correlation" or "unbounded". All but the last are bounded.
        low, high: Range of possible values, both ends allowed; None where there is no end.
        higher_is_better: Direction.
    """

    group: str
    low: float | None = 0.0
    high: float | None = 1.0
    higher_is_better: bool = True


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "balanced_accuracy": Metric("accuracy"),
    "logical_form_accuracy": Metric("accuracy"),
    "exact_match": Metric("accuracy"),
    "f1": Metric("accuracy"),
    "macro_f1": Metric("accuracy"),
    "entity_f1": Metric("accuracy"),
    "auroc": Metric("accuracy"),
    "map": Metric("accuracy"),
    "miou": Metric("accuracy"),
    "ap_box": Metric("accuracy"),
    "ap_mask": Metric("accuracy"),
    "mean_score": Metric("accuracy"),
    "error_rate": Metric("accuracy", higher_is_better=False),
    "bleu": Metric("overlap"),
    "codebleu": Metric("overlap"),
    "rouge_1": Metric("overlap"),
    "rouge_2": Metric("overlap"),
    "rouge_l": Metric("overlap"),
    "matthews_correlation": Metric("correlation", low=-1.0),
    "pearson": Metric("correlation", low=-1.0),
    "spearman": Metric("correlation", low=-1.0),
    "pearson_spearman_mean": Metric("correlation", low=-1.0),
    "rmse": Metric("unbounded", high=None, higher_is_better=False),
}


def group_of(metric: str) -> str:
    """The group of a metric; "unbounded" for one without an entry."""
    return METRICS[metric].group if metric in METRICS else "unbounded"
