"""What is equal for every strategy of a run: model, task, examples, test rows, rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.backbones.base import Backbone
from harness.datasets.base import Dataset, Split
from harness.environment import on_what
from harness.progress import Listener, silent
from harness.question import Question
from harness.records import SCORED, Asked, Happened, ModelAsked, RunRecord, Setting, Stage
from harness.tasks.base import Task

PREDICTIONS = "predictions"
ARTEFACTS = "artefacts"


@dataclass(frozen=True)
class Draw:
    """The labelled examples of one seed; every strategy gets the same."""

    train: Split
    validation: Split


@dataclass(frozen=True)
class Bench:
    """A prepared run.

    Attributes:
        draws: Seed -> examples. Seed 0 is searched on.
        test, ood: The rows that are scored, already cut to what the budget allows.
        folder: Where the run is written.
        cancelled: Asked between steps; True stops the running trial.
    """

    question: Question
    backbone: Backbone
    task: Task
    dataset: Dataset
    draws: Mapping[int, Draw]
    test: Split
    ood: Split | None
    folder: Path
    on_event: Listener = silent
    cancelled: Callable[[], bool] = lambda: False

    @property
    def examples(self) -> int:
        return len(self.draws[0].train) + len(self.draws[0].validation)

    @property
    def unseen(self) -> dict[str, Split]:
        """The splits that are read once per finished strategy and seed."""
        splits = {"test": self.test}
        if self.ood is not None:
            splits["ood"] = self.ood
        return splits

    def asked(
        self, strategy: str, settings: Mapping[str, Setting], *, stage: Stage, seed: int
    ) -> Asked:
        """What defines the trial of a strategy with a setting on a seed."""
        return Asked(
            protocol=self.question.protocol,
            stage=stage,
            model=ModelAsked.from_facts(self.backbone.facts),
            task=self.task.id,
            data=self.dataset.name,
            data_digest=self.dataset.digest,
            strategy=strategy,
            hyperparameters=dict(settings),
            examples=self.examples,
            seed=seed,
            metric=self.task.metric,
            max_tokens=self.backbone.max_tokens,
            test_examples=len(self.test),
            budget_seconds=self.question.budget_seconds,
            description=self.dataset.description,
        )

    def record(self, asked: Asked, happened: Happened) -> RunRecord:
        """A record of this run, made here and now."""
        return RunRecord(asked=asked, happened=happened, on=on_what(self.backbone.device))

    def validation_score(self, record: RunRecord) -> tuple[float, float]:
        """What selects: the metric, then (of equals) the smaller log loss.

        Minus infinity where nothing was scored, as without validation examples.
        """
        scores = record.happened.scores.get("validation", {})
        if record.happened.status not in SCORED or self.task.metric not in scores:
            return -math.inf, -math.inf
        return scores[self.task.metric], -scores.get("log_loss", math.inf)
