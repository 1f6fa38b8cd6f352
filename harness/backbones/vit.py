"""Vision transformers: timm's, and those of transformers (ViT, the encoder of ViT-MAE)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors import SafetensorError
from timm.data import resolve_model_data_config
from torch import nn
from transformers import PreTrainedModel, ViTModel

from advisor.errors import ModelError, SpecError
from harness.backbones.base import (
    FrozenModel,
    ModelFacts,
    Progress,
    PromptSpec,
    View,
    check_form,
)
from harness.backbones.frozen import frozen
from harness.backbones.heads import GRID, on_grid
from harness.backbones.images import ImageReader
from harness.backbones.timm_nets import source_of
from harness.backbones.vit_trainee import VitTrainee, pool_patches, tokens_of
from harness.out_of_memory import in_halves
from harness.tasks.base import Task

BATCH = 32
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class VitBackbone(FrozenModel):
    """A vision transformer without its classifier; implements `Backbone`.

    Masked autoencoders never trained their class token for anything, so theirs is not the
    recommended pooling (He et al. 2022, arXiv:2111.06377, appendix A.1).
    """

    tasks = frozenset({"classification", "regression", "localization"})
    max_tokens: int | None = None
    int8 = False

    def __init__(
        self, facts: ModelFacts, model: nn.Module, reader: ImageReader, *, device: torch.device
    ) -> None:
        self.facts = facts
        self.device = device
        self.model = frozen(model, device)
        self.reader = reader
        autoencoder = facts.objective == "masked_autoencoder"
        self.poolings: tuple[str, ...] = (
            ("mean", "cls", "cls_mean") if autoencoder else ("cls", "mean", "cls_mean")
        )

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> VitBackbone:
        """Load a transformers or timm folder, "timm:NAME" or a hub id.

        Raises:
            ModelError: If the weights cannot be found or read.
        """
        location = facts.location
        try:
            if is_timm(location):
                net: nn.Module = timm.create_model(
                    source_of(location), pretrained=True, num_classes=0
                )
                reader = ImageReader(resolve_model_data_config(net))
            else:
                net = ViTModel.from_pretrained(
                    location, add_pooling_layer=False, dtype=torch.float32
                )
                reader = ImageReader(_data_config(net, location))
        except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"vision transformer {facts.name!r} cannot be loaded from {location!r}: {reason}"
            ) from error
        return cls(facts, net, reader, device=device)

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[Path], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Pooled outputs of blocks: layer i of block i, -1 the last one after normalisation.

        "mean" is over the patches, without the class token; "cls_mean" has both. "grid" is of
        whole images, and stands with no other pooling.

        Raises:
            SpecError: For another pooling.
            DataError: With the file that cannot be read.
        """
        for view in views:
            self._check(view.pooling, (*self.poolings, GRID))
        features = np.zeros((len(inputs), sum(map(self.view_width, views))), dtype=np.float32)
        for rows, pixels in self.reader.batches(inputs, BATCH, whole=on_grid(views)):
            features[rows] = in_halves(partial(self._viewed, pixels, views), np.arange(len(pixels)))
            if progress is not None:
                progress(min(1.0, rows.stop / len(inputs)))
        return features

    def _viewed(self, pixels: torch.Tensor, views: Sequence[View], rows: np.ndarray) -> np.ndarray:
        """The views of neighbouring rows of a batch."""
        part = pixels[rows[0] : rows[-1] + 1].to(self.device)
        states = tokens_of(self.model, part, every=True)
        pooled = [pool_patches(states[view.layer], view.pooling) for view in views]
        return torch.cat(pooled, dim=1).float().cpu().numpy()

    def earlier_layers(self) -> tuple[int, ...]:
        return tuple(range(self.facts.layers))

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> VitTrainee:
        """A head on the pooled output, if asked for with visual prompts.

        Raises:
            SpecError: If the form, pooling or prompt is unknown.
        """
        check_form(form)
        choices = (GRID,) if task.head == GRID else self.poolings
        pooling = pooling or choices[0]
        self._check(pooling, choices)
        return VitTrainee(
            self.model,
            self.reader,
            task,
            width=self.facts.width,
            pooling=pooling,
            device=self.device,
            prompt=prompt,
            frozen=frozen,
            pretrained=pretrained,
        )

    @staticmethod
    def _check(pooling: str, choices: Sequence[str]) -> None:
        if pooling not in choices:
            known = ", ".join(choices)
            raise SpecError(f"pooling must be one of {known}; got {pooling!r}")


def is_timm(location: str) -> bool:
    """Whether timm wrote or names these weights."""
    config = Path(location) / "config.json"
    return location.startswith("timm:") or (
        config.exists() and '"architecture"' in config.read_text(encoding="utf-8")
    )


def _data_config(net: PreTrainedModel, location: str) -> dict[str, Any]:
    """How the network wants its images, from its preprocessor_config.json, else ImageNet's way."""
    from transformers import AutoImageProcessor

    side = int(net.config.image_size)
    config = {"input_size": (3, side, side), "interpolation": "bicubic", "crop_pct": 1.0}
    try:
        processor = AutoImageProcessor.from_pretrained(location)
        scale = {"mean": tuple(processor.image_mean), "std": tuple(processor.image_std)}
    except (OSError, ValueError, AttributeError):
        scale = dict(_IMAGENET)  # a folder without one: nothing else is known
    return {**config, **scale, "crop_mode": "center"}
