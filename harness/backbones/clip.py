"""CLIP and SigLIP: a model of images beside a model of texts, trained to match the two.

CLIP: Radford et al. 2021, arXiv:2103.00020. SigLIP: Zhai et al. 2023, arXiv:2303.15343; SigLIP 2 at
one resolution: Tschannen et al. 2025, arXiv:2502.14786.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModel, AutoProcessor, CLIPModel, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

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
from harness.backbones.vit_trainee import VitTrainee, pool_patches, tokens_of
from harness.out_of_memory import in_halves
from harness.tasks.base import Task

BATCH = 32
TEXTS_AT_ONCE = 256
PROJECTED = "projected"
_TRAINED = ("cls", "mean", "cls_mean")


class ClipBackbone(FrozenModel):
    """Both towers of a CLIP or SigLIP; implements `ImageTextMatcher`.

    What is trained or probed is the tower that reads images. Its pooling "cls" is the vector the
    model itself projects (SigLIP: what its attention pools; it has no class token); "projected"
    is that vector in the space shared with texts, of unit length.
    """

    tasks = frozenset({"classification", "regression", "localization"})
    poolings = ("cls", PROJECTED, "mean", "cls_mean")
    image_pooling = PROJECTED
    max_tokens: int | None = None
    int8 = False

    def __init__(
        self,
        facts: ModelFacts,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        reader: ImageReader,
        *,
        device: torch.device,
    ) -> None:
        self.facts = facts
        self.device = device
        self.model: Any = frozen(model, device)
        self.tokenizer = tokenizer
        self.reader = reader
        self._read: dict[tuple[str, ...], np.ndarray] = {}

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> ClipBackbone:
        """Load model, tokenizer and image processor from a transformers folder or a hub id.

        Raises:
            ModelError: If they cannot be found or read.
        """
        try:
            processor = AutoProcessor.from_pretrained(facts.location)
            model, info = AutoModel.from_pretrained(
                facts.location, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = processor.tokenizer
            reader = ImageReader(_data_config(model, processor.image_processor))
        except (
            OSError,
            RuntimeError,
            ValueError,
            KeyError,
            AttributeError,
            ImportError,
            SafetensorError,
        ) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"image-text model {facts.name!r} cannot be loaded from {facts.location!r}: {reason}"
            ) from error
        if missing := sorted(info["missing_keys"]):  # transformers would leave them at random
            raise ModelError(
                f"the weights in {facts.location!r} lack {len(missing)} tensors of the model its "
                f"config.json describes, {missing[0]} the first. Save the model again."
            )
        return cls(facts, model, tokenizer, reader, device=device)

    @property
    def tower(self) -> nn.Module:
        """The model that reads images."""
        tower: nn.Module = self.model.vision_model
        return tower

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[Path], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Pooled outputs of blocks: layer i the input of block i, -1 the last one, normalised.

        "mean" is over the patches, without the class token; "cls_mean" has both. "projected"
        exists of the last layer only. "grid" is of whole images, and stands with no other pooling.

        Raises:
            SpecError: For another pooling, or "projected" of an earlier layer.
            DataError: With the file that cannot be read.
        """
        for view in views:
            self._check(view)
        features = np.zeros((len(inputs), sum(map(self.view_width, views))), dtype=np.float32)
        for rows, pixels in self.reader.batches(inputs, BATCH, whole=on_grid(views)):
            features[rows] = in_halves(partial(self._viewed, pixels, views), np.arange(len(pixels)))
            if progress is not None:
                progress(min(1.0, rows.stop / len(inputs)))
        return features

    def view_width(self, view: View) -> int:
        if view.pooling != PROJECTED or not isinstance(self.model, CLIPModel):
            return super().view_width(view)
        return int(self.model.visual_projection.out_features)

    def _viewed(self, pixels: torch.Tensor, views: Sequence[View], rows: np.ndarray) -> np.ndarray:
        """The views of neighbouring rows of a batch."""
        part = pixels[rows[0] : rows[-1] + 1].to(self.device)
        states = tokens_of(self.tower, part, every=True)
        pooled = [self._pooled(states[view.layer], view.pooling) for view in views]
        return torch.cat(pooled, dim=1).float().cpu().numpy()

    def earlier_layers(self) -> tuple[int, ...]:
        return tuple(range(self.facts.layers))

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """See `ImageTextMatcher`; the same texts are read once. Longer ones are cut to what the
        model reads (CLIP: 77 tokens).

        SigLIP was trained on texts padded to its full length and reads the last position, so its
        texts must be padded likewise; CLIP reads the end token, and looks back only.
        """
        if (known := self._read.get(tuple(texts))) is not None:
            return known
        longest = int(self.model.config.text_config.max_position_embeddings)
        padding = "longest" if isinstance(self.model, CLIPModel) else "max_length"
        parts = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            tokens = self.tokenizer(
                list(texts[start : start + TEXTS_AT_ONCE]),
                padding=padding,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            ).to(self.device)
            found = self.model.get_text_features(**tokens).pooler_output
            parts.append(nn.functional.normalize(found, dim=-1).float().cpu().numpy())
        return self._read.setdefault(tuple(texts), np.concatenate(parts))

    def match(self, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """See `ImageTextMatcher`; SigLIP's also has the learned bias, the same for all texts.

        SigLIP was trained to judge each pair by itself; between the names of classes, of which
        exactly one is true, a softmax decides as its authors' zero-shot classification does.
        """
        cosines = images.astype(np.float64) @ texts.astype(np.float64).T
        bias = getattr(self.model, "logit_bias", None)
        said = cosines * math.exp(float(self.model.logit_scale))
        return np.asarray(said if bias is None else said + float(bias))

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
        """A head on the pooled output of the images' tower, if asked for with visual prompts.

        Raises:
            SpecError: If the form, pooling or prompt is unknown.
        """
        check_form(form)
        choices = (GRID,) if task.head == GRID else _TRAINED
        pooling = pooling or choices[0]
        if pooling not in choices:
            raise SpecError(f"a head reads one of {', '.join(choices)}; got {pooling!r}")
        return VitTrainee(
            self.tower,
            self.reader,
            task,
            width=self.facts.width,
            pooling=pooling,
            device=self.device,
            prompt=prompt,
            frozen=frozen,
            pretrained=pretrained,
        )

    def _pooled(self, states: torch.Tensor, pooling: str) -> torch.Tensor:
        if pooling != PROJECTED:
            return pool_patches(states, pooling)
        own = states[:, 0]
        if isinstance(self.model, CLIPModel):
            own = self.model.visual_projection(own)
        return nn.functional.normalize(own, dim=-1)

    def _check(self, view: View) -> None:
        if view.pooling not in (*self.poolings, GRID):
            known = ", ".join(self.poolings)
            raise SpecError(f"pooling must be one of {known}; got {view.pooling!r}")
        if view.pooling == PROJECTED and view.layer != -1:
            raise SpecError(f"{PROJECTED!r} exists of the last layer only; got layer {view.layer}")


def _data_config(model: PreTrainedModel, processor: Any) -> dict[str, Any]:
    """How the model wants its images, in timm's terms.

    Args:
        processor: transformers' image processor. CLIP's scales the shorter edge and cuts out the
            centre, SigLIP's scales both edges.
    """
    side = int(model.config.vision_config.image_size)
    shorter = processor.size.get("shortest_edge")
    cut = side if shorter is None else int(processor.crop_size["height"])
    return {
        "input_size": (3, side, side),
        "interpolation": Image.Resampling(processor.resample).name.lower(),
        "crop_pct": 1.0 if shorter is None else cut / shorter,
        "crop_mode": "squash" if shorter is None else "center",
        "mean": tuple(processor.image_mean),
        "std": tuple(processor.image_std),
    }
