"""How likely labels are after a prompt, exactly and without computing anything twice.

Three things are shared. The keys and values of the common prefix are computed once and read by
every row. All labels of a row are scored in one forward pass: their tokens form a tree below
the end of the row, each branch with its own position ids, kept apart by the attention mask.
And the output layer, 262,144 wide for Gemma, is computed only where a label token is predicted.

A row is `[left padding][context tokens][tree nodes]`, so that the last context token and the
nodes stand in the same columns in every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.last_positions import read_at_the_end
from harness.backbones.shared_prefix import (
    KeysValues,
    beyond_reach,
    kinds_by_layer,
    prefix_cache,
    prefix_length,
)

_LEAST_ROWS = 16


@dataclass(frozen=True)
class LabelTree:
    """The tokens of all labels as a tree; labels that begin alike share nodes.

    A node is a proper beginning of a label (its last token is predicted but never read). Slot 0
    is the end of the context, slot i + 1 is node i; a label token is predicted at the slot of
    the tokens before it.

    Attributes:
        tokens: Token of each node, int64, shape (n_nodes,).
        depth: Position of each node after the context, from 1, shape (n_nodes,).
        ancestors: Whether node j is on the way to node i or i itself, bool, (n_nodes, n_nodes).
        slots: Where each label token is predicted, int64, shape (n_labels, longest).
        targets: The label tokens, int64, padded with 0, same shape.
        lengths: Tokens per label, int64, shape (n_labels,).
    """

    tokens: torch.Tensor
    depth: torch.Tensor
    ancestors: torch.Tensor
    slots: torch.Tensor
    targets: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]], device: torch.device) -> LabelTree:
        """The tree of these token sequences.

        Raises:
            SpecError: If a label has no token.
        """
        if not labels or not all(labels):
            raise SpecError("every label needs at least one token to be scored; got an empty label")
        paths = sorted({tuple(label[:end]) for label in labels for end in range(1, len(label))})
        number = {path: index for index, path in enumerate(paths)}
        longest = max(map(len, labels))
        slots = torch.zeros(len(labels), longest, dtype=torch.long)
        targets = torch.zeros_like(slots)
        for row, label in enumerate(labels):
            targets[row, : len(label)] = torch.tensor(label)
            for end in range(1, len(label)):
                slots[row, end] = number[tuple(label[:end])] + 1
        ancestors = [[below[: len(above)] == above for above in paths] for below in paths]
        return cls(
            tokens=torch.tensor([path[-1] for path in paths], dtype=torch.long, device=device),
            depth=torch.tensor([len(path) for path in paths], dtype=torch.long, device=device),
            ancestors=torch.tensor(ancestors, dtype=torch.bool, device=device).view(
                len(paths), len(paths)
            ),
            slots=slots.to(device),
            targets=targets.to(device),
            lengths=torch.tensor([len(label) for label in labels], device=device),
        )

    def log_likelihoods(self, logits: torch.Tensor) -> torch.Tensor:
        """Sum of token log-likelihoods of each label.

        Args:
            logits: At slot 0 and at every node, shape (B, 1 + n_nodes, vocabulary).

        Returns:
            Natural logarithms, float32, shape (B, n_labels).
        """
        normalizer = logits.float().logsumexp(dim=-1)
        tokens = logits[:, self.slots, self.targets].float() - normalizer[:, self.slots]
        real = torch.arange(self.slots.shape[1], device=logits.device) < self.lengths[:, None]
        return tokens.masked_fill(~real, 0.0).sum(dim=-1)


def tail_logits(
    model: PreTrainedModel,
    embeddings: torch.Tensor,
    real: torch.Tensor,
    tail: torch.Tensor,
    *,
    depth: torch.Tensor,
    ancestors: torch.Tensor,
    prefix: KeysValues = (),
) -> torch.Tensor:
    """Logits at the last context token and at every token of a tail behind it.

    Args:
        model: A decoder with its output layer.
        embeddings: Left-padded context, shape (B, L, width), as the embedding layer returns it.
        real: False at padding, shape (B, L).
        tail: Tokens behind the context, shape (B, n).
        depth: Position of each tail token after the context, from 1, shape (n,).
        ancestors: Which tail tokens each tail token sees, itself too, shape (n, n).
        prefix: Keys and values before the context.

    Returns:
        Shape (B, 1 + n, vocabulary).
    """
    n_prefix = prefix_length(prefix)
    context = n_prefix + real.long().cumsum(dim=1) - 1
    positions = torch.cat([context.clamp(min=0), context[:, -1:] + depth], dim=1)
    before = torch.arange(n_prefix, device=positions.device).expand(positions.shape[0], -1)
    keys_at = torch.cat([before, positions], dim=1)
    visible = visible_keys(real, ancestors, n_prefix)
    inputs = torch.cat([embeddings, model.get_input_embeddings()(tail)], dim=1)
    asked = 1 + tail.shape[1]
    kept = asked if torch.is_grad_enabled() else _efficient(asked, *inputs.shape[:2])
    masks = attention_masks(
        model,
        visible,
        positions,
        keys_at,
        inputs.dtype,
        unreachable=beyond_reach(model, prefix),
    )
    with read_at_the_end(model, kept):
        output = model(
            inputs_embeds=inputs,
            attention_mask=masks,
            position_ids=positions,
            past_key_values=prefix_cache(model, prefix),
            use_cache=False,
            logits_to_keep=kept,
        )
    return output.logits[:, -asked:]


def _efficient(asked: int, rows: int, length: int) -> int:
    """Positions per row to compute logits of, so that the product has no bad number of rows.

    MKL multiplies 16 rows by Gemma's output layer in half the time it takes for 12 (0.15 and
    0.31 s; one thread).
    """
    return max(asked, min(length, -(-_LEAST_ROWS // rows)))


def visible_keys(real: torch.Tensor, ancestors: torch.Tensor, n_prefix: int) -> torch.Tensor:
    """Which key each row token may read, bool, shape (B, L + n, n_prefix + L + n)."""
    batch, length = real.shape
    n = ancestors.shape[0]
    device = real.device
    seen = torch.zeros(batch, length + n, n_prefix + length + n, dtype=torch.bool, device=device)
    seen[:, :, :n_prefix] = True
    seen[:, :, n_prefix : n_prefix + length] = real[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    seen[:, :length, n_prefix : n_prefix + length] &= causal
    seen[:, length:, n_prefix + length :] = ancestors
    # A padding row must read something, or its softmax is not a number; nobody reads the row.
    seen.diagonal(offset=n_prefix, dim1=1, dim2=2).fill_(True)
    return seen


def attention_masks(
    model: PreTrainedModel,
    visible: torch.Tensor,
    positions: torch.Tensor,
    keys_at: torch.Tensor,
    dtype: torch.dtype,
    *,
    unreachable: int = 0,
) -> torch.Tensor | dict[str, torch.Tensor]:
    """The additive attention masks the model takes, (B, 1, queries, keys); per layer kind.

    Args:
        visible: Which key each query may read, shape (B, queries, keys).
        positions: Of the queries, shape (B, queries); keys_at: of the keys, (B, keys).
        unreachable: First keys that sliding layers do not keep.
    """
    kinds = layer_kinds(model)
    masks = {}
    for kind in kinds:
        seen = visible
        if kind == "sliding_attention":
            distance = positions[:, :, None] - keys_at[:, None, unreachable:]
            seen = visible[:, :, unreachable:] & (distance < model.config.sliding_window)
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        masks[kind] = mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
    return masks if len(kinds) > 1 else masks[kinds[0]]


def layer_kinds(model: PreTrainedModel) -> list[str]:
    """The kinds of attention in a model, sorted ("full_attention", "sliding_attention").

    Raises:
        ModelError: If a layer has another kind, which cannot read a masked row.
    """
    return sorted(set(kinds_by_layer(model)))
