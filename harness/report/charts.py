"""Where everything in a chart lies; the templates only draw it.

Horizontal places are percentages of the width and vertical ones are pixels, so that a chart fills
a wide screen and a telephone alike while its letters keep their size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.report import wording
from harness.report.parts import Band, Curve, Point

INSET = 2.0
"""Per cent of the width kept free at both sides, for marks and labels at the ends."""
ROW = 50
SCATTER_HEIGHT = 300
PANEL_HEIGHT = 150
LABEL_HEIGHT = 19
LABEL_WIDTH = 40.0
"""Per cent of the width a label may take on a narrow screen."""
SECONDS = (
    0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 10 * 3600,
    30 * 3600, 100 * 3600, 300 * 3600, 1000 * 3600,
)  # fmt: skip
"""Round times for a logarithmic axis, about a factor of three apart."""


@dataclass(frozen=True)
class Tick:
    """A round value on an axis; `at` in per cent (horizontal) or pixels (vertical)."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """One competitor: its places in per cent and its baseline row in pixels."""

    label: str
    value: str
    kind: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    shifted: float | None = None
    below: bool = False
    """Whether its score lies to the left of the axis; it is drawn as an arrow at the edge."""


@dataclass(frozen=True)
class ScoreChart:
    """A row per competitor: dot for the mean, bar for the interval, ring for the shifted test."""

    title: str
    description: str
    height: int
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    target: Tick | None

    @property
    def has_interval(self) -> bool:
        return any(mark.low is not None for mark in self.marks)

    @property
    def has_baseline(self) -> bool:
        return any(mark.kind == "baseline" and not mark.below for mark in self.marks)

    @property
    def has_shifted(self) -> bool:
        return any(mark.shifted is not None for mark in self.marks)

    @property
    def has_below(self) -> bool:
        return any(mark.below for mark in self.marks)


@dataclass(frozen=True)
class Spot:
    """One strategy in the chart of score against cost.

    Attributes:
        side: Where its label stands: "right" or "left" of the mark.
        drop: Pixels the label is moved down from the mark so that no two overlap.
    """

    label: str
    kind: str
    x: float
    y: float
    side: str
    drop: float


@dataclass(frozen=True)
class CostChart:
    """Score (upwards) against seconds (to the right, logarithmic)."""

    title: str
    description: str
    height: int
    spots: tuple[Spot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    floor: float | None
    """Pixels from the top of the best baseline, which costs next to nothing; None off the chart."""


@dataclass(frozen=True)
class Panel:
    """Learning curves of one strategy; points in per cent of width and pixels of height."""

    label: str
    title: str
    description: str
    height: int
    validation: tuple[tuple[float, float], ...]
    train: tuple[tuple[float, float], ...]
    y_ticks: tuple[Tick, ...]
    last_step: str


@dataclass(frozen=True)
class BandPanel:
    """Predicted scores of one strategy: a line in its interval, a dot per trial.

    Places in per cent of width and pixels of height; `full` marks all examples there are.
    """

    label: str
    title: str
    description: str
    height: int
    middle: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...]
    seen: tuple[tuple[float, float], ...]
    full: float
    y_ticks: tuple[Tick, ...]
    x_ends: tuple[str, str]


def score_chart(
    points: tuple[Point, ...], metric: str, target: float | None = None
) -> ScoreChart | None:
    """Scores with their intervals, and the score that is needed; None if there are none."""
    if not points:
        return None
    ends = _shown(points) if target is None else (*_shown(points), target)
    ticks = round_values(min(ends), max(ends), metric)
    low, high = ticks[0], ticks[-1]

    def place(value: float | None) -> float | None:
        return None if value is None else _across(value, low, high)

    marks = tuple(
        Mark(
            label=point.label,
            value=wording.score(metric, point.score),
            kind=point.kind,
            x=_across(point.score, low, high),
            y=row * ROW + 34,
            low=place(point.interval[0] if point.interval else None),
            high=place(point.interval[1] if point.interval else None),
            shifted=place(point.shifted),
            below=point.score < low,
        )
        for row, point in enumerate(points)
    )
    name = wording.metric_name(metric)
    return ScoreChart(
        title=f"Test {name} of each strategy and baseline",
        description="; ".join(f"{mark.label} {mark.value}" for mark in marks),
        height=len(points) * ROW + 4,
        marks=marks,
        ticks=tuple(Tick(_across(tick, low, high), _tick(metric, tick, ticks)) for tick in ticks),
        target=None
        if target is None
        else Tick(_across(target, low, high), f"target {wording.score(metric, target)}"),
    )


def cost_chart(points: tuple[Point, ...], metric: str) -> CostChart | None:
    """Score against cost; None unless two strategies have both."""
    spent = [(point, point.seconds) for point in points if point.seconds]
    if len(spent) < 2:
        return None
    baseline = max((p.score for p in points if p.kind == "baseline"), default=None)
    scores = [point.score for point, _ in spent]
    ticks = round_values(min(scores), max(scores), metric)
    seconds = round_seconds([cost for _, cost in spent])
    left, right = math.log(seconds[0]), math.log(seconds[-1])

    def down(score: float) -> float:
        return _down(score, ticks[0], ticks[-1], SCATTER_HEIGHT)

    places = [(_across(math.log(cost), left, right), down(p.score)) for p, cost in spent]
    drops = _without_overlap(places)
    inside = baseline is not None and ticks[0] <= baseline <= ticks[-1]
    return CostChart(
        title=f"Test {wording.metric_name(metric)} against time",
        description="; ".join(
            f"{point.label}: {wording.score(metric, point.score)} in {wording.duration(cost)}"
            for point, cost in spent
        ),
        height=SCATTER_HEIGHT,
        spots=tuple(
            Spot(point.label, point.kind, x, y, _side(x), drop)
            for (point, _), (x, y), drop in zip(spent, places, drops, strict=True)
        ),
        x_ticks=tuple(
            Tick(_across(math.log(tick), left, right), wording.duration(tick)) for tick in seconds
        ),
        y_ticks=tuple(Tick(down(tick), _tick(metric, tick, ticks)) for tick in ticks),
        floor=down(baseline) if inside and baseline is not None else None,
    )


def curve_panels(curves: tuple[Curve, ...]) -> tuple[Panel, ...]:
    """One panel per strategy; they share the loss axis, each has its own steps."""
    losses = [loss for curve in curves for _, loss in (*curve.validation, *curve.train)]
    if not losses:
        return ()
    ticks = round_values(min(losses), max(losses), "loss", aim=3)

    def placed(
        points: tuple[tuple[float, float], ...], last: float
    ) -> tuple[tuple[float, float], ...]:
        return tuple(
            (_across(step, 0.0, last), _down(loss, ticks[0], ticks[-1], PANEL_HEIGHT))
            for step, loss in points
        )

    panels = []
    for curve in curves:
        last = max(step for step, _ in (*curve.validation, *curve.train)) or 1.0
        first, end = curve.validation[0][1], curve.validation[-1][1]
        panels.append(
            Panel(
                label=curve.label,
                title=f"Learning curve of {curve.label}",
                description=f"Validation loss from {first:.3f} to {end:.3f} in {last:,.0f} steps",
                height=PANEL_HEIGHT,
                validation=placed(curve.validation, last),
                train=placed(curve.train, last),
                y_ticks=tuple(
                    Tick(_down(tick, ticks[0], ticks[-1], PANEL_HEIGHT), f"{tick:g}")
                    for tick in ticks
                ),
                last_step=f"step {last:,.0f}",
            )
        )
    return tuple(panels)


def band_panels(bands: tuple[Band, ...], metric: str) -> tuple[BandPanel, ...]:
    """One panel per strategy; they share both axes, sizes on a logarithmic one."""
    if not bands:
        return ()
    rows = [row for band in bands for row in band.predicted]
    seen = [one for band in bands for one in band.seen]
    scores = [value for _, *row in rows for value in row] + [score for _, score in seen]
    ticks = round_values(min(scores), max(scores), metric, aim=4)
    sizes = [n for n, *_ in rows] + [n for n, _ in seen]
    first, last = math.log(min(sizes)), math.log(max(sizes))

    def across(examples: float) -> float:
        return _across(math.log(examples), first, last)

    def down(score: float) -> float:
        return _down(score, ticks[0], ticks[-1], PANEL_HEIGHT)

    return tuple(
        BandPanel(
            label=band.label,
            title=f"Predicted scores of {band.label}",
            description="; ".join(
                f"{n:,.0f} examples: {wording.score(metric, score)}"
                for n, _, score, _ in band.predicted
            ),
            height=PANEL_HEIGHT,
            middle=tuple((across(n), down(score)) for n, _, score, _ in band.predicted),
            band=tuple((across(n), down(low)) for n, low, _, _ in band.predicted)
            + tuple((across(n), down(high)) for n, _, _, high in reversed(band.predicted)),
            seen=tuple((across(n), down(score)) for n, score in band.seen),
            full=across(band.full),
            y_ticks=tuple(Tick(down(tick), _tick(metric, tick, ticks)) for tick in ticks),
            x_ends=(f"{min(sizes):,.0f}", f"{max(sizes):,.0f} examples"),
        )
        for band in bands
    )


def round_values(low: float, high: float, metric: str, aim: int = 5) -> list[float]:
    """Round values, about `aim` of them, the first at or below `low`, the last at or above `high`.

    The step is 1, 2 or 5 times a power of ten. Shares never leave [0, 1].
    """
    # scores that all but agree are shown so: no axis is finer than a fiftieth of their size
    spread = max(high - low, abs(high) / 50, abs(low) / 50, 0.001)
    rough = spread / (aim - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = first - 1, last + 1
    values = [round(place * step, 12) for place in range(first, last + 1)]
    if wording.is_share(metric) and low >= 0 and high <= 1:
        values = [value for value in values if 0 <= value <= 1]
    return values


def round_seconds(costs: list[float]) -> list[float]:
    """Round times around the costs, at most five of them, spaced evenly enough for a log axis."""
    low, high = min(costs), max(costs)
    first = max((i for i, at in enumerate(SECONDS) if at <= low), default=0)
    last = min((i for i, at in enumerate(SECONDS) if at >= high), default=len(SECONDS) - 1)
    if first == last:
        first, last = max(first - 1, 0), min(last + 1, len(SECONDS) - 1)
    stride = math.ceil((last - first) / 4)
    places = {min(place, len(SECONDS) - 1) for place in range(first, last + stride, stride)}
    return [SECONDS[place] for place in sorted(places)]


def _shown(points: tuple[Point, ...]) -> tuple[float, float]:
    """Lowest and highest value on the axis.

    A baseline so far below the rest that it would take more than half of the axis is left out:
    the differences between the strategies are what the chart is for.
    """
    values = [value for point in points if point.kind != "baseline" for value in _values(point)]
    baselines = sorted((p.score for p in points if p.kind == "baseline"), reverse=True)
    values += baselines[:1]
    for score in baselines[1:]:
        if min(values) - score <= max(values) - min(values):
            values.append(score)
    return min(values), max(values)


def _values(point: Point) -> list[float]:
    shifted = [] if point.shifted is None else [point.shifted]
    return [point.score, *(point.interval or ()), *shifted]


def _across(value: float, low: float, high: float) -> float:
    """Per cent of the width."""
    share = (value - low) / (high - low)
    return round(INSET + min(max(share, 0.0), 1.0) * (100 - 2 * INSET), 2)


def _down(value: float, low: float, high: float, height: int) -> float:
    """Pixels from the top; the highest value has room for a label above it."""
    share = (value - low) / (high - low)
    return round(18 + (1 - share) * (height - 22), 1)


def _side(x: float) -> str:
    return "left" if x > 50 else "right"


def _without_overlap(places: list[tuple[float, float]]) -> list[float]:
    """Pixels each label moves down so that those side by side stand below one another."""
    drops = [0.0] * len(places)
    placed: list[tuple[float, float]] = []
    for one in sorted(range(len(places)), key=lambda place: places[place][1]):
        x, y = places[one]
        for other_x, other_y in placed:
            near = _side(x) != _side(other_x) or abs(x - other_x) < LABEL_WIDTH
            if near and abs(y - other_y) < LABEL_HEIGHT:
                y = other_y + LABEL_HEIGHT
        drops[one] = round(y - places[one][1], 1)
        placed.append((x, y))
    return drops


def _tick(metric: str, value: float, ticks: list[float]) -> str:
    if not wording.is_share(metric):
        return f"{value:g}"
    step = ticks[1] - ticks[0]
    return wording.percent(value, 0 if step >= 0.00999 else 1)
