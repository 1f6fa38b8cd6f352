"""One door to the measured shift, whatever the family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.backbones.base import Backbone
from harness.backbones.convnet import ConvNetBackbone
from harness.backbones.decoder import DecoderBackbone
from harness.backbones.encoder import EncoderBackbone
from harness.profile import batch_norms, texts
from harness.profile.measurement import Measurement, not_measured


def measured_shift(backbone: Backbone, inputs: Sequence[Any], *, seed: int = 0) -> Measurement:
    """How far inputs are from what a model was pretrained on, without the pretraining data.

    Conv nets: `batch_norms`. Decoders and masked language models: loss against reference text;
    other encoders: fertility against it (`texts`). Others say why they cannot tell.

    Args:
        inputs: Texts or image files; 32 or more, or the standard error is large.
        seed: Draws reference passages and resamples.

    Raises:
        DataError: If an image cannot be read.
        MissingExtra: If texts are given and the reference text is not installed.
    """
    if not inputs:
        return not_measured("there are no inputs")
    if isinstance(backbone, ConvNetBackbone):
        return batch_norms.measure(backbone, inputs, seed=seed)
    if isinstance(backbone, DecoderBackbone | EncoderBackbone):
        return texts.measure(backbone, inputs, seed=seed)
    if backbone.facts.family == "vit":
        return not_measured(
            "a vision transformer normalises each image by itself (LayerNorm) and keeps no "
            "statistics of its pretraining data"
        )
    return not_measured(f"a model of family {backbone.facts.family} lets nothing be measured")
