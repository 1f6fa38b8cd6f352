"""What would change the answer: tipping points, and the unknown worth finding out.

Both ask the rules themselves about changed situations; there is no table of answers.
"""

from collections.abc import Callable, Iterator
from math import exp, log, sqrt
from typing import NamedTuple

from advisor.inference import Resolved, resolve
from advisor.learned.artefact import POINTS_PER_LOGIT, artefact
from advisor.learned.expect import design
from advisor.learned.outlook import known_deviation
from advisor.scoring import leader, ranked
from advisor.situation import Situation

_MOST_EXAMPLES = 10**9
_LEAST_PARAMS, _MOST_PARAMS = 10**6, 10**13
_RANGES = {
    "examples": (1, _MOST_EXAMPLES), "params": (_LEAST_PARAMS, _MOST_PARAMS), "shift": (0.0, 1.0),
}  # fmt: skip
_STEP = 10
"""Counts are searched outward in steps of this ratio, then bisected to within 2%."""
_SHIFT_STEP = 0.1
_FAR = 50.0
"""A factor of e^50 is beyond every range; more would overflow."""


class TippingPoint(NamedTuple):
    """The smallest change of one quantity that puts another strategy first.

    Attributes:
        field: "examples", "params" or "shift".
        start: Value now; to: value at which `becomes` (a strategy id) is first.
        interval: In which measurements put `to` with 80%; None where feasibility decides, where
            there are no measurements, or where they do not tell the two strategies apart.
    """

    field: str
    start: float
    to: float
    becomes: str
    interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "field": self.field,
            "from": self.start,
            "to": self.to,
            "becomes": self.becomes,
            "interval": None if self.interval is None else list(self.interval),
        }


class Unknown(NamedTuple):
    """Something that was not said and would matter.

    Attributes:
        field: Key of the situation; value: what it might be, in words.
        becomes: Strategy that would be first then; None if nothing would be feasible.
        lead: Points by which that strategy would lead.
        changes_answer: Whether `becomes` differs from the advice.
    """

    field: str
    value: str
    becomes: str | None
    lead: float
    changes_answer: bool

    def to_dict(self) -> dict[str, object]:
        return {
            "field": self.field,
            "value": self.value,
            "becomes": self.becomes,
            "lead": self.lead,
            "changes_answer": self.changes_answer,
        }


class _Question:
    """Who leads when one key of a situation has another value."""

    def __init__(
        self, situation: Situation, strategies: tuple[str, ...], assume_hardware: bool
    ) -> None:
        self.strategies = strategies
        self.assume_hardware = assume_hardware
        self.now = resolve(situation, assume_hardware=assume_hardware)
        if situation.demonstrations is not None:
            # How many go into a prompt is asked beside the ranking and bounds no examples.
            situation = situation.replacing("examples", self.now.examples)
            situation = situation.replacing("demonstrations", None)
            self.now = resolve(situation, assume_hardware=assume_hardware)
        self.situation = situation
        self.first, self.lead = leader(self.now, strategies)

    def with_value(self, field: str, value: object) -> Resolved:
        changed = self.situation.replacing(field, value)
        return resolve(changed, assume_hardware=self.assume_hardware)

    def leader(self, field: str, value: object) -> tuple[str | None, float]:
        return leader(self.with_value(field, value), self.strategies)

    def successor(self, field: str, value: object) -> str | None:
        """Who leads instead of the present leader; None if nobody does, or if the model would
        then be taken for one of another family, which would be another question."""
        changed = self.with_value(field, value)
        if changed.family != self.now.family:
            return None
        becomes, _ = leader(changed, self.strategies)
        return None if becomes == self.first else becomes


