"""Frozen text features and a probe: ours against sentence-transformers and scikit-learn.

    python -m benchmarks.frozen_text [--quick]

MiniLM on BBC news (texts cut to 128 tokens), in fp32 and with 8-bit weights, and on short texts of
mixed length (sms_spam, trec6) in fp32. The same result are the same features; each side's probe
chooses by itself, and the accuracies are printed. The peer is `SentenceTransformer.encode` with its default
batches of 32, then LogisticRegressionCV. The share of GEMM peak counts the products of real tokens
only: padding is no work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import probes
from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.frozen_images import parts_of
from benchmarks.gemm import LIMIT, share_of_peak
from benchmarks.results import Agreement, Result, Row, Table, figures
from benchmarks.sides import Contender, Measured, Outcome, Work, race

TOKENS = 128
SHARE = 0.7
CLOSE = 1e-3
DATA = {"bbc-news": 1.0, "sms_spam": 1.3, "trec6": 1.3}
"""Data -> wanted ratio in fp32."""
INT8 = 1.4
BATCH = 32
"""Texts of the peer's batches."""
WHY = (
    "the share is of the largest square products; MiniLM's are 384 wide, and attention, GELU and "
    "layer norms between them are no products"
)


def ours(data: str, n: int, test: int, int8: bool) -> Work:
    from harness.backbones.base import View
    from harness.backbones.encoder import EncoderBackbone
    from harness.models import load_backbone, resolve_model

    given = probes.rows(data, n, test=test)
    backbone = load_backbone(resolve_model("minilm"), "cpu", TOKENS)
    assert isinstance(backbone, EncoderBackbone)
    if int8:
        backbone = backbone.quantised()
    ids = backbone.tokenizer(list(given.inputs), truncation=True, max_length=TOKENS)["input_ids"]
    distinct = [len(row) for row in set(map(tuple, ids))]

    def extract(texts: Sequence[str]) -> np.ndarray:
        return backbone.views(texts, [View("mean")])

    work = probes.extracts_and_probes(extract, probes.our_probe, given)
    extract(given.inputs[:4])
    flops = products(distinct, backbone.facts.layers, backbone.facts.width)
    tokens = {"tokens": sum(distinct), "padded": padded(given.inputs, [len(row) for row in ids])}

    def counted() -> Outcome:
        done = work()
        return Outcome({**done.values, **tokens}, done.seconds, flops)

    return counted


def padded(texts: Sequence[str], lengths: Sequence[int]) -> int:
    """Tokens that the peer computes, padding included: texts in the order of their characters."""
    order = np.argsort([-len(text) for text in texts], kind="stable")
    sorted_lengths = np.asarray(lengths)[order]
    batches = [sorted_lengths[at : at + BATCH] for at in range(0, len(order), BATCH)]
    return int(sum(len(batch) * batch.max() for batch in batches))


def why(one: Measured, wanted: float, ratio: float, share: float, *, long: bool) -> str:
    """What holds a row back: nothing but padding and repetitions can be left out in fp32."""
    values = one.outcome.values
    limit = values["padded"] / values["tokens"]
    said = (
        f"without padding and repeated texts there are {values['tokens']:,} tokens for the peer's "
        f"{values['padded']:,}: at the same speed {limit:.2f}x"
    )
    reasons = [said] if ratio < wanted else []
    if long and share < SHARE:
        reasons.append(WHY)
    return "; ".join(reasons)


def products(lengths: Sequence[int], layers: int, width: int) -> float:
    """FLOP of a BERT's matrix products over rows of these lengths, nothing padded.

    Per token and block 24 width^2 (four projections and two layers four times as wide), and
    4 L width for the attention to L tokens (Kaplan et al. 2020, table 1, both directions counted).
    """
    long = np.asarray(lengths, dtype=np.float64)
    return float((layers * (24.0 * width**2 * long + 4.0 * width * long**2)).sum())


def peer(data: str, n: int, test: int) -> Work:
    from sentence_transformers import SentenceTransformer

    from harness.models import resolve_model

    given = probes.rows(data, n, test=test)
    model = SentenceTransformer(resolve_model("minilm").location, device="cpu")
    model.max_seq_length = TOKENS
    del model[2]  # it would scale vectors to length 1, which ours are not

    def extract(texts: Sequence[str]) -> np.ndarray:
        return model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)

    extract(given.inputs[:4])

    return probes.extracts_and_probes(extract, probes.peer_probe, given)


def agreement(one: Measured, other: Measured, *, exact: bool) -> Agreement:
    a, b = one.outcome.values, other.outcome.values
    distance = probes.apart(a["features"], b["features"])
    lost = 100 * (b["accuracy"] - a["accuracy"])
    text = f"accuracy {a['accuracy']:.3f} and {b['accuracy']:.3f}"
    if not exact:
        return Agreement(f"{text}: {lost:+.1f} points lost, features moved by {distance:.0e}", True)
    return Agreement(f"{text}, features within {distance:.0e}", distance <= CLOSE)


def measure(asked: Asked) -> Result:
    rows: list[Row] = []
    tables: list[Table] = []
    for data, wanted in DATA.items():
        n, test = (12, 12) if asked.quick else (400, 200) if data == "bbc-news" else (2000, 500)
        size: dict[str, Any] = {"data": data, "n": n, "test": test}
        sides = [
            Contender("harness", ours, {**size, "int8": False}, warmups=1),
            Contender("sentence-transformers + scikit-learn", peer, size, warmups=1),
            LIMIT,
        ]
        if data == "bbc-news":
            sides.append(Contender("harness, int8", ours, {**size, "int8": True}, warmups=1))
        found = race(sides, rounds=asked.rounds, threads=asked.threads)
        one, other, limit = found[:3]
        share = share_of_peak(one, limit)
        long = data == "bbc-news"
        ratio = other.median / one.median
        title = f"frozen text features + probe, MiniLM, {data}, {n + test:,} texts"
        rows.append(
            Row(
                title=f"{title}, fp32",
                ours=figures(one),
                peer=figures(other),
                wanted=wanted,
                agreement=agreement(one, other, exact=True),
                amount=n + test,
                unit="texts",
                share=share,
                share_wanted=SHARE if long else None,
                why=why(one, wanted, ratio, share, long=long),
            )
        )
        rows += [
            Row(
                title=f"{title}, int8",
                ours=figures(eight),
                peer=figures(other),
                wanted=INT8,
                agreement=agreement(eight, other, exact=False),
                amount=n + test,
                unit="texts",
            )
            for eight in found[3:]
        ]
        parts = parts_of(one.outcome.values, other.outcome.values)
        tables.append(Table(f"{data}: {parts.title.lower()}", parts.head, parts.rows))
    return result(rows=tuple(rows), tables=tuple(tables))


BENCHMARK = Benchmark("frozen_text", measure, ("sentence_transformers", "sklearn"), rounds=(2, 3))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
