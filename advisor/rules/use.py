"""What the task and its use speak for and against."""

from __future__ import annotations

from advisor.features import rising
from advisor.rules.base import (
    COURSE,
    Direction,
    keeps_the_body,
    lets_a_random_head_steer,
    prompts_in_words,
    trains_only_a_head,
)
from advisor.traits import Traits

_LANGUAGE_MODELS = ("decoder", "encoder_decoder")


def _not_shared(t: Traits) -> bool:
    return not t.shared_when_serving


_WHICH_TASK = (
    Direction(
        id="an_answer_is_more_than_a_label",
        points=-10,
        about=trains_only_a_head,
        strength=lambda f, s: 1.0 if s.task == "qa" else 0.0,
        says="An answer to a question is a text or a span; a linear layer on frozen features "
        "fits it poorly.",
        source="Devlin et al. 2019, arXiv 1810.04805, section 4.2 (answers are spans of tokens)",
    ),
    Direction(
        id="pooled_features_lose_the_place",
        points=-8,
        about=trains_only_a_head,
        strength=lambda f, s: 1.0 if s.task == "localization" else 0.0,
        says="Localization needs to know where; features pooled over the image forget it.",
        source="He et al. 2019, arXiv 1811.08883, sections 1 and 5 (pretraining helps least where "
        "places matter)",
    ),
    Direction(
        id="words_fit_numbers_and_tags_poorly",
        points=-8,
        about=prompts_in_words,
        strength=lambda f, s: 1.0 if s.task in ("regression", "token_labelling") else 0.0,
        says="Numbers and one tag per token are awkward to answer in words.",
        source="stated guess",
    ),
    Direction(
        id="comparing_two_texts_is_hard_to_prompt",
        points=-14,
        about=prompts_in_words,
        strength=lambda f, s: (
            1.0 if s.task == "pair_classification" and s.family in _LANGUAGE_MODELS else 0.0
        ),
        says="Whether one text follows from another is hard to tell from a prompt: even GPT-3 was "
        "near chance.",
        source="Brown et al. 2020, arXiv 2005.14165, section 3.8",
    ),
    Direction(
        id="the_task_is_not_described",
        points=-4,
        about=prompts_in_words,
        strength=lambda f, s: 0.0 if s.description or s.label_names else 1.0,
        says="Without a description or label names the prompt has only examples to show.",
        source="Min et al. 2022, arXiv 2202.12837, section 5 (label names matter)",
    ),
)

_HOW_IT_IS_USED = (
    Direction(
        id="full_update_is_less_robust",
        points=-6,
        about=lets_a_random_head_steer,
        strength=lambda f, s: 1.0 if s.robust else 0.0,
        says="Inputs in use will differ from the training data, where full fine-tuning lost "
        "7 points to linear probing.",
        source="Kumar et al. 2022, arXiv 2202.10054, abstract and table 1",
    ),
    Direction(
        id="a_frozen_body_is_robust",
        points=4,
        about=keeps_the_body,
        strength=lambda f, s: 1.0 if s.robust else 0.0,
        says="Inputs in use will differ from the training data; a frozen body keeps what "
        "pretraining knows of them.",
        source="Lester et al. 2021, arXiv 2104.08691, table 1",
    ),
    Direction(
        id="one_copy_per_task",
        points=-6,
        about=_not_shared,
        strength=lambda f, s: rising(s.tasks_served, 1, 100),
        says="{tasks_served} tasks would need as many copies of the model.",
        source="Lester et al. 2021, arXiv 2104.08691, section 1 and figure 2",
    ),
    Direction(
        id="long_prompts_cost_every_request",
        points=-4,
        about=prompts_in_words,
        strength=lambda f, s: rising(s.requests_per_month or 0, 1e5, 1e8) * f.shots,
        says="Each of {requests} requests a month pays for the demonstrations again.",
        source=f"{COURSE}, question 2(b)",
    ),
)

USE: tuple[Direction, ...] = (*_WHICH_TASK, *_HOW_IT_IS_USED)
