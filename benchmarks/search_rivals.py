"""Searches that are replayed on a grid: ours and what else one would use.

Each is a generator of steps: the cost spent so far, and the setting it would recommend then. Costs
are those of the grid's cells; a row's features are paid once, when a probe first reads it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np

from benchmarks.search_grids import Cell, Grid
from harness.search.curves import Prior, Scales
from harness.search.policy import Choice, Ended, Policy
from harness.search.space import Rung

Arm = tuple[str, str]
"""Strategy and setting."""


@dataclass
class Replay:
    """A grid that answers trials from its cells and keeps count of their cost.

    Attributes:
        spent: CPU seconds so far, of features too.
    """

    grid: Grid
    cells: Sequence[Cell]
    seed: int = 0
    spent: float = 0.0
    _rows: int = 0
    _known: dict[tuple[Arm, int], Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for cell in self.cells:
            if cell.seed == self.seed:
                self._known[(cell.strategy, cell.settings), cell.size] = cell

    @property
    def arms(self) -> list[Arm]:
        return list(dict.fromkeys(arm for arm, _ in self._known))

    @property
    def full(self) -> int:
        return self.grid.sizes[-1]

    def run(self, arm: Arm, size: int) -> Cell:
        cell = self._known[arm, size]
        self.spent += self.cost(arm, size)
        self._rows = max(self._rows, cell.feature_rows)
        return cell

    def cost(self, arm: Arm, size: int) -> float:
        cell = self._known[arm, size]
        return cell.seconds + cell.feature_seconds * max(cell.feature_rows - self._rows, 0)

    def brute_force(self) -> float:
        """Cost of every setting at full size, features once."""
        fresh = Replay(self.grid, self.cells, self.seed)
        for arm in fresh.arms:
            fresh.run(arm, fresh.full)
        return fresh.spent

    def test(self, arm: Arm) -> float:
        return self._known[arm, self.full].test

    def best(self) -> Arm:
        """The highest validation score at full size; of equals the smaller loss."""
        return max(self.arms, key=lambda arm: _rank(self._known[arm, self.full]))


Step = tuple[float, Arm]
Search = Callable[[Replay, int], Iterator[Step]]
"""Given a grid and a seed."""


def _rank(cell: Cell) -> tuple[float, float]:
    return cell.validation, -cell.validation_loss


def ours(prior: Prior, scales: Scales, relative: dict[str, float]) -> Search:
    """Budgeted search.

    Args:
        relative: Strategy -> CPU seconds of a trial per training row on the other grids, as the
            cost model of a real run would say; from the first trial on measured costs scale it.
    """

    def search(replay: Replay, seed: int) -> Iterator[Step]:
        costs = Costs(replay, relative)
        policy = Policy(
            next_setting=_listed(replay),
            rungs=lambda strategy, setting: [Rung(n) for n in replay.grid.sizes],
            cost=costs.expect,
            price=costs.price,
            prior=prior,
            scales=scales,
            full=replay.full,
            validation_rows=replay.cells[0].validation_rows,
            tolerance=-1.0,
        )
        while True:
            pick = policy.standing().pick
            yield replay.spent, (pick.strategy, pick.setting)
            choice = policy.ask(float("inf"))
            if isinstance(choice, Ended):
                return
            before = replay.spent
            cell = replay.run((choice.strategy, choice.setting), choice.rung.examples)
            costs.learn(choice, replay.spent - before, cell.feature_rows)
            policy.tell(choice, cell.validation)

    return search


class Costs:
    """Expected cost of a trial: a strategy's cost is fixed + slope x rows, scaled by what was seen."""

    def __init__(self, replay: Replay, relative: dict[str, float]) -> None:
        self._full, self._relative = replay.full, relative
        self._seen: dict[str, list[tuple[float, float]]] = {}
        self._feature = replay.cells[0].feature_seconds
        self._rows_read = 0
        self._validation = replay.cells[0].validation_rows
        self._settings = Counter(strategy for strategy, _ in replay.arms)

    def expect(self, choice: Choice) -> float:
        return self._own(choice) + self._shared(choice)

    def price(self, choice: Choice) -> float:
        """With its share of the features, which every setting of the strategy reads."""
        return self._own(choice) + self._shared(choice) / self._settings[choice.strategy]

    def _own(self, choice: Choice) -> float:
        ratio = [spent / guess for spent, guess in self._seen.get(choice.strategy, [])]
        return self._told(choice) * (float(np.median(ratio)) if ratio else 1.0)

    def _shared(self, choice: Choice) -> float:
        rows = round(0.75 * choice.rung.examples) + self._validation
        fresh = max(rows - self._rows_read, 0) if choice.strategy in FROZEN else 0
        return fresh * self._feature

    def learn(self, choice: Choice, spent: float, feature_rows: int) -> None:
        own = spent - self._feature * max(feature_rows - self._rows_read, 0)
        self._rows_read = max(self._rows_read, feature_rows)
        self._seen.setdefault(choice.strategy, []).append((own, self._told(choice)))

    def _told(self, choice: Choice) -> float:
        # every trial validates all rows, whatever it trains on
        share = choice.rung.examples / self._full
        return self._relative[choice.strategy] * (0.25 + 0.75 * share)


