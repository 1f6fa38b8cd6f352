"""`advise`: its cold start against a bare interpreter, and 10,000 situations in one table.

    python -m benchmarks.advise [--quick]

The first row's ratio is that of a bare interpreter to `advise`: at least 0.2 is "at most 5 times".
Modules are compiled before, as the first use of an installed package does, in a temporary folder.
The table gives the situations of `advise --batch` a second, starting and reading included.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Agreement, Result, Row, Table, figures
from benchmarks.sides import Contender, Outcome, Work, race

MOST = 5.0
A_SECOND = 5_000
_FAMILIES = ("encoder", "decoder", "convnet", "vit")


def compiled_in(folder: str) -> dict[str, str]:
    """The environment of a process that keeps what it compiles in a folder."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def started(command: list[str], folder: str) -> Work:
    """A process from start to exit."""
    environment = compiled_in(folder)

    def work() -> Outcome:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        return Outcome({"code": 0})

    return work


def script() -> str:
    return str(Path(sys.executable).with_name("advise"))


def batch_seconds(n: int, rounds: int, cache: str) -> list[float]:
    """Seconds of `advise --batch` over so many different situations, each round."""
    times = []
    environment = compiled_in(cache)
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "in.csv", Path(folder) / "out.csv"
        lines = ["params,examples,family,shift"]
        lines += [f"{10**6 * (row % 997 + 1)},{row},{_FAMILIES[row % 4]},{row % 11 / 10}" for row in range(n)]  # fmt: skip
        given.write_text("\n".join(lines) + "\n")
        command = [script(), "--batch", str(given), "--out", str(out)]
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - start)
        assert len(out.read_text().splitlines()) == n + 1
    return times


def measure(asked: Asked) -> Result:
    n = 1_000 if asked.quick else 10_000
    with tempfile.TemporaryDirectory() as cache:
        ours = Contender("advise", started, {"command": [script(), "--params", "175B", "--examples", "100k"], "folder": cache}, 2)  # fmt: skip
        bare = Contender("python -c pass", started, {"command": [sys.executable, "-c", "pass"], "folder": cache}, 2)  # fmt: skip
        one, other = race([ours, bare], rounds=asked.rounds, threads=asked.threads)
        times = batch_seconds(n, max(1, min(5, asked.rounds)), cache)
    rate = n / statistics.median(times)
    return result(
        rows=(
            Row(
                title="advise, cold start, against a bare interpreter",
                ours=figures(one),
                peer=figures(other),
                wanted=1 / MOST,
                agreement=Agreement("no common result", True),
            ),
        ),
        tables=(
            Table(
                "advise --batch",
                ("situations", "seconds", "a second", "wanted", "reached"),
                ((f"{n:,}", f"{statistics.median(times):.2f}", f"{rate:,.0f}", f"{A_SECOND:,}", "yes" if rate >= A_SECOND else "no"),),
                "Starting Python and reading and writing the tables are part of the seconds.",
            ),
        ),
    )  # fmt: skip


BENCHMARK = Benchmark("advise", measure, rounds=(40, 10))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
