"""Masked language models as scorers of labels: the label's words stand behind a gap.

A label of k tokens gets k gaps, each read on its own in one pass, so that a label's likelihood is the
product of its tokens' (Schick and Schütze 2021, arXiv:2009.07118, section 3.1, without their
repeated filling).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError, SpecError
from harness.backbones.base import ModelFacts, Progress
from harness.backbones.decoder_tokens import pad
from harness.backbones.frozen import frozen
from harness.backbones.token_batches import fill

BATCH_TOKENS = 4096


class Cloze:
    """An encoder with the head it was pretrained with.

    Raises:
        ModelError: If the head's weights are missing.
    """

    def __init__(
        self, facts: ModelFacts, tokenizer: PreTrainedTokenizerBase, device: torch.device
    ) -> None:
        self._tokenizer, self._window = tokenizer, facts.window
        if tokenizer.mask_token_id is None:
            raise ModelError(f"the tokenizer of {facts.name!r} has no mask token to fill")
        model, info = AutoModelForMaskedLM.from_pretrained(
            facts.location, dtype=torch.float32, output_loading_info=True
        )
        if info["missing_keys"]:
            first = min(info["missing_keys"])
            raise ModelError(f"{facts.location!r} lacks the weights of its output layer: {first}")
        self._model: PreTrainedModel = frozen(model, device)

    @torch.inference_mode()
    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Sum of the log-probabilities of each label's tokens in their gaps.

        Returns:
            float64, shape (n_queries, n_labels), natural logarithm.

        Raises:
            SpecError: If a label is empty or a row is longer than the window.
        """
        wanted = [self._tokens(label) for label in labels]
        if not all(wanted):
            raise SpecError(f"label {labels[wanted.index([])]!r} has no tokens to score")
        scores = np.zeros((len(queries), len(labels)))
        sizes = sorted({len(tokens) for tokens in wanted})
        for step, size in enumerate(sizes):
            columns = [place for place, tokens in enumerate(wanted) if len(tokens) == size]
            targets = torch.tensor([wanted[place] for place in columns])
            scores[:, columns] = self._with_gaps(queries, prefix, size, targets)
            if progress is not None:
                progress((step + 1) / len(sizes))
        return scores

    def _with_gaps(
        self, queries: Sequence[str], prefix: str, size: int, targets: torch.Tensor
    ) -> np.ndarray:
        """Scores of the labels of `size` tokens, shape (n_queries, n_labels of that size)."""
        mask = self._tokenizer.mask_token_id
        rows = [self._row(f"{prefix}{query}", size) for query in queries]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        if len(rows) and self._window is not None and lengths.max() > self._window:
            raise SpecError(
                f"a prompt of {lengths.max()} tokens does not fit the window of {self._window} "
                "tokens; use fewer or shorter demonstrations"
            )
        device = self._model.device

        def scored(batch: np.ndarray) -> np.ndarray:
            padding = self._tokenizer.pad_token_id
            ids, real = pad([rows[row] for row in batch], device, left=False, fill=padding)
            logits = self._model(input_ids=ids, attention_mask=real.long()).logits
            # a text may hold gaps of its own: those of the label are the last
            places = torch.stack([(row == mask).nonzero()[-size:, 0] for row in ids])
            gaps = logits[torch.arange(len(batch), device=device)[:, None], places]
            logs = gaps.float().log_softmax(-1).cpu()
            each = torch.stack([logs[:, place, targets[:, place]] for place in range(size)])
            return each.sum(dim=0).double().numpy()

        found = np.zeros((len(rows), len(targets)))
        return fill(found, scored, lengths, tokens=BATCH_TOKENS)

    def _row(self, text: str, size: int) -> list[int]:
        """Token ids with gaps behind the text and the special tokens around both."""
        gaps = " ".join([str(self._tokenizer.mask_token)] * size)
        ids: list[int] = self._tokenizer(f"{text} {gaps}")["input_ids"]
        return ids

    def _tokens(self, label: str) -> list[int]:
        found: list[int] = self._tokenizer(label.rstrip("\n"), add_special_tokens=False)[
            "input_ids"
        ]
        return found
