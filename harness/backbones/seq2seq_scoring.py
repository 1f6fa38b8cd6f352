"""What an encoder-decoder says of answers: the encoder reads once, the decoder scores or writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from advisor.errors import SpecError
from harness.backbones.decoder_tokens import pad
from harness.backbones.greedy import greedy
from harness.backbones.heads import block_groups
from harness.backbones.seq2seq_tokens import Seq2SeqTokens

# Logits are the largest tensors by far: 64M floats are 256 MB.
MOST_LOGITS = 64_000_000


@dataclass(frozen=True)
class LabelPaths:
    """The tokens of all labels as few rows for the decoder: labels that begin alike share one.

    A label's last token is predicted but never read, so that all labels of one token need a
    single row, the start alone.

    Attributes:
        inputs: What the decoder reads, int64, right-padded, shape (n_paths, longest).
        path: The row of each label, shape (n_labels,).
        first: Column at which the first token of every label is predicted.
        targets: Label tokens, padded with 0, shape (n_labels, longest label).
        lengths: Tokens per label, shape (n_labels,).
    """

    inputs: torch.Tensor
    path: torch.Tensor
    first: int
    targets: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(
        cls, labels: Sequence[Sequence[int]], start: Sequence[int], device: torch.device
    ) -> LabelPaths:
        """The paths of these token sequences.

        Raises:
            SpecError: If a label has no token.
        """
        if not labels or not all(labels):
            raise SpecError("every label needs at least one token to be scored; got an empty label")
        read = sorted({tuple(label[:-1]) for label in labels})
        # sorted, a beginning stands right before what it begins
        paths = [
            one
            for one, after in zip(read, [*read[1:], None], strict=True)
            if after is None or after[: len(one)] != one
        ]
        path = [
            next(i for i, one in enumerate(paths) if one[: len(label) - 1] == tuple(label[:-1]))
            for label in labels
        ]
        inputs, _ = pad([[*start, *one] for one in paths], device, left=False)
        targets, real = pad(labels, device, left=False)
        return cls(
            inputs=inputs,
            path=torch.tensor(path, device=device),
            first=len(start) - 1,
            targets=targets,
            lengths=real.sum(dim=1),
        )

    def log_likelihoods(
        self, body: PreTrainedModel, states: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor:
        """Sum of token log-likelihoods of each label.

        Args:
            states: Of the encoder, shape (B, L, width); real: False at padding, (B, L).

        Returns:
            Natural logarithms, float32, shape (B, n_labels).
        """
        longest = self.inputs.shape[1]
        each = len(states) * longest * int(body.config.vocab_size)
        at_once = max(1, MOST_LOGITS // each)
        scores = torch.zeros(len(states), len(self.path), device=states.device)
        for low in range(0, len(self.inputs), at_once):
            inputs = self.inputs[low : low + at_once]
            logits = decode(body, states, real, inputs)
            here = torch.nonzero((self.path >= low) & (self.path < low + at_once))[:, 0]
            scores = scores.index_copy(1, here, self._sums(logits, here, low))
        return scores

    def _sums(self, logits: torch.Tensor, labels: torch.Tensor, low: int) -> torch.Tensor:
        """Of some labels from logits of shape (B, paths, longest, vocabulary)."""
        columns = self.first + torch.arange(self.targets.shape[1], device=logits.device)
        path = self.path[labels, None] - low
        normalizer = logits.float().logsumexp(dim=-1)
        tokens = logits[:, path, columns, self.targets[labels]].float()
        tokens = tokens - normalizer[:, path, columns]
        padding = columns - self.first >= self.lengths[labels, None]
        return tokens.masked_fill(padding, 0.0).sum(dim=-1)


def decode(
    body: PreTrainedModel, states: torch.Tensor, real: torch.Tensor, inputs: torch.Tensor
) -> torch.Tensor:
    """Logits behind every token of every decoder row for every source.

    Padding behind a decoder row changes nothing before it: the decoder looks back only.

    Args:
        states: Shape (B, L, width); real: shape (B, L); inputs: shape (n, T).

    Returns:
        Shape (B, n, T, vocabulary).
    """
    rows, n = len(states), len(inputs)
    logits = body(
        encoder_outputs=BaseModelOutput(last_hidden_state=states.repeat_interleave(n, dim=0)),
        attention_mask=real.long().repeat_interleave(n, dim=0),
        decoder_input_ids=inputs.repeat(rows, 1),
        use_cache=False,
    ).logits
    return logits.view(rows, n, *logits.shape[1:])


def write(
    body: PreTrainedModel,
    tokens: Seq2SeqTokens,
    states: torch.Tensor,
    real: torch.Tensor,
    max_new_tokens: int,
) -> list[str]:
    """The likeliest answer to each source, token by token; keys and values are kept.

    Args:
        states: Shape (B, L, width); real: shape (B, L).
    """
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    start = torch.tensor([tokens.start], device=states.device).expand(len(states), -1)

    def step(said: torch.Tensor | None) -> torch.Tensor:
        output = body(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=real.long(),
            decoder_input_ids=start if said is None else said,
            past_key_values=cache,
            use_cache=True,
        )
        return output.logits[:, -1]

    rows = greedy(
        step, len(states), max_new_tokens=max_new_tokens, ends=lambda token: token in tokens.ends
    )
    return [tokens.read(row) for row in rows]


def stack_blocks(body: PreTrainedModel) -> list[nn.Module]:
    """The blocks of the encoder, then those of the decoder, first to last.

    Raises:
        SpecError: If they cannot be found.
    """
    blocks: list[nn.Module] = []
    for stack in (body.get_encoder(), body.get_decoder()):
        lists = (module for module in stack.modules() if isinstance(module, nn.ModuleList))
        found = next(lists, None)
        if found is None:
            raise SpecError(f"no list of blocks in {type(stack).__name__}")
        blocks += found
    return blocks


def seq2seq_groups(body: PreTrainedModel) -> list[list[nn.Parameter]]:
    """Embeddings, each block of the encoder, each of the decoder, and what comes after."""
    return block_groups(body, nn.ModuleList(stack_blocks(body)))
