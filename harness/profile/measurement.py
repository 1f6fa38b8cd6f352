"""A measured domain shift: the raw statistic, how it was had, and where the rubric puts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

WORDS = ((0.125, "none"), (0.375, "low"), (0.65, "medium"), (1.0, "high"))
"""Upper ends of the ranges around 0, 0.25, 0.5 and 0.8, the values the words stand for."""


@dataclass(frozen=True)
class Measurement:
    """Distance of inputs from what a model was pretrained on, without the pretraining data.

    It is a distance, never a difficulty: how well classes come apart is measured elsewhere.

    Attributes:
        statistic: Stable name of what was measured; "" if nothing could be.
        value: The raw statistic; None if nothing could be measured.
        error: Its standard error over the inputs; None where it has none.
        shift: The rubric's distance in [0, 1] (`advise --shift`), by the statistic's `Scale`.
        method: One sentence on how it was had, or on why it was not.
        details: Further raw numbers of the same kind, by name; not used for `shift`.
        rows: Inputs that were read.
    """

    statistic: str
    value: float | None
    error: float | None
    shift: float | None
    method: str
    details: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0

    @property
    def word(self) -> str | None:
        """none, low, medium or high: the word whose value is nearest."""
        if self.shift is None:
            return None
        return next(word for most, word in WORDS if self.shift <= most)


def not_measured(reason: str, details: Mapping[str, float] | None = None) -> Measurement:
    """What is returned where a model offers nothing to measure against."""
    return Measurement("", None, None, None, f"not measured: {reason}", details or {})


@dataclass(frozen=True)
class Scale:
    """Straight lines between measured sets whose distance the rubric names.

    Attributes:
        anchors: (raw statistic, shift), ascending in both; flat outside.
    """

    anchors: tuple[tuple[float, float], ...]

    def shift(self, value: float) -> float:
        """Non-decreasing in the value, in [0, 1]."""
        raw, shifts = zip(*self.anchors, strict=True)
        return round(float(np.interp(value, raw, shifts)), 3)
