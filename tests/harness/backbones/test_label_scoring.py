"""Label scoring gives what a plain forward pass over prefix, query and label gives."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import ModelError, SpecError
from harness.backbones import decoder as decoder_module
from harness.backbones.decoder import DecoderBackbone
from harness.backbones.label_scoring import LabelTree, layer_kinds
from harness.tasks.classification import Classification
from harness.tasks.templates import (
    TEMPLATES,
    continuations,
    label_words,
    render,
    render_query,
)
from tests.harness.tiny_decoder import FAMILIES, packaged_gemma, tiny_decoder

CPU = torch.device("cpu")
TASK = Classification(("sport", "art", "art_history", "business"), "Say the topic.")
CONTINUATIONS = continuations(label_words(TASK.label_names))

token_rows = st.lists(st.integers(1, 5), min_size=1, max_size=5)
words = st.text(alphabet="abcst .\n:", min_size=1, max_size=12)


@cache
def backbone(family: str) -> DecoderBackbone:
    return tiny_decoder(family)


def plain(
    model: DecoderBackbone, queries: list[str], labels: list[str], prefix: str = ""
) -> np.ndarray:
    """One full forward pass for each pair of query and label, no cache, no padding."""
    scores = np.zeros((len(queries), len(labels)))
    for row, query in enumerate(queries):
        context = model.tokens.rows([prefix + query])[0]
        for column, label in enumerate(model.tokens.labels(labels)):
            with torch.inference_mode():
                ids = torch.tensor([context + label], device=model.device)
                logs = model.model(ids, use_cache=False).logits[0].log_softmax(dim=-1)
            scores[row, column] = sum(
                float(logs[len(context) - 1 + at, token]) for at, token in enumerate(label)
            )
    return scores


@given(st.lists(token_rows, min_size=1, max_size=8))
def test_a_tree_predicts_every_label_token_once_after_the_tokens_before_it(labels):
    tree = LabelTree.of(labels, CPU)
    for row, label in enumerate(labels):
        assert tree.targets[row, : tree.lengths[row]].tolist() == label
        for at in range(1, len(label)):
            node = int(tree.slots[row, at]) - 1
            path = torch.nonzero(tree.ancestors[node]).flatten()
            by_depth = path[tree.depth[path].argsort()]
            assert tree.tokens[by_depth].tolist() == label[:at]
    beginnings = {tuple(label[:at]) for label in labels for at in range(1, len(label))}
    assert len(tree.tokens) == len(beginnings)


@pytest.mark.parametrize("labels", [[], [[]], [[1, 2], []]])
def test_an_empty_label_is_refused(labels):
    with pytest.raises(SpecError, match="at least one token"):
        LabelTree.of(labels, CPU)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.text(alphabet="abcst .\n:", max_size=40),
    queries=st.lists(st.text(alphabet="abcst .\n:", max_size=30), min_size=1, max_size=6),
    labels=st.lists(words, min_size=1, max_size=5),
    batch_tokens=st.sampled_from([1, 40, 4096]),
)
def test_shared_scoring_equals_the_plain_path(
    family, prefix, queries, labels, batch_tokens, monkeypatch
):
    model = backbone(family)
    monkeypatch.setitem(decoder_module.BATCH_TOKENS, "cpu", batch_tokens)
    scores = model.label_logprobs(queries, labels, prefix=prefix)
    np.testing.assert_allclose(scores, plain(model, queries, labels, prefix), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15)
@given(text=st.text(alphabet="abt .\n", min_size=2, max_size=40), data=st.data())
def test_where_prefix_and_query_meet_does_not_matter(family, text, data):
    cut = data.draw(st.integers(0, len(text)))
    labels = [" sport", " art history"]
    whole = backbone(family).label_logprobs([text], labels)
    parts = backbone(family).label_logprobs([text[cut:]], labels, prefix=text[:cut])
    np.testing.assert_allclose(parts, whole, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.id)
def test_a_template_tokenizes_like_the_whole_prompt_and_scores_like_the_plain_path(
    family, template
):
    model = backbone(family)
    prefix = render(template, TASK, [("the team won", 0), ("an old\npainting ", 2)])
    queries = [render_query(template, text) for text in ("banks lost money", "", "  goal \n late ")]
    for query in queries:
        for label, ids in zip(CONTINUATIONS, model.tokens.labels(CONTINUATIONS), strict=True):
            context = model.tokens.rows([prefix + query])[0]
            assert model.tokens.rows([prefix + query + label])[0] == context + ids
    scores = model.label_logprobs(queries, CONTINUATIONS, prefix=prefix)
    np.testing.assert_allclose(
        scores, plain(model, queries, list(CONTINUATIONS), prefix), atol=1e-4
    )


def test_scoring_leaves_the_prefix_and_the_weights_alone_and_reports_progress():
    model = backbone("gemma3")
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    seen: list[float] = []
    queries = ["the team", "banks reported losses", "a"]
    first = model.label_logprobs(queries, CONTINUATIONS, prefix="Say it.\n", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    again = model.label_logprobs(queries, CONTINUATIONS, prefix="Say it.\n")
    np.testing.assert_array_equal(first, again)
    for name, value in model.model.state_dict().items():
        assert torch.equal(before[name], value)


def test_no_queries_give_no_rows():
    assert backbone("llama").label_logprobs([], [" a", " b"]).shape == (0, 2)


def test_learned_positions_end_at_the_window():
    model = tiny_decoder("gpt2", window=32)
    with pytest.raises(SpecError, match=r"does not fit the window of 32 tokens"):
        model.label_logprobs(["a query"], [" yes", " no"], prefix="xyz " * 40)


def test_a_layer_kind_that_takes_no_mask_is_refused():
    model = tiny_decoder("gemma3").model
    model.config.layer_types = ["linear_attention", "full_attention", "full_attention"]
    with pytest.raises(ModelError, match="linear_attention"):
        layer_kinds(model)


@pytest.mark.slow
@pytest.mark.parametrize("n_demonstrations", [0, 30])
def test_the_packaged_gemma_scores_like_the_plain_path(n_demonstrations):
    model = packaged_gemma()
    news = "{} was in the news again today, said a man from the town"
    topics = ["money", "goal", "museum", "war", "film", "tax", "vote", "bank"] * 6
    shown = [(news.format(word), index % 4) for index, word in enumerate(topics)]
    template = TEMPLATES["label"]
    prefix = render(template, TASK, shown[:n_demonstrations])
    assert n_demonstrations == 0 or model.token_counts([prefix])[0] > 512  # the sliding window
    queries = [render_query(template, "Shares fell by 3%\n!")]
    scores = model.label_logprobs(queries, CONTINUATIONS, prefix=prefix)
    np.testing.assert_allclose(
        scores, plain(model, queries, list(CONTINUATIONS), prefix), atol=1e-3
    )
