"""What a run will do: everything that can be known, and refused, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advisor.errors import SpecError
from harness.backbones.base import Backbone, ModelFacts
from harness.bench import Draw
from harness.budget import MAX_TRIALS, MIN_TRIALS, TRIALS_WITHOUT_BUDGET, Schedule
from harness.catalog import BACKBONES, STRATEGIES, TASKS
from harness.datasets.base import Dataset, Split
from harness.datasets.load import load_dataset
from harness.device import pick_device
from harness.fixed_settings import restricted
from harness.models import resolve_model
from harness.proposals import Proposals
from harness.question import Question
from harness.splits import draw_examples
from harness.strategies.base import DataFacts, Space, Strategy
from harness.tasks.base import Task

_TOKENS_PER_WORD = 1.3  # English through a subword vocabulary; only for a first idea of lengths


@dataclass(frozen=True)
class Plan:
    """A checked question.

    Attributes:
        draws: Seed -> examples.
        strategies: Strategy id -> class, of all that were asked for, in that order.
        refused: Strategy id -> why it cannot work on this model, task and data.
    """

    question: Question
    device: torch.device
    facts: ModelFacts
    dataset: Dataset
    task: Task
    data_facts: DataFacts
    draws: dict[int, Draw]
    strategies: dict[str, type[Strategy]]
    refused: dict[str, str]

    @property
    def feasible(self) -> dict[str, type[Strategy]]:
        return {id: kind for id, kind in self.strategies.items() if id not in self.refused}

    @property
    def examples(self) -> int:
        return len(self.draws[0].train) + len(self.draws[0].validation)

    def space(self, strategy: str) -> Space:
        kind = self.strategies[strategy]
        space = kind.space(self.facts, self.task, self.data_facts)
        return restricted(space, kind, self.question.fixed.get(strategy, {}))

    def schedule(self, strategy: str) -> Schedule:
        """Fewest and most trials of a strategy: never more than its space has."""
        question = self.question
        size = Proposals(self.space(strategy)).size
        default = TRIALS_WITHOUT_BUDGET if question.budget_seconds is None else MAX_TRIALS
        maximum = int(min(question.trials or default, size))
        return Schedule(min(MIN_TRIALS, maximum), maximum, question.seeds)


def make_plan(question: Question) -> Plan:
    """Find model and data, draw the examples, ask every strategy whether it can work.

    Raises:
        AdviceError: For whatever of the question cannot be used; nothing was written.
    """
    device = pick_device(question.device)
    strategies = {name: STRATEGIES.load(name) for name in question.strategies}
    facts = resolve_model(question.model)
    dataset = load_dataset(question.data_request())
    if facts.modality != dataset.modality:
        raise SpecError(
            f"model {question.model!r} reads {facts.modality}s, data {question.data!r} are "
            f"{dataset.modality}s. Give a model and data that go together."
        )
    task: Task = TASKS.load(dataset.task).of(dataset, question.metric)
    _check_family(facts, task)
    draws = {
        seed: Draw(*draw_examples(dataset.train, question.examples, seed, task.n_classes))
        for seed in range(question.seeds)
    }
    data_facts = DataFacts(
        n_examples=len(draws[0].train) + len(draws[0].validation),
        n_classes=task.n_classes,
        modality=dataset.modality,
        named_labels=dataset.named_labels,
        description=dataset.description is not None,
        mean_tokens=_mean_tokens(dataset, question.max_tokens),
    )
    verdicts = {id: kind.feasible(facts, task, data_facts) for id, kind in strategies.items()}
    refused = {id: verdict.reason for id, verdict in verdicts.items() if not verdict.feasible}
    if len(refused) == len(strategies):
        reasons = "; ".join(f"{id}: {reason}" for id, reason in refused.items())
        raise SpecError(f"none of the strategies can work on this question. {reasons}")
    plan = Plan(question, device, facts, dataset, task, data_facts, draws, strategies, refused)
    for id in plan.feasible:
        plan.space(id)  # a fixed value that cannot be is refused here
    return plan


def joined(a: Split, b: Split) -> Split:
    """The rows of both, one after the other."""
    return Split(
        inputs=a.inputs + b.inputs,
        targets=np.concatenate([a.targets, b.targets]),
        ids=a.ids + b.ids,
    )


def subset(split: Split, rows: int) -> Split:
    """So many rows drawn without replacement, the same for every strategy, in their old order."""
    if rows >= len(split):
        return split
    return split.take(np.sort(np.random.default_rng(0).permutation(len(split))[:rows]))


def _mean_tokens(dataset: Dataset, max_tokens: int) -> float | None:
    if dataset.modality != "text":
        return None
    return float(np.mean(np.minimum(_tokens(dataset.train.inputs), max_tokens)))


def _tokens(texts: Sequence[str]) -> np.ndarray:
    return np.array([len(text.split()) * _TOKENS_PER_WORD for text in texts])


def _check_family(facts: ModelFacts, task: Task) -> None:
    """Raises SpecError if no strategy makes a model of this family answer this task."""
    family = facts.family if facts.access == "weights" else "api"
    backbone: type[Backbone] = BACKBONES.load(family)
    if task.id not in backbone.tasks:
        able = ", ".join(sorted(backbone.tasks))
        raise SpecError(
            f"model {facts.name!r} is of family {facts.family!r}, which cannot do {task.id}. "
            f"It does {able}; `harness matrix` shows which families do {task.id}."
        )
