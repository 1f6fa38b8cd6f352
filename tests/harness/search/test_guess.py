"""What a search expects of a training before it measured one."""

from __future__ import annotations

from typing import Any

import pytest

from harness.runner import Conditions, run
from harness.search.loop import Guess, Search
from tests.harness.fair_toys import install, toy_question

FULL, HELD, BATCH, EPOCHS = 200, 50, 16, 20
TRAINING = {"epochs": EPOCHS, "batch_size": BATCH}


@pytest.fixture(scope="module")
def guess(tmp_path_factory: pytest.TempPathFactory) -> Guess:
    searches: list[Search] = []

    def watched(**parts: Any) -> Search:
        searches.append(Search(**parts))
        return searches[-1]

    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        patch.setattr("harness.search.start.Search", watched)
        patch.setattr(
            "harness.advice.flops_per_second", lambda _: 1e6
        )  # loading counts for nothing
        asked = toy_question(
            strategies=("linear_probe", "full_finetune"),
            protocol="search",
            budget_trials=4,
            seeds=1,
            examples=FULL,
        )
        run(asked, tmp_path_factory.mktemp("guess") / "out", Conditions(command="harness run"))
    return searches[0].guess


def test_few_rows_save_less_than_their_share(guess: Guess) -> None:
    """An eighth of the rows takes two batches an epoch instead of ten, and validates as often."""
    few, all_of_them = (guess("full_finetune", TRAINING, n, 1) for n in (FULL // 8, FULL))
    training = [3 * EPOCHS * batches * BATCH for batches in (2, 10)]
    validating = 10 * HELD
    expected = (training[1] + validating) / (training[0] + validating)
    assert all_of_them / few == pytest.approx(expected, rel=0.01)


def test_trainings_share_nothing(guess: Guess) -> None:
    together, alone = (guess("full_finetune", TRAINING, FULL, n) for n in (5, 1))
    assert together == pytest.approx(alone, rel=0.01)


def test_probes_share_the_extraction(guess: Guess) -> None:
    assert guess("linear_probe", {}, FULL, 5) < guess("linear_probe", {}, FULL, 1)


def test_a_training_takes_as_long_as_it_has_epochs(guess: Guess) -> None:
    once, twice = (
        guess("full_finetune", TRAINING | {"epochs": epochs}, FULL, 1) for epochs in (10, 20)
    )
    assert 1.5 < twice / once < 2
