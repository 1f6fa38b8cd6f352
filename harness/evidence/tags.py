"""What makes a row weigh less, or not count, and why: the tags evidence rows carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Tag(NamedTuple):
    """A caution.

    Attributes:
        weight: Factor on the weight of the row; 0 takes it out of every contrast.
        meaning: Why, in one clause.
    """

    weight: float
    meaning: str


TAGS: dict[str, Tag] = {
    "unconfirmed_strategy": Tag(0, "which weights were trained is not stated"),
    "cross_model": Tag(0, "another model than the one it is compared with"),
    "extra_data": Tag(0, "also learned from unlabelled data, so more than its n labels"),
    "oracle": Tag(0, "picked by its score on the test set out of several"),
    "unequal_schedule": Tag(0, "trained longer than every row it could be compared with"),
    "doubt": Tag(0.5, "the printed average does not follow from the printed cells"),
    "secondary": Tag(0.5, "read in a transcription of the table"),
    "derived": Tag(0.5, "computed from two printed numbers"),
    "prior_work": Tag(0.5, "copied by the authors from earlier work"),
    "mean_over_data": Tag(0.5, "an average over several data sets"),
    "test_selected": Tag(0.5, "settings chosen by the test score: optimistic"),
    "pooled_training": Tag(0.5, "trained on several data sets at once: n is of the pool"),
    "intermediate_task": Tag(0.5, "started from a model adapted to another task"),
    "zeroth_order": Tag(0.5, "trained without gradients"),
    "text_in_probe": Tag(0.5, "a probe that is mixed with the zero-shot text classifier"),
    "dense_head": Tag(0.5, "a frozen body below a detection or segmentation head, not a linear layer"),
    "underfunded": Tag(0, "the compute cap ended before the least number of trials"),
    "underfit": Tag(0, "training ended before the loss had settled"),
    "shared_baseline": Tag(1, "a baseline that other sources print too: one group with them"),
    "head_vs_prompt": Tag(1, "head and prompt pattern are two variants of full fine-tuning"),
    "nonlinear_head": Tag(1, "a frozen body below a non-linear head; not a linear probe"),
    "little_search": Tag(1, "the authors say that its hyperparameters were hardly searched"),
}  # fmt: skip

PROTOCOLS: dict[str, Tag] = {
    "published": Tag(1, "printed by others"),
    "fair": Tag(1, "ours: equal compute cap and a least number of trials for every strategy"),
    "controlled": Tag(0, "some hyperparameters were held, which is no way to learn how good it is"),
    "search": Tag(0, "found cheaply to pick a winner; strategies were not treated alike"),
}

UNFINISHED = ("underfunded", "underfit")
"""Tags that are a status of ours, too. Source: docs/decisions/0009-unfinished-runs-are-no-evidence.md."""


class Standing(NamedTuple):
    """What a row counts for.

    Attributes:
        weight: In [0, 1]; usable: whether it is above 0.
        why: What lowers it, clauses joined by semicolons; empty at full weight.
    """

    weight: float
    usable: bool
    why: str


def standing(protocol: str, tags: Iterable[str], status: str = "") -> Standing:
    """The weight a row has: the product of the factors of its protocol, tags and status.

    Names that are not listed here count for nothing; `check` reports them.
    """
    unknown = Tag(0, "unknown protocol or tag")
    found = [PROTOCOLS.get(protocol, unknown), *(TAGS.get(tag, unknown) for tag in tags)]
    if status in UNFINISHED:
        found.append(TAGS[status])
    weight = 1.0
    for one in found:
        weight *= one.weight
    why = "; ".join(one.meaning for one in found if one.weight < 1)
    return Standing(weight, weight > 0, why)
