"""The machine's limit for work made of matrix products: how fast it multiplies large matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.sides import Contender, Measured, Outcome, Work

if TYPE_CHECKING:
    import torch

SIZE = 2048
SECONDS = 3.0
"""Long enough that a processor's first quick moments do not count as its limit."""


def matrix_products() -> Work:
    """float32 products of square matrices by torch's own way (MKL) and by oneDNN; seconds of one,
    sustained, of the faster."""
    import time

    import torch

    from harness.backbones.onednn_linear import linear

    left, right = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)

    def sustained(product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        start, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < SECONDS:
            product(left, right)
            done += 1
        return passed / done

    def work() -> Outcome:
        return Outcome(seconds=min(map(sustained, (torch.mm, linear))), flops=2.0 * SIZE**3)

    return work


LIMIT = Contender("GEMM", matrix_products)
"""To be raced beside the sides, so that it meets the same load."""


def share_of_peak(side: Measured, limit: Measured) -> float:
    """FLOP a second of a side over those of large products, both at their medians."""
    assert side.outcome.flops is not None
    assert limit.outcome.flops is not None
    return (side.outcome.flops / side.median) / (limit.outcome.flops / limit.median)
