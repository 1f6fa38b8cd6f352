"""Contexts: rows that differ in the strategy and in nothing else that is known.

A context has one source, model, data set, split, metric and number of labels. A zero-shot or
in-context score is what one gets without training: it joins every number of labels, from the
number of its demonstrations on. Training from scratch uses no pretraining: it joins every
pretraining of the same architecture.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.evidence.schema import Row

Key = tuple[str, str, str, str, str, str, str, int | None, int | None, float | None]


@dataclass(frozen=True)
class Observation:
    """What one variant of a strategy scored in a context.

    Attributes:
        strategy: Strategy id. variant: Which kind of it; "" for ours, whose settings validation
            chose anew for each seed.
        value: Mean over the seeds that are rows of their own.
        rows: The rows behind it.
        joined: Whether it was measured at another number of labels or pretraining.
        weight: Mean weight of its rows.
    """

    strategy: str
    variant: str
    value: float
    rows: tuple[Row, ...]
    joined: bool
    weight: float


@dataclass(frozen=True)
class Context:
    """Strategies compared where all else is equal.

    Attributes:
        source, source_group, protocol, model, pretraining, family, params, objective, corpus,
        modality, task, data, data_group, split, classes, n_train, examples, shots_per_class,
        metric, metric_group, higher_is_better, shift, cap_seconds, device: As in `Row`, of the
            pretrained rows.
        observations: Sorted by strategy and variant.
    """

    source: str
    source_group: str
    protocol: str
    model: str
    pretraining: str
    family: str
    params: int | None
    objective: str
    corpus: str
    modality: str
    task: str
    data: str
    data_group: str
    split: str
    classes: int | None
    n_train: int | None
    examples: int | None
    shots_per_class: int | None
    metric: str
    metric_group: str
    higher_is_better: bool
    shift: float | None
    cap_seconds: float | None
    device: str
    observations: tuple[Observation, ...]

    @property
    def strategies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.strategy for one in self.observations))

    def scores(self, over: str = "max") -> dict[str, float]:
        """Strategy -> its best ("max") or median ("median") variant; higher is better.

        Of an error rate it is what is left to 1.
        """
        pick = max if over == "max" else statistics.median
        return {
            name: pick([self.merit(one.value) for one in self.observations if one.strategy == name])
            for name in self.strategies
        }

    def merit(self, value: float) -> float:
        """A value so turned that higher is better."""
        if self.higher_is_better:
            return value
        return -value if self.metric_group == "unbounded" else 1 - value


def contexts(
    rows: Iterable[Row], strategies: Sequence[str] | None = None, least: int = 2
) -> list[Context]:
    """The contexts of the usable rows.

    Args:
        strategies: Only rows of these; None for all, those that are not ours included.
        least: Fewest different strategies of a context.

    Returns:
        In an order that depends on the content of the rows alone.
    """
    usable = [
        one for one in rows if one.usable and (strategies is None or one.strategy in strategies)
    ]
    made = [
        _context(own, [*_observed(own, joined=False), *_observed(guests, joined=True)])
        for own, guests in _place(usable).values()
        if len({one.strategy for one in (*own, *guests)}) >= least
    ]
    return sorted(made, key=lambda one: (one.source, *map(repr, _said(one))))


def _said(one: Context) -> tuple[object, ...]:
    return (one.data, one.split, one.model, one.pretraining, one.metric, one.n_train, one.shots_per_class,
            one.observations[0].rows[0].id)  # fmt: skip


def _key(row: Row) -> Key:
    return (row.source, row.protocol, row.model, row.pretraining, row.data + "\0" + row.data_digest,
            row.split, row.metric, row.n_train, row.shots_per_class if row.n_train is None else None,
            row.cap_seconds)  # fmt: skip


def _untrained(row: Row) -> bool:
    """A printed prompt: its labels are at most the demonstrations, whatever n others train on."""
    return row.strategy == "hard_prompt" and row.protocol == "published"


def _place(rows: Sequence[Row]) -> dict[Key, tuple[list[Row], list[Row]]]:
    """Key -> (rows measured there, rows that join)."""
    own: dict[Key, list[Row]] = defaultdict(list)
    guests: list[Row] = []
    for row in rows:
        if _untrained(row) or (row.strategy == "from_scratch" and row.protocol == "published"):
            guests.append(row)
        else:
            own[_key(row)].append(row)
    hosts: dict[tuple[object, ...], list[Key]] = defaultdict(list)
    for key in own:
        hosts[_without_n_and_pretraining(key)].append(key)
    joined: dict[Key, list[Row]] = defaultdict(list)
    for row in guests:
        key = _key(row)
        for host in hosts.get(_without_n_and_pretraining(key), ()):
            if _joins(row, key, host):
                joined[host].append(row)
    return {key: (members, joined[key]) for key, members in own.items()}


def _without_n_and_pretraining(key: Key) -> tuple[object, ...]:
    return (*key[:3], *key[4:7])


def _joins(row: Row, key: Key, host: Key) -> bool:
    if row.strategy == "from_scratch":
        return key[7:] == host[7:]
    n, demonstrations = host[7], row.n_train
    enough = n is None or demonstrations is None or demonstrations <= n
    return key[3] == host[3] and enough


def _observed(rows: Sequence[Row], *, joined: bool) -> list[Observation]:
    arms: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        variant = "" if row.protocol == "fair" else row.variant
        once = () if row.protocol == "fair" else (row.trained_parameters, row.place, row.n_train)
        arms[(row.strategy, variant, *once)].append(row)
    return [
        Observation(
            strategy=members[0].strategy,
            variant="" if members[0].protocol == "fair" else members[0].variant,
            value=statistics.fmean(one.value for one in sorted(members, key=lambda one: one.id)),
            rows=tuple(sorted(members, key=lambda one: one.id)),
            joined=joined,
            weight=statistics.fmean(one.weight for one in members),
        )
        for members in arms.values()
    ]


def _context(own: Sequence[Row], observations: Sequence[Observation]) -> Context:
    # what was trained from scratch knows no shift; the others are of one model and one data set
    one = min(own, key=lambda row: (row.strategy == "from_scratch", row.id))
    return Context(
        **{
            name: getattr(one, name)
            for name in Context.__dataclass_fields__
            if name != "observations"
        },
        observations=tuple(
            sorted(observations, key=lambda each: (each.strategy, each.variant, each.rows[0].id))
        ),
    )
