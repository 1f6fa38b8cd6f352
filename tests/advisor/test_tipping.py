from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor import Situation, advise
from advisor.tipping import TippingPoint

SITUATIONS = st.fixed_dictionaries(
    {},
    optional={
        "family": st.sampled_from(("encoder", "decoder", "convnet", "vit", "clip")),
        "params": st.sampled_from((5_000_000, 10**8, 10**9, 7 * 10**9, 175 * 10**9)),
        "examples": st.sampled_from((0, 2, 30, 500, 10**4, 10**6)),
        "shift": st.sampled_from((0.0, 0.25, 0.8)),
        "access": st.sampled_from(("text", "weights")),
        "gpus": st.sampled_from((0, 1, 8)),
    },
)


def first(keys: dict[str, object]) -> str | None:
    best = advise(keys).best
    return best.strategy if best else None


def point(keys: dict[str, object], field: str) -> TippingPoint | None:
    return next((each for each in advise(keys).tipping_points if each.field == field), None)


@settings(max_examples=40)
@given(SITUATIONS)
def test_asking_again_at_a_tipping_point_gives_what_it_promises(keys):
    now = first(keys)
    for tip in advise(keys).tipping_points:
        assert tip.becomes != now
        assert first(keys | {tip.field: tip.to}) == tip.becomes


@settings(max_examples=25)
@given(SITUATIONS)
def test_just_before_a_tipping_point_the_advice_still_stands(keys):
    now = first(keys)
    for tip in advise(keys).tipping_points:
        if tip.field == "shift":
            before = round(tip.to + (0.02 if tip.to < tip.start else -0.02), 2)
        else:
            before = round(tip.to * (1.03 if tip.to < tip.start else 0.97))
        if min(tip.start, tip.to) < before < max(tip.start, tip.to):
            answer = advise(keys | {tip.field: before})
            if now is None:
                # Nothing is feasible at the start; the tipping point is what first opens something.
                assert answer.best is None
                continue
            scores = {each.strategy: each.score for each in answer.recommendations}
            # Effects are rounded, so right before a tie the order may flicker.
            assert answer.best is not None
            assert scores[now] is not None
            assert scores[answer.best.strategy] - scores[now] <= 0.25


def test_with_fewer_examples_the_large_model_is_prompted_by_hand():
    tip = point({"params": "175B", "examples": "100k"}, "examples")
    assert tip is not None
    assert tip.start == 100_000
    assert 100 < tip.to < 10_000
    assert tip.becomes == "hard_prompt"


def test_from_no_examples_the_search_goes_up():
    tip = point({"params": "90B", "examples": 0, "description": "spam"}, "examples")
    assert tip is not None
    assert tip.to > 0
    assert tip.becomes == "soft_prompt"


def test_with_more_examples_the_conv_net_is_finetuned():
    tip = point({"params": "1B", "family": "convnet", "examples": 100}, "examples")
    assert tip is not None
    assert tip.to > 100
    assert tip.becomes == "full_finetune"


def test_a_smaller_shift_leads_back_to_the_probe():
    tip = point({"params": "25M", "family": "convnet", "examples": 500, "shift": 0.8}, "shift")
    assert tip is not None
    assert tip.to < 0.8
    assert tip.becomes == "linear_probe"


def test_where_nothing_is_feasible_the_change_that_makes_something_feasible_is_told():
    tip = point({"params": "7B", "examples": 0, "description": "no"}, "examples")
    assert tip is not None
    assert (tip.to, tip.becomes) == (1, "hard_prompt")
    local = {"params": "70B", "privacy": "local", "gpus": 1, "gpu_memory": "24GB", "examples": 16}
    size = point(local, "params")
    assert size is not None
    assert 10**9 < size.to < 12 * 10**9


def test_where_no_value_helps_nothing_tips():
    assert advise({"privacy": "local", "access": "text"}).tipping_points == ()


def test_the_published_form():
    assert TippingPoint("examples", 100, 1000, "lora").to_dict() == {
        "field": "examples", "from": 100, "to": 1000, "becomes": "lora", "interval": None,
    }  # fmt: skip


# Unknowns


@settings(max_examples=25)
@given(SITUATIONS)
def test_saying_an_unknown_gives_what_was_foretold(keys):
    now = first(keys)
    for unknown in advise(keys).unknowns:
        assert unknown.field not in keys
        then = first(keys | {unknown.field: unknown.value})
        assert then == unknown.becomes
        assert unknown.changes_answer == (then != now)


@settings(max_examples=25)
@given(SITUATIONS)
def test_unknowns_that_change_the_answer_come_first(keys):
    changes = [unknown.changes_answer for unknown in advise(keys).unknowns]
    assert changes == sorted(changes, reverse=True)


def test_without_a_number_of_examples_that_is_the_first_thing_to_find_out():
    unknown = advise({"params": "7B"}).unknowns[0]
    assert unknown.field == "examples"
    assert unknown.changes_answer


def test_the_size_of_a_model_known_by_name_is_not_unknown():
    fields = {unknown.field for unknown in advise({"model": "minilm", "examples": 200}).unknowns}
    assert not fields & {"params", "family"}


@pytest.mark.parametrize("extra", [{"shift": 0.1}, {"access": "weights"}, {"robust": "no"}])
def test_what_was_said_is_not_unknown(extra):
    answer = advise({"params": "7B", "examples": "1k", **extra})
    assert not {unknown.field for unknown in answer.unknowns} & set(extra)


# Without assumed hardware the same questions are asked without it.


def test_searches_keep_to_the_assumption_on_hardware():
    situation = Situation(params=175_000_000_000, examples=100_000)
    limited, unlimited = advise(situation), advise(situation, assume_hardware=False)
    assert {tip.becomes for tip in limited.tipping_points} <= {"hard_prompt"}
    assert limited.tipping_points != unlimited.tipping_points


def test_asking_about_a_prompt_full_of_examples_changes_no_tipping_point():
    """Fewer examples than demonstrations would contradict themselves; the question is put aside."""
    keys = {"model": "gpt2", "examples": 1000}
    asked = advise(keys | {"demonstrations": 1000})
    assert asked.tipping_points == advise(keys).tipping_points
    assert asked.unknowns == advise(keys).unknowns
