"""The contract of a backbone: a pretrained model of one family, behind one set of methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from advisor.errors import SpecError

FORMS = ("default", "labels", "head")
"""Of trainees; see `Backbone.trainee`."""

Progress = Callable[[float], None]
"""Called with the finished share of a piece of work, in [0, 1]."""


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before its weights are loaded.

    Attributes:
        name: What the user called it.
        family: A family id of `advisor` ("encoder", "decoder", "convnet").
        params: Number of parameters of the backbone; image networks are counted as published,
            with their classifier.
        layers: Number of blocks; width: size of its features.
        window: Longest input in tokens; None for images.
        positions: "learned", "sinusoidal", "rotary", "relative" or None.
        objective: From the catalogue, else "unknown" (a config does not tell it).
        modality: "text" or "image".
        vocabulary: Number of tokens; None for images.
        image_size: Side in pixels the model was trained on; None for text.
        location: Folder, file or hub id the weights come from.
        digest: Content hash of the weights or, for a hub id, id and revision.
        access: "weights", or "text" for a model behind an endpoint.
        masked_head: Whether an encoder comes with its masked-language-model head.
    """

    name: str
    family: str
    params: int
    layers: int
    width: int
    modality: str
    window: int | None = None
    positions: str | None = None
    objective: str = "unknown"
    vocabulary: int | None = None
    image_size: int | None = None
    location: str = ""
    digest: str = ""
    access: str = "weights"
    masked_head: bool = False


@dataclass(frozen=True)
class PromptSpec:
    """Trained prompt vectors to be put into a frozen model.

    Attributes:
        kind: "prompt" (vectors among the input embeddings; Lester et al. 2021) or "prefix"
            (keys and values in every layer; Li and Liang 2021); for vision transformers
            "shallow" or "deep" (Jia et al. 2022).
        length: Number of virtual tokens.
        position: "before", "behind" or "around" the input; only for kind "prompt".
        init: "vocabulary" (embeddings of random tokens), "text" (embeddings of the task
            description and label words) or "random".
        seed: Draws the initialization.
    """

    kind: str = "prompt"
    length: int = 20
    position: str = "before"
    init: str = "vocabulary"
    seed: int = 0


