"""What the model speaks for and against: its distance from the task, its size, its kind."""

from __future__ import annotations

from advisor.features import rising
from advisor.rules.base import (
    COURSE,
    Direction,
    prompts_in_words,
    trains_only_a_head,
    trains_prompt_vectors,
    updates_pretrained_weights,
)
from advisor.traits import Traits

_LANGUAGE_MODELS = ("decoder", "encoder_decoder")


_MASKED_TOKENS = (None, "masked_tokens", "masked_tokens_next_sentence")
"""An encoder of which nothing is said was most likely trained so."""


def _throws_pretraining_away(t: Traits) -> bool:
    return not t.needs_pretraining


def _two_trainings(t: Traits) -> bool:
    return t.head_first


_HOW_FAR = (
    Direction(
        id="far_and_large_full_finetune",
        points=15,
        about=updates_pretrained_weights,
        strength=lambda f, s: f.far * f.free,
        says="The task is far from pretraining (shift {shift}) and the data set is large "
        "({examples}): full fine-tuning is likely to perform better.",
        source=f"{COURSE}, question 1(c)(iv)",
    ),
    Direction(
        id="frozen_features_fit_near_tasks",
        points=6,
        about=trains_only_a_head,
        strength=lambda f, s: f.near,
        says="The task is near the pretraining data (shift {shift}): its features already "
        "separate it.",
        source=f"{COURSE}, question 1(c)(iii) (wildlife for a model that knows photos)",
    ),
    Direction(
        id="frozen_features_miss_far_tasks",
        points=-15,
        about=trains_only_a_head,
        strength=lambda f, s: f.far,
        says="The task is far from pretraining (shift {shift}): frozen features were not made "
        "for it.",
        source=f"{COURSE}, question 1(c)(iv)",
    ),
    Direction(
        id="prompts_rely_on_pretraining",
        points=-10,
        about=prompts_in_words,
        strength=lambda f, s: f.far,
        says="A prompt can only call up what pretraining taught, and the task is far from it "
        "(shift {shift}).",
        source="Radford et al. 2021, arXiv 2103.00020, section 3.1.5 (satellite, medical images)",
    ),
    Direction(
        id="trained_prompts_rely_on_pretraining",
        points=-6,
        about=trains_prompt_vectors,
        strength=lambda f, s: f.far,
        says="Every weight stays as pretraining left it, and the task is far from that "
        "(shift {shift}).",
        source=f"{COURSE}, question 1(c)(iv)",
    ),
)

_HOW_LARGE = (
    Direction(
        id="large_models_learn_in_context",
        points=12,
        about=prompts_in_words,
        strength=lambda f, s: f.large if s.family in _LANGUAGE_MODELS else 0.0,
        says="A model of {params} parameters follows prompts well.",
        source="Brown et al. 2020, arXiv 2005.14165, figure 1.2",
    ),
    Direction(
        id="small_models_follow_prompts_poorly",
        points=-18,
        about=prompts_in_words,
        strength=lambda f, s: f.small if s.family in _LANGUAGE_MODELS else 0.0,
        says="A model of {params} parameters follows prompts poorly.",
        source="Brown et al. 2020, arXiv 2005.14165, figure 1.2",
    ),
    Direction(
        id="demonstrations_help",
        points=4,
        about=prompts_in_words,
        strength=lambda f, s: f.shots,
        says="Some of your examples can be shown in the prompt.",
        source="Brown et al. 2020, arXiv 2005.14165, figure 1.2",
    ),
    Direction(
        id="prompt_tuning_needs_scale",
        points=-15,
        about=trains_prompt_vectors,
        strength=lambda f, s: 1 - rising(s.params, 1e8, 1e10) if s.modality == "text" else 0.0,
        says="At {params} parameters prompt tuning trails fine-tuning; scale closes the gap "
        "at about 10B.",
        source="Lester et al. 2021, arXiv 2104.08691, figure 1",
    ),
    Direction(
        id="large_models_tune_a_subset",
        points=5,
        about=lambda t: t.needs_gradients and not t.changes_all_weights,
        strength=lambda f, s: rising(s.params, 1e9, 1e10),
        says="With large models ({params}) it is common to train only a subset of the parameters.",
        source=f"{COURSE}, question 3(b)(ii); Liu et al. 2022, arXiv 2205.05638, table 1",
    ),
)

