"""The smallest benchmark: a sum by numpy against a loop. It shows, and tests, the frame.

python -m benchmarks.toy
"""

from __future__ import annotations

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Agreement, Result, Row, figures
from benchmarks.sides import Contender, Outcome, Work, race


def by_numpy(size: int) -> Work:
    """Add whole numbers in one call."""
    import numpy as np

    numbers = np.arange(size)
    return lambda: Outcome({"sum": int(numbers.sum())})


def by_loop(size: int) -> Work:
    """Add them one by one."""
    return lambda: Outcome({"sum": sum(number for number in range(size))})


def measure(asked: Asked) -> Result:
    size = 10_000 if asked.quick else 1_000_000
    sides = [Contender("numpy", by_numpy, {"size": size}), Contender("loop", by_loop, {"size": size})]  # fmt: skip
    ours, peer = race(sides, rounds=asked.rounds, threads=asked.threads)
    equal = ours.outcome.values["sum"] == peer.outcome.values["sum"]
    return result(
        rows=(
            Row(
                title=f"sum of {size:,} numbers",
                ours=figures(ours),
                peer=figures(peer),
                wanted=1.0,
                agreement=Agreement("equal" if equal else "different", equal),
                amount=size,
                unit="numbers",
            ),
        )
    )


BENCHMARK = Benchmark("toy", measure)

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
