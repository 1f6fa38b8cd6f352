"""What a rule is, and the words rules use for kinds of strategies.

A rule never names a strategy. It says which traits it is about, when it holds, what follows, in
which sentence, and who says so.
"""

from collections.abc import Callable
from typing import NamedTuple

from advisor.costs import Costs
from advisor.features import Features
from advisor.inference import Resolved
from advisor.traits import Traits

COURSE = "course text"
"""EECS 182 (Deep Neural Networks), Spring 2023, Review: Fine-tuning."""


class Forbids(NamedTuple):
    """Makes a strategy infeasible.

    Attributes:
        id: Name by which answers cite the rule.
        about: Which strategies it is about.
        when: Whether it holds for a situation, one of these strategies and its estimated costs.
        says: Sentence; `{words}` are filled in from the situation.
        source: Where it is stated, down to the question, section or table.
    """

    id: str
    about: Callable[[Traits], bool]
    when: Callable[[Resolved, Traits, Costs], bool]
    says: str
    source: str


class Direction(NamedTuple):
    """Moves a strategy's score.

    Attributes:
        points: Score points where the rule holds fully; negative speaks against. The sign is
            the source's, the size a stated guess until it is fitted.
        about: Which strategies it is about.
        strength: How fully it holds, in [0, 1].
        id, says, source: As for `Forbids`.
    """

    id: str
    points: int
    about: Callable[[Traits], bool]
    strength: Callable[[Features, Resolved], float]
    says: str
    source: str

    def effect(self, features: Features, situation: Resolved) -> float:
        """Score points in the stated size."""
        return in_steps(self.points * self.strength(features, situation))


def in_steps(points: float) -> float:
    """The nearest multiple of 1/1024: such numbers add up exactly in binary."""
    return round(1024 * points) / 1024


class Fact(NamedTuple):
    """Something worth knowing in a situation; moves no score.

    Attributes:
        concerns: Whether the situation is one it is about.
        id, says, source: As for `Forbids`.
    """

    id: str
    concerns: Callable[[Resolved], bool]
    says: str
    source: str


# Kinds of strategies, by trait.


def any_strategy(t: Traits) -> bool:
    return True


def learns_from_labels(t: Traits) -> bool:
    return t.needs_labels


def prompts_in_words(t: Traits) -> bool:
    """Hard prompting: nothing is trained, text goes in, text comes out."""
    return t.consumes_window and not t.needs_gradients


def trains_prompt_vectors(t: Traits) -> bool:
    """Soft prompting: only vectors added to the input are trained."""
    return t.virtual_tokens > 0


def trains_only_a_head(t: Traits) -> bool:
    """Linear probing: a new output layer on frozen features."""
    return t.trains_head and not t.needs_gradients


def trains_a_subset(t: Traits) -> bool:
    """Gradients reach a small part inside the body: adapters of low rank, rescaled activations."""
    return t.needs_gradients and not t.changes_all_weights and not trains_prompt_vectors(t)


def updates_all_weights(t: Traits) -> bool:
    return t.changes_all_weights


def updates_pretrained_weights(t: Traits) -> bool:
    return t.changes_all_weights and t.needs_pretraining


def lets_a_random_head_steer(t: Traits) -> bool:
    """The first gradients that reach the pretrained weights come from an untrained head."""
    return updates_pretrained_weights(t) and not t.head_first


def keeps_the_body(t: Traits) -> bool:
    """Trained, but on a body that stays as it was."""
    return t.needs_labels and not t.changes_all_weights
