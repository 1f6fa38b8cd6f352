"""Encoders (BERT, RoBERTa, MiniLM, DeBERTa, ModernBERT…): models that read in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError, SpecError
from harness.backbones.base import FrozenModel, ModelFacts, Progress, PromptSpec, View, check_form
from harness.backbones.cloze import Cloze
from harness.backbones.decoder_tokens import DecoderTokens, pad
from harness.backbones.encoder_trainee import EncoderTrainee, segments, tokenize
from harness.backbones.frozen import frozen
from harness.backbones.heads import pool
from harness.backbones.onnx_runtime import (
    ExportFailed,
    OnnxModel,
    cache_key,
    cached,
    exported,
    quantise,
)
from harness.backbones.token_batches import fill
from harness.backbones.token_heads import token_trainee
from harness.tasks.base import Task

DEFAULT_MAX_TOKENS = 512
# MiniLM, texts of 128 tokens, one thread: 26.5 texts/s with 1024, 22.6 with 4096 tokens; two
# threads were fastest with 2048. A thread's share should fit its cache.
BATCH_TOKENS = {"cpu": 1024, "cuda": 65_536}
"""For each thread of a CPU, or for a GPU."""
BATCH_PADDING = 64
"""Most padding tokens of a batch on a CPU."""


class EncoderBackbone(FrozenModel):
    """An encoder with its tokenizer; implements `Backbone`.

    Attributes:
        int8: Whether features come from a quantised copy, see `quantised`.
    """

    tasks = frozenset(
        {"classification", "pair_classification", "qa", "token_labelling", "regression"}
    )
    poolings = ("mean", "cls", "cls_mean", "max", "last")

    def __init__(
        self,
        facts: ModelFacts,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: torch.device,
        max_tokens: int | None = None,
    ) -> None:
        self.facts = facts
        self.device = device
        if getattr(model, "pooler", None) is not None:
            # It reads the class token for a pretraining task; nothing here would train it.
            model.register_module("pooler", None)
        self.model = frozen(model, device)
        self.tokenizer = tokenizer
        self.max_tokens: int | None = min(
            max_tokens or DEFAULT_MAX_TOKENS, facts.window or DEFAULT_MAX_TOKENS
        )
        self._quantised: OnnxModel | None = None
        self._cloze: Cloze | None = None

    @property
    def int8(self) -> bool:
        return self._quantised is not None

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> EncoderBackbone:
        """Load from a transformers folder or a hub id.

        Raises:
            ModelError: If the weights cannot be found or read.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(facts.location)
            model, info = AutoModel.from_pretrained(
                facts.location, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"encoder {facts.name!r} cannot be loaded from {facts.location!r}: {reason}"
            ) from error
        missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
        if missing:  # transformers would leave them at random
            raise ModelError(
                f"the weights in {facts.location!r} lack {len(missing)} tensors of the encoder "
                f"its config.json describes, {missing[0]} the first. Save the model again."
            )
        return cls(facts, model, tokenizer, device=device, max_tokens=max_tokens)

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[str], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Hidden states pooled over a text's tokens, class and separator token included.

        Layer 0 is the embedding, layer i the output of block i, -1 the last one. Special tokens
        are part of the mean, as sentence-transformers' models were trained.
        """
        for view in views:
            self._check_pooling(view.pooling)
        rows, place = _distinct(tokenize(self.tokenizer, inputs, self._longest()))
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        width = sum(map(self.view_width, views))
        features = fill(
            np.zeros((len(rows), width), dtype=np.float32),
            lambda batch: self._viewed([rows[row] for row in batch], views),
            lengths,
            tokens=self._batch_tokens(),
            padding=BATCH_PADDING if self.device.type == "cpu" else None,
            progress=progress,
        )
        return features[place]

    def _viewed(self, rows: Sequence[list[int]], views: Sequence[View]) -> np.ndarray:
        """The views of one batch of token rows."""
        ids, real = pad(rows, self.device, left=False, fill=self._padding)
        states = self._states(ids, real.long(), [view.layer for view in views])
        pooled = [pool(states[view.layer], real, view.pooling) for view in views]
        return torch.cat(pooled, dim=1).float().cpu().numpy()

    def earlier_layers(self) -> tuple[int, ...]:
        return () if self.int8 else tuple(range(self.facts.layers))

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> EncoderTrainee:
        """A head on the pooled output or on the tokens, if asked for with prompt vectors.

        Raises:
            SpecError: If the form, pooling or prompt is unknown or does not go together, or there
                is no head for the task.
        """
        check_form(form)
        if task.head == "tokens":
            return token_trainee(
                self.model,
                self.tokenizer,
                task,
                max_tokens=self._longest(),
                window=self.facts.window,
                prompt=prompt,
                frozen=frozen,
                pretrained=pretrained,
            )
        pooling = pooling or self.poolings[0]
        self._check_pooling(pooling)
        return EncoderTrainee(
            self.model,
            self.tokenizer,
            task,
            max_tokens=self._longest(),
            window=self.facts.window,
            pooling=pooling,
            prompt=prompt,
            frozen=frozen,
            pretrained=pretrained,
        )

    def quantised(self) -> EncoderBackbone:
        """The same encoder with features from 8-bit weights, computed by ONNX Runtime on a CPU.

        Faster, and less exact: features move, so it is a model of its own with its own digest.
        It gives the last layer's states only; trainees are made from the full weights.

        Raises:
            SpecError: If the encoder computes on another device.
            ModelError: If ONNX Runtime cannot compute the encoder.
        """
        if self.device.type != "cpu":
            raise SpecError(f"8-bit features are computed on a CPU; got device {self.device}")
        network = LastStates(self.model, self.tokenizer)
        try:
            whole = exported(
                network, self._example("a b c", "d"), self._example("a", "b c d e f", "")
            ).file
        except ExportFailed as error:
            raise ModelError(f"encoder {self.facts.name!r} cannot be quantised: {error}") from error
        file = cached(cache_key(network, "int8"), lambda target: quantise(whole, target))
        facts = replace(self.facts, digest=f"{self.facts.digest}-int8")
        other = EncoderBackbone(
            facts, self.model, self.tokenizer, device=self.device, max_tokens=self.max_tokens
        )
        other._quantised = OnnxModel(file)
        return other

    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Of labels in a gap behind the query; see `harness.backbones.cloze`.

        Raises:
            SpecError: If the encoder has no head to fill gaps with, or a row is too long.
        """
        if not self.facts.masked_head:
            raise SpecError(f"{self.facts.name!r} comes without a masked-language-model head")
        if self._cloze is None:
            self._cloze = Cloze(self.facts, self.tokenizer, self.device)
        return self._cloze.label_logprobs(queries, labels, prefix=prefix, progress=progress)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text cut to its first `max_tokens` tokens."""
        return DecoderTokens(self.tokenizer).truncate(texts, max_tokens)

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, int64, shape (n,)."""
        return DecoderTokens(self.tokenizer).counts(texts)

    def _states(
        self, ids: torch.Tensor, mask: torch.Tensor, layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Layer -> its token states, shape (B, L, width)."""
        only_last = set(layers) == {-1}
        if self._quantised is not None:
            if not only_last:
                raise SpecError(
                    f"8-bit features are those of the last layer, -1; got {tuple(layers)}"
                )
            inputs = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
            return {-1: torch.from_numpy(self._quantised(inputs))}
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            output_hidden_states=not only_last,
            **segments(self.tokenizer, self.model, ids),
        )
        return {
            layer: output.last_hidden_state if layer == -1 else output.hidden_states[layer]
            for layer in layers
        }

    def _example(self, *texts: str) -> dict[str, torch.Tensor]:
        """Padded inputs of `LastStates`."""
        rows = tokenize(self.tokenizer, texts, self._longest())
        ids, real = pad(rows, self.device, left=False, fill=self._padding)
        return {"input_ids": ids, "attention_mask": real.long()}

    def _batch_tokens(self) -> int:
        if self.device.type == "cpu":
            return BATCH_TOKENS["cpu"] * torch.get_num_threads()
        return BATCH_TOKENS.get(self.device.type, BATCH_TOKENS["cpu"])

    def _longest(self) -> int:
        assert self.max_tokens is not None
        return self.max_tokens

    @property
    def _padding(self) -> int:
        return self.tokenizer.pad_token_id or 0

    def _check_pooling(self, pooling: str) -> None:
        if pooling not in self.poolings:
            raise SpecError(f"pooling must be one of {', '.join(self.poolings)}; got {pooling!r}")


def _distinct(rows: Sequence[list[int]]) -> tuple[list[list[int]], np.ndarray]:
    """Token rows without repetitions (short messages often repeat), and where each row is in them."""
    number: dict[tuple[int, ...], int] = {}
    place = [number.setdefault(tuple(row), len(number)) for row in rows]
    return [list(row) for row in number], np.array(place, dtype=np.int64)


class LastStates(nn.Module):
    """An encoder as a network of one output, as exporters want it."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.model, self._tokenizer = model, tokenizer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        kinds = segments(self._tokenizer, self.model, input_ids)
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, **kinds
        ).last_hidden_state
