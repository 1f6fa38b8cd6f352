"""Where there is evidence and where there is none: corners of the situations, pairs of strategies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from advisor.traits import CORE, STRATEGIES
from harness.evidence.contexts import Context, contexts
from harness.evidence.schema import Row

FEW_CONTEXTS, FEW_GROUPS = 60, 5
"""A pair that was compared in fewer contexts, or by fewer source groups, is called thin."""
SIZES = (
    (1e8, "below 100M"),
    (1e9, "100M to 1B"),
    (1e10, "1B to 10B"),
    (float("inf"), "10B and more"),
)
LABELS = (
    (101, "up to 100"),
    (1001, "101 to 1k"),
    (10001, "1k to 10k"),
    (float("inf"), "above 10k"),
)
SHIFTS = ((0.26, "near (to 0.25)"), (0.66, "moderate (to 0.65)"), (float("inf"), "far"))
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Corner:
    """One corner of parameters x labels x shift, with its contexts, rows and source groups."""

    params: str
    examples: str
    shift: str
    contexts: int
    rows: int
    groups: int


@dataclass(frozen=True)
class Pair:
    """Two strategies that stood in one context, and how often either scored higher.

    Attributes:
        contexts, sources, groups: How many contexts, sources and groups of sources compared them.
        text_contexts: Those of texts; the rest are images and videos.
        a_wins, b_wins: Contexts in which its best variant scored higher; the rest are ties.
        thin: Whether that is too little to lean on.
    """

    a: str
    b: str
    contexts: int
    sources: int
    groups: int
    text_contexts: int
    a_wins: int
    b_wins: int
    thin: bool


@dataclass(frozen=True)
class Coverage:
    """Contexts with two or more of our strategies, by corner and by pair."""

    contexts: int
    corners: tuple[Corner, ...]
    pairs: tuple[Pair, ...]


def coverage(rows: Iterable[Row], strategies: Sequence[str] = tuple(STRATEGIES)) -> Coverage:
    """What the usable rows cover.

    Args:
        strategies: Those whose contrasts count.
    """
    found = contexts(rows, strategies)
    return Coverage(len(found), _corners(found), _pairs(found, strategies))


def thin_sentence(pairs: Iterable[Pair]) -> str:
    """Which of the core pairs have little evidence, in one sentence."""
    said = [
        f"{_name(one.a)} with {_name(one.b)} ({one.contexts} contexts, {one.groups} source groups)"
        for one in pairs
        if one.thin and one.a in CORE and one.b in CORE
    ]
    if not said:
        return "Every pair of the four core strategies was compared often enough to learn from."
    return (
        f"Compared in few contexts, or by few source groups: {_listed(said)}. "
        "There the advice rests on rules more than on evidence."
    )


def _corners(found: Sequence[Context]) -> tuple[Corner, ...]:
    inside: dict[tuple[str, str, str], list[Context]] = defaultdict(list)
    for one in found:
        inside[_bin(one.params, SIZES), _bin(one.examples, LABELS), _bin(one.shift, SHIFTS)].append(
            one
        )
    sizes, labels, shifts = ([name for _, name in bins] for bins in (SIZES, LABELS, SHIFTS))
    unknown = sorted(key for key in inside if NOT_STATED in key)
    return tuple(
        Corner(
            *key,
            contexts=len(inside[key]),
            rows=len(
                {row.id for one in inside[key] for each in one.observations for row in each.rows}
            ),
            groups=len({one.source_group for one in inside[key]}),
        )
        for key in [*product(sizes, labels, shifts), *unknown]
    )


def _pairs(found: Sequence[Context], strategies: Sequence[str]) -> tuple[Pair, ...]:
    made = [_pair(a, b, found) for a, b in combinations(strategies, 2)]
    return tuple(
        sorted(made, key=lambda one: (one.a not in CORE or one.b not in CORE, -one.contexts))
    )


def _pair(a: str, b: str, found: Sequence[Context]) -> Pair:
    both = [one for one in found if a in one.strategies and b in one.strategies]
    scores = [one.scores() for one in both]
    groups = len({one.source_group for one in both})
    return Pair(
        a=a,
        b=b,
        contexts=len(both),
        sources=len({one.source for one in both}),
        groups=groups,
        text_contexts=sum(one.modality == "text" for one in both),
        a_wins=sum(one[a] > one[b] for one in scores),
        b_wins=sum(one[b] > one[a] for one in scores),
        thin=len(both) < FEW_CONTEXTS or groups < FEW_GROUPS,
    )


def _bin(value: float | None, bins: Sequence[tuple[float, str]]) -> str:
    return NOT_STATED if value is None else next(name for end, name in bins if value < end)


def _name(strategy: str) -> str:
    return STRATEGIES[strategy].name if strategy in STRATEGIES else strategy


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
