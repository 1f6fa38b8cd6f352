"""A strategy put to work: how the task reaches the model, and what of the model is trained."""

from typing import NamedTuple

from advisor.costs.shape import IMAGE_FAMILIES, Shape
from advisor.costs.workload import Workload
from advisor.traits import Traits


class Plan(NamedTuple):
    """One strategy on one network, with the work to be done.

    Attributes:
        prompts: Whether the task is put to the model in words, with nothing trained.
        in_words: Whether answers are tokens of the model's vocabulary, not outputs of a new head.
        prompt: Tokens ahead of every input: instruction and demonstrations, or trained vectors.
        answer: Tokens written or scored for one request.
        trained: Numbers that are changed or added, the new head included.
    """

    traits: Traits
    shape: Shape
    work: Workload
    prompts: bool
    in_words: bool
    prompt: float
    answer: float
    trained: float

    @property
    def tokens(self) -> float:
        """Of one input as the model sees it: prompt, input and answer."""
        return self.prompt + self.work.tokens + self.answer


def plan_of(traits: Traits, shape: Shape, work: Workload) -> Plan:
    """What the traits of a strategy mean for this network and work."""
    prompts = not (traits.needs_gradients or traits.trains_head)
    if shape.family in ("decoder", "encoder_decoder"):
        in_words = traits.access != "embeddings"
    else:
        in_words = shape.family == "encoder" and prompts
    head = 0.0 if in_words else shape.width * work.classes
    return Plan(
        traits,
        shape,
        work,
        prompts,
        in_words,
        prompt=_prompt(traits, shape, work) if prompts else traits.virtual_tokens,
        answer=_answer(work, scores_labels=prompts) if in_words else 0.0,
        trained=0.0 if prompts else _trained_in_the_body(traits, shape) + head,
    )


def _prompt(traits: Traits, shape: Shape, work: Workload) -> float:
    """Class names take no room in an image model: CLIP encodes them once, apart from the images."""
    return 0.0 if shape.family in IMAGE_FAMILIES else work.prompt


def _answer(work: Workload, *, scores_labels: bool) -> float:
    """The words of every label are scored where nothing was trained to write them."""
    return work.outputs * work.classes if scores_labels and not work.generates else work.outputs


def _trained_in_the_body(traits: Traits, shape: Shape) -> float:
    if traits.changes_all_weights:
        return shape.params
    if traits.virtual_tokens:
        return traits.virtual_tokens * shape.width
    return traits.trainable_fraction * shape.params