FROZEN = ("linear_probe", "lp_ft")


def _listed(replay: Replay) -> dict[str, Callable[[float | None], str | None]]:
    """Strategy -> its settings one after the other, recommended ones first."""
    lists: dict[str, list[str]] = {}
    for strategy, setting in replay.arms:
        lists.setdefault(strategy, []).append(setting)

    def after(settings: list[str]) -> Callable[[float | None], str | None]:
        waiting = iter(settings)
        return lambda score: next(waiting, None)

    return {strategy: after(settings) for strategy, settings in lists.items()}


def random_search(replay: Replay, seed: int) -> Iterator[Step]:
    """A strategy at random, one of its settings at random, on everything."""
    rng = np.random.default_rng(seed)
    best: tuple[tuple[float, float], Arm] | None = None
    for arm in _joint_order(replay, rng):
        cell = replay.run(arm, replay.full)
        best = max(best, (_rank(cell), arm)) if best else (_rank(cell), arm)
        yield replay.spent, best[1]


def tpe_hyperband(replay: Replay, seed: int) -> Iterator[Step]:
    """optuna's TPE over strategy and setting with its Hyperband pruner over sizes."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sizes = replay.grid.sizes
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
        pruner=optuna.pruners.HyperbandPruner(1, len(sizes), reduction_factor=2),
    )
    of: dict[str, list[str]] = {}
    for strategy, setting in replay.arms:
        of.setdefault(strategy, []).append(setting)
    incumbent = _Incumbent()
    tried: set[tuple[Arm, int]] = set()
    for _ in range(40 * len(replay.arms)):
        trial = study.ask()
        strategy = trial.suggest_categorical("strategy", list(of))
        place = trial.suggest_int(f"setting_{strategy}", 0, len(of[strategy]) - 1)
        arm = (strategy, of[strategy][place])
        for step, size in enumerate(sizes, start=1):
            if (arm, size) not in tried:  # the same trial is never paid twice
                tried.add((arm, size))
                incumbent.saw(arm, size, replay.run(arm, size))
                yield replay.spent, incumbent.arm
            trial.report(replay._known[arm, size].validation, step)
            if trial.should_prune():
                break
        study.tell(trial, replay._known[arm, size].validation)
        if len({a for a, n in tried if n == replay.full}) == len(replay.arms):
            return


def successive_halving(replay: Replay, seed: int) -> Iterator[Step]:
    """All settings on the smallest size; the better half goes on to the next one (Jamieson and
    Talwalkar 2016), then the others in the order of their last scores."""
    rng = np.random.default_rng(seed)
    running = [replay.arms[place] for place in rng.permutation(len(replay.arms))]
    incumbent, left = _Incumbent(), []
    for size in replay.grid.sizes:
        scores = []
        for arm in running:
            cell = replay.run(arm, size)
            incumbent.saw(arm, size, cell)
            scores.append((_rank(cell), arm))
            yield replay.spent, incumbent.arm
        ordered = [arm for _, arm in sorted(scores, reverse=True)]
        running = ordered[: max(1, len(ordered) // 2)]
        left = ordered[len(running) :] + left
    for arm in left:
        incumbent.saw(arm, replay.full, replay.run(arm, replay.full))
        yield replay.spent, incumbent.arm


class _Incumbent:
    """The best validation score at the largest size so far."""

    def __init__(self) -> None:
        self._key: tuple[float, ...] = ()
        self.arm: Arm = ("", "")

    def saw(self, arm: Arm, size: int, cell: Cell) -> None:
        key = (log2(size), *_rank(cell))
        if key > self._key:
            self._key, self.arm = key, arm


def _joint_order(replay: Replay, rng: np.random.Generator) -> Iterator[Arm]:
    of: dict[str, list[str]] = {}
    for strategy, setting in replay.arms:
        of.setdefault(strategy, []).append(setting)
    for settings in of.values():
        rng.shuffle(settings)
    while of:
        strategy = list(of)[int(rng.integers(len(of)))]
        yield strategy, of[strategy].pop()
        if not of[strategy]:
            del of[strategy]


def relative_costs(cells: Sequence[Sequence[Cell]], sizes: Sequence[int]) -> dict[str, float]:
    """Strategy -> median CPU seconds of a trial on everything, over other grids."""
    found: dict[str, list[float]] = {}
    for some, size in zip(cells, sizes, strict=True):
        for cell in some:
            if cell.size == size:
                found.setdefault(cell.strategy, []).append(cell.seconds)
    known = {name: float(np.median(values)) for name, values in found.items()}
    known.setdefault("lora", known.get("full_finetune", 1.0))
    return known


def told(arm: Arm) -> str:
    return f"{arm[0]} {json.loads(arm[1])}"
