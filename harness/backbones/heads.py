"""A pretrained body with a linear head: what encoders and conv nets share as trainees."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import Trainee, View
from harness.tasks.base import GridTask, Task

GRID = "grid"
"""The pooling that keeps places apart: the head of `Task.head` of that name reads it."""
PLACES = 4
"""A grid has so many rows and columns."""
_ROWS = 32

Module = TypeVar("Module", bound=nn.Module)


class HeadTrainee(Trainee):
    """A body whose pooled output a linear layer turns into scores, of which the task makes
    probabilities of classes or numbers.

    Args:
        body: The trainee's own copy.
        width: Size of the pooled output.
        dropout: Share of the pooled output that is dropped while training.
    """

    head: nn.Linear

    def __init__(
        self, body: nn.Module, task: Task, *, width: int, dropout: float, device: torch.device
    ) -> None:
        super().__init__()
        self.body = body
        self.task = task
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, task.n_outputs, device=device)

    def pooled(self, batch: dict[str, Any]) -> torch.Tensor:
        """What the head reads, shape (B, width)."""
        raise NotImplementedError

    def body_groups(self) -> Iterable[list[nn.Parameter]]:
        """All parameters of the body, from input to output."""
        raise NotImplementedError

    def scores(self, batch: dict[str, Any]) -> torch.Tensor:
        """What the head says, shape (B, n_outputs)."""
        return self.head(self.dropout(self.pooled(batch)))

    def answers(self, batch: dict[str, Any]) -> torch.Tensor | list[str]:
        return self.task.answer(self.scores(batch))

    def loss(self, batch: dict[str, Any], targets: Any) -> torch.Tensor:
        if "frames" in batch:
            targets = cast(GridTask, self.task).in_frame(targets, batch["frames"])
        return self.task.loss(self.scores(batch), targets)

    @torch.no_grad()
    def represent(self, inputs: Sequence[Any]) -> np.ndarray | None:
        self.eval()
        parts = [
            self.pooled(self.encode(inputs[start : start + _ROWS])).float().cpu().numpy()
            for start in range(0, len(inputs), _ROWS)
        ]
        return np.concatenate(parts)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The prompt with the body's input, the body's blocks, the head; trainable ones only."""
        groups = [list(group) for group in self.body_groups()]
        if self.prompt is not None:
            groups[0] += self.prompt.parameters()
        groups.append(list(self.head.parameters()))
        trained = [[p for p in group if p.requires_grad] for group in groups]
        return [group for group in trained if group]


def own_copy(model: Module, *, frozen: bool, pretrained: bool = True) -> Module:
    """A copy with its own modules and its own trainable weights.

    A frozen copy shares the weights, so that no memory is spent on what never changes.

    Args:
        pretrained: False for fresh weights, drawn from torch's generator.
    """
    if not pretrained:
        return _fresh(model).requires_grad_(not frozen)
    if not frozen:
        return copy.deepcopy(model).requires_grad_(True)
    shared = {id(p): nn.Parameter(p.data, requires_grad=False) for p in model.parameters()}
    return copy.deepcopy(model, shared)


def _fresh(model: Module) -> Module:
    """The same architecture with weights as before any training.

    transformers knows how its models start; elsewhere every module starts as torch starts it,
    and parameters that belong to no such module (class tokens, scales) as those of ViT do
    (Dosovitskiy et al. 2021: normal with deviation 0.02, scales 1).
    """
    fresh = copy.deepcopy(model)
    if isinstance(model, PreTrainedModel):
        start = type(model)._from_config(copy.deepcopy(model.config), dtype=model.dtype)
        drawn = start.state_dict()  # perhaps of more modules: a pooler that was left out
        fresh.load_state_dict({name: drawn[name] for name in fresh.state_dict()})
        return fresh
    started: set[int] = set()
    for module in fresh.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
            started |= {id(p) for p in module.parameters(recurse=False)}
    for parameter in fresh.parameters():
        if id(parameter) not in started:
            nn.init.normal_(parameter, std=0.02) if parameter.ndim > 1 else nn.init.ones_(parameter)
    return fresh


def block_groups(body: nn.Module, blocks: nn.ModuleList) -> list[list[nn.Parameter]]:
    """Parameters before the first block, of each block, and after them, in this order.

    Embeddings count as input wherever they register: relative positions act from the first
    block on.
    """
    embeddings = [module for module in body.modules() if isinstance(module, nn.Embedding)]
    owner = {id(p): 0 for embedding in embeddings for p in embedding.parameters()}
    owner |= {id(p): i + 1 for i, block in enumerate(blocks) for p in block.parameters()}
    groups: list[list[nn.Parameter]] = [[] for _ in range(len(blocks) + 2)]
    index = 0  # parameters register from input to output
    for parameter in body.parameters():
        index = owner.get(id(parameter), 0 if index == 0 else len(blocks) + 1)
        groups[index].append(parameter)
    return groups


def find_blocks(body: nn.Module, count: int) -> nn.ModuleList:
    """The list of `count` blocks a transformer consists of.

    Raises:
        LookupError: If the body is built differently (blocks shared or nested).
    """
    for module in body.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise LookupError(f"no list of {count} blocks in {type(body).__name__}")


def on_grid(views: Sequence[View]) -> bool:
    """Whether these views are of places; they are of whole images then.

    Raises:
        SpecError: If only some are.
    """
    found = {view.pooling == GRID for view in views}
    if len(found) > 1:
        raise SpecError("a grid is of whole images and is not extracted together with other views")
    return found == {True}


def grid_of(maps: torch.Tensor) -> torch.Tensor:
    """Means of a map over 4 x 4 places of equal size.

    A cell on the border of two places counts for both in proportion. (torch's adaptive pooling
    would need sides that are multiples of 4 to be exported.)

    Args:
        maps: Shape (B, channels, height, width).

    Returns:
        Shape (B, 16 * channels), the channels of one place side by side.
    """
    down, across = (_shares(side).to(maps) for side in maps.shape[2:])
    places = down @ maps @ across.T
    return places.permute(0, 2, 3, 1).flatten(1)


def _shares(side: int) -> torch.Tensor:
    """How much of each place every one of `side` cells makes up, shape (4, side), rows sum to 1."""
    cells = torch.arange(side) * PLACES / side
    places = torch.arange(PLACES)[:, None]
    covered = torch.minimum(cells + PLACES / side, places + 1) - torch.maximum(cells, places)
    return covered.clamp(min=0)


def pool(states: torch.Tensor, own: torch.Tensor, pooling: str) -> torch.Tensor:
    """Pool token states over a text's own tokens.

    Args:
        states: Shape (B, L, width); column 0 is the class token.
        own: True where a state belongs to the text, shape (B, L); each row has one at least.
        pooling: "mean", "cls", "cls_mean" (both, concatenated), "max" or "last".

    Returns:
        Shape (B, width), for "cls_mean" (B, 2 * width).
    """
    if pooling == "cls":
        return states[:, 0]
    if pooling == "max":
        return states.masked_fill(~own[:, :, None], -torch.inf).amax(dim=1)
    if pooling == "last":
        columns = torch.arange(states.shape[1], device=states.device)
        last = (own * columns).argmax(dim=1)
        return states[torch.arange(len(states), device=states.device), last]
    weights = own[:, :, None].to(states.dtype)
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
    return mean if pooling == "mean" else torch.cat([states[:, 0], mean], dim=1)
