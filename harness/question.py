"""What a run is asked: the one value that the command line fills and the runner answers."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from advisor.errors import SpecError, UnknownName
from harness.catalog import TASKS
from harness.datasets.base import TEXT_B, DataRequest
from harness.metrics import METRICS
from harness.records import Protocol, Scalar

MAX_TOKENS = 128
"""Longest text used unless more is asked for; what was cut is reported as a finding."""
MAX_SEEDS = 50
TOLERANCE = 0.5
"""Points of the metric."""


class Question(BaseModel):
    """Which strategy is best for this model and this data, measured under this budget?

    Attributes:
        model: A folder, hub id, "timm:NAME" or packaged name.
        task: A task id; None for what the data look like.
        data: A CSV file, a folder of images per class or a packaged name.
        metric: None for the task's own.
        strategies: Strategy ids, in the order in which they are measured.
        examples: Labelled examples, training and validation together; None for all.
        protocol: "fair", or "search" where strategies compete for one budget.
        budget_seconds: Wall clock of the whole run; None for a budget counted in trials.
        budget_flops, budget_trials: What a search may spend instead; at most one budget is given.
        tolerance: Points of expected loss at which a search ends.
        seeds: Draws of the examples; seed 0 is the one hyperparameters are searched on.
        target: The score that is needed, in units of the metric.
        test_examples: Test rows to score; None for as many as the budget allows.
        max_tokens: Longest text used, in tokens.
        trials: Most settings tried per strategy; None for the default.
        fixed: Strategy id -> hyperparameter -> the only value that is tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: str
    strategies: tuple[str, ...]
    examples: int | None = None
    protocol: Protocol = "fair"
    budget_seconds: float | None = None
    budget_flops: float | None = None
    budget_trials: int | None = None
    tolerance: float = TOLERANCE
    seeds: int = 3
    metric: str | None = None
    target: float | None = None
    text_column: str = "text"
    label_column: str = "label"
    text_b_column: str = TEXT_B
    task: str | None = None
    label_names: tuple[str, ...] | None = None
    description: str | None = None
    test_data: str | None = None
    ood_data: str | None = None
    group_column: str | None = None
    test_examples: int | None = None
    max_tokens: int = MAX_TOKENS
    device: str = "auto"
    trials: int | None = None
    fixed: dict[str, dict[str, Scalar]] = {}

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        """Raises SpecError, which pydantic lets through as it is."""
        if not self.strategies:
            raise SpecError("no strategy is named; write --strategies core, all or ids.")
        _at_least("examples", self.examples, 0, "all")
        _at_least("seeds", self.seeds, 1, "3", most=MAX_SEEDS)
        _at_least("trials", self.trials, 1, "10")
        _at_least("test-examples", self.test_examples, 1, "500")
        _at_least("max-tokens", self.max_tokens, 4, str(MAX_TOKENS))
        if self.budget_seconds is not None and not 0 < self.budget_seconds < math.inf:
            raise SpecError(
                f"budget must be above 0 seconds; got {self.budget_seconds:g}. Write 10m or 2h."
            )
        self._fits_protocol()
        if self.task is not None and self.task not in TASKS.names():
            raise UnknownName("task", self.task, TASKS.names())
        if self.metric is not None and self.metric not in METRICS:
            raise UnknownName("metric", self.metric, METRICS)
        if self.target is not None and not 0 < self.target <= 1:
            raise SpecError(
                f"target must be above 0 and at most 1; got {self.target:g}. Write 0.9."
            )
        return self

    def _fits_protocol(self) -> None:
        """Raises SpecError."""
        if not 0 <= self.tolerance < 100:
            raise SpecError(
                f"tolerance must be from 0 to below 100 points; got {self.tolerance:g}."
            )
        budgets = (self.budget_seconds, self.budget_flops, self.budget_trials)
        given = sum(one is not None for one in budgets)
        if self.protocol == "search" and given != 1:
            raise SpecError("--protocol search needs one --budget: 20m, 1e15flop or 200trials.")
        if self.protocol == "search" and self.seeds != 1:
            raise SpecError(
                f"--protocol search scores one seed; got {self.seeds}. Write --seeds 1."
            )
        if self.protocol == "fair" and (given > 1 or (budgets[0] is None and given)):
            raise SpecError(
                "a budget in FLOPs or trials is shared by all strategies and needs --protocol search."
            )

    def data_request(self) -> DataRequest:
        return DataRequest(
            data=self.data,
            text_column=self.text_column,
            label_column=self.label_column,
            text_b_column=self.text_b_column,
            task=self.task,
            label_names=self.label_names,
            description=self.description,
            test_data=self.test_data,
            ood_data=self.ood_data,
            group_column=self.group_column,
        )


def _at_least(
    name: str, value: int | None, least: int, instead: str, *, most: float = math.inf
) -> None:
    if value is not None and not least <= value <= most:
        limit = f"at least {least}" if most == math.inf else f"between {least} and {most:g}"
        raise SpecError(f"{name} must be {limit}; got {value}. Write {instead}.")
