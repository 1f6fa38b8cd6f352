"""Which strategy works on which family for which task, asked of the code itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from harness.backbones.base import Backbone, ModelFacts
from harness.catalog import BACKBONES, STRATEGIES, TASKS
from harness.datasets.base import Dataset, Split
from harness.strategies.base import DataFacts, Strategy
from harness.tasks.base import Task
from harness.tasks.why_not import refusal

WORKS, IMPOSSIBLE, NOT_SENSIBLE = "works", "impossible", "not sensible"
ENDPOINT = "api"  # a way to reach a decoder, no family of its own
IMAGE_FAMILIES = ("convnet", "vit", "clip")


@dataclass(frozen=True)
class Combination:
    """One family, strategy and task.

    Attributes:
        status: "works", "impossible" or "not sensible"; reason: "" where it works.
    """

    family: str
    strategy: str
    task: str
    status: str
    reason: str = ""


def combinations() -> list[Combination]:
    """Every combination, families first, then strategies, then tasks, in their registered order."""
    return [
        _combination(family, strategy, task)
        for family in families()
        for strategy in STRATEGIES.names()
        for task in TASKS.names()
    ]


def families() -> tuple[str, ...]:
    """Registered families, without the endpoint."""
    return tuple(name for name in BACKBONES.names() if name != ENDPOINT)


def as_rows(found: list[Combination]) -> list[dict[str, str]]:
    """For JSON."""
    return [asdict(one) for one in found]


def _combination(family: str, strategy: str, task: str) -> Combination:
    backbone: type[Backbone] = BACKBONES.load(family)
    if task not in backbone.tasks:
        sensible, reason = refusal(family, task)
        status = IMPOSSIBLE if sensible else NOT_SENSIBLE
        return Combination(family, strategy, task, status, reason)
    kind: type[Strategy] = STRATEGIES.load(strategy)
    verdict = kind.feasible(example_facts(family), example_task(task), example_data(family, task))
    if verdict.feasible:
        return Combination(family, strategy, task, WORKS)
    status = IMPOSSIBLE if verdict.sensible else NOT_SENSIBLE
    return Combination(family, strategy, task, status, verdict.reason)


def example_facts(family: str) -> ModelFacts:
    """A model of a family that has what the family can have: of encoders, the masked head."""
    image = family in IMAGE_FAMILIES
    return ModelFacts(
        name=family,
        family=family,
        params=100_000_000,
        layers=12,
        width=768,
        modality="image" if image else "text",
        window=None if image else 512,
        positions=None if image else "learned",
        vocabulary=None if image else 30_000,
        image_size=224 if image else None,
        masked_head=family == "encoder",
    )


def example_task(task: str) -> Task:
    """A task of the kind, of two classes where it has classes."""
    kind: type[Task] = TASKS.load(task)
    return kind.of(_example_dataset(kind, task), None)


def example_data(family: str, task: str) -> DataFacts:
    """A thousand labelled examples of the family's modality."""
    return DataFacts(
        n_examples=1000,
        n_classes=example_task(task).n_classes,
        modality=example_facts(family).modality,
        named_labels=True,
        description=True,
        mean_tokens=50.0,
    )


def _example_dataset(kind: type[Task], task: str) -> Dataset:
    names: tuple[str, ...] = ("no", "yes") if kind.output == "probabilities" else ()
    split = Split(("a", "b"), _example_targets(kind), ("1", "2"))
    return Dataset("example", "text", names, split, split, description="Say it.", task=task)


def _example_targets(kind: type[Task]) -> np.ndarray:
    if kind.output == "probabilities":
        return np.array([0, 1])
    if kind.output == "texts":
        return np.array(["O", "B-X"])
    width = kind.n_outputs if isinstance(kind.n_outputs, int) else 1
    return np.arange(2.0 * width).reshape(2, width) / (2 * width)


def table(found: list[Combination]) -> Iterator[str]:
    """Lines for a terminal: one table a family, then the reasons that are not "works"."""
    mark = {WORKS: "works", IMPOSSIBLE: "–", NOT_SENSIBLE: "(no)"}
    tasks = list(dict.fromkeys(one.task for one in found))
    width = max(map(len, STRATEGIES.names())) + 2
    for family in dict.fromkeys(one.family for one in found):
        rows = [one for one in found if one.family == family]
        yield f"{family}"
        yield "  " + " " * width + "  ".join(task.ljust(len(task)) for task in tasks)
        for strategy in dict.fromkeys(one.strategy for one in rows):
            cells = {one.task: mark[one.status] for one in rows if one.strategy == strategy}
            line = "  ".join(
                cells[task].ljust(len(task)) if task in cells else " " * len(task) for task in tasks
            )
            yield f"  {strategy.ljust(width)}{line}".rstrip()
        yield from _reasons(rows)
        yield ""


def _reasons(rows: list[Combination]) -> Iterator[str]:
    """Each reason once, with the combinations it is said of."""
    said: dict[tuple[str, str], list[Combination]] = {}
    for one in rows:
        if one.status != WORKS:
            said.setdefault((one.status, one.reason), []).append(one)
    for (status, reason), of in said.items():
        strategies = list(dict.fromkeys(one.strategy for one in of))
        tasks = list(dict.fromkeys(one.task for one in of))
        every = len(strategies) == len(STRATEGIES.names())
        who = "every strategy" if every else ", ".join(strategies)
        yield f"    {status}: {who} for {', '.join(tasks)}: {reason}"
