"""Encoder-decoders: label scores equal plain forward passes, and rows do not depend on others."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import ModelError, SpecError
from harness.backbones import encoder_decoder as module
from harness.backbones.base import PromptSpec, View
from harness.backbones.encoder_decoder import EncoderDecoderBackbone
from harness.backbones.seq2seq_scoring import LabelPaths
from harness.models import load_backbone, resolve_model
from harness.tasks.classification import Classification
from harness.tasks.open_text import OpenText
from harness.tasks.templates import DEFAULT, continuations, label_words, render_query
from tests.harness.tiny_models import WORDS
from tests.harness.tiny_seq2seq import FAMILIES, save_tiny_seq2seq, tiny_seq2seq

TASK = Classification(("sport", "news", "sports_news", "very_good_film"), "classify the text")
NESTED = Classification(("sport", "sport_news"), "classify the text")
TEXTS = ["the film was good", "a very dull story and a truly bad actor at all", ""]
PROMPTS = [
    PromptSpec("prompt", 5, "before", "vocabulary"),
    PromptSpec("prompt", 5, "behind", "text"),
    PromptSpec("prompt", 5, "around", "random"),
]

token_rows = st.lists(st.integers(1, 5), min_size=1, max_size=5)
sentences = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
phrases = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


class Echo(OpenText):
    """Texts are answered with texts."""

    metrics = ("accuracy",)


WRITING = Echo(description="say it", id="generation")


@cache
def backbone(family: str) -> EncoderDecoderBackbone:
    return tiny_seq2seq(family)


def plain(model: EncoderDecoderBackbone, queries: list[str], labels: list[str]) -> np.ndarray:
    """One full forward pass for each pair of query and label, no padding."""
    scores = np.zeros((len(queries), len(labels)))
    for row, source in enumerate(model.tokens.sources(queries)):
        for column, label in enumerate(model.tokens.answers(labels)):
            start = model.tokens.start
            with torch.inference_mode():
                logits = model.model(
                    input_ids=torch.tensor([source]),
                    decoder_input_ids=torch.tensor([start + label[:-1]]),
                ).logits[0, len(start) - 1 :]
            logs = logits.log_softmax(dim=-1)
            scores[row, column] = sum(float(logs[at, token]) for at, token in enumerate(label))
    return scores


@given(st.lists(token_rows, min_size=1, max_size=8))
def test_every_label_lies_on_one_path_and_no_path_is_the_beginning_of_another(labels):
    paths = LabelPaths.of(labels, [0], torch.device("cpu"))
    for row, label in enumerate(labels):
        read = paths.inputs[paths.path[row], 1 : len(label)].tolist()
        assert read == label[:-1]
        assert paths.targets[row, : len(label)].tolist() == label
    assert len(paths.inputs) <= len({tuple(label[:-1]) for label in labels})


@pytest.mark.parametrize("labels", [[], [[]], [[1, 2], []]])
def test_an_empty_label_is_refused(labels):
    with pytest.raises(SpecError, match="at least one token"):
        LabelPaths.of(labels, [0], torch.device("cpu"))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=sentences,
    queries=st.lists(sentences, min_size=1, max_size=5),
    labels=st.lists(phrases, min_size=1, max_size=5),
    batch_tokens=st.sampled_from([1, 40, 4096]),
    logits=st.sampled_from([1, 64_000_000]),
)
def test_label_scores_equal_the_plain_path(
    family, prefix, queries, labels, batch_tokens, logits, monkeypatch
):
    model = backbone(family)
    monkeypatch.setitem(module.BATCH_TOKENS, "cpu", batch_tokens)
    monkeypatch.setattr("harness.backbones.seq2seq_scoring.MOST_LOGITS", logits)
    scores = model.label_logprobs(queries, [f" {label}" for label in labels], prefix=f"{prefix}\n")
    expected = plain(model, [f"{prefix}\n{query}" for query in queries], labels)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_label_that_begins_another_is_scored_with_its_end(family):
    model = backbone(family)
    short, long = model.tokens.answers(continuations(label_words(NESTED.label_names)))
    assert short[-1] == long[-1] == model.tokens.end
    assert long[: len(short)] != short


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", [None, *PROMPTS], ids=str)
def test_probabilities_do_not_depend_on_the_batch(family, prompt):
    trainee = backbone(family).trainee(TASK, prompt=prompt).eval()
    with torch.no_grad():
        together = trainee.answers(trainee.encode(TEXTS))
        alone = torch.cat([trainee.answers(trainee.encode([text])) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    torch.testing.assert_close(together.exp().sum(dim=1), torch.ones(len(TEXTS)))


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_are_those_of_label_scoring_and_the_loss_is_that_of_labels_with_end(family):
    model = backbone(family)
    queries = [render_query(DEFAULT, text) for text in TEXTS]
    words = continuations(label_words(TASK.label_names))
    trainee = model.trainee(TASK).eval()
    batch = trainee.encode(TEXTS)
    with torch.no_grad():
        logs = trainee.answers(batch).double()
        scores = torch.tensor(model.label_logprobs(queries, words))
        torch.testing.assert_close(logs, scores.log_softmax(dim=-1), atol=1e-4, rtol=0)
        ended = torch.tensor(plain(model, queries, [f"{word}\n" for word in words]))
        loss = trainee.loss(batch, torch.tensor([2, 0, 1])).double()
    expected = -ended[torch.arange(3), torch.tensor([2, 0, 1])].mean()
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_started_from_text_act_like_that_text(family):
    model = backbone(family)
    trainee = model.trainee(TASK, prompt=PromptSpec("prompt", 3, "before", "text")).eval()
    said = trainee.prompt.vectors.detach()
    embed = model.model.get_input_embeddings().weight
    scale = getattr(model.model.get_input_embeddings(), "embed_scale", 1.0)
    tokens = [int((embed * scale - vector).abs().sum(dim=1).argmin()) for vector in said]
    first = model.tokens.first
    rows = model.tokens.sources([render_query(DEFAULT, text) for text in TEXTS])
    with torch.no_grad():
        logs = trainee.answers(trainee.encode(TEXTS))
        for row, source in enumerate(rows):
            whole = torch.tensor([source[:first] + tokens + source[first:]])
            states = model.model.get_encoder()(input_ids=whole).last_hidden_state
            real = torch.ones_like(whole, dtype=torch.bool)
            expected = trainee._paths.log_likelihoods(model.model, states, real)
            torch.testing.assert_close(
                logs[row], expected[0].log_softmax(dim=-1), atol=1e-4, rtol=0
            )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", [None, PROMPTS[0]], ids=str)
def test_written_answers_do_not_depend_on_the_batch_and_are_the_likeliest_tokens(family, prompt):
    model = backbone(family)
    trainee = model.trainee(WRITING, prompt=prompt).eval()
    trainee.write_up_to(6)
    together = trainee.answers(trainee.encode(TEXTS))
    assert together == [trainee.answers(trainee.encode([text]))[0] for text in TEXTS]
    if prompt is None:
        query = "Input: the film was good\nOutput:"
        said = list(model.tokens.start)
        source = torch.tensor(model.tokens.sources([query]))
        while len(said) < len(model.tokens.start) + 6 and said[-1] not in model.tokens.ends:
            with torch.no_grad():
                logits = model.model(
                    input_ids=source, decoder_input_ids=torch.tensor([said])
                ).logits
            said.append(int(logits[0, -1].argmax()))
        assert together[0] == model.tokens.read(said[len(model.tokens.start) :])
        assert model.generate([query, "the"], max_new_tokens=6)[0] == together[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_views_of_a_text_do_not_depend_on_its_batch(family):
    model = backbone(family)
    views = [View("mean"), View("max", 1), View("last", 0)]
    together = model.views(TEXTS, views)
    alone = np.concatenate([model.views([text], views) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert together.shape == (len(TEXTS), 96)


def test_answers_are_remembered_as_long_as_the_longest():
    trainee = backbone("t5").trainee(WRITING)
    trainee.read_answers(["good", "very good film"])
    assert trainee.max_new_tokens == 4  # three words and the end
    assert backbone("t5").trainee(TASK).max_new_tokens is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"prompt": PromptSpec("prefix", 4)}, "of kind 'prompt'"),
        ({"form": "head", "prompt": PROMPTS[0]}, "takes no prompt vectors"),
        ({"pooling": "mean"}, "pools nothing"),
        ({"form": "else"}, "form must be one of"),
    ],
)
def test_what_does_not_go_together_is_refused(wanted, message):
    with pytest.raises(SpecError, match=message):
        backbone("t5").trainee(TASK, **wanted)


def test_vectors_must_leave_room_in_a_window_that_ends():
    with pytest.raises(SpecError, match="leave no room"):
        backbone("bart").trainee(TASK, prompt=PromptSpec("prompt", 60))
    with pytest.raises(SpecError, match="does not fit the window of 64"):
        backbone("bart").label_logprobs(["good"], [" bad"], prefix="film " * 70)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_folder_is_recognised_and_loaded(family, tmp_path):
    folder = save_tiny_seq2seq(family, tmp_path / family)
    facts = resolve_model(str(folder))
    assert (facts.family, facts.layers, facts.width) == ("encoder_decoder", 2, 32)
    expected = {"t5": ("relative", 512), "bart": ("learned", 64)}
    assert (facts.positions, facts.window) == expected[family]
    loaded = load_backbone(facts, "cpu", 24)
    assert facts.params == loaded.model.num_parameters()
    scores = loaded.label_logprobs(["the film was"], [" good", " bad"])
    expected_scores = backbone(family).label_logprobs(["the film was"], [" good", " bad"])
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_weights_that_lack_tensors_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_tiny_seq2seq("bart", tmp_path / "bart")
    file = folder / "model.safetensors"
    kept = load_file(file)
    del kept["model.decoder.layers.1.fc1.weight"]
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 tensors"):
        load_backbone(resolve_model(str(folder)), "cpu")


def test_a_model_that_only_learned_to_fill_gaps_is_asked_in_gaps(tmp_path):
    folder = save_tiny_seq2seq("t5", tmp_path / "t5")
    (folder / "pretraining.json").write_text("{}")
    loaded = load_backbone(resolve_model(str(folder)), "cpu", 24)
    gap = loaded.tokens.tokenizer.convert_tokens_to_ids("<extra_id_0>")
    assert loaded.tokens.start == [0, gap]
    assert loaded.tokens.sources(["good"])[0][-2:] == [gap, 1]
