"""What the benchmarks of language models share: the packaged Gemma, and news to ask it about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.backbones.decoder import DecoderBackbone
    from harness.datasets.base import Dataset, Split
    from harness.tasks.classification import Classification

TOKENS = 64
"""News are cut to so many tokens, as demonstrations are by default."""


def gemma(*, plain: bool = False) -> DecoderBackbone:
    """The packaged Gemma-3-270M (converted on first use: about a minute).

    Args:
        plain: With torch's own layers, as a peer would load it.
    """
    import torch

    from harness.backbones.decoder import DecoderBackbone
    from harness.backbones.onednn_linear import OneDnnLinear
    from harness.models import resolve_model

    facts = resolve_model("gemma-3-270m", offline=True)
    backbone = DecoderBackbone.from_location(facts, device=torch.device("cpu"), max_tokens=TOKENS)
    for module in backbone.model.modules():
        if plain and isinstance(module, OneDnnLinear):
            module.__class__ = torch.nn.Linear
    return backbone


def bbc_news() -> Dataset:
    """The packaged BBC articles, 5 topics."""
    from harness.datasets.base import DataRequest
    from harness.datasets.load import load_dataset

    return load_dataset(DataRequest("bbc-news"))


def drawn(rows: Split, count: int) -> Split:
    """So many rows in the order of one seed."""
    import numpy as np

    return rows.take(np.random.default_rng(0).permutation(len(rows))[:count])


def ordered(
    backbone: DecoderBackbone, task: Classification, rows: Split, batch_size: int
) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Questions and answers as tokens, in the order in which our loop takes them in its first pass
    with seed 0, and the token that pads them."""
    import numpy as np

    from harness.tasks.templates import DEFAULT, continuations, label_words, render_query
    from harness.training import epoch_batches

    texts = backbone.truncate(rows.inputs, TOKENS)
    questions = backbone.tokens.rows([render_query(DEFAULT, text) for text in texts])
    answers = backbone.tokens.labels(continuations(label_words(task.label_names)))
    lengths = np.array([len(question) for question in questions])
    order = np.concatenate(epoch_batches(lengths, batch_size, seed=0, epoch=0))
    padding = backbone.tokens.tokenizer.pad_token_id or 0
    return [(questions[row], answers[rows.targets[row]]) for row in order], padding
