"""Fits the scales of the learning curves to the grids and validates the curves on grids left out.

    python -m benchmarks.search_curves            writes reports/search_curves.md
    python -m benchmarks.search_curves --fit      also harness/search/scales.json, from all grids

For each grid the scales are fitted to the other grids. Its curves then see the validation scores of
trials on at most a quarter of the examples and predict every setting's test score on all of them.
The rival carries each setting's last value forward, as it is and with normal noise whose spread is
fitted to the other grids.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.search_grids import GRIDS, Cell, Grid, read
from benchmarks.search_prior import kept
from harness.files import write_json, write_text
from harness.search.curves import Curves, Point, Prior, Scales, Seen, layout, sampling_noise
from harness.search.decide import LIKELY, Crossover, crossovers, drawn_scores

ROOT = Path(__file__).resolve().parent.parent
SCALES = ROOT / "harness" / "search" / "scales.json"
REPORT = ROOT / "reports" / "search_curves.md"
_FITTED = (
    "trust", "strategy", "setting", "rise", "slope", "slope_strategy",
    "slope_setting", "bend", "bend_strategy", "bend_setting", "training", "shared", "rows",
)  # fmt: skip
_SIGNED = {"rise"}


class Case(NamedTuple):
    """A setting's test score on all examples and what was predicted of it.

    Attributes:
        low, high: Ends of the 90% interval of the prediction.
        crps: Of the curves, of the last value, of the last value with noise; in points.
    """

    grid: str
    strategy: str
    setting: str
    truth: float
    predicted: float
    low: float
    high: float
    crps: tuple[float, float, float]


_HELD = (0.85, 0.95)
"""Between which the coverage of 90% intervals must lie for probabilities to be shown."""
_CASES = 60
"""The fewest cases that say so."""
_RARE = 0.05
"""Below this probability too few draws cross to say where."""


def complete() -> list[tuple[Grid, list[Cell]]]:
    """Grids of which every cell was measured, with their cells."""
    found = []
    for grid in GRIDS:
        cells = read(grid.name)
        arms = {(cell.strategy, cell.settings) for cell in cells}
        trained = {cell.strategy for cell in cells}
        wanted = {"linear_probe", "full_finetune", "lp_ft"} | ({"lora"} if grid.lora else set())
        if trained >= wanted and len(cells) == len(arms) * len(grid.sizes) * len(grid.seeds):
            found.append((grid, cells))
    return found


def point(grid: Grid, cell: Cell) -> Point:
    return Point(cell.strategy, cell.settings, log2(cell.size / grid.sizes[-1]))


def seen(grid: Grid, cells: Sequence[Cell], *, test: bool) -> list[Seen]:
    """Validation scores, and with `test` the test scores beside them."""
    found = [Seen(point(grid, c), c.validation, c.validation_rows) for c in cells]
    if test:
        found += [Seen(point(grid, c), c.test, c.test_rows, "test") for c in cells]
    return found


def fit(grids: Sequence[tuple[Grid, list[Cell]]], priors: Mapping[str, Prior]) -> Scales:
    """Scales with the highest evidence of all scores of these grids, held near the defaults."""
    start = Scales()._asdict()
    data = []
    for grid, cells in grids:
        some, prior = seen(grid, cells, test=True), priors[grid.name]
        points = [one.point for one in some]
        data.append((prior, some, layout(prior, points, points)))

    def scales(theta: np.ndarray) -> Scales:
        values = {
            name: start[name] + step if name in _SIGNED else start[name] * float(np.exp(step))
            for name, step in zip(_FITTED, theta, strict=True)
        }
        values["shared"] = min(values["shared"], 0.9)
        return Scales(**{**start, **values})

    def loss(theta: np.ndarray) -> float:
        found = scales(theta)
        total = sum(Curves(prior, found, some, parts).log_evidence() for prior, some, parts in data)
        return -total + 0.5 * float(theta @ theta)

    found = minimize(loss, np.zeros(len(_FITTED)), method="L-BFGS-B", options={"maxiter": 12})
    return scales(found.x)


def predictions(
    grid: Grid, cells: Sequence[Cell], scales: Scales, prior: Prior, spread: float
) -> list[Case]:
    """Every setting of a grid, from its scores on at most a quarter of the examples."""
    full = grid.sizes[-1]
    early = [cell for cell in cells if cell.size <= full / 4]
    late = [cell for cell in cells if cell.size == full]
    curves = Curves(prior, scales, seen(grid, early, test=False))
    points = [point(grid, cell) for cell in late]
    mean, covariance = curves.predict(points)
    noise = sampling_noise(scales, mean, late[0].test_rows)
    drawn = drawn_scores(mean, np.diag(np.diag(covariance) + noise))
    found = []
    for place, cell in enumerate(late):
        last = max(
            (c for c in early if (c.strategy, c.settings) == (cell.strategy, cell.settings)),
            key=lambda c: c.size,
        ).validation
        sample = drawn[:, place]
        low, high = np.quantile(sample, [0.05, 0.95])
        scores = (
            crps_of_draws(sample, cell.test),
            abs(last - cell.test),
            crps_of_normal(last, spread, cell.test),
        )
        found.append(
            Case(
                grid.name, cell.strategy, cell.settings, cell.test, float(np.median(sample)),
                float(low), float(high), tuple(100 * one for one in scores),
            )
        )  # fmt: skip
    return found


def crps_of_draws(drawn: np.ndarray, truth: float) -> float:
    """Continuous ranked probability score (Gneiting and Raftery 2007, equation 21)."""
    ordered = np.sort(drawn)
    n = len(ordered)
    pairs = 2 * float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum()) / n**2
    return float(np.abs(drawn - truth).mean()) - 0.5 * pairs


def crps_of_normal(mean: float, deviation: float, truth: float) -> float:
    """The same of a normal distribution (Gneiting and Raftery 2007, equation 5)."""
    z = (truth - mean) / deviation
    return float(deviation * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)))


def last_spread(grids: Sequence[tuple[Grid, list[Cell]]]) -> float:
    """Root mean square of test score on all minus the last validation score on a quarter."""
    gaps = []
    for grid, cells in grids:
        known = {(c.strategy, c.settings, c.size): c for c in cells}
        for (strategy, settings, size), cell in known.items():
            if size == grid.sizes[-1]:
                quarter = max(n for n in grid.sizes if n <= size / 4)
                gaps.append(cell.test - known[strategy, settings, quarter].validation)
    return float(np.sqrt(np.mean(np.square(gaps))))


def validate(say: bool = True) -> tuple[list[Case], dict[str, Scales]]:
    """All cases, and the scales that each grid was predicted with."""
    grids, priors = complete(), kept()
    cases: list[Case] = []
    scales: dict[str, Scales] = {}
    for grid, cells in grids:
        others = [one for one in grids if one[0].name != grid.name]
        scales[grid.name] = fit(others, priors)
        if say:
            print(f"without {grid.name}", file=sys.stderr)
        spread = last_spread(others)
        cases += predictions(grid, cells, scales[grid.name], priors[grid.name], spread)
    return cases, scales


def coverage(cases: Sequence[Case]) -> float:
    return float(np.mean([one.low <= one.truth <= one.high for one in cases]))


def summary(cases: Sequence[Case]) -> dict[str, float]:
    """Their number, the coverage, and the mean CRPS of each prediction in points."""
    ours, last, noisy = (float(np.mean([one.crps[k] for one in cases])) for k in range(3))
    told = {"coverage": coverage(cases), "crps": ours, "last_value": last, "with_noise": noisy}
    return {"cases": len(cases), **{name: round(value, 4) for name, value in told.items()}}


def passed(cases: Sequence[Case]) -> bool:
    """Whether probabilities that rest on the curves may be shown: enough cases, intervals that hold
    what they say, and a prediction better than carrying the last value forward in either form."""
    found, (low, high) = summary(cases), _HELD
    rival = min(found["last_value"], found["with_noise"])
    return len(cases) >= _CASES and low <= found["coverage"] <= high and found["crps"] < rival


def interval_of(values: np.ndarray, grids: Sequence[str]) -> tuple[float, float]:
    """95% interval of a mean, whole grids resampled."""
    names = sorted(set(grids))
    of = {name: values[[g == name for g in grids]] for name in names}
    rng = np.random.default_rng(0)
    means = [
        np.concatenate([of[name] for name in rng.choice(names, len(names))]).mean()
        for _ in range(2000)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def crossing_lines(scales: Mapping[str, Scales], names: Sequence[str]) -> list[str]:
    """Where full fine-tuning overtakes the probe, from every score of a grid's validation."""
    priors, lines = kept(), []
    for grid, cells in complete():
        if grid.name not in names:
            continue
        curves = Curves(priors[grid.name], scales[grid.name], seen(grid, cells, test=False))
        best = {}
        for strategy in ("linear_probe", "full_finetune"):
            full = [c for c in cells if c.strategy == strategy and c.size == grid.sizes[-1]]
            mean, _ = curves.predict([point(grid, c) for c in full])
            best[strategy] = full[int(np.argmax(mean))].settings
        found = crossovers(curves, best, grid.sizes, grid.sizes[-1], likely=0.0)
        lines.append(_crossing_line(grid.name, [c for c in found if c.after == "full_finetune"]))
    return lines


