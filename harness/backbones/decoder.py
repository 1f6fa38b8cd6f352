"""Decoders (GPT-2, Llama, Qwen, Gemma…): language models that predict the next token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
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
from harness.backbones.decoder_tokens import DecoderTokens, common_start, pad
from harness.backbones.frozen import frozen
from harness.backbones.gguf import converted_folder, is_gguf
from harness.backbones.heads import pool
from harness.backbones.label_scoring import LabelTree, layer_kinds, tail_logits
from harness.backbones.shared_prefix import compute_prefix
from harness.backbones.text_generation import TextGenerationTrainee, write
from harness.backbones.text_to_text import LastTokenClassifier, TextToTextTrainee
from harness.backbones.token_batches import fill
from harness.tasks.base import Task

DEFAULT_MAX_TOKENS = 512
# On a CPU batches beyond this were slower (100 messages of 36 tokens with Gemma-3-270M, one
# thread: 13.4 s with 256, 13.6 s with 1024, 19.5 s with 4096 tokens); a GPU wants larger ones.
BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}
# Logits are the largest tensors by far: 64M floats are 256 MB, 244 positions of Gemma.
BATCH_LOGITS = 64_000_000


class DecoderBackbone(FrozenModel):
    """A decoder with its tokenizer; implements `Backbone`, `LabelScorer` and
    `TextGenerator`."""

    tasks = frozenset(
        {"classification", "pair_classification", "qa", "generation", "translation", "regression"}
    )
    poolings = ("mean", "last", "max")

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
        self.model = frozen(model, device)
        self.tokens = DecoderTokens(tokenizer)
        self.max_tokens: int | None = min(
            max_tokens or DEFAULT_MAX_TOKENS, facts.window or DEFAULT_MAX_TOKENS
        )

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> DecoderBackbone:
        """Load from a transformers folder, a hub id or a GGUF file (converted on first use).

        Raises:
            ModelError: If the weights cannot be found or read.
        """
        location = facts.location
        folder = str(converted_folder(Path(location))) if is_gguf(location) else location
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"decoder {facts.name!r} cannot be loaded from {location!r}: {reason}"
            ) from error
        return cls(facts, model, tokenizer, device=device, max_tokens=max_tokens)

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[str], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """Hidden states of the body pooled over a text's own tokens (not the start token).

        Layer 0 is the embedding, layer i the output of block i, -1 the last one after the final
        normalisation. The start token is left out of "mean" and "max": a decoder gives it one
        huge constant state whatever follows (Xiao et al. 2023, section 3.1).
        """
        for view in views:
            if view.pooling not in self.poolings:
                known = ", ".join(self.poolings)
                raise SpecError(f"pooling must be one of {known}; got {view.pooling!r}")
        assert self.max_tokens is not None
        rows = self.tokens.within(inputs, self.max_tokens, self.facts.window)
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        return fill(
            np.zeros((len(rows), sum(map(self.view_width, views))), dtype=np.float32),
            lambda batch: self._viewed([rows[row] for row in batch], views),
            lengths,
            tokens=self._batch_tokens(),
            progress=progress,
        )

    def _viewed(self, rows: Sequence[Sequence[int]], views: Sequence[View]) -> np.ndarray:
        """The views of one batch of token rows."""
        ids, real = pad(rows, self.device, left=False)
        output = self.model.base_model(
            input_ids=ids,
            attention_mask=real.long(),
            output_hidden_states=any(view.layer != -1 for view in views),
            use_cache=False,
        )
        own = real.clone()
        n_start = len(self.tokens.start)
        own[:, :n_start] = real.sum(dim=1, keepdim=True) <= n_start  # else nothing is left
        pooled = [
            pool(
                output.last_hidden_state if view.layer == -1 else output.hidden_states[view.layer],
                own,
                view.pooling,
            )
            for view in views
        ]
        return torch.cat(pooled, dim=1).float().cpu().numpy()

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
        """Sum of token log-likelihoods of each label after `prefix + query`.

        Labels are continuations and bring their own leading space. `prefix + query` is
        tokenized as one string, and the tokens that all rows begin with are computed once, so
        the result does not depend on where prefix and query meet.

        Raises:
            SpecError: If a label is empty, or a row is longer than learned positions reach.
        """
        tree = LabelTree.of(self.tokens.labels(labels), self.device)
        scores = np.zeros((len(queries), len(labels)), dtype=np.float64)
        if not queries:
            return scores
        rows = self.tokens.rows([prefix + query for query in queries])
        self._check_window(max(map(len, rows)) + int(tree.lengths.max()) - 1)
        shared = common_start(rows) if len(rows) > 1 or prefix else 0
        cache = compute_prefix(self.model, rows[0][:shared])
        lengths = np.array([len(row) - shared for row in rows], dtype=np.int64)
        slots = 1 + len(tree.tokens)
        most_rows = BATCH_LOGITS // (slots * self.model.config.vocab_size)

        def scored(batch: np.ndarray) -> np.ndarray:
            ids, real = pad([rows[row][shared:] for row in batch], self.device, left=True)
            logits = tail_logits(
                self.model,
                self.model.get_input_embeddings()(ids),
                real,
                tree.tokens.expand(len(batch), -1),
                depth=tree.depth,
                ancestors=tree.ancestors,
                prefix=cache,
            )
            return tree.log_likelihoods(logits).double().cpu().numpy()

        tokens = self._batch_tokens()
        return fill(
            scores, scored, lengths + slots, tokens=tokens, rows=most_rows, progress=progress
        )

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
        """What follows `prefix + query`, greedily, up to `stop` or the end token.

        The tokens that all rows begin with are computed once, as in `label_logprobs`.

        Raises:
            SpecError: If a row and its answer are longer than learned positions reach.
        """
        layer_kinds(self.model)
        if not queries:
            return []
        rows = self.tokens.rows([prefix + query for query in queries])
        self._check_window(max(map(len, rows)) + max_new_tokens)
        shared = common_start(rows) if len(rows) > 1 or prefix else 0
        cache = compute_prefix(self.model, rows[0][:shared])
        lengths = np.array([len(row) - shared for row in rows], dtype=np.int64)

        def said(batch: np.ndarray) -> np.ndarray:
            ids, real = pad([rows[row][shared:] for row in batch], self.device, left=True)
            texts = write(
                self.model,
                self.tokens,
                self.model.get_input_embeddings()(ids),
                real,
                max_new_tokens,
                prefix=cache,
                stop=stop,
            )
            return np.array(texts, dtype=object)

        # every row keeps keys and values of prefix and answer, too
        kept, tokens = lengths + shared + max_new_tokens, 8 * self._batch_tokens()
        written = np.empty(len(rows), dtype=object)
        return fill(written, said, kept, tokens=tokens, progress=progress).tolist()

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
        """Text-to-text ("default") or a head on the last token ("head", and for numbers).

        Raises:
            SpecError: If the form, pooling or prompt is unknown or does not go together.
        """
        assert self.max_tokens is not None
        check_form(form)
        if form != "head" and task.output != "numbers":
            if not pretrained and task.output != "texts":
                raise SpecError("an untrained decoder has no words to answer with; use form 'head'")
            if pooling is not None:
                raise SpecError(f"a text-to-text decoder pools nothing; leave out {pooling!r}")
            layer_kinds(self.model)
            if task.output == "texts":
                return TextGenerationTrainee(
                    self.model,
                    self.tokens,
                    task,
                    max_tokens=self.max_tokens,
                    prompt=prompt,
                    frozen=frozen,
                    pretrained=pretrained,
                )
            return TextToTextTrainee(
                self.model,
                self.tokens,
                task,
                max_tokens=self.max_tokens,
                prompt=prompt,
                labels_only=form == "labels",
                frozen=frozen,
            )
        if task.output == "texts":
            raise SpecError("a head on the last token writes no texts; leave out form 'head'")
        if prompt is not None or pooling not in (None, "last"):
            raise SpecError(
                "a decoder's head reads the last token and takes no prompt vectors; "
                f"got pooling {pooling!r}, prompt {prompt}"
            )
        return LastTokenClassifier(
            self.model,
            self.tokens,
            task,
            max_tokens=self.max_tokens,
            frozen=frozen,
            pretrained=pretrained,
        )

    def _batch_tokens(self) -> int:
        return BATCH_TOKENS.get(self.device.type, BATCH_TOKENS["cpu"])

    def _check_window(self, longest: int) -> None:
        """Learned positions end at the window; rotary ones go on, with growing error."""
        window = self.facts.window
        if self.facts.positions == "learned" and window is not None and longest > window:
            raise SpecError(
                f"a prompt of {longest} tokens does not fit the window of {window} tokens of "
                f"{self.facts.name!r} (learned positions end there); use fewer or shorter "
                "demonstrations"
            )
