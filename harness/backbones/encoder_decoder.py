"""Encoder-decoders (T5, Flan-T5, BART…): the encoder reads a text, the decoder says another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError, SpecError
from harness.backbones.base import (
    FrozenModel,
    ModelFacts,
    Progress,
    PromptSpec,
    Trainee,
    View,
    check_form,
)
from harness.backbones.decoder_tokens import pad
from harness.backbones.frozen import frozen
from harness.backbones.heads import pool
from harness.backbones.seq2seq_scoring import MOST_LOGITS, LabelPaths, write
from harness.backbones.seq2seq_tokens import GAP, Seq2SeqTokens
from harness.backbones.seq2seq_trainee import EncoderHeadTrainee, Seq2SeqTrainee
from harness.backbones.token_batches import fill
from harness.tasks.base import Task

DEFAULT_MAX_TOKENS = 512
BATCH_TOKENS = {"cpu": 1024, "cuda": 32_768}


class EncoderDecoderBackbone(FrozenModel):
    """An encoder-decoder with its tokenizer; implements `Backbone`, `LabelScorer` and
    `TextGenerator`.

    Args:
        fills_gaps: It was trained on span corruption and nothing else, so that an answer is what
            a gap at the end of the input hides; see `Seq2SeqTokens`.
    """

    tasks = frozenset({"classification", "pair_classification", "qa", "generation", "translation"})
    poolings = ("mean", "max", "last")

    def __init__(
        self,
        facts: ModelFacts,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: torch.device,
        max_tokens: int | None = None,
        fills_gaps: bool = False,
    ) -> None:
        self.facts = facts
        self.device = device
        self.model = frozen(model, device)
        start = getattr(model.config, "decoder_start_token_id", None)
        if start is None:
            start = model.config.pad_token_id
        self.tokens = Seq2SeqTokens(tokenizer, start=start, fills_gaps=fills_gaps)
        longest = facts.window or DEFAULT_MAX_TOKENS
        self.max_tokens: int | None = min(max_tokens or DEFAULT_MAX_TOKENS, longest)

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> EncoderDecoderBackbone:
        """Load from a transformers folder or a hub id.

        Raises:
            ModelError: If the weights cannot be found or read.
        """
        location = facts.location
        try:
            tokenizer = AutoTokenizer.from_pretrained(location)
            model, info = AutoModelForSeq2SeqLM.from_pretrained(
                location, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"encoder-decoder {facts.name!r} cannot be loaded from {location!r}: {reason}"
            ) from error
        if missing := sorted(info["missing_keys"]):  # transformers would leave them at random
            raise ModelError(
                f"the weights in {location!r} lack {len(missing)} tensors of the model its "
                f"config.json describes, {missing[0]} the first. Save the model again."
            )
        # The catalogue calls T5 "span_corruption", too, though it then learned tasks as well;
        # of a model pretrained here it is all there was.
        only_gaps = (Path(location) / "pretraining.json").is_file() and GAP in tokenizer.get_vocab()
        return cls(
            facts, model, tokenizer, device=device, max_tokens=max_tokens, fills_gaps=only_gaps
        )

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[str], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Hidden states of the encoder pooled over a text's tokens, special ones included.

        Layer 0 is the embedding, layer i the output of block i, -1 the last one after the final
        normalisation.
        """
        for view in views:
            self._check_pooling(view.pooling)
        assert self.max_tokens is not None
        rows = self.tokens.plain_sources(self.tokens.truncate(inputs, self.max_tokens))
        earlier = any(view.layer != -1 for view in views)

        def viewed(ids: torch.Tensor, real: torch.Tensor) -> np.ndarray:
            output = self.model.get_encoder()(
                input_ids=ids, attention_mask=real.long(), output_hidden_states=earlier
            )
            pooled = [
                pool(
                    output.last_hidden_state
                    if view.layer == -1
                    else output.hidden_states[view.layer],
                    real,
                    view.pooling,
                )
                for view in views
            ]
            return torch.cat(pooled, dim=1).float().cpu().numpy()

        features = np.zeros((len(rows), sum(map(self.view_width, views))), dtype=np.float32)
        return self._fill(features, viewed, rows, progress=progress)

    def earlier_layers(self) -> tuple[int, ...]:
        return tuple(range(self.facts.layers))

    @torch.inference_mode()
    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Sum of token log-likelihoods of each label in the decoder after `prefix + query` was
        read.

        The encoder reads each query once for all labels. A prefix cannot be shared by queries:
        the encoder reads it in the light of what follows.

        Raises:
            SpecError: If a label is empty, or a row is longer than learned positions reach.
        """
        paths = LabelPaths.of(self.tokens.answers(labels), self.tokens.start, self.device)
        scores = np.zeros((len(queries), len(labels)), dtype=np.float64)
        rows = self._sources(queries, prefix)
        most_rows = MOST_LOGITS // (paths.inputs.numel() * self.model.config.vocab_size)

        def scored(ids: torch.Tensor, real: torch.Tensor) -> np.ndarray:
            states = self.model.get_encoder()(input_ids=ids, attention_mask=real.long())
            logs = paths.log_likelihoods(self.model, states.last_hidden_state, real)
            return logs.double().cpu().numpy()

        return self._fill(scores, scored, rows, rows_at_once=most_rows, progress=progress)

    @torch.inference_mode()
    def generate(
        self,
        queries: Sequence[str],
        *,
        prefix: str = "",
        max_new_tokens: int,
        stop: str = "\n",
        progress: Progress | None = None,
    ) -> list[str]:
        """What the decoder says after `prefix + query` was read, greedily, up to its end token.

        Tokenizers of this family know no line breaks, or the model never ends with one: `stop`
        only cuts what is said.

        Raises:
            SpecError: If a row is longer than learned positions reach.
        """

        def said(ids: torch.Tensor, real: torch.Tensor) -> np.ndarray:
            states = self.model.get_encoder()(input_ids=ids, attention_mask=real.long())
            texts = write(self.model, self.tokens, states.last_hidden_state, real, max_new_tokens)
            return np.array([text.split(stop)[0].strip() for text in texts], dtype=object)

        rows = self._sources(queries, prefix)
        return self._fill(np.empty(len(rows), dtype=object), said, rows, progress=progress).tolist()

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, int64, shape (n,)."""
        return self.tokens.counts(texts)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text cut to its first `max_tokens` tokens."""
        return self.tokens.truncate(texts, max_tokens)

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> Trainee:
        """Text-to-text ("default") or a head on the mean of the encoder's states ("head").

        Raises:
            SpecError: If the form, pooling or prompt is unknown or does not go together.
        """
        assert self.max_tokens is not None
        check_form(form)
        if form != "head":
            if pooling is not None:
                raise SpecError(
                    f"a text-to-text encoder-decoder pools nothing; leave out {pooling!r}"
                )
            return Seq2SeqTrainee(
                self.model,
                self.tokens,
                task,
                max_tokens=self.max_tokens,
                window=self._most(),
                prompt=prompt,
                labels_only=form == "labels",
                frozen=frozen,
                pretrained=pretrained,
            )
        if task.output == "texts":
            raise SpecError("a head on the encoder writes no texts; leave out form 'head'")
        if prompt is not None or pooling not in (None, "mean"):
            raise SpecError(
                "a head on an encoder-decoder reads the mean of the encoder's states and takes "
                f"no prompt vectors; got pooling {pooling!r}, prompt {prompt}"
            )
        return EncoderHeadTrainee(
            self.model,
            self.tokens,
            task,
            max_tokens=self.max_tokens,
            frozen=frozen,
            pretrained=pretrained,
        )

    def _sources(self, queries: Sequence[str], prefix: str) -> list[list[int]]:
        """What the encoder reads; checked against the window."""
        rows = self.tokens.sources([prefix + query for query in queries])
        longest, most = max(map(len, rows), default=0), self._most()
        if most is not None and longest > most:
            raise SpecError(
                f"a prompt of {longest} tokens does not fit the window of {most} tokens of "
                f"{self.facts.name!r} (learned positions end there); use fewer or shorter "
                "demonstrations"
            )
        return rows

    def _most(self) -> int | None:
        """Most tokens that can be read: learned positions end at the window, relative ones go
        on."""
        return self.facts.window if self.facts.positions == "learned" else None

    def _fill(
        self,
        found: np.ndarray,
        compute: Callable[[torch.Tensor, torch.Tensor], np.ndarray],
        rows: Sequence[Sequence[int]],
        *,
        rows_at_once: int | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """What is computed of the padded tokens and the mask of each batch, row by row."""

        def of(batch: np.ndarray) -> np.ndarray:
            padding = self.tokens.padding
            return compute(
                *pad([rows[row] for row in batch], self.device, left=False, fill=padding)
            )

        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        tokens = BATCH_TOKENS.get(self.device.type, BATCH_TOKENS["cpu"])
        return fill(found, of, lengths, tokens=tokens, rows=rows_at_once, progress=progress)

    def _check_pooling(self, pooling: str) -> None:
        if pooling not in self.poolings:
            raise SpecError(f"pooling must be one of {', '.join(self.poolings)}; got {pooling!r}")
