"""The measured comparisons nearest to a situation, to be shown beside a prediction.

The file is only read when an answer is printed. Its lines are tab-separated: "source", number,
paper, year and address; or a family and a context: examples, parameters, shift, task, objective,
model, data set, metric, number of the source, place in it, and scores.
"""

from __future__ import annotations

import os
from math import log10

from advisor.inference import Resolved

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATH = os.path.join(os.path.dirname(__file__), "nearest.tsv")
_SHIFT, _TASK, _OBJECTIVE, _COUNTERPART = 0.4, 1.0, 0.5, 1.0
"""What counts as far as a tenfold of examples: this much shift, another task, and contexts that did
not measure the strategies in question; a tenfold of size and another objective count half of that."""


class Nearby:
    """One measured comparison.

    Attributes:
        distance: From the situation; 1 is about a tenfold of examples.
        scores: Strategy id -> points, best variant.
    """

    def __init__(self, distance: float, fields: list[str], source: list[str]) -> None:
        self.distance = distance
        self.examples, self.params = int(fields[0]), int(fields[1])
        self.model, self.data, self.metric, self.place = fields[5], fields[6], fields[7], fields[9]
        self.paper, self.url = source[0], source[2]
        self.year = int(source[1]) if source[1] else None
        self.scores = _scores(fields[10])

    @property
    def winner(self) -> str:
        return max(self.scores, key=lambda name: self.scores[name])

    @property
    def lead(self) -> float:
        """Points by which the winner led the second."""
        first, second = sorted(self.scores.values(), reverse=True)[:2]
        return first - second

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model, "data": self.data, "examples": self.examples,
            "metric": self.metric, "scores": self.scores, "winner": self.winner,
            "lead": round(self.lead, 2), "distance": round(self.distance, 2),
            "paper": self.paper, "year": self.year, "place": self.place, "url": self.url,
        }  # fmt: skip


def nearest(s: Resolved, strategies: Sequence[str], most: int = 3) -> tuple[Nearby, ...]:
    """Contexts of the same family that compared at least two of the strategies, nearest first.

    Args:
        strategies: In the order of the advice; contexts with the first two are preferred.
        most: How many; not more than one of a data set.
    """
    try:
        with open(PATH, encoding="utf-8") as file:
            known = file.read()
    except FileNotFoundError:
        return ()
    found = sorted(_measured(s, strategies, _lines(known, s.family)), key=lambda one: one[0])
    sources = [line.split("\t")[1:] for line in _lines(known, "source")]
    kept: list[Nearby] = []
    for distance, fields in found:
        if fields[6] not in {one.data for one in kept}:
            kept.append(Nearby(distance, fields, sources[int(fields[8])]))
        if len(kept) == most:
            break
    return tuple(kept)


def _lines(known: str, first: str) -> list[str]:
    """Lines that start with a word, without it; they stand together."""
    start = known.find(f"{first}\t")
    if start > 0:
        start = known.find(f"\n{first}\t") + 1
    if start < 0 or not known.startswith(f"{first}\t", start):
        return []
    end = known.find("\n", known.rfind(f"\n{first}\t") + 1)
    return [line[len(first) + 1 :] for line in known[start : end + 1].splitlines()]


def _measured(
    s: Resolved, strategies: Sequence[str], lines: Sequence[str]
) -> Iterator[tuple[float, list[str]]]:
    examples, params = log10(max(s.examples, 1)), log10(s.params)
    for line in lines:
        fields = line.split("\t")
        measured = [f"{name}=" in fields[10] for name in strategies]
        if sum(measured) < 2:
            continue
        yield (
            abs(log10(max(int(fields[0]), 1)) - examples)
            + 0.5 * abs(log10(int(fields[1])) - params)
            + abs(float(fields[2]) - s.shift) / _SHIFT
            + _TASK * (fields[3] != s.task)
            + _OBJECTIVE * (s.objective is not None and fields[4] != s.objective)
            + _COUNTERPART * (2 - sum(measured[:2])),
            fields,
        )


def _scores(told: str) -> dict[str, float]:
    return {name: float(score) for name, _, score in (part.partition("=") for part in told.split())}
