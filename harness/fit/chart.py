"""The reliability diagram of the calibration report, as places in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SIZE, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 50, 345, 15, 310


@dataclass(frozen=True)
class Dot:
    """One bin of the reliability diagram, in pixels."""

    x: float
    y: float
    r: float
    text: str


@dataclass(frozen=True)
class Tick:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """The reliability diagram, in pixels."""

    dots: list[Dot]
    ticks: list[Tick]
    description: str
    size: int = _SIZE
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def chart_of(result: dict[str, Any]) -> Chart:
    """The reliability diagram of P(best), sources left out."""
    table = result["sources_out"]["probability"]["reliability"]
    most = max(row["candidates"] for row in table)
    dots = [
        Dot(
            round(_across(row["said"]), 1), round(_up(row["came"]), 1),
            round(3 + 9 * (row["candidates"] / most) ** 0.5, 1),
            f"said {row['said']:.2f}, came {row['came']:.2f}, {row['candidates']} candidates",
        )
        for row in table
    ]  # fmt: skip
    ticks = [Tick(_across(one / 4), _up(one / 4), f"{one / 4:g}") for one in range(5)]
    error = result["sources_out"]["probability"]["ece"]
    description = (
        "Each dot is a tenth of the probability scale, its size the number of candidates; on the "
        f"dashed line what was said came true. Expected calibration error {error:.3f}."
    )
    return Chart(dots, ticks, description)


def _across(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _up(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