def tipping_points(
    situation: Situation, strategies: tuple[str, ...], *, assume_hardware: bool = True
) -> tuple[TippingPoint, ...]:
    """The smallest change of examples, size or shift that puts another strategy first.

    Each quantity is stepped outward from its value, both ways; between the last step with the
    same leader and the first with another the change is bisected. The smaller of the two changes
    counts (in ratio for examples and size); none if no value in range changes the leader. Where
    nothing is feasible, the change is to what first makes something feasible.
    """
    question = _Question(situation, strategies, assume_hardware)
    examples, params, shift = question.now.examples, question.now.params, question.now.shift
    found = (
        _nearest(
            question, "examples", (_up(examples, _MOST_EXAMPLES), _down(examples, 0)),
            _between_counts, lambda value: abs(log((value + 1) / (examples + 1))),
        ),
        _nearest(
            question, "params", (_up(params, _MOST_PARAMS), _down(params, _LEAST_PARAMS)),
            _between_counts, lambda value: abs(log(value / params)),
        ),
        _nearest(
            question, "shift", (_shifts(shift, 1.0), _shifts(shift, 0.0)),
            _between_shifts, lambda value: abs(value - shift),
        ),
    )  # fmt: skip
    return tuple(
        point._replace(interval=_interval(question, point)) for point in found if point is not None
    )


def _interval(question: _Question, point: TippingPoint) -> tuple[float, float] | None:
    """Where the two scores may cross: the uncertainty of their difference over its slope."""
    model = artefact()
    if model is None or not model.is_validated or question.first is None:
        return None
    below, above = _around(point)
    pair = (question.first, point.becomes)
    before, after = (
        _lead(question.with_value(point.field, value), pair) for value in (below, above)
    )
    if before is None or after is None or before == after:
        return None
    one, other = design(question.with_value(point.field, point.to), pair)
    deviation = known_deviation(model, one, other)
    if not deviation:
        return None
    off = abs(model.interval * deviation / (after - before))
    least, most = _RANGES[point.field]
    if point.field == "shift":
        off *= above - below
        low, high = point.to - off, point.to + off
    else:
        factor = exp(min(off * log(above / below), _FAR))
        low, high = point.to / factor, point.to * factor
    if low <= least and high >= most:
        return None
    return max(low, least), min(high, most)


def _around(point: TippingPoint) -> tuple[float, float]:
    if point.field == "shift":
        return max(point.to - _SHIFT_STEP, 0.0), min(point.to + _SHIFT_STEP, 1.0)
    return max(round(point.to / 2), 1), max(round(point.to * 2), 2)


def _lead(s: Resolved, pair: tuple[str, str]) -> float | None:
    """Logits by which the first of two strategies leads; None unless both are feasible."""
    scores = {each.traits.id: each.score for each in ranked(s, pair)}
    one, other = scores[pair[0]], scores[pair[1]]
    return None if one is None or other is None else (one - other) / POINTS_PER_LOGIT


def _nearest(
    question: _Question,
    field: str,
    directions: tuple[Iterator[float], Iterator[float]],
    between: Callable[[float, float], float | None],
    distance: Callable[[float], float],
) -> TippingPoint | None:
    now = getattr(question.now, field)
    points = [
        TippingPoint(field, now, *change)
        for outward in directions
        if (change := _first_change(question, field, now, outward, between)) is not None
    ]
    return min(points, key=lambda point: distance(point.to), default=None)


def _first_change(
    question: _Question,
    field: str,
    near: float,
    outward: Iterator[float],
    between: Callable[[float, float], float | None],
) -> tuple[float, str] | None:
    """The first value on the way outward at which another strategy leads, and which."""
    for far in outward:
        becomes = question.successor(field, far)
        if becomes is not None:
            while (middle := between(near, far)) is not None:
                leads = question.successor(field, middle)
                if leads is None:
                    near = middle
                else:
                    far, becomes = middle, leads
            return far, becomes
        near = far
    return None


def _up(now: float, most: int) -> Iterator[float]:
    value = now
    while value < most:
        value = min(max(round(value * _STEP), round(value) + 1), most)
        yield value


