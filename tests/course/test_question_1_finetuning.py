"""Question 1 of the course text (EECS 182, Spring 2023, Review: Fine-tuning), statement by statement."""

from __future__ import annotations

import pytest

from advisor import Recommendation, advise
from advisor.recommend import StrategyAdvice

QA_175B = {"params": "175B", "examples": "100k"}
SPAM_90B = {"params": "90B", "examples": 0}
WILDLIFE = {"params": "1B", "family": "convnet", "examples": 100}
FRACTURES = {"params": "1B", "examples": "100M"}


def strategy(answer: Recommendation, name: str) -> StrategyAdvice:
    return next(each for each in answer.recommendations if each.strategy == name)


def rules(advice: StrategyAdvice) -> dict[str, float | None]:
    return {reason.rule: reason.effect for reason in advice.reasons}


def text(advice: StrategyAdvice) -> str:
    return " ".join(reason.text for reason in advice.reasons)


def notes(answer: Recommendation) -> dict[str, str]:
    return {note.rule: note.text for note in answer.notes}


# (a)


def test_1a_inputs_are_not_masked_when_a_masked_autoencoder_is_finetuned():
    answer = advise({"family": "vit", "objective": "masked_autoencoder", "examples": "1k"})
    said = notes(answer)["masked_autoencoder_is_not_masked_again"]
    assert "without masking" in said
    assert "augmentation" in said  # masking stays possible as that


def test_1a_is_not_said_where_no_masked_autoencoder_is_in_question():
    answer = advise({"family": "vit", "objective": "supervised", "examples": "1k"})
    assert "masked_autoencoder_is_not_masked_again" not in notes(answer)


# (b)


def test_1b_an_lstm_is_pretrained_on_unpaired_sentences_as_a_denoising_autoencoder():
    answer = advise(
        {"family": "lstm", "task": "translation", "examples": "50k", "unlabeled": "10M"}
    )
    said = notes(answer)["pretrain_on_unpaired_data"]
    assert "autoencoder" in said
    assert "noise" in said
    assert "fine-tune the encoder" in said


# (c) (i)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"task": "qa"},
        {"task": "question-answering", "family": "decoder"},
        {"task": "qa", "family": "gpt", "modality": "text", "description": "answer the question"},
        {"description": "Answer questions about a passage."},
        {"task": "qa", "family": "encoder-decoder"},
        {"task": "qa", "shift": "low"},
        {"task": "qa", "shift": "medium"},
        {"task": "qa", "shift": 0, "tokens": 200, "window": 2048, "positions": "learned"},
        {"task": "qa", "gpus": 8, "gpu_memory": "80GB"},
        {"task": "qa", "gpus": 16, "gpu_memory": "80GB"},
    ],
)
def test_1c_i_175b_question_answering_with_100k_examples_soft_prompting(more):
    answer = advise(QA_175B | more)
    first = answer.recommendations[0]
    assert first.strategy == "soft_prompt"
    reason = next(each for each in first.reasons if each.rule == "many_labels_soft_beats_hard")
    assert reason.effect is not None
    assert reason.effect > 0
    assert "soft prompting outperforms hard prompting" in reason.text
    assert "1(c)(i)" in reason.source
    assert strategy(answer, "hard_prompt").feasible


def test_1c_i_full_finetuning_of_175b_does_not_fit_one_node_but_a_soft_prompt_does():
    answer = advise(QA_175B | {"task": "qa"})
    assert list(rules(strategy(answer, "full_finetune"))) == ["training_exceeds_memory"]
    assert strategy(answer, "soft_prompt").feasible
    assert any("8 GPUs with 80 GB" in each for each in answer.assumptions)


def test_1c_i_the_reason_is_the_number_of_examples_with_few_hard_prompting_leads():
    assert advise(QA_175B | {"examples": 16}).recommendations[0].strategy == "hard_prompt"


# (c) (ii)


@pytest.mark.parametrize(
    "more",
    [
        {"description": "Is this message spam?"},
        {"description": "yes"},
        {"description": True, "task": "classification"},
        {"description": "Is this message spam?", "task": "classification", "family": "decoder"},
        {"description": "Spam or ham", "label_names": "spam, ham", "gpus": 8, "gpu_memory": "80GB"},
        {"description": "no", "label_names": ["spam", "ham"]},
        {"description": "Is this message spam?", "access": "api"},
        {},
    ],
)
def test_1c_ii_90b_spam_with_a_description_and_no_data_hard_prompting_is_the_only_option(more):
    answer = advise(SPAM_90B | more, candidates="all")
    feasible = [each.strategy for each in answer.recommendations if each.feasible]
    assert feasible == ["hard_prompt"]
    for other in answer.recommendations[1:]:
        assert other.rank is None
        assert other.reasons[0].rule == "no_labels"
        assert "1(c)(ii)" in other.reasons[0].source


