"""Vision transformers as trainable classifiers: a head, and if asked for visual prompts.

Visual prompt tuning: vectors stand behind the class token at the input (shallow), or new ones at
the input of every block (deep). Source: Jia et al. 2022, arXiv:2203.12119, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models import save_for_hf
from torch import nn
from transformers import CLIPVisionModel, PreTrainedModel, SiglipVisionModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec, pooled_width
from harness.backbones.heads import GRID, HeadTrainee, grid_of, own_copy, pool
from harness.backbones.images import ImageReader, read_pixels
from harness.backbones.transformers_body import load_transformers
from harness.tasks.base import Task

SHALLOW, DEEP = "shallow", "deep"


class VisualPrompt(nn.Module):
    """Trained vectors among the tokens.

    They start uniformly within ±sqrt(6 / (patch inputs + width)), as in Jia et al. 2022 (their
    published code): there is no vocabulary to start from.

    Args:
        first: Number of class tokens, behind which the vectors stand.

    Attributes:
        vectors: Shape (blocks or 1, length, width).
    """

    def __init__(
        self, spec: PromptSpec, *, blocks: int, width: int, patch_inputs: int, first: int = 1
    ) -> None:
        super().__init__()
        self.first = first
        if spec.kind not in (SHALLOW, DEEP):
            raise SpecError(
                f"visual prompt kind must be {SHALLOW!r} or {DEEP!r}; got {spec.kind!r}"
            )
        if spec.length < 1:
            raise SpecError(f"a prompt needs at least 1 vector; got length {spec.length}")
        bound = math.sqrt(6 / (patch_inputs + width))
        draw = torch.Generator().manual_seed(spec.seed)
        count = blocks if spec.kind == DEEP else 1
        start = torch.rand(count, spec.length, width, generator=draw) * 2 * bound - bound
        self.vectors = nn.Parameter(start)

    def enter(self, states: torch.Tensor, block: int) -> torch.Tensor:
        """States as a block is to read them; shape (B, first + length + patches, width)."""
        if block > 0 and len(self.vectors) == 1:
            return states
        behind = self.first + (0 if block == 0 else self.vectors.shape[1])
        own = self.vectors[block].expand(len(states), -1, -1).to(states.dtype)
        return torch.cat([states[:, : self.first], own, states[:, behind:]], dim=1)

    def leave(self, states: torch.Tensor) -> torch.Tensor:
        """Class token and patches alone."""
        behind = self.first + self.vectors.shape[1]
        return torch.cat([states[:, : self.first], states[:, behind:]], dim=1)


def tokens_of(
    net: Any,
    pixels: torch.Tensor,
    *,
    prompt: VisualPrompt | None = None,
    every: bool = False,
    keep: float = 1.0,
) -> dict[int, torch.Tensor]:
    """Layer -> states of class token and patches, shape (B, 1 + patches, width).

    A network without class token (SigLIP) has a summary in its place: what its trained attention
    pools of the last states, the mean of the patches before.

    Args:
        net: transformers' ViTModel, the vision model of a CLIP or SigLIP, or a VisionTransformer
            of timm.
        every: Layer i: the input of block i (0: the embedding); else only -1, the normalised
            output.
        keep: Share of the patches that is read, drawn anew for each image.
    """
    states = _embedded(net, pixels)
    if keep < 1.0:
        states = _some(states, keep, class_tokens(net))
    found: dict[int, torch.Tensor] = {}
    for index, block in enumerate(blocks_of(net)):
        if every:
            found[index] = states if class_tokens(net) else _led(states)
        given = states if prompt is None else prompt.enter(states, index)
        states = block(given, attention_mask=None) if of_clip(net) else block(given)
    if prompt is not None:
        states = prompt.leave(states)
    states = _norm(net)(states)
    if not class_tokens(net):
        states = _led(states, net.head(states) if net.use_head else None)
    return {**found, -1: states}


def of_transformers(net: object) -> bool:
    """Whether it is transformers' network and not timm's."""
    return isinstance(net, PreTrainedModel)


def of_clip(net: object) -> bool:
    """Whether it is the vision model of a CLIP or SigLIP."""
    return isinstance(net, CLIPVisionModel | SiglipVisionModel)


def class_tokens(net: object) -> int:
    """Number of class tokens before the patches: 1, of SigLIP 0."""
    return 0 if isinstance(net, SiglipVisionModel) else 1


def _led(states: torch.Tensor, summary: torch.Tensor | None = None) -> torch.Tensor:
    """Patches behind a summary, shape (B, width), of them; None for their mean."""
    first = states.mean(dim=1) if summary is None else summary
    return torch.cat([first[:, None], states], dim=1)


def _norm(net: Any) -> nn.Module:
    if of_clip(net):
        last: nn.Module = net.post_layernorm
        return last
    norm: nn.Module = net.layernorm if of_transformers(net) else net.norm
    return norm


def _behind_blocks(net: Any) -> list[nn.Parameter]:
    pools = not class_tokens(net) and net.use_head
    return [*_norm(net).parameters(), *(net.head.parameters() if pools else ())]


def blocks_of(net: Any) -> Sequence[nn.Module]:
    """The transformer's blocks, first to last."""
    if of_clip(net):
        return list(net.encoder.layers)
    blocks = net.layers if of_transformers(net) else net.blocks
    return list(blocks)


