from __future__ import annotations

import math

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.proposals import Proposals
from harness.strategies.base import Space

WIDE = Space(
    {"lr": FloatDistribution(1e-5, 1e-2, log=True), "epochs": IntDistribution(1, 10)},
    first=({"lr": 1e-4, "epochs": 3}, {"lr": 1e-3, "epochs": 5}),
)


def asked(proposals: Proposals, scores: list[float | None]) -> list[dict[str, object] | None]:
    found = []
    for score in scores:
        found.append(proposals.ask())
        proposals.tell(score)
    return found


def test_recommended_points_come_first_in_their_order() -> None:
    assert asked(Proposals(WIDE), [0.5, 0.6]) == [dict(point) for point in WIDE.first]


def test_the_same_scores_give_the_same_settings() -> None:
    scores = [0.1 * step for step in range(12)]
    assert asked(Proposals(WIDE), scores) == asked(Proposals(WIDE), scores)


def test_another_seed_gives_other_settings() -> None:
    scores = [0.5] * 4
    assert asked(Proposals(WIDE, seed=0), scores) != asked(Proposals(WIDE, seed=1), scores)


def test_a_listed_space_is_tried_as_listed_and_ends() -> None:
    space = Space({}, first=({"c": 1}, {"c": 2}), exhaustive=True)
    assert asked(Proposals(space), [None, 0.5, 0.5]) == [{"c": 1}, {"c": 2}, None]
    assert Proposals(space).size == 2


def test_a_small_space_is_tried_whole_and_never_twice() -> None:
    space = Space({"kind": CategoricalDistribution(["a", "b"]), "k": IntDistribution(1, 2)})
    found = [one for one in asked(Proposals(space), [0.5] * 8) if one is not None]
    assert len(found) == len({tuple(one.items()) for one in found})
    assert Proposals(space).size == 4
    assert len(found) >= 3


def test_a_failed_setting_does_not_end_the_search() -> None:
    assert None not in asked(Proposals(WIDE), [None] * 4)


def test_sizes_of_spaces() -> None:
    assert Proposals(WIDE).size == math.inf
    steps = Space({"x": FloatDistribution(0.0, 1.0, step=0.25)})
    assert Proposals(steps).size == 5
