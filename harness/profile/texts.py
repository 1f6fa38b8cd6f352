"""How far texts are from what a language model or a tokenizer was made on.

Everything is compared with passages of news of the same lengths (`reference`). Models that can
predict text are asked to: bits per byte above those of the reference. Encoders without an output
layer can only be asked how their vocabulary, which was counted on their pretraining text, breaks
the words up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.backbones.decoder import DecoderBackbone
from harness.backbones.encoder import EncoderBackbone
from harness.profile.fertility import fertility
from harness.profile.language_loss import bits_and_bytes, tokenizer_of
from harness.profile.measurement import Measurement, Scale, not_measured
from harness.profile.reference import reference_texts

LOSS = "excess_bits_per_byte"
FERTILITY = "excess_tokens_per_word"
# Zero is the reference itself, which the rubric calls near. docs/profile.md has the sets behind.
LOSS_SCALE = Scale(((-0.5, 0.0), (0.0, 0.25), (0.2, 0.5), (0.4, 0.8), (4.0, 1.0)))
FERTILITY_SCALE = Scale(((-0.3, 0.0), (0.0, 0.25), (0.25, 0.5), (0.5, 0.8), (3.0, 1.0)))
_REDRAWS = 100

Statistic = Callable[[np.ndarray, np.ndarray], float]
"""Of positions of texts and of reference passages."""


def measure(
    backbone: DecoderBackbone | EncoderBackbone, texts: Sequence[str], *, seed: int = 0
) -> Measurement:
    """The shift of texts, cut to the backbone's longest.

    Raises:
        MissingExtra: If the reference text is not installed.
        ModelError: If an encoder's output layer cannot be loaded.
    """
    assert backbone.max_tokens is not None
    texts = [text for text in backbone.truncate(texts, backbone.max_tokens) if text.strip()]
    reference = reference_texts([len(text) for text in texts], seed=seed)
    tokenizer = tokenizer_of(backbone)
    own, usual = fertility(tokenizer, texts), fertility(tokenizer, reference)
    if own is None or usual is None:
        return not_measured("the texts hold no words")
    details = {
        "tokens_per_word": own.tokens_per_word,
        "tokens_per_word_reference": usual.tokens_per_word,
        "continued_words": own.continued,
        "continued_words_reference": usual.continued,
        "unknown_words": own.unknown,
    }
    if isinstance(backbone, EncoderBackbone) and not backbone.facts.masked_head:
        return _by_fertility(backbone, texts, reference, details, seed)
    return _by_loss(backbone, texts, reference, details, seed)


def _by_fertility(
    backbone: EncoderBackbone,
    texts: Sequence[str],
    reference: Sequence[str],
    details: dict[str, float],
    seed: int,
) -> Measurement:
    def excess(rows: np.ndarray, others: np.ndarray) -> float:
        pair = ([texts[row] for row in rows], [reference[row] for row in others])
        own, usual = (fertility(backbone.tokenizer, each) for each in pair)
        return (
            np.nan if own is None or usual is None else own.tokens_per_word - usual.tokens_per_word
        )

    value, error = _with_error(excess, len(texts), seed)
    return Measurement(
        statistic=FERTILITY,
        value=value,
        error=error,
        shift=FERTILITY_SCALE.shift(value),
        method="tokens per word above those of news passages of the same lengths; the encoder has "
        "no output layer whose loss could be measured",
        details=details,
        rows=len(texts),
    )


def _by_loss(
    backbone: DecoderBackbone | EncoderBackbone,
    texts: Sequence[str],
    reference: Sequence[str],
    details: dict[str, float],
    seed: int,
) -> Measurement:
    bits, sizes = bits_and_bytes(backbone, texts)
    usual_bits, usual_sizes = bits_and_bytes(backbone, reference)

    def excess(rows: np.ndarray, others: np.ndarray) -> float:
        own = bits[rows].sum() / sizes[rows].sum()
        return float(own - usual_bits[others].sum() / usual_sizes[others].sum())

    value, error = _with_error(excess, len(texts), seed)
    kind = "loss" if isinstance(backbone, DecoderBackbone) else "pseudo-loss"
    return Measurement(
        statistic=LOSS,
        value=value,
        error=error,
        shift=LOSS_SCALE.shift(value),
        method=f"{kind} in bits per byte above that of news passages of the same lengths",
        details={
            "bits_per_byte": float(bits.sum() / sizes.sum()),
            "bits_per_byte_reference": float(usual_bits.sum() / usual_sizes.sum()),
            **details,
        },
        rows=len(texts),
    )


def _with_error(statistic: Statistic, n: int, seed: int) -> tuple[float, float]:
    """A statistic of n texts and n passages, and its standard error by the bootstrap over both."""
    draws = np.random.default_rng(seed)
    redrawn = [
        statistic(draws.integers(n, size=n), draws.integers(n, size=n)) for _ in range(_REDRAWS)
    ]
    return statistic(np.arange(n), np.arange(n)), float(np.nanstd(redrawn))
