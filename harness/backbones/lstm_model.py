"""A small LSTM encoder-decoder with attention: network, search for outputs, files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from advisor.errors import ModelError
from harness.files import write_json

MODEL_TYPE = "advisor_lstm"
"""What config.json calls the architecture."""
IGNORED = -100
"""Target that does not enter the loss, as in transformers."""
_START = 0.1  # weights start uniform in ±0.1 (Sutskever et al. 2014 use 0.08)


@dataclass(frozen=True)
class LstmConfig:
    """Shape of the network and the tokens that frame its texts.

    Attributes:
        vocab_size: Tokens that source and target share.
        hidden_size: Width of embeddings and states; even, each direction of the encoder has half.
        num_layers: LSTM layers of the encoder, and of the decoder.
        dropout: Before and between layers and before the output.
        bos_token_id: What the decoder reads first; eos_token_id ends every output.
    """

    vocab_size: int
    hidden_size: int = 256
    num_layers: int = 2
    dropout: float = 0.1
    pad_token_id: int = 0
    bos_token_id: int = 1
    eos_token_id: int = 2


class State(NamedTuple):
    """Of the decoder: hidden and cell, each of shape (layers, B, width)."""

    hidden: torch.Tensor
    cell: torch.Tensor


class Encoded(NamedTuple):
    """A batch of sources: top states (B, S, width), which are real (B, S), the decoder's start."""

    states: torch.Tensor
    mask: torch.Tensor
    start: State


