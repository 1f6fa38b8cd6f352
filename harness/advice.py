"""The advisor's answer to the question of a run, asked before anything is measured."""

from __future__ import annotations

import math

import psutil
import torch

from advisor import Situation, advise
from advisor.catalogue import find_model
from advisor.costs import Hardware, Shape, estimate
from advisor.costs.shape import shape_of
from advisor.costs.workload import Workload, workload_of
from advisor.inference import resolve
from advisor.situation import OBJECTIVES
from harness.backbones.base import ModelFacts
from harness.plan import Plan
from harness.result import Expected, Json
from harness.speed import flops_per_second
from harness.strategies.base import Strategy

_SAME_SIZE = 0.05  # counts with and without a head or tied embeddings differ by less
_IMAGE_SIZE = 224


def advised(plan: Plan, device: torch.device) -> Json:
    """What `advise --json` says of this question."""
    return advise(situation_of(plan, device)).to_dict()


def situation_of(plan: Plan, device: torch.device) -> Situation:
    """What is known of a run before it starts, in the advisor's terms."""
    facts, dataset, question = plan.facts, plan.dataset, plan.question
    budget = question.budget_seconds
    known = known_name(facts)
    return Situation(
        model=known,
        params=None if known else facts.params or None,
        access="text" if facts.access == "text" else None,
        family=facts.family,
        objective=facts.objective if facts.objective in OBJECTIVES else None,
        window=facts.window,
        positions=facts.positions,
        task=dataset.task,
        modality=dataset.modality,
        classes=len(dataset.label_names) or None,
        label_names=dataset.label_names if dataset.named_labels and dataset.label_names else None,
        tokens=plan.data_facts.mean_tokens,
        description=dataset.description or dataset.named_labels,
        target=question.target,
        examples=plan.examples,
        gpu_memory=_device_memory(device),
        gpus=1 if device.type == "cuda" else 0,
        budget_hours=None if budget is None else budget / 3600,
        candidates=tuple(plan.strategies),
    )


class LocalCosts:
    """The advisor's cost model for work on this machine, whose speed is measured here.

    Attributes:
        usual: One training as the advisor would expect it; the start for other workloads.
    """

    def __init__(self, plan: Plan, device: torch.device) -> None:
        memory = _device_memory(device)
        self._hardware = Hardware.cpu(flops_per_second(device), memory, name=device.type)
        self._facts = resolve(situation_of(plan, device))
        self._shape = shape_of(self._facts) if known_name(plan.facts) else _shape(plan)
        self.usual = workload_of(self._facts, self._shape)

    def expect(self, kind: type[Strategy], work: Workload) -> Expected:
        """Seconds and peak memory of a strategy doing this work."""
        training = estimate(self._facts, kind.traits, self._hardware, work, self._shape).training
        return Expected(training.seconds, training.memory.total)


def estimates(plan: Plan, device: torch.device, test_rows: int) -> dict[str, Expected]:
    """Strategy -> seconds and bytes it is expected to take, for all that can work.

    Seconds are of its least work: minimum of trials, finalists, scoring `test_rows` per seed.
    """
    if plan.facts.access == "text":
        return {}  # nothing of it is computed here
    costs = LocalCosts(plan, device)
    expected: dict[str, Expected] = {}
    for id, kind in plan.feasible.items():
        schedule, first = plan.schedule(id), next(iter(plan.space(id).first), {})
        work = costs.usual._replace(
            trials=schedule.minimum + schedule.seeds - 1,
            test_rows=test_rows * schedule.seeds,
            epochs=first.get("epochs", costs.usual.epochs),
            batch_size=first.get("batch_size", costs.usual.batch_size),
        )
        expected[id] = costs.expect(kind, work)
    return expected


def known_name(facts: ModelFacts) -> str | None:
    """The model's name if the advisor's catalogue has a model of that name and size."""
    if facts.access == "text":
        named = facts.name.removeprefix("api:").rpartition("@")[0]
        return named if find_model(named) else None
    row = find_model(facts.name)
    if row is None or not isinstance(row["params"], int):
        return None
    same = math.isclose(row["params"], facts.params, rel_tol=_SAME_SIZE)
    return facts.name if same and row["family"] == facts.family else None


def _shape(plan: Plan) -> Shape:
    facts = plan.facts
    return Shape(
        params=facts.params,
        family=facts.family,
        width=facts.width,
        layers=facts.layers,
        vocabulary=facts.vocabulary or 0,
        embedding_params=(facts.vocabulary or 0) * facts.width,
        image_size=facts.image_size or _IMAGE_SIZE,
        known=True,
    )


def _device_memory(device: torch.device) -> float:
    """Bytes of the GPU's memory, or of main memory."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(psutil.virtual_memory().total)