def _down(now: float, least: int) -> Iterator[float]:
    value = now
    while value > least:
        value = max(int(value / _STEP), least)
        yield value


def _shifts(now: float, end: float) -> Iterator[float]:
    value = now
    while value != end:
        step = _SHIFT_STEP if end > value else -_SHIFT_STEP
        value = end if abs(end - value) <= _SHIFT_STEP else round(value + step, 2)
        yield value


def _between_counts(near: float, far: float) -> int | None:
    """The geometric middle; None once they are within 2% or neighbours."""
    low, high = sorted((near, far))
    if high - low <= 1 or high <= 1.02 * low:
        return None
    return min(max(round(sqrt(max(low, 0.5) * high)), round(low) + 1), round(high) - 1)


def _between_shifts(near: float, far: float) -> float | None:
    middle = round((near + far) / 2, 2)
    return None if abs(near - far) <= 0.01 or middle in (near, far) else middle


# What each unknown might plausibly be; only keys that were not given are tried.
_PLAUSIBLE: tuple[tuple[str, tuple[tuple[str, object], ...]], ...] = (
    ("examples", (("0", 0), ("30", 30), ("1k", 1_000), ("100k", 100_000))),
    ("params", (("100M", 100_000_000), ("1B", 1_000_000_000), ("70B", 70_000_000_000))),
    ("shift", (("none", 0.0), ("high", 0.8))),
    ("description", (("no", False), ("yes", True))),
    ("access", (("text", "text"), ("embeddings", "embeddings"))),
    ("gpu_memory", (("24GB", 24e9),)),
    ("budget_hours", (("1", 1.0),)),
    ("tasks_served", (("100", 100),)),
    ("robust", (("yes", True),)),
    ("task", (("qa", "qa"), ("generation", "generation"))),
    (
        "family",
        (("convnet", "convnet"), ("vit", "vit"), ("encoder", "encoder"), ("decoder", "decoder")),
    ),
)
_VISION = ("convnet", "vit", "clip")
_LARGEST_ENCODER = 4_000_000_000
_OFTEN_CLOSED = 10_000_000_000
"""Models below this size usually come with their weights."""


def most_telling_unknowns(
    situation: Situation, strategies: tuple[str, ...], *, assume_hardware: bool = True
) -> tuple[Unknown, ...]:
    """What was not said, the most telling first, one plausible value for each key.

    A value that would put another strategy first comes before one that only moves the lead.
    """
    question = _Question(situation, strategies, assume_hardware)
    found = []
    for field, values in _PLAUSIBLE:
        if getattr(situation, field) is not None or not _is_open(question.now, field):
            continue
        tried = [
            _unknown(question, field, word, value)
            for word, value in values
            if field != "family" or (value in _VISION) == (question.now.modality == "image")
        ]
        found.append(max(tried, key=lambda each: _telling(each, question.lead)))
    found.sort(key=lambda each: _telling(each, question.lead), reverse=True)
    return tuple(each for each in found if each.changes_answer or each.lead != question.lead)


def _is_open(now: Resolved, field: str) -> bool:
    """Whether the key is unknown indeed: the catalogue may know it, or the family exclude it."""
    if now.model is not None and field == "params":
        return False
    if field == "access":
        return now.params >= _OFTEN_CLOSED
    if field == "task":
        return now.modality == "text"
    if field == "family":
        return now.model is None and now.params <= _LARGEST_ENCODER
    return True


def _unknown(question: _Question, field: str, word: str, value: object) -> Unknown:
    becomes, lead = question.leader(field, value)
    return Unknown(field, word, becomes, lead, becomes != question.first)


def _telling(unknown: Unknown, lead_now: float) -> tuple[bool, float]:
    """Order: changes of the answer first (by how clear they are), then moves of the lead."""
    moved = unknown.lead if unknown.changes_answer else abs(unknown.lead - lead_now)
    return unknown.changes_answer, moved