def test_1c_ii_a_description_without_a_word_on_data_is_read_as_no_data():
    answer = advise({"params": "90B", "description": "Is this message spam?"})
    assert [each.strategy for each in answer.recommendations if each.feasible] == ["hard_prompt"]
    assert any(each.startswith("Examples: none") for each in answer.assumptions)


def test_1c_ii_without_labels_description_and_label_names_nothing_is_feasible():
    answer = advise(SPAM_90B | {"description": "no"})
    assert answer.best is None
    assert [each.rank for each in answer.recommendations] == [None] * 4
    prompt = strategy(answer, "hard_prompt")
    assert list(rules(prompt)) == ["nothing_to_prompt_with"]
    for supply in ("description", "label_names", "examples"):
        assert supply in text(prompt)


# (c) (iii)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"shift": "low"},
        {"shift": "medium"},
        {"shift": 0.5, "classes": 10},
        {"description": "wildlife classification"},
        {"description": "Which species is in the photo?"},
        {"family": "cnn", "task": "classification", "modality": "image", "objective": "supervised"},
        {"gpus": 1, "gpu_memory": "80GB"},
    ],
)
def test_1c_iii_1b_conv_net_wildlife_with_100_examples_linear_probe(more):
    answer = advise(WILDLIFE | more)
    first = answer.recommendations[0]
    assert first.strategy == "linear_probe"
    assert (rules(first)["few_labels_prefer_probe"] or 0) > 0


def test_1c_iii_conv_nets_cannot_be_prompted_yet():
    answer = advise(WILDLIFE)
    for name in ("hard_prompt", "soft_prompt"):
        prompt = strategy(answer, name)
        assert not prompt.feasible
        assert list(rules(prompt)) == ["convnets_cannot_be_prompted"]
        assert "(yet)" in text(prompt)


def test_1c_iii_with_few_examples_full_finetuning_distorts_features_and_overfits():
    tuned = strategy(advise(WILDLIFE), "full_finetune")
    assert tuned.feasible
    against = {rule: effect for rule, effect in rules(tuned).items() if (effect or 0) < 0}
    assert set(against) - {"measured"} == {"random_head_distorts_features", "few_labels_overfit"}
    assert "distort" in text(tuned)
    assert "overfit" in text(tuned)


def test_1c_iii_a_probe_first_is_spared_the_distortion_but_not_the_overfitting():
    answer = advise(WILDLIFE, candidates="all")
    two_steps = rules(strategy(answer, "lp_ft"))
    assert "random_head_distorts_features" not in two_steps
    assert "few_labels_overfit" in two_steps


# (c) (iv)


@pytest.mark.parametrize(
    "more",
    [
        {"family": "vit", "task": "localization", "shift": "high"},
        {"family": "vit", "task": "localization", "shift": 0.8},
        {"family": "vit", "task": "localization", "shift": "far", "modality": "image"},
        {"family": "vit", "description": "X-ray fracture localization"},
        {"description": "Locate fractures in X-ray images"},
        {"family": "vision-transformer", "task": "localization", "shift": 0.8, "gpus": 8,
         "gpu_memory": "80GB", "objective": "supervised"},
    ],
)  # fmt: skip
def test_1c_iv_1b_vit_fracture_localization_with_100m_examples_full_finetuning(more):
    answer = advise(FRACTURES | more)
    first = answer.recommendations[0]
    assert first.strategy == "full_finetune"
    reason = next(each for each in first.reasons if each.rule == "far_and_large_full_finetune")
    assert (reason.effect or 0) > 0
    assert "far" in reason.text
    assert "large" in reason.text
    assert "1(c)(iv)" in reason.source


def test_1c_iv_with_the_shift_left_out_the_size_of_the_data_decides():
    answer = advise(FRACTURES | {"family": "vit", "task": "localization"})
    assert answer.recommendations[0].strategy == "full_finetune"


def test_1c_iv_needs_both_far_and_large():
    near = advise(FRACTURES | {"family": "vit", "task": "localization", "shift": "low"})
    small = advise(FRACTURES | {"family": "vit", "shift": "high", "examples": 100})
    for answer in (near, small):
        assert "far_and_large_full_finetune" not in rules(strategy(answer, "full_finetune"))
    assert small.recommendations[0].strategy != "full_finetune"
