"""Budgeted search replayed on complete grids, against what else one would use.

    python -m benchmarks.search          writes reports/search.md and reports/search.json

Each grid is searched with the advisor's posterior fitted without its data set and with the scales of
the curves fitted to the other grids. Regret is the test score of the best-possible setting (highest
validation score at full size) minus that of the recommended one, both at full size, in points. It is
negative where the choice on validation was not the best on test. Before its first trial a rival is
charged the mean over all settings. Rivals are averaged over seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.search_curves import ROOT, complete, fit
from benchmarks.search_prior import kept
from benchmarks.search_rivals import (
    Replay,
    Search,
    ours,
    random_search,
    relative_costs,
    successive_halving,
    tpe_hyperband,
)
from harness.files import write_json, write_text

CHECKPOINTS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
OURS = "budgeted search"
RIVALS: dict[str, Search] = {
    "random search": random_search,
    "TPE with Hyperband": tpe_hyperband,
    "successive halving": successive_halving,
}
Curves = Mapping[str, Sequence[float]]
_SHARES = np.linspace(0, 1, 201)[1:]
SEEDS = 20


def curve(search: Search, replay: Replay, seed: int) -> np.ndarray:
    """Regret in points after each share of the brute-force compute, shape (200,)."""
    whole = replay.brute_force()
    best = replay.test(replay.best())
    blind = best - float(np.mean([replay.test(arm) for arm in replay.arms]))
    found = np.full(len(_SHARES), blind)
    for spent, arm in search(replay, seed):
        share = spent / whole
        found[share <= _SHARES] = best - replay.test(arm)
        if share > 1:
            break
    return 100 * found


def measure(seeds: int) -> dict[str, Curves]:
    """Grid -> search -> its mean curve."""
    grids, priors = complete(), kept()
    found: dict[str, Curves] = {}
    for grid, cells in grids:
        print(f"grid {grid.name}", file=sys.stderr)
        others = [one for one in grids if one[0].name != grid.name]
        relative = relative_costs([c for _, c in others], [g.sizes[-1] for g, _ in others])
        mine = ours(priors[grid.name], fit(others, priors), relative)
        several = {
            name: [curve(rival, Replay(grid, cells), seed) for seed in range(seeds)]
            for name, rival in RIVALS.items()
        }
        found[grid.name] = {
            OURS: curve(mine, Replay(grid, cells), 0).tolist(),
            **{name: np.mean(some, axis=0).tolist() for name, some in several.items()},
        }
    return found


def lost_by_validation() -> tuple[float, float, float]:
    """Points of test accuracy between the best setting on test and the one that validation chooses
    after everything, with a 95% interval over grids."""
    gaps = []
    for grid, cells in complete():
        replay = Replay(grid, cells)
        best = max(replay.test(arm) for arm in replay.arms)
        gaps.append(100 * (best - replay.test(replay.best())))
    return paired(np.array(gaps))


def paired(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over grids and its 95% bootstrap interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(5000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def at(curves: Mapping[str, Curves], name: str, share: float) -> np.ndarray:
    place = int(np.searchsorted(_SHARES, share - 1e-9))
    return np.array([one[name][place] for one in curves.values()])


def report(curves: Mapping[str, Curves], seeds: int) -> str:
    names = (OURS, *RIVALS)
    head = " | ".join(f"{share:.0%}" for share in CHECKPOINTS)
    lines = [
        "# Budgeted search on complete grids",
        "",
        f"Written by `python -m benchmarks.search`, from {len(curves)} grids under benchmarks/grids; "
        f"rivals over {seeds} seeds.",
        "",
        "Mean regret in points of accuracy after a share of the brute-force compute, and its mean up "
        "to 100% (the area under the curve). Below zero: better on test than the setting that "
        "validation would choose after everything.",
        "",
        f"| search | {head} | area |",
        "|---" * (len(CHECKPOINTS) + 2) + "|",
    ]
    for name in names:
        cells = [f"{at(curves, name, share).mean():.2f}" for share in CHECKPOINTS]
        area = np.mean([np.mean(one[name]) for one in curves.values()])
        lines.append(f"| {name} | {' | '.join(cells)} | {area:.2f} |")
    lines += [
        "",
        "Ours minus the rival, paired over grids, with 95% bootstrap intervals:",
        "",
        f"| rival | {head} | area |",
        "|---" * (len(CHECKPOINTS) + 2) + "|",
    ]
    for name in RIVALS:
        gaps = [at(curves, OURS, share) - at(curves, name, share) for share in CHECKPOINTS]
        areas = np.array([np.mean(one[OURS]) - np.mean(one[name]) for one in curves.values()])
        told = [_gap(paired(one)) for one in [*gaps, areas]]
        lines.append(f"| {name} | {' | '.join(told)} |")
    mean, low, high = paired(at(curves, OURS, 0.25))
    lines += [
        "",
        f"Ours at 25%: {mean:.2f} points (95% interval over grids {low:+.2f} to {high:+.2f}). What "
        "validation chooses after everything is itself {:.2f} points below the best setting on test "
        "({:.2f} to {:.2f}): regret below that is inside the noise of the choice.".format(
            *lost_by_validation()
        ),
    ]
    lines += ["", "| grid | ours at 25% | ours, area | best rival, area |", "|---|---|---|---|"]
    for place, (grid, one) in enumerate(curves.items()):
        best = min(RIVALS, key=lambda name: float(np.mean(one[name])))
        lines.append(
            f"| {grid} | {at(curves, OURS, 0.25)[place]:.2f} | {np.mean(one[OURS]):.2f} | "
            f"{np.mean(one[best]):.2f} ({best}) |"
        )
    return "\n".join([*lines, ""])


def _gap(found: tuple[float, float, float]) -> str:
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="of the rivals")
    parser.add_argument("--out", type=Path, default=ROOT / "reports", metavar="FOLDER")
    given = parser.parse_args(arguments)
    curves = measure(given.seeds)
    given.out.mkdir(parents=True, exist_ok=True)
    write_json(given.out / "search.json", {"shares": _SHARES.tolist(), "regret": curves})
    write_text(given.out / "search.md", report(curves, given.seeds))
    print(json.dumps({"grids": len(curves), "regret_at_25": float(at(curves, OURS, 0.25).mean())}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
