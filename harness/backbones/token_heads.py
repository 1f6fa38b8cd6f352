"""Heads on an encoder's tokens: one that points at an answer, and one that tags words.

Texts longer than the model reads at once are read in windows, see `text_windows`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec
from harness.backbones.encoder_trainee import EncoderTrainee
from harness.backbones.prompt_vectors import PromptVectors
from harness.backbones.text_windows import TokenizedText, tokenized
from harness.tasks.base import Task
from harness.text_pair import TextPair

MOST_ANSWER_TOKENS = 30
"""Longest answer, as BERT was evaluated on SQuAD (max_answer_length of its run_squad.py)."""


class TokenTrainee(EncoderTrainee):
    """What both heads share: rows are windows of texts, and nothing is pooled."""

    pooling = None

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, Any]:
        """Windows of all inputs, one a row.

        Returns:
            As of `EncoderTrainee.encode`, and "inputs", "texts" (a `TokenizedText` each) and
            "shift" (columns by which prompt vectors move a text).
        """
        texts = self._tokenized(inputs)
        rows = [text.row(window) for text in texts for window in text.windows()]
        before = self.prompt.before if isinstance(self.prompt, PromptVectors) else 0
        return {**self.as_batch(rows), "inputs": list(inputs), "texts": texts, "shift": before}

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of all windows of each text, int64, shape (n,)."""
        return np.array(
            [
                sum(len(text.row(window)) for window in text.windows())
                for text in self._tokenized(inputs)
            ],
            dtype=np.int64,
        )

    def represent(self, inputs: Sequence[str]) -> None:
        """The head reads every token, not one vector of each input."""
        return None

    def token_scores(self, batch: dict[str, Any]) -> torch.Tensor:
        """What the head says of each token, shape (rows, L, n_outputs), float32."""
        states, _ = self.states(batch)
        return self.head(self.dropout(states)).float()

    def _tokenized(self, inputs: Sequence[str]) -> list[TokenizedText]:
        return tokenized(self._tokenizer, inputs, self._max_tokens)


class SpanTrainee(TokenTrainee):
    """Points at the first and the last token of an answer in the passage.

    The class token, first in its row, stands for "no answer", and is the truth for a window that
    does not hold the whole answer. The answer is the likeliest span of at most 30 tokens of all
    windows, unless the class token is likelier in its window. Learned is where the answer first
    stands in the passage; an answer that stands nowhere in it teaches nothing.

    Source: Devlin et al. 2019 (BERT), sections 4.2 and 4.3, with a threshold of 0.
    """

    def answers(self, batch: dict[str, Any]) -> list[str]:
        scores = self.token_scores(batch).detach().cpu()
        found, row = [], 0
        for pair, text in zip(batch["inputs"], batch["texts"], strict=True):
            best: tuple[float, str] = (0.0, "")
            for start, end in text.windows():
                first = len(text.before) + batch["shift"]
                own = scores[row, first : first + end - start]
                margin, span = likeliest_span(own[:, 0], own[:, 1])
                margin -= float(scores[row, 0].sum())
                row += 1
                if span is not None and margin > best[0]:
                    characters = text.offsets[start + span[0]][0], text.offsets[start + span[1]][1]
                    best = margin, pair.second[slice(*characters)].strip()
            found.append(best[1])
        return found

    def loss(self, batch: dict[str, Any], targets: np.ndarray) -> torch.Tensor:
        """Mean over windows of the cross-entropy of first and last token, averaged."""
        scores = self.token_scores(batch)
        allowed = torch.zeros(scores.shape[:2], dtype=torch.bool)
        allowed[:, 0] = True
        truth: list[tuple[int, int]] = []
        taught: list[int] = []
        row = 0
        for pair, text, target in zip(batch["inputs"], batch["texts"], targets, strict=True):
            known, answer = answer_tokens(pair, text, str(target))
            for start, end in text.windows():
                first = len(text.before) + batch["shift"]
                allowed[row, first : first + end - start] = True
                if known:
                    whole = answer is not None and start <= answer[0] and answer[1] < end
                    truth.append(
                        (first + answer[0] - start, first + answer[1] - start)
                        if answer is not None and whole
                        else (0, 0)
                    )
                    taught.append(row)
                row += 1
        if not taught:
            return scores.sum() * 0.0
        scores = scores.masked_fill(~allowed.to(scores.device)[:, :, None], -torch.inf)[taught]
        places = torch.tensor(truth, device=scores.device)
        return nn.functional.cross_entropy(scores, places)


