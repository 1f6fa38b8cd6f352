"""Linear layers: torch's own products (MKL) and oneDNN's, of the output and of both gradients.

    python -m benchmarks.linear_layers [--threads N]

The shapes of MiniLM's and Gemma-3-270M's blocks and Gemma's output layer; docs/decisions/0011 rests on it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.command import cores

LAYERS = {
    "MiniLM, a block": ((384, 384),) * 4 + ((1536, 384), (384, 1536)),
    "Gemma, a block": ((1024, 640), (256, 640), (256, 640), (640, 1024), (2048, 640), (2048, 640), (640, 2048)),
    "Gemma, output": ((262_144, 640),),
}  # fmt: skip
ROWS = {"MiniLM, a block": (1, 16, 256, 2048), "Gemma, a block": (1, 22, 600), "Gemma, output": (1, 8, 16)}  # fmt: skip
PRODUCTS = ("output", "of input", "of weight")


def seconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Median of some calls after two."""
    took = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took[2:])


def compared(shapes: Sequence[tuple[int, int]], rows: int) -> dict[str, tuple[float, float]]:
    """Seconds by MKL and by oneDNN of layers of (outputs, inputs): the output, the gradient of the input
    and that of the weight."""
    import torch

    from harness.backbones.onednn_linear import linear

    spent = dict.fromkeys(PRODUCTS, (0.0, 0.0))
    for outs, ins in shapes:
        weight = torch.randn(outs, ins)
        given, gradient = torch.randn(rows, ins), torch.randn(rows, outs)
        factors = (given, weight), (gradient, weight.t()), (gradient.t(), given.t())
        for way, (left, right) in zip(PRODUCTS, factors, strict=True):
            works = partial(torch.nn.functional.linear, left, right), partial(linear, left, right)
            torch.testing.assert_close(works[1](), works[0](), rtol=1e-4, atol=1e-2)
            mkl, onednn = map(seconds, works)
            spent[way] = (spent[way][0] + mkl, spent[way][1] + onednn)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.linear_layers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=cores(),
        metavar="N",
        help="default: the cores this process may use",
    )
    threads = parser.parse_args().threads
    if threads < 1:
        parser.error(f"--threads must be at least 1; got {threads}")
    import torch

    from harness.environment import processor

    torch.set_num_threads(threads)
    print(f"{processor()}, {threads} threads; milliseconds")
    print(f"{'layers':18}{'rows':>6}{'product':>11}{'MKL':>10}{'oneDNN':>10}{'times':>8}")
    for name, shapes in LAYERS.items():
        for rows in ROWS[name]:
            for way, (mkl, onednn) in compared(shapes, rows).items():
                times = f"{1e3 * mkl:>10.2f}{1e3 * onednn:>10.2f}{mkl / onednn:>8.2f}"
                print(f"{name:18}{rows:>6}{way:>11}{times}")


if __name__ == "__main__":
    main()
