"""Scores of answers against targets, by the name that `--metric` takes; higher is better."""

from harness.metrics.base import Metric
from harness.metrics.classification import accuracy, macro_f1
from harness.metrics.numbers import hit_rate, mean_iou, pearson, r2
from harness.metrics.tags import tag_accuracy, tag_f1
from harness.metrics.texts import bleu, chrf, exact_match, token_f1

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(accuracy, macro_f1),
        *(exact_match, token_f1, chrf, bleu),
        *(tag_f1, tag_accuracy),
        *(r2, pearson, mean_iou, hit_rate),
    )
}
"""Every metric of every task."""
