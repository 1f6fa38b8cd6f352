"""What rules a strategy out. These are facts of the situation, outside all probability."""

from __future__ import annotations

from advisor.rules.base import (
    COURSE,
    Forbids,
    any_strategy,
    learns_from_labels,
    prompts_in_words,
    trains_only_a_head,
    trains_prompt_vectors,
)
from advisor.traits import Traits

_WRITES_TEXT = ("generation", "translation")
_CANNOT_WRITE = ("encoder", "vit", "convnet", "clip")
_COUNTED_CLASSES = ("classification", "pair_classification")


def _is_prompting(t: Traits) -> bool:
    return prompts_in_words(t) or trains_prompt_vectors(t)


def _runs_on_own_devices(t: Traits) -> bool:
    """What needs only text can be hosted by somebody else."""
    return t.access != "text"


def _leaves_the_body_as_it_is(t: Traits) -> bool:
    return not t.changes_all_weights


FEASIBILITY: tuple[Forbids, ...] = (
    Forbids(
        id="no_labels",
        about=learns_from_labels,
        when=lambda s, t, costs: s.examples == 0,
        says="Without labelled examples nothing can be trained; only hard prompting needs none. "
        "Label some examples to open this one.",
        source=f"{COURSE}, question 1(c)(ii)",
    ),
    Forbids(
        id="nothing_to_prompt_with",
        about=prompts_in_words,
        when=lambda s, t, costs: s.examples == 0 and not s.description and not s.label_names,
        says="A prompt needs something to say: a description of the task, names of the labels, "
        "or examples. Supply one of them (description, label_names, examples).",
        source=f"{COURSE}, question 1(c)(ii)",
    ),
    Forbids(
        id="convnets_cannot_be_prompted",
        about=_is_prompting,
        when=lambda s, t, costs: s.family == "convnet",
        says="Conv nets cannot be prompted (yet): they read pixels only, there is no sequence "
        "to put a prompt into.",
        source=f"{COURSE}, question 1(c)(iii)",
    ),
    Forbids(
        id="no_masked_head",
        about=prompts_in_words,
        when=lambda s, t, costs: s.family == "encoder" and s.objective == "contrastive",
        says="An encoder trained to tell texts apart has no head that predicts masked words, so "
        "it cannot fill the gap of a prompt.",
        source="Reimers and Gurevych 2019, arXiv 1908.10084, section 3 (pooled vectors, no head)",
    ),
    Forbids(
        id="not_for_this_family",
        about=any_strategy,
        when=lambda s, t, costs: (
            s.family not in t.families and not (s.family == "convnet" and _is_prompting(t))
        ),
        says="Is not offered here for this family ({family}).",
        source="traits of the strategy, advisor/traits.py",
    ),
    Forbids(
        id="a_class_without_label",
        about=learns_from_labels,
        when=lambda s, t, costs: s.task in _COUNTED_CLASSES and 0 < s.examples < s.classes,
        says="{examples} examples for {classes} classes: some class has none to learn from.",
        source="definition of supervised classification",
    ),
    Forbids(
        id="nothing_left_to_validate",
        about=learns_from_labels,
        when=lambda s, t, costs: s.examples == 1,
        says="A single example cannot be both trained on and held out for validation.",
        source="docs: examples count training and validation together",
    ),
    Forbids(
        id="access_to_text_only",
        about=lambda t: t.access != "text",
        when=lambda s, t, costs: s.access == "text",
        says="Needs the model's {access_needed}; an API that takes and returns text has none.",
        source="traits of the strategy, advisor/traits.py",
    ),
    Forbids(
        id="access_to_embeddings_only",
        about=lambda t: t.access == "weights",
        when=lambda s, t, costs: s.access == "embeddings",
        says="Needs the model's weights; only its embeddings can be had.",
        source="traits of the strategy, advisor/traits.py",
    ),
    Forbids(
        id="data_must_stay",
        about=any_strategy,
        when=lambda s, t, costs: s.privacy == "local" and s.access != "weights",
        says="The data must not leave your machines, but the model is only reached through "
        "somebody else's API. With a model on your own machines, say access weights.",
        source="constraint privacy",
    ),
    Forbids(
        id="a_head_cannot_write",
        about=trains_only_a_head,
        when=lambda s, t, costs: s.task in _WRITES_TEXT,
        says="The answer is a text; a linear layer on frozen features gives one label a position.",
        source="definition of a linear probe",
    ),
    Forbids(
        id="no_decoder_to_write_with",
        about=_leaves_the_body_as_it_is,
        when=lambda s, t, costs: s.task in _WRITES_TEXT and s.family in _CANNOT_WRITE,
        says="The answer is a text, and this family ({family}) has no decoder to write it; one "
        "would have to be added and trained with the rest.",
        source="Rothe et al. 2020, arXiv 1907.12461, section 2",
    ),
    Forbids(
        id="words_are_no_boxes",
        about=prompts_in_words,
        when=lambda s, t, costs: s.task == "localization",
        says="A prompt in words names a class; it does not return a place in the image.",
        source="Radford et al. 2021, arXiv 2103.00020, section 3.1 (zero-shot = naming classes)",
    ),
    Forbids(
        id="training_exceeds_memory",
        about=_runs_on_own_devices,
        when=lambda s, t, costs: (
            s.memory is not None and costs.training.least_memory_bytes > s.memory
        ),
        says="Too large to train: it takes at least {training_memory} of memory, and there are "
        "{memory}.",
        source="cost model, advisor/costs; Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1",
    ),
    Forbids(
        id="serving_exceeds_memory",
        about=_runs_on_own_devices,
        when=lambda s, t, costs: s.memory is not None and costs.serving.memory.total > s.memory,
        says="Too large to serve: it takes {serving_memory} of memory (tasks served: "
        "{tasks_served}), and there are {memory}.",
        source="cost model, advisor/costs",
    ),
    Forbids(
        id="local_model_exceeds_memory",
        about=prompts_in_words,
        when=lambda s, t, costs: (
            s.privacy == "local" and s.memory is not None and costs.serving.memory.total > s.memory
        ),
        says="The data must not leave your machines, and the model takes {serving_memory} of "
        "memory where there are {memory}.",
        source="cost model, advisor/costs",
    ),
    Forbids(
        id="training_exceeds_hours",
        about=learns_from_labels,
        when=lambda s, t, costs: (
            s.budget_hours is not None and costs.training.seconds > 3600 * s.budget_hours
        ),
        says="Training takes about {training_time}; the budget is {budget}.",
        source="cost model, advisor/costs",
    ),
    Forbids(
        id="answers_exceed_latency",
        about=any_strategy,
        when=lambda s, t, costs: (
            s.latency_ms is not None and (costs.serving.latency_seconds or 0) * 1000 > s.latency_ms
        ),
        says="One answer takes about {latency}; the limit is {latency_limit}.",
        source="cost model, advisor/costs",
    ),
)
