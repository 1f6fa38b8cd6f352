"""What the number of labels speaks for and against."""

from __future__ import annotations

from advisor.features import rising
from advisor.rules.base import (
    COURSE,
    Direction,
    learns_from_labels,
    lets_a_random_head_steer,
    trains_a_subset,
    trains_only_a_head,
    trains_prompt_vectors,
    updates_all_weights,
)
from advisor.traits import Traits

_LANGUAGE_MODELS = ("decoder", "encoder_decoder")


def _few_weights(t: Traits) -> bool:
    return t.needs_gradients and t.trainable_fraction < 1e-3


LABELS: tuple[Direction, ...] = (
    Direction(
        id="random_head_distorts_features",
        points=-12,
        about=lets_a_random_head_steer,
        strength=lambda f, s: f.few,
        says="With only {examples} examples full fine-tuning distorts the pretrained features: "
        "the gradients of an untrained head move them before they can help.",
        source=f"{COURSE}, question 1(c)(iii); Kumar et al. 2022, arXiv 2202.10054, section 3",
    ),
    Direction(
        id="few_labels_overfit",
        points=-12,
        about=updates_all_weights,
        strength=lambda f, s: f.few,
        says="Moving all {params} parameters with {examples} examples overfits.",
        source=f"{COURSE}, question 1(c)(iii)",
    ),
    Direction(
        id="few_labels_prefer_probe",
        points=12,
        about=trains_only_a_head,
        strength=lambda f, s: f.few,
        says="With {examples} examples for {params} parameters a linear probe is the safe choice: "
        "it keeps the features and has little to overfit with.",
        source=f"{COURSE}, question 1(c)(iii)",
    ),
    Direction(
        id="few_labels_train_unsteadily",
        points=-6,
        about=lambda t: t.needs_gradients and not t.changes_all_weights,
        strength=lambda f, s: f.few,
        says="With {examples} examples training inside the model depends on the seed.",
        source="Gu et al. 2022, arXiv 2109.04332, section 2; Mosbach et al. 2021, arXiv 2006.04884",
    ),
    Direction(
        id="hardly_a_label_per_class",
        points=-12,
        about=learns_from_labels,
        strength=lambda f, s: f.handful,
        says="{examples} examples for {classes} classes are hardly enough to learn from, and some "
        "of them go to validation.",
        source="Radford et al. 2021, arXiv 2103.00020, figure 6 (below 4 a class zero-shot leads)",
    ),
    Direction(
        id="many_labels_soft_beats_hard",
        points=20,
        about=trains_prompt_vectors,
        strength=lambda f, s: f.teach,
        says="With {examples} examples a trained prompt beats one written by hand: "
        "soft prompting outperforms hard prompting when there are lots of data points.",
        source=f"{COURSE}, question 1(c)(i); Lester et al. 2021, arXiv 2104.08691, figure 1",
    ),
    Direction(
        id="prompts_cannot_hold_many_labels",
        points=6,
        about=learns_from_labels,
        strength=lambda f, s: f.many if s.family in _LANGUAGE_MODELS else 0.0,
        says="Training uses all {examples} examples; most of them would go unused in a prompt: "
        "past some point a longer prompt does not get better.",
        source=f"{COURSE}, questions 1(c)(i) and 2(b)",
    ),
    Direction(
        id="labels_train_a_subset",
        points=22,
        about=trains_a_subset,
        strength=lambda f, s: f.teach,
        says="{examples} examples are enough to train a small part of the weights.",
        source="Hu et al. 2021, arXiv 2106.09685, table 4",
    ),
    Direction(
        id="few_trained_weights_saturate",
        points=-5,
        about=_few_weights,
        strength=lambda f, s: rising(s.examples, 300, 300_000),
        says="Trained on {examples} examples, a {fraction} share of the weights reaches its limit.",
        source="He et al. 2022, arXiv 2110.04366, section 4.2 (the gap on large data sets)",
    ),
    Direction(
        id="many_labels_reward_freedom",
        points=25,
        about=updates_all_weights,
        strength=lambda f, s: f.free,
        says="{examples} examples are plenty for {params} parameters: full fine-tuning can use "
        "all of its freedom.",
        source=f"{COURSE}, question 1(c)(iv); Kumar et al. 2022, arXiv 2202.10054, table 1",
    ),
    Direction(
        id="frozen_features_reach_a_plateau",
        points=-8,
        about=trains_only_a_head,
        strength=lambda f, s: f.many,
        says="With {examples} examples the frozen features are the limit, not the labels.",
        source="Kumar et al. 2022, arXiv 2202.10054, table 1 (in distribution)",
    ),
)
