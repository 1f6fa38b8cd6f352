"""How much is to be done: examples, tokens, passes, trials."""

from typing import NamedTuple

from advisor.costs.shape import IMAGE_FAMILIES, Shape
from advisor.demonstrations import (
    INSTRUCTION_TOKENS,
    VALIDATION_SHARE,
    tokens_of_demonstration,
    usable_demonstrations,
)
from advisor.demonstrations import answer_tokens as tokens_of_answer
from advisor.inference import Resolved
from advisor.traits import Traits

USUAL_DEMONSTRATIONS = 16
GENERATING_TASKS = ("qa", "generation", "translation")
_EPOCHS, _EPOCHS_FEW_PARAMETERS, _EPOCHS_FROM_SCRATCH = 3, 10, 30


class Workload(NamedTuple):
    """What is asked of the machine.

    Attributes:
        examples: Labelled examples, training and validation together.
        tokens: Of one input; for images the patches.
        outputs: Tokens the model writes or scores for one answer, where it answers in words.
        classes: Number of classes.
        prompt: Tokens of a hard prompt ahead of every input, demonstrations included.
        generates: Whether answers are written token by token instead of scored.
        image_size: Pixels of a side; None for what the model was trained on.
        epochs: Passes over the training examples; None for what is usual for the strategy (3
            where all weights move, 10 where few parameters do, 30 from scratch).
        trials: Times the whole training is repeated (hyperparameters, seeds).
        batch_size: Examples in memory at once.
        test_rows: Rows scored once after training.
        validation_share: Of the examples; scored once an epoch, never trained on.
        scored_rows: Most validation rows that are scored to choose a hard prompt.
        head_passes: Passes of the solver that fits a linear head on stored features.
        weight_copies: Copies of the pretrained weights that are held while training.
    """

    examples: float
    tokens: float
    outputs: float = 4
    classes: int = 2
    prompt: float = INSTRUCTION_TOKENS
    generates: bool = False
    image_size: int | None = None
    epochs: float | None = None
    trials: int = 1
    batch_size: int = 16
    test_rows: int = 0
    validation_share: float = VALIDATION_SHARE
    scored_rows: int = 1000
    head_passes: int = 100
    weight_copies: int = 1

    def passes(self, traits: Traits) -> float:
        """Epochs of a strategy."""
        if self.epochs is not None:
            return self.epochs
        if not traits.needs_pretraining:
            return _EPOCHS_FROM_SCRATCH
        return _EPOCHS if traits.changes_all_weights else _EPOCHS_FEW_PARAMETERS


def workload_of(facts: Resolved, shape: Shape, demonstrations: float | None = None) -> Workload:
    """The work of a situation, with one training and no test set.

    Args:
        demonstrations: Examples in a hard prompt; None for as many as were asked about, else 16
            or the fewer that there are or that fit.
    """
    image = shape.family in IMAGE_FAMILIES
    if demonstrations is None:
        demonstrations = facts.demonstrations
    if demonstrations is None:
        demonstrations = min(USUAL_DEMONSTRATIONS, usable_demonstrations(facts, facts.examples))
    return Workload(
        examples=facts.examples,
        tokens=shape.image_tokens(None) if image and facts.stated.tokens is None else facts.tokens,
        outputs=0 if facts.task == "localization" else tokens_of_answer(facts),
        classes=facts.classes,
        prompt=INSTRUCTION_TOKENS + demonstrations * tokens_of_demonstration(facts),
        generates=facts.task in GENERATING_TASKS,
    )
