"""What an objective of pretraining is: a network, its examples, its batches, its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import nn
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

Document = tuple[str, ...]
"""The lines of a text, in order; none is empty."""
Batch = dict[str, torch.Tensor]
"""Tensors whose first axis is the batch, named as the network's arguments."""


@dataclass(frozen=True)
class Preset:
    """Size of a network and how it is trained.

    Attributes:
        layers: Of the encoder and of the decoder each, where there are both.
        length: Longest input in tokens, or the side of an image in pixels.
        batch_rows: Examples of a step.
        learning_rate: Highest of the schedule.
    """

    width: int
    layers: int
    heads: int
    length: int
    batch_rows: int
    learning_rate: float


class Objective(Protocol):
    """One way of learning without labels. All that is random is drawn in `batch` and `loss`.

    Attributes:
        name: The objective as the advisor calls it, which can be finer than what was asked for.
        modality: "text" or "image"; the documents are `Document`s or image files.
        presets: Sizes by name.
        model: The network, on the device that it is trained on.
    """

    name: ClassVar[str]
    modality: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]]
    model: nn.Module

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase | None:
        """A tokenizer of at most so many tokens for the text; None if the objective needs none."""

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        """The network with random weights (from torch's default generator).

        Raises:
            ModelError: If the tokenizer lacks a special token that the objective needs.
        """

    def examples(self, documents: Sequence[Any]) -> list[Any]:
        """What documents are cut into; as often as not several a document, or none."""

    def cost(self, example: Any) -> int:
        """Tokens of an example, or 1 for an image."""

    def batch(self, examples: Sequence[Any], draw: np.random.Generator) -> Batch:
        """Corrupt examples and say what is to be restored; on the CPU.

        Args:
            draw: For random choices; torch's default generator is seeded likewise.
        """

    def loss(self, batch: Batch) -> torch.Tensor:
        """The network's own loss, a scalar."""

    def save(self, folder: Path) -> None:
        """Write configuration and weights in the library's format; tokenizers lie there already."""