class LstmSeq2Seq(nn.Module):
    """Bidirectional LSTM encoder, LSTM decoder with global attention, one shared embedding.

    The decoder attends with the "general" score and predicts from tanh(W[context; state])
    (Luong et al. 2015, arXiv:1508.04025, section 3.1); without input feeding, so that all places
    of a target are computed at once. The output layer is the embedding (Press and Wolf 2017).
    """

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        if config.hidden_size % 2:
            raise ValueError(f"hidden_size must be even; got {config.hidden_size}")
        self.config = config
        width, layers = config.hidden_size, config.num_layers
        between = config.dropout if layers > 1 else 0.0
        self.embedding = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.encoder = nn.LSTM(
            width, width // 2, layers, batch_first=True, bidirectional=True, dropout=between
        )
        self.decoder = nn.LSTM(width, width, layers, batch_first=True, dropout=between)
        self.score = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width, bias=False)
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.drop = nn.Dropout(config.dropout)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-_START, _START)
            self.embedding.weight[config.pad_token_id] = 0.0

    @property
    def params(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def layers(self) -> int:
        """Of encoder and decoder each."""
        return self.config.num_layers

    @property
    def width(self) -> int:
        return self.config.hidden_size

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> Encoded:
        """Read sources.

        Args:
            ids: Right-padded tokens, shape (B, S). mask: True where a token is real, at least one
                a row.
        """
        embedded = self.drop(self.embedding(ids))
        packed = pack_padded_sequence(
            embedded, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        packed_states, (hidden, cell) = self.encoder(packed)
        states, _ = pad_packed_sequence(packed_states, batch_first=True, total_length=ids.shape[1])
        return Encoded(states, mask.bool(), State(_joined(hidden), _joined(cell)))

    def decode(
        self, tokens: torch.Tensor, state: State, encoded: Encoded
    ) -> tuple[torch.Tensor, State]:
        """Predict what follows each token.

        Args:
            tokens: What the decoder has read, shape (B, T); T = 1 for a step of a search.
            state: Before the first of them; `encoded.start` at the beginning.

        Returns:
            Logits, shape (B, T, vocab_size), and the state behind the last token.
        """
        embedded = self.drop(self.embedding(tokens))
        states, (hidden, cell) = self.decoder(embedded, (state.hidden, state.cell))
        scores = self.score(states) @ encoded.states.transpose(1, 2)
        scores = scores.masked_fill(~encoded.mask[:, None, :], -torch.inf)
        context = scores.softmax(dim=-1) @ encoded.states
        attentional = torch.tanh(self.combine(torch.cat([context, states], dim=-1)))
        logits = F.linear(self.drop(attentional), self.embedding.weight, self.output_bias)
        return logits, State(hidden, cell)

    def loss(
        self, source: torch.Tensor, source_mask: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """Mean negative log-likelihood of a target token, in nats, with the true tokens before it.

        Args:
            source: Shape (B, S); source_mask: as in `encode`.
            targets: What to say, each row ended by eos, then -100; shape (B, T).
        """
        read = targets.masked_fill(targets == IGNORED, self.config.pad_token_id)
        first = torch.full_like(read[:, :1], self.config.bos_token_id)
        encoded = self.encode(source, source_mask)
        logits, _ = self.decode(torch.cat([first, read[:, :-1]], dim=1), encoded.start, encoded)
        return F.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED
        )

    @torch.no_grad()
    def generate(
        self,
        source: torch.Tensor,
        source_mask: torch.Tensor,
        *,
        max_new_tokens: int = 64,
        beams: int = 1,
    ) -> torch.Tensor:
        """The likeliest outputs that a beam search finds; greedy with one beam.

        Hypotheses are compared by log-likelihood per token (Wu et al. 2016, section 7, alpha 1).

        Args:
            source: Shape (B, S); source_mask: as in `encode`.
            beams: Hypotheses kept per source.

        Returns:
            Tokens without bos, shape (B, T) with T at most `max_new_tokens`; eos, then padding,
            where an output ended.
        """
        was_training = self.training
        self.eval()
        try:
            return self._search(self.encode(source, source_mask), max_new_tokens, beams)
        finally:
            self.train(was_training)

    def _search(self, encoded: Encoded, longest: int, beams: int) -> torch.Tensor:
        rows, device = len(encoded.mask), encoded.mask.device
        config, vocabulary = self.config, self.config.vocab_size
        state, wide = _widened(encoded, beams)
        said = torch.empty(rows * beams, 0, dtype=torch.long, device=device)
        last = torch.full((rows * beams, 1), config.bos_token_id, device=device)
        # all beams begin alike: only the first may grow, else they would stay copies
        total = torch.full((rows, beams), -torch.inf, device=device)
        total[:, 0] = 0.0
        ended = torch.zeros(rows * beams, dtype=torch.bool, device=device)
        lengths = torch.zeros(rows * beams, device=device)
        only_padding = torch.full((vocabulary,), -torch.inf, device=device)
        only_padding[config.pad_token_id] = 0.0
        for _ in range(longest):
            logits, state = self.decode(last, state, wide)
            logits = logits[:, 0].float()
            logits[:, config.pad_token_id] = -torch.inf
            logs = logits.log_softmax(dim=-1)
            logs = torch.where(ended[:, None], only_padding, logs)
            longer = (lengths + (~ended).float()).view(rows, beams, 1)
            sums = total[:, :, None] + logs.view(rows, beams, vocabulary)
            best = (sums / longer).view(rows, -1).topk(beams).indices
            total = sums.view(rows, -1).gather(1, best)
            parent = (best // vocabulary + beams * torch.arange(rows, device=device)[:, None]).view(
                -1
            )
            last = (best % vocabulary).view(-1, 1)
            said = torch.cat([said[parent], last], dim=1)
            state = State(state.hidden[:, parent], state.cell[:, parent])
            lengths = longer.view(-1)[parent]
            ended = ended[parent] | (last[:, 0] == config.eos_token_id)
            if ended.all():
                break
        # topk sorts: the first beam is the best
        best_length = int(lengths.view(rows, beams)[:, 0].max())
        return said.view(rows, beams, -1)[:, 0, :best_length]

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load what `save_to` wrote.

        Raises:
            ModelError: If configuration or weights are missing or do not fit.
        """
        try:
            found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if found.get("model_type") != MODEL_TYPE:
                raise ValueError(f"its model_type is {found.get('model_type')!r}")
            known = {field.name for field in fields(LstmConfig)}
            model = cls(LstmConfig(**{key: found[key] for key in known if key in found}))
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RuntimeError,
            SafetensorError,
        ) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"{folder} holds no LSTM encoder-decoder ({reason}); "
                "`harness pretrain --objective denoising` writes one."
            ) from error
        return model.eval()

    def save_to(self, folder: Path) -> None:
        """Write config.json and model.safetensors; the tokenizer's files lie beside them."""
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / ".model.safetensors.tmp"
        save_file(
            {name: value.contiguous() for name, value in self.state_dict().items()}, temporary
        )
        temporary.replace(folder / "model.safetensors")
        about = {"model_type": MODEL_TYPE, "architectures": [type(self).__name__]}
        write_json(folder / "config.json", about | asdict(self.config))


def _joined(state: torch.Tensor) -> torch.Tensor:
    """(layers · 2, B, width / 2) of two directions -> (layers, B, width)."""
    both = state.unflatten(0, (-1, 2))
    return torch.cat([both[:, 0], both[:, 1]], dim=-1)


def _widened(encoded: Encoded, beams: int) -> tuple[State, Encoded]:
    """Every source `beams` times in a row."""
    states, mask, start = encoded
    start = State(*(part.repeat_interleave(beams, dim=1) for part in start))
    wide = Encoded(
        states.repeat_interleave(beams, dim=0), mask.repeat_interleave(beams, dim=0), start
    )
    return start, wide
