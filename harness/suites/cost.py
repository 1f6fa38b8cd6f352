"""What a suite takes, from the advisor's cost model and the caps of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor import Situation
from advisor.catalogue import find_model
from advisor.costs import Hardware, estimate
from advisor.costs.hardware import usual_node
from advisor.costs.shape import shape_of
from advisor.costs.workload import workload_of
from advisor.inference import resolve
from advisor.quantities import format_duration
from advisor.traits import STRATEGIES
from harness.budget import TRIALS_WITHOUT_BUDGET
from harness.studies.spec import Cell

ALL_EXAMPLES = 1000
"""Examples reckoned with where a run takes all there are."""
TEST_ROWS = 1000
"""Test rows reckoned with where none are stated."""
GPU = usual_node(1, 80e9)
CPU = usual_node(0, None)
MACHINES = ((CPU, 1), (GPU, 1), (GPU, 8))
"""What is reckoned with: (one device, how many of them)."""


@dataclass(frozen=True)
class CellCost:
    """One run.

    Attributes:
        seconds: Of all trials, one after the other on one device; longest: of the longest trial.
        too_large: Strategies whose memory the device does not hold.
    """

    cell: Cell
    seconds: float
    longest: float
    too_large: tuple[str, ...]


def cell_cost(cell: Cell, hardware: Hardware) -> CellCost:
    """A run by the cost model; a budget bounds it from above.

    Where the model is not in the catalogue only the budget is known.
    """
    question = cell.question
    name = Path(question.model).name.split("@")[0].removeprefix("timm:")
    cap = question.budget_seconds
    if find_model(name) is None:
        return CellCost(cell, cap or 0.0, (cap or 0.0) / len(question.strategies), ())
    trials = (question.trials or TRIALS_WITHOUT_BUDGET) + question.seeds - 1
    situation = Situation(model=name, examples=question.examples or ALL_EXAMPLES)
    facts = resolve(situation)
    shape = shape_of(facts)
    rows = (question.test_examples or TEST_ROWS) * question.seeds
    work = workload_of(facts, shape)._replace(trials=trials, test_rows=rows)
    if shape.family not in ("convnet", "vit", "clip"):
        work = work._replace(tokens=min(work.tokens, question.max_tokens))
    costs = {
        id: estimate(facts, STRATEGIES[id], hardware, work, shape).training
        for id in question.strategies
    }
    seconds = [one.seconds for one in costs.values()]
    total = sum(seconds) if cap is None else min(sum(seconds), cap)
    large = [id for id, one in costs.items() if one.least_memory_bytes > hardware.memory]
    return CellCost(cell, total, min(max(seconds) / trials, total), tuple(large))


def describe(cells: Sequence[Cell], title: str) -> str:
    """Runs and expected time of a suite on machines of several sizes."""
    lines = [f"{title}: {len(cells)} runs"]
    for hardware, devices in MACHINES:
        found = [cell_cost(cell, hardware) for cell in cells]
        total = sum(one.seconds for one in found)
        wall = max(total / devices, max((one.longest for one in found), default=0.0))
        usd = hardware.usd(total)
        price = "" if usd is None else f", ${usd:,.0f}"
        large = sum(bool(one.too_large) for one in found)
        what = hardware.name if devices == 1 else f"{devices} x {hardware.name}"
        held = f"; {large} runs hold a strategy that does not fit" if large else ""
        lines.append(f"  {what}: {format_duration(wall)}{price}{held}")
    caps = [one.question.budget_seconds for one in cells]
    if all(caps):
        whole = format_duration(sum(filter(None, caps)))
        lines.append(f"  at most {whole} of wall clock one after the other: every run has a budget")
    else:
        lines.append("  counted in trials, at their full length; trials of a run go side by side")
    return "\n".join(lines) + "\n"