class Trainee(nn.Module):
    """A predictor over a pretrained body that the one training loop can train.

    Sub-modules: `body` (always), `head` and `prompt` (None where there is none). Which
    parameters train is decided by `requires_grad`, which strategies set; a new trainee has
    everything trainable, except that a trainee with a prompt starts with a frozen body.

    The body is the trainee's own copy: training it never touches the backbone's weights.
    """

    body: nn.Module
    head: nn.Module | None
    prompt: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        # A class-level None would hide the module of that name: nn.Module looks it up last.
        self.register_module("head", None)
        self.register_module("prompt", None)

    def encode(self, inputs: Sequence[Any], *, augment: bool = False) -> dict[str, Any]:
        """Inputs as tensors on the model's device (tokenized and padded, or decoded images), and
        whatever of them else the methods below need."""
        raise NotImplementedError

    def answers(self, batch: dict[str, Any]) -> torch.Tensor | list[str]:
        """Answers of the kind of the task: log-probabilities over the classes, normalised, shape
        (B, n_classes); numbers, shape (B, n_outputs); or texts, length B."""
        raise NotImplementedError

    def loss(self, batch: dict[str, Any], targets: Any) -> torch.Tensor:
        """Mean training loss of a batch.

        Args:
            targets: Class indices, shape (B,), numbers, shape (B, n_outputs), both as tensors on
                the model's device; or texts, a numpy array of shape (B,).
        """
        log_probabilities = self.answers(batch)
        assert isinstance(log_probabilities, torch.Tensor)
        return nn.functional.nll_loss(log_probabilities, targets)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Trainable parameters from input to output, for layer-wise learning rates."""
        raise NotImplementedError

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """Relative cost of each input, shape (n,), for length bucketing; ones for images."""
        return np.ones(len(inputs), dtype=np.int64)

    pooling: str | None = None
    """What the head pools the body's output with; None where nothing is pooled."""

    mask_ratio: float | None = None
    """Share of an image's patches left out of each training step; None where there are none."""

    def represent(self, inputs: Sequence[Any]) -> np.ndarray | None:
        """What the head reads of each input, float32, shape (n, width); None without a head."""
        return None

    def word_states(self, batch: dict[str, Any]) -> torch.Tensor:
        """States of the first token of each word, one text after the other, (n_words, width).

        Raises:
            SpecError: If it does not read words.
        """
        raise SpecError("this predictor has no states of words")

    def text_loss(self, inputs: Sequence[Any]) -> float | None:
        """Nats per token of these texts under the body; None if it is no language model."""
        return None

    max_new_tokens: int | None = None
    """Longest answer a trainee writes, in tokens; None where answers are not written."""

    def write_up_to(self, max_new_tokens: int) -> None:
        """Set `max_new_tokens` and leave room for so many in the window.

        Raises:
            SpecError: If the trainee writes no answers, or they leave no room for the input.
        """
        raise SpecError("this predictor writes no texts")

    def read_answers(self, texts: Sequence[str]) -> None:
        """Told the answers it will be trained on: the longest says how long it may write."""

    def blocks(self) -> Sequence[nn.Module]:
        """The blocks of the body, first to last, for adapters.

        Raises:
            SpecError: If it is no transformer.
        """
        raise SpecError("adapters need a transformer's blocks, and this body has none")

    def save_memory(self) -> bool:
        """Recompute activations in the backward pass from now on; False where that is not known.

        Called when even one example does not fit.
        """
        return False

    def save_body(self, folder: Path) -> None:
        """The body in its ecosystem's own format (safetensors + config [+ tokenizer])."""
        raise NotImplementedError

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`."""
        raise NotImplementedError


def check_form(form: str) -> None:
    """Raises SpecError for a form of trainee that nobody knows."""
    if form not in FORMS:
        raise SpecError(f"form must be one of {', '.join(FORMS)}; got {form!r}")


class View(NamedTuple):
    """One way of looking at a frozen model's outputs.

    Attributes:
        pooling: How the positions of one input become one vector; "grid" for the vectors of 4 x 4
            places of a whole image side by side.
        layer: Block whose output is pooled: -1 the last one, 0 the embedding.
    """

    pooling: str
    layer: int = -1


def pooled_width(width: int, pooling: str) -> int:
    """Size of what a pooling makes of vectors of a width."""
    return width * {"cls_mean": 2, "grid": 16}.get(pooling, 1)


class FrozenModel:
    """What every backbone's features have in common."""

    facts: ModelFacts
    poolings: tuple[str, ...]

    def views(
        self, inputs: Sequence[Any], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Every view of each input from one pass; see `Backbone.views`."""
        raise NotImplementedError

    def features(
        self,
        inputs: Sequence[Any],
        *,
        pooling: str,
        layers: tuple[int, ...] = (-1,),
        progress: Progress | None = None,
    ) -> np.ndarray:
        """One pooling of some layers, float32, shape (n, width * len(layers))."""
        return self.views(inputs, [View(pooling, layer) for layer in layers], progress=progress)

    def view_width(self, view: View) -> int:
        """Size of the vector a view gives."""
        return pooled_width(self.facts.width, view.pooling)

    def earlier_layers(self) -> tuple[int, ...]:
        """Layers before the last whose outputs can be had, first to last."""
        return ()

    @property
    def plain_path(self) -> str:
        """Why the faster of two equal ways to compute features failed; empty if none did."""
        return ""


class Backbone(Protocol):
    """A loaded pretrained model. Its own weights are frozen and never change.

    Attributes:
        tasks: Ids of the tasks the family can be asked at all.
        facts: What is known of the model.
        device: Where it computes.
        poolings: What `features` accepts as pooling, the recommended one first.
        max_tokens: Longest text used, in tokens (longer ones are cut); None for images.
        int8: Whether `features` uses a quantised copy (opt-in).
    """

    tasks: ClassVar[frozenset[str]]
    facts: ModelFacts
    device: torch.device
    poolings: tuple[str, ...]
    max_tokens: int | None

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> Backbone:
        """Load the weights.

        Raises:
            advisor.errors.ModelError: If they cannot be found or read.
        """

    def features(
        self,
        inputs: Sequence[Any],
        *,
        pooling: str,
        layers: tuple[int, ...] = (-1,),
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Frozen features, float32, shape (n, width * len(layers)); no cache at this level.

        Text poolings: "mean" (over the mask), "cls", "cls_mean" (concatenated: 2 * width per
        layer), "max", "last". Conv nets have "mean" (global average) and "max".
        """

    def views(
        self, inputs: Sequence[Any], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Several views of each input, computed in one pass through the model.

        Returns:
            float32, shape (n, sum of the views' widths), the views side by side.
        """

    def view_width(self, view: View) -> int:
        """Size of the vector a view gives."""

    def earlier_layers(self) -> tuple[int, ...]:
        """Layers before the last whose outputs can be had, first to last."""

    @property
    def plain_path(self) -> str:
        """Why the faster of two equal ways to compute features failed; empty if none did."""

    def trainee(
        self,
        task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> Trainee:
        """A fresh trainable predictor for a task.

        Args:
            form: "default" (text-to-text for decoders, a head elsewhere), "labels" (the same,
                but decoders compare label words only when they train) or "head".
            prompt: Trained prompt vectors to add; the body is frozen then.
            frozen: The body is frozen: the caller adds what is trained of it.
            pretrained: False for fresh weights drawn from torch's generator.

        Raises:
            advisor.errors.SpecError: If the family cannot do what is asked.
        """
