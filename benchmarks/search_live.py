"""One live search against brute force: the same model, rows and candidates, a quarter of the time.

    python -m benchmarks.search_live         writes reports/search_live.md

First the fair protocol tunes every strategy with its number of trials; then the search gets a share of
the seconds which its strategies took, and what reading the model and data took. Each run is a `harness
run` of its own with an empty cache of features, so that neither profits from the other. Both choose on
validation rows and read the test rows once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.search import OURS, at
from harness.comparison import Interval
from harness.files import write_text
from harness.runs import paired, read_result

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"fair": "brute force", "search": "budgeted search"}


def run(protocol: str, given: argparse.Namespace, budget: Sequence[str], folder: Path) -> Any:
    """`result.json` of one run; ends with the run's own exit code if it fails, which has said why."""
    asked = {
        "--model": given.model,
        "--data": given.data,
        "--examples": str(given.examples),
        "--strategies": given.strategies,
        "--seeds": "1",
        "--test-examples": str(given.test_examples),
        "--protocol": protocol,
        "--out": str(folder / protocol),
    }
    words = [word for pair in asked.items() for word in pair]
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "run", *words, *budget],
            check=False,
            cwd=ROOT,
            env=os.environ | {"ADAPTATION_ADVISOR_CACHE": cache},
            stdout=subprocess.DEVNULL,
        )
    if done.returncode:
        raise SystemExit(done.returncode)
    return read_result(folder / protocol)


def measure(given: argparse.Namespace, folder: Path) -> str:
    """Both runs and what is to be said of them."""
    brute = run("fair", given, ["--trials", str(given.trials)], folder)
    tuning = sum(one["seconds"] for one in brute["strategies"])
    budget = brute["seconds"] - tuning + given.share * tuning
    found = run("search", given, ["--budget", f"{budget:.0f}s"], folder)
    for name, one in (("fair", brute), ("search", found)):
        if one["winner"] is None:
            raise SystemExit(f"search_live: {NAMES[name]} scored nothing: {one['winner_reason']}")
    ends = [(folder / name, one["winner"]) for name, one in (("fair", brute), ("search", found))]
    ahead = paired(*ends, brute["metric"])
    assert ahead is not None  # both score the same rows with the same seed
    return report(given, brute, found, ahead)


def report(
    given: argparse.Namespace, brute: Mapping[str, Any], found: Mapping[str, Any], ahead: Interval
) -> str:
    """The page, in Markdown.

    Args:
        ahead: Test score of the one winner minus that of the other, with its interval.
    """
    lines = [
        "# One live search against brute force",
        "",
        f"Written by `python -m benchmarks.search_live`: {given.model} on {Path(given.data).name}, "
        f"{given.examples} examples, {given.strategies.replace(',', ', ')}; one seed. Brute force is "
        f"the fair protocol with {given.trials} trials of every strategy, the search had "
        f"{given.share:.0%} of the seconds its strategies took, and the seconds before the first trial.",
        "",
        "| run | seconds | trials | winner | validation | test |",
        "|---|---|---|---|---|---|",
        _row("fair", brute),
        _row("search", found),
        "",
        f"On the same {brute['question']['data']['n_test']} test rows brute force is "
        f"{100 * ahead.mean:+.1f} points ahead ({ahead.level:.0%} interval {100 * ahead.low:+.1f} to "
        f"{100 * ahead.high:+.1f}). {_with_grids(100 * ahead.mean, given.share)}",
        "",
        "| strategy | brute force: trials | test | search: trials | test |",
        "|---|---|---|---|---|",
    ]
    theirs = {one["strategy"]: one for one in found["strategies"]}
    for one in brute["strategies"]:
        other = theirs[one["strategy"]]
        cells = [one["strategy"], one["trials"], _test(one), other["trials"], _test(other)]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join([*lines, "", f"The search: {found['winner_reason']}", ""])


def _with_grids(regret: float, share: float) -> str:
    """The mean regret of the replayed grids and this run."""
    told = json.loads((ROOT / "reports" / "search.json").read_text(encoding="utf-8"))
    replayed = at(told["regret"], OURS, share)
    mean = (replayed.sum() + regret) / (len(replayed) + 1)
    return (
        f"With the {len(replayed)} grids replayed by `python -m benchmarks.search` the mean regret at "
        f"{share:.0%} is {mean:.2f} points."
    )


def _row(name: str, result: Mapping[str, Any]) -> str:
    winner = next(one for one in result["strategies"] if one["strategy"] == result["winner"])
    trials = sum(one["trials"] for one in result["strategies"])
    validation = winner["validation"]["mean"]
    return (
        f"| {NAMES[name]} | {result['seconds']:.0f} | {trials} | {result['winner']} | "
        f"{validation:.3f} | {_test(winner)} |"
    )


def _test(one: Mapping[str, Any]) -> str:
    return "not trained on everything" if one["test"] is None else f"{one['test']['mean']:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--data", default="bbc-news")
    parser.add_argument("--examples", type=int, default=200, metavar="N")
    parser.add_argument("--test-examples", type=int, default=400, metavar="N")
    parser.add_argument("--strategies", default="linear_probe,full_finetune,lp_ft")
    parser.add_argument("--trials", type=int, default=4, metavar="N", help="of brute force")
    parser.add_argument("--share", type=float, default=0.25, metavar="SHARE")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="where the runs are kept")
    parser.add_argument("--out", type=Path, default=ROOT / "reports", metavar="FOLDER")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        told = measure(given, given.runs or Path(scratch))
    given.out.mkdir(parents=True, exist_ok=True)
    write_text(given.out / "search_live.md", told)
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