class TagTrainee(TokenTrainee):
    """Tags each word by the state of its first token (Devlin et al. 2019, section 5.3).

    Of several windows a word is read in the one where it has most context.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any, task: Task, **how: Any) -> None:
        super().__init__(model, tokenizer, task, **how)
        self._tags = {tag: index for index, tag in enumerate(task.label_names)}

    def word_states(self, batch: dict[str, Any]) -> torch.Tensor:
        """Last states of all words' first tokens, one text after the other, (n_words, width)."""
        states, _ = self.states(batch)
        rows, columns = self._places(batch)
        return states[rows, columns]

    def answers(self, batch: dict[str, Any]) -> list[str]:
        said = self.head(self.word_states(batch)).argmax(dim=-1).tolist()
        names = iter(self.task.label_names[index] for index in said)
        return [" ".join(next(names) for _ in text.split()) for text in batch["inputs"]]

    def loss(self, batch: dict[str, Any], targets: np.ndarray) -> torch.Tensor:
        """Mean cross-entropy over words.

        Raises:
            ValueError: If a text has not as many tags as words, or a tag is not the task's.
        """
        truth = []
        for text, target in zip(batch["inputs"], targets, strict=True):
            tags = str(target).split()
            if len(tags) != len(text.split()) or not set(tags) <= set(self._tags):
                raise ValueError(f"{target!r} are not the tags of the words {text!r}")
            truth += [self._tags[tag] for tag in tags]
        scores = self.head(self.dropout(self.word_states(batch))).float()
        return nn.functional.cross_entropy(scores, torch.tensor(truth, device=scores.device))

    def _places(self, batch: dict[str, Any]) -> tuple[list[int], list[int]]:
        """Row and column of each word's first token."""
        rows, columns, row = [], [], 0
        for given, text in zip(batch["inputs"], batch["texts"], strict=True):
            windows = text.windows()
            for token in first_tokens(given, text):
                window = 0 if token is None else text.read_in(token)
                inside = None if token is None else token - windows[window][0]
                rows.append(row + window)
                # a word that the tokenizer leaves out is read off the class token
                columns.append(0 if inside is None else len(text.before) + batch["shift"] + inside)
            row += len(windows)
        return rows, columns


def token_trainee(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    max_tokens: int,
    window: int | None,
    prompt: PromptSpec | None,
    frozen: bool,
    pretrained: bool,
) -> TokenTrainee:
    """The head on tokens that a task needs.

    Raises:
        SpecError: If there is none, or the prompt's specification cannot be met.
    """
    kinds: dict[str, type[TokenTrainee]] = {"qa": SpanTrainee, "token_labelling": TagTrainee}
    if task.id not in kinds:
        raise SpecError(f"an encoder has no head for the task {task.id}")
    return kinds[task.id](
        model,
        tokenizer,
        task,
        max_tokens=max_tokens,
        window=window,
        pooling=None,
        prompt=prompt,
        frozen=frozen,
        pretrained=pretrained,
    )


def likeliest_span(first: torch.Tensor, last: torch.Tensor) -> tuple[float, tuple[int, int] | None]:
    """The span of at most 30 tokens with the highest sum of scores, and that sum.

    Args:
        first, last: Scores of tokens as first and as last of the answer, shape (n,).

    Returns:
        Minus infinity and None without tokens.
    """
    if not len(first):
        return float("-inf"), None
    allowed = torch.ones(len(first), len(first), dtype=torch.bool)
    allowed = allowed.triu().tril(MOST_ANSWER_TOKENS - 1)
    sums = (first[:, None] + last[None, :]).masked_fill(~allowed, -torch.inf)
    place = int(sums.argmax())
    return float(sums.flatten()[place]), (place // len(first), place % len(first))


def find_answer(passage: str, answer: str) -> int:
    """Where an answer first stands in a passage as whole words, else at all; -1 if nowhere."""
    whole = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", passage)
    return whole.start() if whole else passage.find(answer)


def answer_tokens(
    pair: TextPair, text: TokenizedText, answer: str
) -> tuple[bool, tuple[int, int] | None]:
    """Whether it is known where an answer stands, and its first and last token; None for nowhere.

    Known to stand nowhere is only an empty answer.
    """
    if not answer:
        return True, None
    start = find_answer(pair.second, answer)
    span = None if start < 0 else text.span(start, start + len(answer))
    return span is not None, span


def first_tokens(given: str, text: TokenizedText) -> list[int | None]:
    """The first token of each word of a text; None for a word without tokens."""
    found: list[int | None] = []
    token = 0
    for word in re.finditer(r"\S+", given):
        while token < len(text.offsets) and text.offsets[token][1] <= word.start():
            token += 1
        inside = token < len(text.offsets) and text.offsets[token][0] < word.end()
        found.append(token if inside else None)
    return found
