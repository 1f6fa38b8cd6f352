"""The replay of searches on grids: costs are counted once, regret is measured at full size."""

import json

import numpy as np
import pytest

from benchmarks import search
from benchmarks.search_curves import complete
from benchmarks.search_grids import GRIDS, Cell, Grid
from benchmarks.search_rivals import Replay, ours, random_search, successive_halving, tpe_hyperband
from harness.evidence.load import load
from harness.search.curves import Prior, Scales

GRID = Grid("toy", "toy", "toy", sizes=(10, 20, 40))
COSTS = {"linear_probe": 1.0, "full_finetune": 30.0}
SCORES = {("linear_probe", 0): 0.7, ("linear_probe", 1): 0.75, ("full_finetune", 0): 0.9}


def cells() -> list[Cell]:
    """Probes are cheap once 40 rows of features were paid for, and never the best."""
    found = []
    for (strategy, place), score in SCORES.items():
        for size in GRID.sizes:
            frozen = strategy == "linear_probe"
            found.append(
                Cell(
                    strategy, json.dumps({"place": place}), size, 0,
                    validation=score - 0.1 * np.log2(40 / size), validation_loss=1 - score,
                    validation_rows=100, test=score, test_rows=200,
                    seconds=COSTS[strategy] * size / 40, feature_seconds=0.1,
                    feature_rows=size if frozen else 0, flops=None,
                )
            )  # fmt: skip
    return found


PRIOR = Prior(
    covariance={(one, other): 0.1 * (one == other) for one in COSTS for other in COSTS},
)
SEARCHES = {
    "ours": ours(PRIOR, Scales(), COSTS),
    "random": random_search,
    "halving": successive_halving,
    "tpe": tpe_hyperband,
}


def test_features_are_paid_for_once() -> None:
    replay = Replay(GRID, cells())
    one, other, _ = replay.arms
    replay.run(one, 40)
    assert replay.spent == pytest.approx(1.0 + 4.0)
    replay.run(other, 20)
    assert replay.spent == pytest.approx(1.0 + 4.0 + 0.5)
    assert Replay(GRID, cells()).brute_force() == pytest.approx(1 + 1 + 4 + 30)


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_finds_the_best_once_everything_was_paid_for(name: str) -> None:
    steps = list(SEARCHES[name](Replay(GRID, cells()), 0))
    assert steps[-1][1][0] == "full_finetune"
    spent = [cost for cost, _ in steps]
    assert spent == sorted(spent)


def test_regret_is_that_of_a_blind_choice_before_the_first_trial_and_none_at_the_end() -> None:
    found = search.curve(random_search, Replay(GRID, cells()), 0)
    assert found[0] == pytest.approx(100 * (0.9 - np.mean(list(SCORES.values()))))
    assert found[-1] == 0.0


def test_the_interval_of_a_constant_gap_is_that_gap() -> None:
    assert search.paired(np.full(7, -0.5)) == (-0.5, -0.5, -0.5)


def test_enough_grids_are_complete() -> None:
    assert len(complete()) >= 12


def test_what_is_left_out_of_a_prior_is_named_as_the_evidence_names_it() -> None:
    known = {row.data_group for row in load()}
    never = {"textile", "bbc_news"}  # no evidence of theirs is in the fit
    for grid in GRIDS:
        assert set(grid.group.split()) <= known | never, grid.name


def test_the_report_tells_what_was_measured() -> None:
    shares = search._SHARES
    curves = {
        grid: {name: (offset * np.ones_like(shares)).tolist() for offset, name in enumerate((search.OURS, *search.RIVALS))}
        for grid in ("a", "b")
    }  # fmt: skip
    text = search.report(curves, 3)
    assert "| successive halving | -3.00 (-3.00 to -3.00)" in text
    assert "2 grids" in text
