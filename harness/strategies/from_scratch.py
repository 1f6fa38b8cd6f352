"""Training from scratch: the control that shows what pretraining is worth."""

from __future__ import annotations

from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts, Trainee
from harness.strategies.base import DataFacts, Space
from harness.strategies.finetuned import FineTuned, Recommended
from harness.tasks.base import Task

_BY_FAMILY = {
    # Liu et al. 2019 (RoBERTa, table 9): peak rates of pretraining are ten times those of
    # fine-tuning.
    "encoder": Recommended((1e-4, 3e-3), (5e-4, 1e-3, 2e-4), 1.0, 20, 16, 0.01),
    "decoder": Recommended((1e-4, 2e-3), (3e-4, 1e-3, 1e-4), 1.0, 10, 8, 0.01),
    "encoder_decoder": Recommended((1e-4, 3e-3), (5e-4, 1e-3, 2e-4), 1.0, 20, 8, 0.01),
    "lstm": Recommended((5e-4, 1e-2), (2e-3, 5e-3, 1e-3), 1.0, 30, 16, 0.01),
    # He et al. 2019 (arXiv:1811.08883): from scratch needs several times as many epochs.
    "convnet": Recommended((3e-4, 1e-2), (1e-3, 3e-3, 5e-4), 1.0, 30, 16, 0.05),
    "vit": Recommended((1e-4, 3e-3), (5e-4, 1e-3, 2e-4), 1.0, 30, 16, 0.05),
    "clip": Recommended((1e-4, 3e-3), (5e-4, 1e-3, 2e-4), 1.0, 30, 16, 0.05),
}


class FromScratch(FineTuned):
    """The same architecture and tokenizer with fresh weights, trained on the examples alone."""

    id = "from_scratch"
    traits = STRATEGIES["from_scratch"]

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """As for fine-tuning, with larger learning rates and more epochs."""
        return _BY_FAMILY.get(facts.family, _BY_FAMILY["encoder"]).space(data)

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        """With a head where there are classes: words would mean nothing to it yet. Texts can be
        written in no other way."""
        form = "default" if task.output == "texts" else "head"
        return backbone.trainee(task, form=form, pretrained=False)
