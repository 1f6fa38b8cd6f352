"""A model behind an endpoint: it reads and writes text, and nothing else can be had of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch

from advisor.errors import SpecError
from harness.backbones.base import FrozenModel, ModelFacts, Progress, PromptSpec
from harness.backbones.endpoint import Endpoint, checked_url
from harness.tasks.base import Task

PREFIX = "api:"
ANSWER_TOKENS = 16
TOP = 20
"""Most alternatives the interface gives for a token."""
SURE = 0.9
"""Probability of an answer that came without log-probabilities."""
_TOKENS_PER_WORD = 1.3
_WINDOW = 8192


def api_name(name: str, base_url: str) -> str:
    """How such a model is called everywhere: "api:NAME@URL"."""
    return f"{PREFIX}{name.removeprefix(PREFIX)}@{checked_url(base_url)}"


def api_facts(name: str) -> ModelFacts:
    """Facts of "api:NAME@URL"; sizes are unknown and 0.

    Raises:
        SpecError: If the address is missing.
    """
    model, at, url = name.removeprefix(PREFIX).rpartition("@")
    if not at or not model:
        raise SpecError(
            f"model {name!r} needs the address of its endpoint; add --base-url "
            "http://127.0.0.1:8000/v1."
        )
    return ModelFacts(
        name=name,
        family="decoder",
        params=0,
        layers=0,
        width=0,
        modality="text",
        window=_WINDOW,
        objective="next_token",
        location=checked_url(url),
        digest=f"{url}#{model}",
        access="text",
    )


class ApiBackbone(FrozenModel):
    """Implements the text side of `Backbone`, `LabelScorer` and `TextGenerator`.

    Attributes:
        unmatched: Answers so far that named none of the labels.
        sure: Whether the endpoint gives log-probabilities; None until it was asked.
    """

    tasks = frozenset({"classification", "pair_classification", "qa", "generation", "translation"})
    poolings: tuple[str, ...] = ()
    int8 = False

    def __init__(self, facts: ModelFacts, *, max_tokens: int | None) -> None:
        self.facts = facts
        self.device = torch.device("cpu")
        self.max_tokens = max_tokens
        model = facts.name.removeprefix(PREFIX).rpartition("@")[0]
        self._endpoint = Endpoint(facts.location, model)
        self.unmatched = 0

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> ApiBackbone:
        return cls(facts, max_tokens=max_tokens)

    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Log-probabilities of the labels, from one call per query.

        With log-probabilities of the first token, a label has the sum of those it begins with,
        where no two labels begin alike; else the label the answer names has 0.9 and the others
        share the rest. An answer that names none is counted and says nothing.
        """
        names = [label.strip() for label in labels]
        scores = np.zeros((len(queries), len(labels)))
        question = f"\nAnswer with one of: {', '.join(names)}. Write nothing else."
        for row, query in enumerate(queries):
            choice = self._endpoint.ask(
                f"{prefix}{query}{question}",
                temperature=0,
                max_tokens=ANSWER_TOKENS,
                logprobs=True,
                top_logprobs=TOP,
            )
            scores[row] = self._scores(choice, names)
            if progress is not None:
                progress((row + 1) / len(queries))
        return scores

    def generate(
        self,
        queries: Sequence[str],
        *,
        prefix: str = "",
        max_new_tokens: int,
        stop: str = "\n",
        progress: Progress | None = None,
    ) -> list[str]:
        """What the endpoint answers to each query, its likeliest words, up to `stop`; one call
        each."""
        written = []
        for row, query in enumerate(queries):
            choice = self._endpoint.ask(
                f"{prefix}{query}", temperature=0, max_tokens=max_new_tokens, stop=[stop]
            )
            written.append(str(choice["content"]).lstrip().split(stop)[0].strip())
            if progress is not None:
                progress((row + 1) / len(queries))
        return written

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """An estimate from the number of words: the endpoint's tokenizer is not known."""
        return np.array(
            [math.ceil(len(text.split()) * _TOKENS_PER_WORD) for text in texts], dtype=np.int64
        )

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text cut to about so many tokens, at a word."""
        words = max(1, int(max_tokens / _TOKENS_PER_WORD))
        return [
            text if len(text.split()) <= words else " ".join(text.split()[:words]) for text in texts
        ]

    def views(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SpecError("an endpoint gives text only, no features")

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> NoReturn:
        raise SpecError("an endpoint gives text only, nothing of it can be trained")

    def _scores(self, choice: Any, names: Sequence[str]) -> np.ndarray:
        first = _first_token(choice["logprobs"], names)
        if first is not None:
            return first
        named = _named(choice["content"], names)
        if named is None:
            self.unmatched += 1
            return np.full(len(names), -math.log(len(names)))
        rest = (1 - SURE) / max(1, len(names) - 1)
        return np.log([SURE if place == named else rest for place in range(len(names))])


def _first_token(logprobs: Any, names: Sequence[str]) -> np.ndarray | None:
    """Log-probabilities of the labels from the alternatives of the first token.

    None where there are none, where no label begins with any, or where a token begins two.
    """
    try:
        given = [
            (str(one["token"]).strip().lower(), float(one["logprob"]))
            for one in logprobs["content"][0]["top_logprobs"]
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    lowered = [name.lower() for name in names]
    sums = np.full(len(names), -np.inf)
    for token, logprob in given:
        begins = [place for place, name in enumerate(lowered) if token and name.startswith(token)]
        if len(begins) > 1:
            return None
        if begins:
            sums[begins[0]] = np.logaddexp(sums[begins[0]], logprob)
    if not np.isfinite(sums).any():
        return None
    least = min(logprob for _, logprob in given) - 1.0  # less than everything that was told
    return np.where(np.isfinite(sums), sums, least)


def _named(content: str, names: Sequence[str]) -> int | None:
    """Which label an answer names: exactly, at its beginning, or as the only one within it."""
    said = _normal(content)
    plain = [_normal(name) for name in names]
    for test in (said.__eq__, said.startswith):
        found = [place for place, name in enumerate(plain) if test(name)]
        if found:
            return max(found, key=lambda place: len(plain[place]))
    within = [place for place, name in enumerate(plain) if f" {name} " in f" {said} "]
    return within[0] if len(within) == 1 else None


def _normal(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