_WHICH_KIND = (
    Direction(
        id="cloze_prompts_are_poor",
        points=-20,
        about=prompts_in_words,
        strength=lambda f, s: 1.0 if s.family == "encoder" else 0.0,
        says="A masked language model can be prompted by masking the answer and predicting it, "
        "but is not good at learning through prompts; modified models such as PromptBERT "
        "do better.",
        source=f"{COURSE}, question 3(b)(i) and footnote 1 (arXiv 2201.04337)",
    ),
    Direction(
        id="class_names_prompt_clip",
        points=6,
        about=prompts_in_words,
        strength=lambda f, s: 1.0 if s.family == "clip" else 0.0,
        says="Trained to match images with texts, CLIP classifies by the names of the classes.",
        source="Radford et al. 2021, arXiv 2103.00020, figure 6",
    ),
    Direction(
        id="probing_a_decoder_may_do_worse",
        points=-10,
        about=trains_only_a_head,
        strength=lambda f, s: 1.0 if s.family == "decoder" else 0.0,
        says="A head on features of the last layers of a next-token model is possible but may "
        "do worse than tuning it to answer in text.",
        source=f"{COURSE}, question 3(b)(ii)",
    ),
    Direction(
        id="visual_prompts_suit_few_labels",
        points=4,
        about=trains_prompt_vectors,
        strength=lambda f, s: (1 - f.many) * f.teach if s.family == "vit" else 0.0,
        says="Visual prompt tuning led full fine-tuning with about a thousand examples.",
        source="Jia et al. 2022, arXiv 2203.12119, table 1 (VTAB-1k)",
    ),
    Direction(
        id="visual_prompts_want_labelled_pretraining",
        points=-16,
        about=trains_prompt_vectors,
        strength=lambda f, s: 1.0 if s.family == "vit" and s.objective == "contrastive" else 0.0,
        says="Visual prompts led full fine-tuning on transformers pretrained with labels, and trailed "
        "it after contrastive learning without.",
        source="Jia et al. 2022, arXiv 2203.12119, table 4 (MoCo v3)",
    ),
    Direction(
        id="masked_autoencoders_probe_poorly",
        points=-10,
        about=trains_only_a_head,
        strength=lambda f, s: 1.0 if s.objective == "masked_autoencoder" else 0.0,
        says="Features of a masked autoencoder are strong after fine-tuning but not linearly "
        "separable.",
        source="He et al. 2022, arXiv 2111.06377, table 1 and section 4.3",
    ),
    Direction(
        id="masked_autoencoders_want_their_weights_moved",
        points=-26,
        about=trains_prompt_vectors,
        strength=lambda f, s: 1.0 if s.objective == "masked_autoencoder" else 0.0,
        says="A masked autoencoder's features are not yet those of the task: its weights must move; "
        "prompts in front of them do not make up for that.",
        source="He et al. 2022, arXiv 2111.06377, figure 9 (partial fine-tuning); Jia et al. 2022, "
        "arXiv 2203.12119, table 4 (MAE)",
    ),
    Direction(
        id="masked_features_are_no_sentence_vectors",
        points=-10,
        about=trains_only_a_head,
        strength=lambda f, s: (
            1.0 if s.family == "encoder" and s.objective in _MASKED_TOKENS else 0.0
        ),
        says="The features of a masked language model describe tokens; as vectors of whole texts "
        "they separate poorly until the model is tuned.",
        source="Reimers and Gurevych 2019, arXiv 1908.10084, table 1",
    ),
    Direction(
        id="contrastive_features_separate",
        points=4,
        about=trains_only_a_head,
        strength=lambda f, s: 1.0 if s.objective == "contrastive" else 0.0,
        says="Contrastive pretraining makes features that a linear layer can separate.",
        source="Radford et al. 2021, arXiv 2103.00020, section 3.2",
    ),
    Direction(
        id="pretraining_thrown_away",
        points=-20,
        about=_throws_pretraining_away,
        strength=lambda f, s: 1 - 0.8 * rising(s.examples, 1e5, 1e9),
        says="Training from scratch gives up what pretraining taught; it takes very large data to "
        "make up for that.",
        source="He et al. 2019, arXiv 1811.08883, section 5",
    ),
    Direction(
        id="two_trainings",
        points=-2,
        about=_two_trainings,
        strength=lambda f, s: 1.0,
        says="There are two trainings to tune: the probe and the fine-tuning after it.",
        source="Kumar et al. 2022, arXiv 2202.10054, abstract (a two-step strategy)",
    ),
)

MODEL: tuple[Direction, ...] = (*_HOW_FAR, *_HOW_LARGE, *_WHICH_KIND)
