"""LP-FT: first a linear probe, then fine-tuning from it.

A head drawn at random sends large gradients into the body, which distort good features before the
head has learned anything; starting from the probe avoids that.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution" (arXiv:2202.10054).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts, Trainee
from harness.datasets.base import Split
from harness.features import cached_features
from harness.strategies.base import DataFacts, Interrupted, Space, TrialBudget, Verdict
from harness.strategies.feasibility import probe_refusal
from harness.strategies.finetuned import FineTuned, Recommended
from harness.strategies.probe_numbers import best_numbers
from harness.strategies.probe_path import LinearClassifier, best_on_path
from harness.strategies.probe_views import bundle, columns, recommended, wanted
from harness.strategies.word_probe import fit_word_probe
from harness.tasks.base import Task

_BY_FAMILY = {
    # Smaller than full fine-tuning's: the head need not be found any more (Kumar et al. 2022,
    # appendix B.1, search the same rates for both and choose smaller ones for LP-FT).
    "encoder": Recommended((5e-6, 2e-4), (5e-5, 1e-4, 2e-5), 0.95, 10, 16),
    "decoder": Recommended((2e-6, 5e-5), (1e-5, 2e-5, 5e-6), 1.0, 4, 8),
    "encoder_decoder": Recommended((5e-6, 1e-3), (1e-4, 3e-4, 3e-5), 1.0, 10, 8),
    "convnet": Recommended((1e-5, 1e-3), (1e-4, 3e-4, 3e-5), 1.0, 10, 16),
    "vit": Recommended((5e-6, 5e-4), (3e-5, 1e-4, 1e-5), 0.75, 10, 16),
    "clip": Recommended((1e-6, 2e-4), (1e-5, 3e-5, 3e-6), 0.75, 10, 16, 0.1),
}
_READS_LAST = ("decoder",)


class LpFt(FineTuned):
    """A probe on frozen features becomes the head; then everything is trained."""

    id = "lp_ft"
    traits = STRATEGIES["lp_ft"]

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        return probe_refusal(task) or super().feasible(facts, task, data)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """As for full fine-tuning, with smaller learning rates first."""
        return _BY_FAMILY.get(facts.family, _BY_FAMILY["encoder"]).space(data)

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        return backbone.trainee(task, form="head")

    def _prepare(
        self,
        trainee: Trainee,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        budget: TrialBudget,
    ) -> Mapping[str, Any]:
        """Fit the probe on what the head will read, and let the head be the probe."""
        assert isinstance(trainee.head, nn.Linear)
        if task.head == "tokens":
            strength, probe, _ = fit_word_probe(backbone, task, train, validation, budget=budget)
            become(trainee.head, probe)
            return {"probe_C": strength}
        reads_last = backbone.facts.family in _READS_LAST
        pooling = "last" if reads_last else recommended(backbone, task)
        read = columns(backbone, wanted(backbone, pooling, layers=1))

        def moved(share: float) -> None:
            if budget.cancelled():
                raise Interrupted

        def features(split: Split) -> np.ndarray:
            found, charged = cached_features(
                backbone, split.inputs, views=bundle(backbone, pooling), progress=moved
            )
            self.charged_seconds_ += charged
            return found[:, read]

        numbers = task.output == "numbers"
        strength, probe = (best_numbers if numbers else best_on_path)(
            task,
            (features(train), train.targets),
            (features(validation), validation.targets),
            cancelled=budget.cancelled,
        )
        become(trainee.head, probe)
        return {"probe_penalty" if numbers else "probe_C": strength}


@torch.no_grad()
def become(head: nn.Linear, probe: LinearClassifier) -> None:
    """Give a layer the weights with which it says of raw features what the probe says."""
    weights = probe.weights / probe.scale[:, None]
    bias = probe.bias - probe.mean @ weights
    head.weight.copy_(torch.as_tensor(weights.T, dtype=head.weight.dtype))
    head.bias.copy_(torch.as_tensor(bias, dtype=head.bias.dtype))
