"""What is measured of a finished strategy beside its score; never a reason to choose it.

Everything here is taken once per strategy, of its model of seed 0, after its scores are in, and is
not charged to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from harness.backbones.base import Backbone, Trainee
from harness.bench import Bench
from harness.features import uncached
from harness.strategies.base import Strategy

SINGLE_QUERIES = 10
"""Inputs predicted one by one for the latency; one more goes before them to warm up."""
REFERENCE_ROWS = 50
"""Inputs on which an adapted model is compared with the original one."""


def measure(bench: Bench, strategy: Strategy) -> dict[str, float]:
    """Latency, work per query and how far the model moved; what does not apply is left out.

    Returns:
        latency_ms: Median time of one query, in milliseconds, nothing cached.
        flops_per_query: Floating-point operations of one query, where torch computes it.
        feature_similarity: Linear CKA between the features of the original and of the adapted
            model on test inputs, in [0, 1]; 1 where the body was not changed.
        text_loss_before, text_loss_after: Nats per token of test inputs under the original and
            the adapted language model.
    """
    if bench.backbone.facts.access == "text":
        return {}  # a query costs money, and its time is the network's
    inputs = bench.test.inputs
    return {**_queries(strategy, inputs), **_forgetting(bench, strategy, inputs[:REFERENCE_ROWS])}


def linear_cka(a: np.ndarray, b: np.ndarray) -> float:
    """Linear centred kernel alignment of two sets of features of the same inputs, in [0, 1].

    Args:
        a: Shape (n, p); b: shape (n, q).

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited"
    (arXiv:1905.00414), section 3.
    """
    a, b = (one.astype(np.float64) - one.mean(axis=0) for one in (a, b))
    # Of n rows the kernels are n x n, however wide the features are.
    of_a, of_b = a @ a.T, b @ b.T
    size = np.linalg.norm(of_a) * np.linalg.norm(of_b)
    return float((of_a * of_b).sum() / size) if size > 0 else 1.0


def _queries(strategy: Strategy, inputs: Sequence[Any]) -> dict[str, float]:
    with uncached():
        with FlopCounterMode(display=False) as counter:
            strategy.predict(inputs[:1])
        took = []
        for one in inputs[:SINGLE_QUERIES]:
            started = time.perf_counter()
            strategy.predict([one])
            took.append(time.perf_counter() - started)
    found = {"latency_ms": 1000 * float(np.median(took))}
    if flops := counter.get_total_flops():  # none are counted outside torch
        found["flops_per_query"] = float(flops)
    return found


def _forgetting(bench: Bench, strategy: Strategy, inputs: Sequence[Any]) -> dict[str, float]:
    trainee = getattr(strategy, "trainee_", None)
    traits = strategy.traits
    if not isinstance(trainee, Trainee) or traits.virtual_tokens or not traits.needs_pretraining:
        return {}
    after = trainee.text_loss(inputs)
    if after is not None:
        before = _original(bench).text_loss(inputs)
        assert before is not None
        return {"text_loss_before": before, "text_loss_after": after}
    adapted = trainee.represent(inputs)
    original = _represented(bench.backbone, trainee, inputs)
    if adapted is None or original is None:
        return {}
    return {"feature_similarity": linear_cka(original, adapted)}


def _original(bench: Bench) -> Trainee:
    """The predictor before anything was trained; it shares the frozen weights."""
    return bench.backbone.trainee(bench.task, frozen=True)


def _represented(backbone: Backbone, trainee: Trainee, inputs: Sequence[Any]) -> np.ndarray | None:
    pooling = trainee.pooling
    return None if pooling is None else backbone.features(inputs, pooling=pooling)
