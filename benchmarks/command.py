"""The command line that every benchmark shares."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.results import Result, save
from benchmarks.sides import SideFailed


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a benchmark."""

    quick: bool
    rounds: int
    threads: int


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Args:
        name: Of its module and result file.
        measure: Does it; see `result`.
        peers: Modules that must be installed.
        rounds: Timed rounds of each side, full and quick.
    """

    name: str
    measure: Callable[[Asked], Result]
    peers: tuple[str, ...] = ()
    rounds: tuple[int, int] = (5, 1)


INSTALL = "uv sync --all-extras --group bench"


def result(**parts: object) -> Result:
    """A result of rows, charts, tables and notes alone; `run` fills in the rest."""
    return Result(benchmark="", quick=False, command="", on={}, **parts)  # type: ignore[arg-type]


def run(benchmark: Benchmark, doc: str | None, arguments: Sequence[str] | None = None) -> int:
    """Parse, measure, print, save. 0; 1 if a side failed; 2 for bad input or a missing peer."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{benchmark.name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    full, quick = benchmark.rounds
    parser.add_argument(
        "--quick", action="store_true", help="a dozen texts, five steps: minutes, rough figures"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"timed rounds of each side (default {full}, with --quick {quick})",
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        default=cores(),
        help="threads of each side (default: the cores this process may use)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to keep the result")
    given = parser.parse_args(arguments)
    rounds = given.rounds if given.rounds is not None else (quick if given.quick else full)
    if rounds < 1 or given.threads < 1:
        parser.error(f"--rounds and --threads must be at least 1; got {rounds}, {given.threads}")
    for module in benchmark.peers:
        if find_spec(module) is None:
            print(f"{benchmark.name} needs {module}, which is not installed: {INSTALL}", file=sys.stderr)  # fmt: skip
            return 2
    asked = Asked(quick=given.quick, rounds=rounds, threads=given.threads)
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        found = measured(benchmark, asked, words)
    except SideFailed as error:
        print(f"{benchmark.name} failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{benchmark.name}: interrupted; nothing was kept", file=sys.stderr)
        return 130
    from benchmarks.page import as_text

    print(as_text(found), end="")
    if given.out is not None:
        save(given.out, found)
    return 0


def measured(benchmark: Benchmark, asked: Asked, words: Sequence[str]) -> Result:
    """The benchmark's result with what it was measured on."""
    from harness.device import pick_device
    from harness.environment import on_what

    load, started = os.getloadavg()[0], time.monotonic()
    found = benchmark.measure(asked)
    on = on_what(pick_device()).model_dump()
    on["threads"] = asked.threads
    on["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]
    command = " ".join(["python", "-m", f"benchmarks.{benchmark.name}", *_kept(words)])
    return replace(
        found,
        benchmark=benchmark.name,
        quick=asked.quick,
        command=command,
        on=on,
        seconds=time.monotonic() - started,
    )


def _kept(words: Sequence[str]) -> list[str]:
    """The words of a command without --out, which says nothing about what was measured."""
    kept = list(words)
    if "--out" in kept:
        at = kept.index("--out")
        del kept[at : at + 2]
    return kept


def cores() -> int:
    """Those this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