def _crossing_line(name: str, found: Sequence[Crossover]) -> str:
    if not found or found[0].probability < _RARE:
        return f"| {name} | below {_RARE:.0%} | | | | no |"
    one, (low, high) = found[0], found[0].interval
    return (
        f"| {name} | {one.probability:.0%} | {one.examples:.0f} | {low:.0f} to {high:.0f} | "
        f"{'yes' if one.measured else 'no, extrapolated'} | "
        f"{'yes' if one.probability >= LIKELY else 'no'} |"
    )


def report(cases: Sequence[Case], scales: Mapping[str, Scales]) -> str:
    ours, last, noisy = (np.array([one.crps[k] for one in cases]) for k in range(3))
    names = [one.grid for one in cases]
    rows = []
    for name in sorted(set(names)):
        some = [one for one in cases if one.grid == name]
        means = [np.mean([one.crps[k] for one in some]) for k in range(3)]
        rows.append(
            f"| {name} | {len(some)} | {coverage(some):.0%} | "
            + " | ".join(f"{one:.2f}" for one in means)
            + " |"
        )
    gap, against = interval_of(ours - last, names), interval_of(ours - noisy, names)
    return "\n".join(
        [
            "# Learning curves on grids that were left out",
            "",
            "Written by `python -m benchmarks.search_curves`, from benchmarks/grids.",
            "",
            f"- Cases: {len(cases)} (settings of {len(set(names))} grids). Each setting's test score on "
            "all examples, predicted from validation scores on at most a quarter of them.",
            f"- 90% intervals hold {coverage(cases):.1%} of the test scores; their mean width is "
            f"{100 * np.mean([one.high - one.low for one in cases]):.1f} points.",
            f"- CRPS {ours.mean():.2f} points; last value {last.mean():.2f} (ours less: "
            f"{gap[0]:+.2f} to {gap[1]:+.2f}); last value with fitted noise {noisy.mean():.2f} "
            f"({against[0]:+.2f} to {against[1]:+.2f}). 95% intervals over grids.",
            "",
            "| grid | cases | covered | CRPS | last value | with noise |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "## Crossovers",
            "",
            "Where full fine-tuning overtakes the linear probe, each with its best setting, from all "
            "validation scores of the grid and up to four times its full size. Examples and 90% "
            "intervals are given that the curves cross so; a search tells a crossing from a "
            "probability of a half on.",
            "",
            "| grid | probability | examples | interval | inside the sizes measured | told |",
            "|---|---|---|---|---|---|",
            *crossing_lines(scales, sorted(set(names))),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fit", action="store_true", help="write harness/search/scales.json, too")
    parser.add_argument("--out", type=Path, default=REPORT, metavar="FILE.md")
    given = parser.parse_args(arguments)
    if given.fit:
        grids = complete()
        known = {
            name: float(f"{value:.4g}") for name, value in fit(grids, kept())._asdict().items()
        }
    cases, scales = validate()
    if given.fit:
        validation = {**summary(cases), "passed": passed(cases)}
        names = [grid.name for grid, _ in grids]
        write_json(SCALES, {"grids": names, "scales": known, "validation": validation})
    write_text(given.out, report(cases, scales))
    print(json.dumps(summary(cases)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