def _some(states: torch.Tensor, keep: float, first: int) -> torch.Tensor:
    """The class tokens, `first` of them, and a random part of each image's patches."""
    n, patches, width = len(states), states.shape[1] - first, states.shape[2]
    count = max(1, round(patches * keep))
    drawn = torch.rand(n, patches, device=states.device).argsort(dim=1)[:, :count]
    chosen = states[:, first:].gather(1, drawn[:, :, None].expand(-1, -1, width))
    return torch.cat([states[:, :first], chosen], dim=1)


def pool_patches(states: torch.Tensor, pooling: str) -> torch.Tensor:
    """States of class token and patches, shape (B, 1 + patches, width), to (B, width).

    A grid is of the patches, (B, 16 * width).

    Raises:
        SpecError: For a grid of patches that make no square.
    """
    if pooling == GRID:
        n, count, width = states.shape
        side = math.isqrt(count - 1)
        if side * side != count - 1:
            raise SpecError(f"{count - 1} patches make no square, so their places are not known")
        return grid_of(states[:, 1:].transpose(1, 2).reshape(n, width, side, side))
    patches = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    patches[:, 0] = False
    return pool(states, patches, pooling)


def _embedded(net: Any, pixels: torch.Tensor) -> torch.Tensor:
    if isinstance(net, CLIPVisionModel):
        return net.pre_layrnorm(net.embeddings(pixels))
    if of_transformers(net):
        return net.embeddings(pixels)
    return net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(pixels))))


class VitTrainee(HeadTrainee):
    """A vision transformer with a head: all weights trainable, or head and prompt only."""

    pooling: str
    prompt: VisualPrompt | None
    mask_ratio: float | None = 0.0

    def __init__(
        self,
        model: nn.Module,
        reader: ImageReader,
        task: Task,
        *,
        width: int,
        pooling: str,
        device: torch.device,
        prompt: PromptSpec | None = None,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__(
            own_copy(model, frozen=frozen or prompt is not None, pretrained=pretrained),
            task,
            width=pooled_width(width, pooling),
            dropout=0.0,
            device=device,
        )
        self._reader, self.pooling = reader, pooling
        if pooling == GRID:  # left-out patches would move the others to other places
            self.mask_ratio = None
        if prompt is not None:
            self.prompt = VisualPrompt(
                prompt,
                blocks=len(blocks_of(self.body)),
                width=width,
                patch_inputs=_patch_inputs(self.body),
                first=class_tokens(self.body),
            ).to(device)

    def encode(self, inputs: Sequence[Path], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """ "pixels", shape (B, 3, height, width); of tasks that read a grid, also "frames"."""
        return read_pixels(self._reader, inputs, self.task, self.head.weight.device, augment)

    def pooled(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        keep = 1.0 - (self.mask_ratio or 0.0) if self.training else 1.0
        states = tokens_of(self.body, batch["pixels"], prompt=self.prompt, keep=keep)[-1]
        return pool_patches(states, self.pooling)

    def body_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, each block, what comes behind them."""
        blocks = [list(block.parameters()) for block in blocks_of(self.body)]
        inside = {id(p) for block in blocks for p in block}
        last = _behind_blocks(self.body)
        inside |= {id(p) for p in last}
        first = [p for p in self.body.parameters() if id(p) not in inside]
        return [first, *blocks, last]

    def blocks(self) -> Sequence[nn.Module]:
        return blocks_of(self.body)

    def save_body(self, folder: Path) -> None:
        """A folder that transformers or timm loads: safetensors and config."""
        if isinstance(self.body, PreTrainedModel):
            self.body.save_pretrained(folder)
        else:
            save_for_hf(self.body, str(folder), safe_serialization=True)

    def load_body(self, folder: Path) -> None:
        if isinstance(self.body, PreTrainedModel):
            load_transformers(self.body, folder)
        else:
            self.body.load_state_dict(load_file(folder / "model.safetensors"))


def _patch_inputs(net: Any) -> int:
    """Numbers in one patch: what an initialization in the manner of Glorot counts."""
    if of_clip(net):
        projection = net.embeddings.patch_embedding
    elif of_transformers(net):
        projection = net.embeddings.patch_embeddings.projection
    else:
        projection = net.patch_embed.proj
    return int(projection.weight[0].numel())
