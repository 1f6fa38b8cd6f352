"""Scores of answers against targets, by the name that `--metric` takes; higher is better."""

from harness.metrics.base import Metric
from harness.metrics.classification import accuracy, macro_f1

METRICS: dict[str, Metric] = {metric.name: metric for metric in (accuracy, macro_f1)}
"""Every metric of every task."""
