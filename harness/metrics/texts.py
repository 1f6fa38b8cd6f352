"""Metrics of texts against texts: answers to questions, generations, translations.

All are shares in [0, 1], sacrebleu's too, which writes them in percent.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import cache
from typing import Protocol, cast

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from harness.metrics.base import Metric, mean_of

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def bare(text: str) -> str:
    """A text without case, ASCII punctuation, English articles and differences in white space.

    Source: the evaluation script of SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def word_f1(answer: str, target: str) -> float:
    """Harmonic mean of precision and recall of the target's words, in [0, 1].

    Where one of the two has no words, it is 1 if neither has any, else 0: so SQuAD 2.0 scores
    "there is no answer" (Rajpurkar et al. 2018, arXiv:1806.03822).
    """
    said, true = bare(answer).split(), bare(target).split()
    if not said or not true:
        return float(said == true)
    shared = sum((Counter(said) & Counter(true)).values())
    return 2 * shared / (len(said) + len(true))


def _exact(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    pairs = zip(answers, targets, strict=True)
    return np.array([bare(str(answer)) == bare(str(target)) for answer, target in pairs])


def _word_f1(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    pairs = zip(answers, targets, strict=True)
    return np.array([word_f1(str(answer), str(target)) for answer, target in pairs])


exact_match = mean_of("exact_match", _exact)
"""Share of answers that are the target but for case, punctuation and articles; see `bare`."""

token_f1 = mean_of("token_f1", _word_f1)
"""Mean over rows of `word_f1`, SQuAD's F1."""


class _Score(Protocol):
    score: float


class _Sacrebleu(Protocol):
    """What sacrebleu's metrics have in common: statistics of segments, which add up.

    It has no public name for them; its version is pinned, and a test compares the scores.
    """

    def _extract_corpus_statistics(
        self, hypotheses: list[str], references: list[list[str]]
    ) -> list[list[int]]: ...

    def _compute_score_from_stats(self, stats: np.ndarray) -> _Score: ...


@cache
def _scorer(name: str) -> _Sacrebleu:
    """With sacrebleu's own defaults; `force` only silences a warning about blanks before stops."""
    return cast(_Sacrebleu, CHRF() if name == "chrf" else BLEU(force=True))


def _corpus_metric(name: str) -> Metric:
    def statistics(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
        counts = _scorer(name)._extract_corpus_statistics(
            [str(answer) for answer in answers], [[str(target) for target in targets]]
        )
        return np.array(counts, dtype=np.float64)

    def score(sums: np.ndarray) -> np.ndarray:
        def one(row: np.ndarray) -> float:
            percent = _scorer(name)._compute_score_from_stats(row).score
            return min(1.0, percent / 100)  # rounding can lift a perfect score above it

        return np.apply_along_axis(one, -1, sums)

    return Metric(name, statistics, score)


chrf = _corpus_metric("chrf")
"""F-score, recall weighing twice, of character n-grams of order 1 to 6 over all rows together.

Source: Popović 2015 (chrF2), as sacrebleu computes it (Post 2018, arXiv:1804.08771).
"""

bleu = _corpus_metric("bleu")
"""Geometric mean of the precisions of word n-grams of order 1 to 4 over all rows together, times a
penalty for answers that are too short.

Source: Papineni et al. 2002, as sacrebleu computes it (13a tokens, exponential smoothing).
"""
