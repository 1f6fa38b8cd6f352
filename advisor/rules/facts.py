"""What is worth knowing in a situation, though it moves no score."""

from __future__ import annotations

from advisor.inference import Resolved
from advisor.rules.base import COURSE, Fact

_PROMPTABLE_TEXT = ("decoder", "encoder_decoder")
_LABELS_A_TEXT = ("classification", "pair_classification")

_BYTES_PER_PARAMETER = 2
"""In bfloat16."""


def _names_a_class(s: Resolved) -> bool:
    return s.modality == "text" and s.task in _LABELS_A_TEXT


def _is_bert(s: Resolved) -> bool:
    return s.family == "encoder" and s.objective in (None, "masked_tokens_next_sentence")


FACTS: tuple[Fact, ...] = (
    Fact(
        id="objective_of_bert",
        concerns=_is_bert,
        says="BERT was pretrained on two objectives: predicting masked tokens, and whether two "
        "sentences follow each other.",
        source=f"{COURSE}, question 3(a)",
    ),
    Fact(
        id="objective_of_roberta",
        concerns=lambda s: s.family == "encoder" and s.objective in (None, "masked_tokens"),
        says="RoBERTa and its successors were pretrained on masked tokens only.",
        source=f"{COURSE}, question 3(a); Liu et al. 2019, arXiv 1907.11692",
    ),
    Fact(
        id="objective_of_t5",
        concerns=lambda s: (
            s.family == "encoder_decoder" and s.objective in (None, "span_corruption")
        ),
        says="T5 was pretrained on span corruption: spans of several words are masked out for the "
        "encoder, and the decoder predicts the tokens of each span.",
        source=f"{COURSE}, question 3(a)",
    ),
    Fact(
        id="objective_of_gpt",
        concerns=lambda s: s.family == "decoder",
        says="GPT models were pretrained to predict the next token.",
        source=f"{COURSE}, question 3(a)",
    ),
    Fact(
        id="masked_autoencoder_is_not_masked_again",
        concerns=lambda s: s.objective == "masked_autoencoder",
        says="A masked autoencoder's encoder is fine-tuned without masking its inputs; masking is "
        "possible as data augmentation.",
        source=f"{COURSE}, question 1(a)",
    ),
    Fact(
        id="pretrain_on_unpaired_data",
        concerns=lambda s: (
            s.family == "lstm" or (s.unlabeled > 0 and s.family == "encoder_decoder")
        ),
        says="Unpaired data can be used first: train the encoder and a decoder as an autoencoder "
        "that restores its input, possibly from noise or masks, then fine-tune the encoder on "
        "the paired data.",
        source=f"{COURSE}, question 1(b); Dai and Le 2015, arXiv 1511.01432",
    ),
    Fact(
        id="continue_pretraining_on_unlabeled_data",
        concerns=lambda s: s.unlabeled > 0 and s.family in ("encoder", "decoder", "vit"),
        says="Your {unlabeled} unlabelled inputs can be used first: continue pretraining on them, "
        "then adapt.",
        source="Gururangan et al. 2020, arXiv 2004.10964, sections 3 and 4",
    ),
    Fact(
        id="soft_prompts_before_or_behind",
        concerns=lambda s: s.family in _PROMPTABLE_TEXT,
        says="Soft prompts are usually put before the input, so that it can attend to them; behind "
        "it they can work, too, because the prompt positions attend to the input.",
        source=f"{COURSE}, question 2(a)",
    ),
    Fact(
        id="gpt_and_t5_by_few_shot_prompting",
        concerns=lambda s: s.family in _PROMPTABLE_TEXT and _names_a_class(s),
        says="Without training, GPT and T5 do this by few-shot prompting: some inputs with "
        "their answers, then the input in question; the decoder predicts the answer.",
        source=f"{COURSE}, question 3(b)(i)",
    ),
    Fact(
        id="gpt_and_t5_text_to_text",
        concerns=lambda s: s.family in _PROMPTABLE_TEXT and _names_a_class(s),
        says="With training, GPT and T5 are tuned text-to-text: the input goes in as text and the "
        "model learns to predict the answer as the next token.",
        source=f"{COURSE}, question 3(b)(ii)",
    ),
    Fact(
        id="bert_by_cloze",
        concerns=lambda s: s.family == "encoder" and _names_a_class(s),
        says="Without training, BERT could be given a prompt with a masked token for the answer, "
        "but it is not good at learning through prompting (modified models such as "
        "PromptBERT are).",
        source=f"{COURSE}, question 3(b)(i) and footnote 1 (arXiv 2201.04337)",
    ),
    Fact(
        id="bert_with_a_head",
        concerns=lambda s: s.family == "encoder" and _names_a_class(s),
        says="With training, BERT's output layer is replaced by a classification head on the CLS "
        "token, on the mean of the other tokens, or on both concatenated; train all "
        "parameters or only the head's. Two texts go in as [CLS] first [SEP] second.",
        source=f"{COURSE}, question 3(b)(ii)",
    ),
    Fact(
        id="several_layers_can_beat_the_last",
        concerns=lambda s: s.modality == "text" and s.family in ("encoder", "decoder"),
        says="Features from several layers together can beat those of the last layer.",
        source=f"{COURSE}, question 3(c); Devlin et al. 2019, arXiv 1810.04805, table 7",
    ),
    Fact(
        id="bert_layers_as_an_autoencoder",
        concerns=_is_bert,
        says="With one layer of BERT as the representation, the layers below it play an "
        "autoencoder's encoder, and the layers above it the decoder that is thrown away after "
        "training; an autoencoder usually gives a single layer.",
        source=f"{COURSE}, question 3(c)",
    ),
    Fact(
        id="texts_are_cut",
        concerns=lambda s: s.window is not None and s.tokens > s.window and s.modality == "text",
        says="An input has {tokens} tokens on average, the window {window}: what lies beyond is "
        "cut off.",
        source=f"{COURSE}, question 2(b)",
    ),
    Fact(
        id="prompting_needs_a_host",
        concerns=lambda s: (
            s.memory is not None
            and _BYTES_PER_PARAMETER * s.params > s.memory
            and (s.access, s.privacy) == ("weights", "none")
        ),
        says="The model does not fit into {memory}: prompting it means an API that hosts it.",
        source="cost model, advisor/costs",
    ),
    Fact(
        id="licence_forbids_commerce",
        concerns=lambda s: s.licence is not None and "-nc" in s.licence.lower(),
        says="The licence {licence} does not allow commercial use of the model, adapted or not.",
        source="the licence",
    ),
    Fact(
        id="target_not_predicted",
        concerns=lambda s: s.target is not None,
        says="Whether {target} will be reached is not predicted before the advice is validated on "
        "measured runs; measure it with `harness run --target {target}`.",
        source="docs: no probability is shown that was not validated",
    ),
)
