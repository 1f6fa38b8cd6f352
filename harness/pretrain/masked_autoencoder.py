"""Masked autoencoders: pixels of hidden patches (He et al. 2022, arXiv:2111.06377)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from transformers import ViTImageProcessor, ViTMAEConfig, ViTMAEForPreTraining
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from harness.backbones.images import ImageReader
from harness.pretrain.base import Batch, Preset

MASKED = 0.75
PATCHES = 8
"""Along a side of small images; from 224 pixels on a patch has 16 pixels a side."""
_GREY = (0.5, 0.5, 0.5)  # mean and deviation, as ViT reads its images


class MaskedAutoencoder:
    """Three quarters of the patches are hidden; a small decoder restores their normalised pixels.

    Images are cropped and flipped at random (section 4, "data augmentation").
    """

    name = "masked_autoencoder"
    modality = "image"
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": Preset(width=32, layers=2, heads=2, length=32, batch_rows=16, learning_rate=2e-3),
        "small": Preset(width=192, layers=6, heads=6, length=64, batch_rows=64, learning_rate=1e-3),
        "gpu-base": Preset(
            width=768, layers=12, heads=12, length=224, batch_rows=256, learning_rate=1.5e-4
        ),
    }

    def __init__(self, model: ViTMAEForPreTraining, side: int, patch: int) -> None:
        self.model, self._side, self._patches = model, side, (side // patch) ** 2
        self._reader = ImageReader(
            {
                "input_size": (3, side, side),
                "interpolation": "bicubic",
                "crop_pct": 1.0,
                "crop_mode": "center",
                "mean": _GREY,
                "std": _GREY,
            }
        )

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> None:
        return None

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        patch = 16 if preset.length >= 224 else preset.length // PATCHES
        config = ViTMAEConfig(
            hidden_size=preset.width,
            num_hidden_layers=preset.layers,
            num_attention_heads=preset.heads,
            intermediate_size=4 * preset.width,
            image_size=preset.length,
            patch_size=patch,
            # narrow and shallow, as the paper's decoder is (section 3)
            decoder_hidden_size=preset.width // 2,
            decoder_num_hidden_layers=max(1, preset.layers // 3),
            decoder_num_attention_heads=max(1, preset.heads // 2),
            decoder_intermediate_size=2 * preset.width,
            mask_ratio=MASKED,
            norm_pix_loss=True,
        )
        return cls(ViTMAEForPreTraining(config), preset.length, patch)

    def examples(self, documents: Sequence[Path]) -> list[Path]:
        return list(documents)

    def cost(self, example: Path) -> int:
        return 1

    def batch(self, examples: Sequence[Path], draw: np.random.Generator) -> Batch:
        """Pixels, and the noise whose order says which patches are hidden."""
        pixels = self._reader.read(examples, augment=True).contiguous()
        noise = torch.from_numpy(draw.random((len(examples), self._patches), dtype=np.float32))
        return {"pixel_values": pixels, "noise": noise}

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model(**batch).loss

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        ViTImageProcessor(
            size={"height": self._side, "width": self._side},
            image_mean=list(_GREY),
            image_std=list(_GREY),
        ).save_pretrained(folder)
