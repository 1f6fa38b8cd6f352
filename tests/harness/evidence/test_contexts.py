from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import contexts, load
from harness.evidence.load import join, read_tables
from tests.harness.evidence.toys import rows, toy


def joined(*some):
    tables = read_tables()
    return [join(row, tables) for row in some]


def test_a_context_holds_two_strategies_where_nothing_else_differs() -> None:
    probe = toy()
    tuned = toy(strategy="full_finetune", value=0.9)
    for other in (
        toy(strategy="full_finetune", model="toy-large"),
        toy(strategy="full_finetune", source="another"),
        toy(strategy="full_finetune", data="MNLI"),
        toy(strategy="full_finetune", metric="f1"),
        toy(strategy="full_finetune", n_train=200),
        toy(strategy="full_finetune", pretraining="MLM, longer"),
        toy(strategy="full_finetune", split="ood"),
        toy(strategy="full_finetune", tags=("cross_model",)),
        toy(variant="another probe"),
    ):
        assert contexts(joined(probe, other)) == []
    (found,) = contexts(joined(probe, tuned))
    assert found.strategies == ("full_finetune", "linear_probe")
    assert found.scores() == {"linear_probe": 0.8, "full_finetune": 0.9}
    assert (found.n_train, found.shift, found.metric_group) == (100, 0.25, "accuracy")


def test_a_prompt_joins_every_number_of_labels_that_holds_its_demonstrations() -> None:
    sizes = [toy(n_train=n) for n in (8, 100, 1000)]
    zero = toy(strategy="hard_prompt", n_train=0, value=0.5)
    few = toy(strategy="hard_prompt", n_train=32, value=0.6)
    found = contexts(joined(*sizes, zero, few))
    prompts = {
        one.n_train: [each.value for each in one.observations if each.joined] for one in found
    }
    assert prompts == {8: [0.5], 100: [0.5, 0.6], 1000: [0.5, 0.6]}


def test_from_scratch_joins_every_pretraining_of_the_architecture_at_the_same_n() -> None:
    scratch = toy(strategy="from_scratch", pretraining="none", corpus="none", value=0.4)
    tuned = [
        toy(strategy="full_finetune", pretraining=name, n_train=n)
        for name in ("MLM", "RTD")
        for n in (100, 200)
    ]
    found = contexts(joined(scratch, *tuned))
    assert [(one.pretraining, one.n_train) for one in found] == [("MLM", 100), ("RTD", 100)]
    assert all(one.corpus == "web_text" and one.shift == 0.25 for one in found)
    assert all([each.value for each in one.observations if each.joined] == [0.4] for one in found)


def test_seeds_of_a_fair_run_are_averaged_and_variants_of_a_paper_are_not() -> None:
    fair = [
        toy(
            protocol="fair",
            strategy=name,
            seed=seed,
            variant=f"rate={seed}",
            value=value + seed / 10,
        )
        for name, value in (("linear_probe", 0.5), ("full_finetune", 0.6))
        for seed in (0, 1, 2)
    ]
    (found,) = contexts(joined(*fair))
    assert found.scores() == pytest.approx({"linear_probe": 0.6, "full_finetune": 0.7})
    printed = [toy(strategy="soft_prompt", variant=name, value=value) for name, value in (("a", 0.3), ("b", 0.9), ("c", 0.4))]  # fmt: skip
    (found,) = contexts(joined(toy(), *printed))
    assert found.scores()["soft_prompt"] == 0.9
    assert found.scores("median")["soft_prompt"] == 0.4


def test_lower_is_better_is_turned_round() -> None:
    rows = [toy(metric="error_rate", higher_is_better=False, strategy=name, value=value) for name, value in (("linear_probe", 0.2), ("full_finetune", 0.1))]  # fmt: skip
    (found,) = contexts(joined(*rows))
    assert max(found.scores(), key=found.scores().__getitem__) == "full_finetune"


def test_the_order_of_rows_changes_no_context() -> None:
    everything = load()
    mixed = everything.copy()
    random.Random(0).shuffle(mixed)
    assert contexts(mixed) == contexts(everything)


@settings(max_examples=30)
@given(st.lists(rows(), max_size=4, unique_by=lambda row: row.key))
def test_any_rows_can_be_put_into_contexts(some) -> None:
    found = contexts(joined(*some), least=1)
    assert all(one.observations for one in found)
