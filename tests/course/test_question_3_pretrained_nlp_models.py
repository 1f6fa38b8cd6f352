"""Question 3 of the course text (EECS 182, Spring 2023, Review: Fine-tuning), statement by statement."""

from __future__ import annotations

import pytest

from advisor import Recommendation, advise

MNLI = {"task": "pair_classification", "classes": 3, "tokens": 40}
BERT = {"family": "encoder", "params": "110M", "objective": "masked_tokens_next_sentence"}
T5 = {"family": "encoder_decoder", "params": "220M", "objective": "span_corruption"}
GPT = {"family": "decoder", "params": "1.5B", "objective": "next_token"}


def notes(situation: dict[str, object]) -> dict[str, str]:
    return {note.rule: note.text for note in advise(situation).notes}


def effects(answer: Recommendation, strategy: str) -> dict[str, float | None]:
    advice = next(each for each in answer.recommendations if each.strategy == strategy)
    return {reason.rule: reason.effect for reason in advice.reasons}


# (a)


def test_3a_bert_was_trained_on_masked_tokens_and_next_sentences():
    said = notes(BERT)
    assert "masked tokens" in said["objective_of_bert"]
    assert "two sentences follow each other" in said["objective_of_bert"]
    assert "objective_of_roberta" not in said


def test_3a_roberta_was_trained_on_masked_tokens_only():
    said = notes(BERT | {"objective": "masked_tokens"})
    assert "masked tokens only" in said["objective_of_roberta"]
    assert "objective_of_bert" not in said


def test_3a_t5_was_trained_on_spans():
    assert "spans of several words" in notes(T5)["objective_of_t5"]


def test_3a_gpt_was_trained_on_the_next_token():
    assert "next token" in notes(GPT)["objective_of_gpt"]


# (b) (i)


@pytest.mark.parametrize("model", [GPT, T5])
def test_3b_i_gpt_and_t5_do_mnli_without_training_by_few_shot_prompting(model):
    answer = advise(model | MNLI | {"examples": 8})
    assert "start" in effects(answer, "hard_prompt")  # feasible
    assert "few-shot prompting" in notes(model | MNLI)["gpt_and_t5_by_few_shot_prompting"]


def test_3b_i_bert_can_be_prompted_by_a_masked_answer_but_is_not_good_at_it():
    answer = advise(BERT | MNLI | {"examples": 8})
    assert (effects(answer, "hard_prompt")["cloze_prompts_are_poor"] or 0) < 0
    said = notes(BERT | MNLI)["bert_by_cloze"]
    assert "masked token for the answer" in said
    assert "PromptBERT" in said
    assert "2201.04337" in next(
        note.source for note in answer.notes if note.rule == "bert_by_cloze"
    )


@pytest.mark.parametrize("model", [GPT, T5])
def test_3b_i_the_objection_is_to_bert_alone(model):
    answer = advise(model | MNLI | {"examples": 8})
    assert "cloze_prompts_are_poor" not in effects(answer, "hard_prompt")


# (b) (ii)


@pytest.mark.parametrize("model", [GPT, T5])
def test_3b_ii_gpt_and_t5_are_tuned_to_predict_the_answer_as_the_next_token(model):
    said = notes(model | MNLI)["gpt_and_t5_text_to_text"]
    assert "text-to-text" in said
    assert "next token" in said


def test_3b_ii_berts_output_layer_becomes_a_head_on_cls_mean_or_both_all_or_only_the_head():
    said = notes(BERT | MNLI)["bert_with_a_head"]
    for part in ("CLS", "mean", "both concatenated", "only the head", "[SEP]"):
        assert part in said


def test_3b_ii_with_large_models_only_a_subset_of_the_parameters_is_trained():
    answer = advise({"params": "70B", "examples": "10k", "candidates": "all"})
    for subset in ("soft_prompt", "lora", "ia3"):
        assert (effects(answer, subset)["large_models_tune_a_subset"] or 0) > 0
    assert "large_models_tune_a_subset" not in effects(
        advise(BERT | {"examples": "10k", "candidates": "all"}), "lora"
    )
    source = next(
        reason.source
        for each in answer.recommendations
        for reason in each.reasons
        if reason.rule == "large_models_tune_a_subset"
    )
    assert "2205.05638" in source


def test_3b_ii_a_probe_on_gpts_last_layers_is_possible_but_may_do_worse():
    answer = advise(GPT | MNLI | {"examples": "1k"})
    assert (effects(answer, "linear_probe")["probing_a_decoder_may_do_worse"] or 0) < 0
    bert = advise(BERT | MNLI | {"examples": "1k"})
    assert "probing_a_decoder_may_do_worse" not in effects(bert, "linear_probe")


# (c)


def test_3c_berts_lower_layers_are_like_the_encoder_its_last_like_the_decoder_thrown_away():
    said = notes(BERT)["bert_layers_as_an_autoencoder"]
    assert "autoencoder's encoder" in said
    assert "thrown away" in said


def test_3c_several_layers_can_beat_the_last_where_an_autoencoder_gives_one():
    said = notes(BERT)
    assert "several layers" in said["several_layers_can_beat_the_last"]
    assert "single layer" in said["bert_layers_as_an_autoencoder"]
