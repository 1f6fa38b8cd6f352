"""The joint space: strategy x hyperparameters x fidelity.

Settings of a strategy come from its own space, recommended ones first, then from optuna's TPE
sampler (`harness.proposals`). A trial's fidelity is the number of training rows, nested, and for
strategies that train or show demonstrations also the share of their epochs or demonstrations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.proposals import Proposals
from harness.records import Setting
from harness.search.curves import Point
from harness.strategies.base import Space

PASSES = ("epochs", "n_demonstrations")
"""Hyperparameters that are a fidelity, too: fewer are cheaper and a little worse."""
_LEAST_ROWS = 12
_RUNGS = 6


class Rung(NamedTuple):
    """A fidelity.

    Attributes:
        examples: Training rows and as many validation rows as a run of this size would have.
        passes: Share of the setting's epochs or demonstrations.
    """

    examples: int
    passes: float = 1.0


def sizes(full: int, classes: int) -> tuple[int, ...]:
    """Numbers of examples, ascending; each is half of the next one, the last is all.

    None is smaller than 12, or than four of each class.
    """
    least = max(_LEAST_ROWS, 4 * classes)
    found = [full]
    while len(found) < _RUNGS and found[-1] // 2 >= least:
        found.append(found[-1] // 2)
    return tuple(reversed(found))


def rungs(settings: Mapping[str, Setting], all_sizes: Sequence[int]) -> list[Rung]:
    """The fidelities a setting can be tried at: every size, and at full size half of the passes."""
    found = [Rung(n) for n in all_sizes]
    if any(isinstance(value := settings.get(key), int) and value >= 4 for key in PASSES):
        found.append(Rung(all_sizes[-1], 0.5))
    return found


def at(settings: Mapping[str, Setting], passes: float) -> dict[str, Setting]:
    """The settings with that share of their epochs or demonstrations."""
    reduced = dict(settings)
    for key in PASSES:
        value = reduced.get(key)
        if passes < 1 and isinstance(value, int) and value >= 4:
            reduced[key] = max(1, math.floor(value * passes))
    return reduced


def name_of(settings: Mapping[str, Setting]) -> str:
    """A setting as text, the same whatever the order of its keys."""
    return json.dumps(dict(settings), sort_keys=True)


def point_of(strategy: str, setting: str, rung: Rung, full: int) -> Point:
    """Where on the setting's curve a trial lies."""
    return Point(strategy, setting, math.log2(rung.examples / full), math.log2(rung.passes))


class Candidates:
    """The settings of one strategy, one new one at a time; deterministic in what it is told."""

    def __init__(self, space: Space) -> None:
        self._proposals = Proposals(space, seed=0)
        self.known: dict[str, dict[str, Setting]] = {}
        self._asked = False

    def next(self, score: float | None) -> str | None:
        """The name of a setting that was not tried; None if there is none left.

        Args:
            score: Expected score at full size of the last one; None if it failed.
        """
        if self._asked:
            self._proposals.tell(score)
        settings = self._proposals.ask()
        self._asked = settings is not None
        if settings is None:
            return None
        name = name_of(settings)
        self.known[name] = settings
        return name
