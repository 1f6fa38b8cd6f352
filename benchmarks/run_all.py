"""Every benchmark, one after another, and the report of all.

    python -m benchmarks.run_all [--quick]

Results already there are kept, so that an interrupted run goes on where it was; `--again` measures
anew. The report (reports/benchmarks.md and .html) is written after each benchmark. Exits with 1 if
one could not be measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.page import Failure, as_html, as_markdown
from benchmarks.results import Result, load
from harness.files import write_text

NAMES: tuple[str, ...] = (
    "advise",
    "frozen_images",
    "frozen_text",
    "probe_path",
    "growth",
    "lora",
    "soft_prompt",
    "hard_prompt",
    "full_finetune",
)
"""Modules of this package, the quickest first."""
_ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run_all",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a dozen texts, five steps a side")
    parser.add_argument("--again", action="store_true", help="measure what was measured before")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of each side")
    parser.add_argument(
        "--out", type=Path, default=_ROOT / "reports", metavar="FOLDER", help="default: reports"
    )
    asked = parser.parse_args(arguments)
    failures: list[Failure] = []
    try:
        _measure_all(asked, failures)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        publish(asked.out, failures)
    return 1 if failures else 0


def _measure_all(asked: argparse.Namespace, failures: list[Failure]) -> None:
    for name in asked.only or NAMES:
        target = file_of(asked.out, name, quick=asked.quick)
        if readable(target) and not asked.again:
            print(f"{name}: measured before", flush=True)
            continue
        started = time.monotonic()
        print(f"{name}: measuring", flush=True)
        reason = measure(name, target, quick=asked.quick, threads=asked.threads)
        if reason:
            failures.append(Failure(name, reason))
        print(f"{name}: {reason or 'done'} ({time.monotonic() - started:.0f} s)", flush=True)
        publish(asked.out, failures)


def file_of(out: Path, name: str, *, quick: bool) -> Path:
    """Where a result is kept."""
    return out / "benchmarks" / ("quick" if quick else "full") / f"{name}.json"


def readable(path: Path) -> Result | None:
    """A result kept before; None where there is none, or none that this version reads."""
    try:
        return load(path) if path.exists() else None
    except ValueError as error:
        print(f"{error}: it is measured again", file=sys.stderr)
        return None


def measure(name: str, target: Path, *, quick: bool, threads: int | None) -> str:
    """Run a benchmark as its own command; the reason why it failed, "" if it did not."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--out", str(target)]
    command += ["--quick"] if quick else []
    command += ["--threads", str(threads)] if threads else []
    done = subprocess.run(command, cwd=_ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return ""
    print(done.stderr, file=sys.stderr)
    ours = [line for line in done.stderr.splitlines() if line.startswith(f"{name} ")]
    return ours[0] if ours else f"exit code {done.returncode}"


def publish(out: Path, failures: Sequence[Failure]) -> None:
    """Write benchmarks.md and benchmarks.html from the results that are there."""
    full, quick = (
        [found for name in NAMES if (found := readable(file_of(out, name, quick=rough)))]
        for rough in (False, True)
    )
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "benchmarks.md", as_markdown(full, quick, failures).rstrip("\n"))
    write_text(out / "benchmarks.html", as_html(full, quick, failures).rstrip("\n"))


if __name__ == "__main__":
    raise SystemExit(main())
