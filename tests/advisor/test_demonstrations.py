from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from advisor import Situation
from advisor.demonstrations import (
    INSTRUCTION_TOKENS,
    answer_demonstrations,
    demonstrations_that_fit,
    reserved_for_validation,
    tokens_of_demonstration,
    usable_demonstrations,
)
from advisor.inference import Resolved, resolve


def decoder(**keys: object) -> Resolved:
    return resolve(Situation.from_mapping({"family": "decoder", "params": "7B"} | keys))


@given(st.integers(1, 5000), st.integers(16, 200_000))
def test_as_many_as_fit_and_not_one_more(tokens, window):
    s = decoder(tokens=tokens, window=window)
    each, fits = tokens_of_demonstration(s), demonstrations_that_fit(s)
    used = INSTRUCTION_TOKENS + (fits + 1) * each  # the query is as long as a demonstration
    assert fits == 0 or used <= window
    assert used + each > window


@given(st.integers(0, 10**6))
def test_a_fifth_is_reserved_rounded_up(examples):
    reserved = reserved_for_validation(examples)
    assert reserved - 1 < 0.2 * examples <= reserved + 1e-6


@given(st.integers(0, 10**6), st.integers(100, 10**6))
def test_what_is_usable_is_neither_reserved_nor_too_much_for_the_window(examples, window):
    s = decoder(window=window)
    usable = usable_demonstrations(s, examples)
    assert usable <= examples - reserved_for_validation(examples)
    assert usable <= demonstrations_that_fit(s)


def test_families_that_are_not_shown_examples_fit_none():
    for family in ("encoder", "convnet", "vit", "clip", "lstm"):
        assert demonstrations_that_fit(resolve(Situation(family=family))) == 0


def test_a_longer_answer_leaves_room_for_fewer():
    labels = decoder(tokens=100, window=4096, task="classification")
    texts = decoder(tokens=100, window=4096, task="generation")
    assert demonstrations_that_fit(texts) < demonstrations_that_fit(labels)


def test_not_asked_is_not_answered():
    assert answer_demonstrations(decoder(examples=100)) is None


def test_all_that_fit_and_help_is_advisable():
    answer = answer_demonstrations(decoder(demonstrations=20, tokens=50))
    assert answer is not None
    assert (answer.reserved, answer.fits, answer.useful, answer.advisable) == (4, 16, 16, True)


def test_more_than_help_is_not_advisable_even_if_it_fits():
    answer = answer_demonstrations(decoder(demonstrations=200, tokens=10, window=100_000))
    assert answer is not None
    assert answer.fits == 160
    assert answer.useful == 32
    assert not answer.advisable


def test_the_published_form_is_plain():
    answer = answer_demonstrations(decoder(demonstrations="10k"))
    assert answer is not None
    told = answer.to_dict()
    assert told["asked"] == 10_000
    assert told["reserved"] == 2_000
    assert isinstance(told["reasons"], list)
    assert len(told["reasons"]) == 3
