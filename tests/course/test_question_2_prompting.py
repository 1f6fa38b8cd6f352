"""Question 2 of the course text (EECS 182, Spring 2023, Review: Fine-tuning), statement by statement."""

from __future__ import annotations

import pytest

from advisor import advise
from advisor.demonstrations import INSTRUCTION_TOKENS, Demonstrations

TEN_THOUSAND = {"params": "175B", "family": "decoder", "demonstrations": "10k"}


def ask(**more: object) -> Demonstrations:
    answer = advise(TEN_THOUSAND | more).demonstrations
    assert answer is not None
    return answer


# (a)


def test_2a_a_soft_prompt_works_behind_the_input_too_because_it_attends_to_it():
    answer = advise({"params": "7B", "family": "decoder", "examples": "10k"})
    said = next(note for note in answer.notes if note.rule == "soft_prompts_before_or_behind")
    assert "behind" in said.text
    assert "the prompt positions attend to the input" in said.text
    assert "2(a)" in said.source


# (b)


def test_2b_ten_thousand_examples_in_a_prompt_are_not_a_good_idea_for_three_reasons():
    answer = ask()
    assert not answer.advisable
    window, returns, cost = answer.reasons
    assert "longer than the window" in window
    assert "Past some point" in returns
    assert "slower and dearer" in cost
    assert "memory" in cost
    assert "2(b)" in answer.source


def test_2b_with_learned_positions_longer_sequences_are_impossible():
    assert "cannot run on longer sequences" in ask(positions="learned").reasons[0]


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "relative", "alibi"])
def test_2b_with_fixed_positions_longer_sequences_are_possible_but_get_worse(positions):
    said = ask(positions=positions).reasons[0]
    assert "can run on longer sequences" in said
    assert "worse" in said


def test_2b_the_validation_rows_are_set_aside_first():
    answer = ask(tokens=10, window=10_000_000)
    assert answer.reserved == 2000
    assert answer.fits == 8000  # the window would hold all ten thousand


def test_2b_what_fits_leaves_room_for_instruction_query_and_answer():
    answer = ask(tokens=100, window=2048, task="classification")
    each = answer.tokens_each
    assert each > 100  # the label and what separates two examples
    used = INSTRUCTION_TOKENS + each + answer.fits * each
    assert used <= 2048 < used + each


def test_2b_a_longer_window_fits_more_but_returns_still_diminish():
    short, long = ask(tokens=100, window=2048), ask(tokens=100, window=128_000)
    assert short.fits < long.fits
    assert long.useful < long.fits
    assert not long.advisable


def test_2b_memory_errors_are_foretold():
    assert "more than the 80 GB there are" in ask(gpus=1, gpu_memory="80GB").reasons[2]


def test_2b_a_few_examples_may_all_go_in():
    answer = ask(demonstrations=16)
    assert answer.advisable
    assert answer.fits == 12  # 4 of the 16 are for validation


def test_2b_asking_does_not_change_the_ranking():
    asked = advise(TEN_THOUSAND | {"examples": "10k"})
    plain = advise({"params": "175B", "family": "decoder", "examples": "10k"})
    assert [(each.strategy, each.score) for each in asked.recommendations] == [
        (each.strategy, each.score) for each in plain.recommendations
    ]


def test_2b_models_that_cannot_be_shown_examples_are_said_to_be_so():
    answer = ask(family="convnet", params="25M")
    assert answer.fits == 0
    assert not answer.advisable
    assert "cannot be shown examples" in answer.reasons[0]
