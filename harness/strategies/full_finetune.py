"""Full fine-tuning: every weight of the pretrained model may move."""

from __future__ import annotations

from dataclasses import replace

from optuna.distributions import CategoricalDistribution

from advisor.errors import SpecError
from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts, Trainee
from harness.strategies.base import DataFacts, Space
from harness.strategies.finetuned import FineTuned, Recommended
from harness.tasks.base import Task

_BY_FAMILY = {
    # Devlin et al. 2019 (appendix A.3): 2e-5 to 5e-5; small models want more, and few examples
    # want more epochs (Mosbach et al. 2021: 2e-5, 20 epochs, warm-up 10 %).
    "encoder": Recommended((1e-5, 3e-4), (1e-4, 5e-5, 2e-5), 0.95, 10, 16),
    # Radford et al. 2018 (section 4.1): 6.25e-5, 3 epochs.
    "decoder": Recommended((5e-6, 1e-4), (2e-5, 5e-5, 1e-5), 1.0, 4, 8),
    # Raffel et al. 2020 (section 3.1.2): 1e-3 with Adafactor; with AdamW a third of that is the
    # usual choice. BART was fine-tuned at 3e-5 to 5e-5 (Lewis et al. 2020).
    "encoder_decoder": Recommended((1e-5, 2e-3), (3e-4, 1e-3, 5e-5), 1.0, 10, 8),
    # Adam's own rate of 1e-3 (Kingma and Ba 2015), and around it.
    "lstm": Recommended((3e-4, 1e-2), (1e-3, 3e-3, 5e-4), 1.0, 20, 16),
    # Kornblith et al. 2019 (appendix A.5): rates over 4 decades, small ones for fine-tuning.
    "convnet": Recommended((3e-5, 3e-3), (3e-4, 1e-3, 1e-4), 1.0, 10, 16),
    # Dosovitskiy et al. 2021 (table 4) fine-tune with SGD; with AdamW and layer-wise decay: He et al.
    # 2022 (table 9: 0.75, 100 epochs on ImageNet; small sets need fewer steps, larger rates).
    "vit": Recommended((1e-5, 1e-3), (1e-4, 3e-4, 3e-5), 0.75, 10, 16),
    # Wortsman et al. 2022 (arXiv:2109.01903): 3e-5, weight decay 0.1, 10 epochs with AdamW; layer-
    # wise decay suits CLIP too (Dong et al. 2022, arXiv:2212.06138).
    "clip": Recommended((3e-6, 5e-4), (3e-5, 1e-4, 1e-5), 0.75, 10, 16, 0.1),
}
_TEXT_TO_TEXT = ("decoder", "encoder_decoder")


class FullFineTuning(FineTuned):
    """Train body and head (decoders: the model itself, text-to-text) with early stopping.

    Args:
        learning_rate, epochs, layer_decay, weight_decay, batch_size: As of `FineTuned`.
        form: "default" or, for models that answer in words, "head": a classification head
            instead.
        mask_ratio: Share of the patches left out of each training step; vision transformers
            only, 0 for none. Masked autoencoders are fine-tuned without (He et al. 2022).
    """

    id = "full_finetune"
    traits = STRATEGIES["full_finetune"]

    def __init__(
        self,
        *,
        learning_rate: float = 1e-4,
        epochs: int = 10,
        layer_decay: float = 1.0,
        weight_decay: float = 0.01,
        batch_size: int = 16,
        form: str = "default",
        mask_ratio: float = 0.0,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            epochs=epochs,
            layer_decay=layer_decay,
            weight_decay=weight_decay,
            batch_size=batch_size,
        )
        self.form = form
        self.mask_ratio = mask_ratio

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """The literature's settings of the family first, learning rate by learning rate."""
        best = _BY_FAMILY.get(facts.family, _BY_FAMILY["encoder"])
        if facts.objective == "masked_autoencoder" and task.head != "grid":
            space = best.space(data, mask_ratio=0.0)
            ratios = CategoricalDistribution((0.0, 0.25, 0.5))
            return replace(space, distributions={**space.distributions, "mask_ratio": ratios})
        if facts.family not in _TEXT_TO_TEXT or task.output == "numbers":
            return best.space(data)
        space = best.space(data, form="default")
        # a head says one of a few answers; texts are written in words
        known = ("default",) if task.output == "texts" else ("default", "head")
        forms = CategoricalDistribution(known)
        return replace(space, distributions={**space.distributions, "form": forms})

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        trainee = backbone.trainee(task, form=self.form)
        if not 0 <= self.mask_ratio < 1:
            raise SpecError(f"mask_ratio must be at least 0 and below 1; got {self.mask_ratio}")
        if self.mask_ratio:
            if trainee.mask_ratio is None:
                raise SpecError(
                    "mask_ratio is for vision transformers of whose patches none must keep its "
                    "place; leave it at 0"
                )
            trainee.mask_ratio = self.mask_ratio
        return trainee
