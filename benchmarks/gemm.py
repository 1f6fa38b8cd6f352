"""The machine's limit for work made of matrix products: how fast it multiplies large matrices."""

from __future__ import annotations

from benchmarks.sides import Contender, Measured, Outcome, Work

SIZE = 2048
SECONDS = 3.0
"""Long enough that a processor's first quick moments do not count as its limit."""


def matrix_products() -> Work:
    """float32 products of square matrices; seconds of one, sustained."""
    import time

    import torch

    left, right = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    out = torch.empty(SIZE, SIZE)

    def work() -> Outcome:
        start, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < SECONDS:
            torch.mm(left, right, out=out)
            done += 1
        return Outcome(seconds=passed / done, flops=2.0 * SIZE**3)

    return work


LIMIT = Contender("GEMM", matrix_products, warmups=1)
"""To be raced beside the sides, so that it meets the same load."""


def share_of_peak(side: Measured, limit: Measured) -> float:
    """FLOP a second of a side over those of large products, both at their medians."""
    assert side.outcome.flops is not None
    assert limit.outcome.flops is not None
    return (side.outcome.flops / side.median) / (limit.outcome.flops / limit.median)
