"""How long `advise` takes to answer, next to a Python that does nothing.

    python benchmarks/cli_start.py [--rounds 40] [--most 5]

Runs `advise --params 175B --examples 100k` (the console script beside this interpreter) and
`python -c pass` in turn, so that both see the same load of the machine, and prints the medians,
their spread and the ratio of the medians. Every module is compiled once before (as the first use
of an installed package does), in a temporary folder, so nothing is left behind. Exits with 1 if
the ratio is above `--most`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = ["advise", "--params", "175B", "--examples", "100k"]


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall-clock time of a command from start to exit."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def describe(name: str, times: list[float]) -> float:
    """Print the distribution in milliseconds; returns the median in seconds."""
    low, median, high = statistics.quantiles(times, n=4)
    print(
        f"{name:34} median {1000 * median:6.1f} ms   quartiles {1000 * low:6.1f} to "
        f"{1000 * high:6.1f}   fastest {1000 * min(times):6.1f}"
    )
    return median


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40, help="runs of each command (default 40)")
    parser.add_argument("--most", type=float, default=5.0, help="largest ratio allowed (default 5)")
    asked = parser.parse_args()

    script = Path(sys.executable).with_name(COMMAND[0])
    if not script.exists():
        parser.error(f"{script} does not exist: install the package into this environment first")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        " ".join(COMMAND): [str(script), *COMMAND[1:]],
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        }
        environment["PYTHONPYCACHEPREFIX"] = folder
        for command in commands.values():
            seconds(command, environment)  # compiles
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(asked.rounds):
            for name, command in commands.items():
                times[name].append(seconds(command, environment))
    bare, whole = (describe(name, each) for name, each in times.items())
    print(f"ratio of the medians {whole / bare:.2f} (at most {asked.most:g} wanted)")
    return 0 if whole / bare <= asked.most else 1


if __name__ == "__main__":
    raise SystemExit(main())
