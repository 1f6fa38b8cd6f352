"""Decoders as trainees: exact likelihoods, prompt vectors in the right space, own weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec, Trainee
from harness.backbones.decoder import DecoderBackbone
from harness.tasks.classification import Classification
from harness.tasks.templates import (
    DEFAULT,
    continuations,
    instruct,
    label_words,
    render_query,
)
from tests.harness.tiny_decoder import FAMILIES, tiny_decoder

TEXTS = ["the team won", "banks reported losses in trade again and again", ""]
TASK = Classification(("sport", "art", "art_history"), "Say the topic.")
WORDS = label_words(TASK.label_names)
INSTRUCTION = instruct(DEFAULT, TASK.description, WORDS)
PROMPTS = [
    PromptSpec("prompt", 6, "before", "vocabulary"),
    PromptSpec("prompt", 6, "behind", "text"),
    PromptSpec("prompt", 6, "around", "random"),
    PromptSpec("prefix", 6, "before", "text"),
    PromptSpec("prefix", 6, "before", "random"),
]
FORMS = [{}, {"form": "head"}, *({"prompt": prompt} for prompt in PROMPTS)]


@cache
def backbone(family: str) -> DecoderBackbone:
    return tiny_decoder(family)


def label_scores(model: DecoderBackbone, contexts: list[list[int]]) -> torch.Tensor:
    """Label log-likelihoods after token rows, each pair in its own full forward pass."""
    labels = model.tokens.labels(continuations(WORDS))
    scores = torch.zeros(len(contexts), len(labels))
    for row, context in enumerate(contexts):
        for column, label in enumerate(labels):
            logs = model.model(torch.tensor([context + label])).logits[0].log_softmax(dim=-1)
            at = torch.arange(len(label)) + len(context) - 1
            scores[row, column] = logs[at, torch.tensor(label)].sum()
    return scores


def queries(texts: list[str] = TEXTS) -> list[str]:
    return [render_query(DEFAULT, text) for text in texts]


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_and_loss_are_those_of_whole_labels(family):
    model = backbone(family)
    assert max(map(len, model.tokens.labels(continuations(WORDS)))) > 1
    trainee = model.trainee(TASK).eval()
    batch = trainee.encode(TEXTS)
    scores = label_scores(model, model.tokens.rows(queries()))
    with torch.no_grad():
        torch.testing.assert_close(
            trainee.answers(batch), scores.log_softmax(dim=-1), atol=1e-4, rtol=0
        )
        targets = torch.tensor([2, 0, 1])
        expected = -scores[torch.arange(3), targets].mean()
        torch.testing.assert_close(trainee.loss(batch, targets), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_equal_those_of_label_scoring(family):
    model = backbone(family)
    scores = torch.tensor(model.label_logprobs(queries(), continuations(WORDS)))
    with torch.no_grad():
        logs = model.trainee(TASK).eval().answers(model.trainee(TASK).encode(TEXTS))
    torch.testing.assert_close(logs.double(), scores.log_softmax(dim=-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_row_does_not_depend_on_its_batch(family, form):
    trainee = backbone(family).trainee(TASK, **form).eval()
    with torch.no_grad():
        together = trainee.answers(trainee.encode(TEXTS))
        alone = [trainee.answers(trainee.encode([text])) for text in TEXTS]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    torch.testing.assert_close(together.exp().sum(dim=-1), torch.ones(len(TEXTS)))


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_started_from_text_act_like_that_text(family):
    """They must live where the embedding layer's output lives (scaled, for Gemma)."""
    model = backbone(family)
    said = model.tokens.plain([INSTRUCTION])[0][:8]
    trainee = model.trainee(TASK, prompt=PromptSpec("prompt", len(said), "before", "text")).eval()
    n_start = len(model.tokens.start)
    contexts = [row[:n_start] + said + row[n_start:] for row in model.tokens.rows(queries())]
    with torch.no_grad():
        logs = trainee.answers(trainee.encode(TEXTS))
        expected = label_scores(model, contexts).log_softmax(dim=-1)
    torch.testing.assert_close(logs, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", ["before", "around", "behind"])
@pytest.mark.parametrize("form", ["default", "labels"])
@settings(max_examples=6, deadline=None)
@given(texts=st.lists(st.text(alphabet="abt .\n", max_size=30), min_size=1, max_size=5))
def test_vectors_read_once_a_batch_learn_as_vectors_read_with_every_row(
    family, position, form, texts
):
    found = []
    for every_row in (False, True):
        spec = PromptSpec("prompt", 6, position, "vocabulary")
        trainee = backbone(family).trainee(TASK, prompt=spec, form=form).eval()
        if every_row:
            assert trainee.save_memory()
        batch = trainee.encode(texts)
        assert ("start_ids" in batch) == (position != "behind")
        loss = trainee.loss(batch, torch.arange(len(texts)) % 3)
        loss.backward()
        found.append((loss.detach(), trainee.prompt.vectors.grad))
    (shared, gradient), (plain, expected) = found
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-3)


def test_vectors_behind_stand_between_query_and_label():
    model = backbone("llama")
    said = model.tokens.plain([INSTRUCTION])[0][:5]
    trainee = model.trainee(TASK, prompt=PromptSpec("prompt", 5, "behind", "text")).eval()
    with torch.no_grad():
        logs = trainee.answers(trainee.encode(TEXTS))
        contexts = [row + said for row in model.tokens.rows(queries())]
        expected = label_scores(model, contexts).log_softmax(dim=-1)
    torch.testing.assert_close(logs, expected, atol=1e-4, rtol=0)


def test_prefix_vectors_started_from_text_act_like_that_text():
    model = backbone("gpt2")  # it has no start token that would stand between them
    said = model.tokens.plain([INSTRUCTION])[0][:7]
    trainee = model.trainee(TASK, prompt=PromptSpec("prefix", 7, "before", "text")).eval()
    with torch.no_grad():
        logs = trainee.answers(trainee.encode(TEXTS))
        contexts = [said + row for row in model.tokens.rows(queries())]
        expected = label_scores(model, contexts).log_softmax(dim=-1)
    torch.testing.assert_close(logs, expected, atol=1e-4, rtol=0)


def step(trainee: Trainee, *, rate: float = 0.05) -> float:
    """One optimizer step on all texts; the loss before it."""
    trained = [parameter for group in trainee.layer_groups() for parameter in group]
    optimizer = torch.optim.Adam(trained, lr=rate)
    loss = trainee.loss(trainee.encode(TEXTS), torch.tensor([0, 1, 2]))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_step_lowers_the_loss_and_leaves_the_backbone_alone(family, form):
    model = backbone(family)
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    torch.manual_seed(0)
    trainee = model.trainee(TASK, **form).eval()
    first = step(trainee, rate=0.003)
    assert step(trainee, rate=0.003) < first
    for name, value in model.model.state_dict().items():
        assert torch.equal(before[name], value), name
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_groups_hold_every_trainable_parameter_once_and_each_gets_a_gradient(family, form):
    trainee = backbone(family).trainee(TASK, **form)
    grouped = [id(parameter) for group in trainee.layer_groups() for parameter in group]
    trainable = [id(p) for p in trainee.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(trainable)
    trainee.loss(trainee.encode(TEXTS), torch.tensor([0, 1, 2])).backward()
    for name, parameter in trainee.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
    if "prompt" in form:
        assert trainee.prompt is not None
        assert set(grouped) == {id(p) for p in trainee.prompt.parameters()}


def test_prompt_vectors_share_the_frozen_weights():
    model = backbone("gemma3")
    trainee = model.trainee(TASK, prompt=PROMPTS[0])
    theirs = {p.data_ptr() for p in trainee.body.parameters()}
    assert theirs == {p.data_ptr() for p in model.model.parameters()}
    with pytest.raises(SpecError, match="keeps the pretrained body"):
        trainee.load_body(None)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS[:2], ids=str)
def test_a_saved_body_predicts_the_same(family, form, tmp_path):
    model = backbone(family)
    torch.manual_seed(0)
    trained = model.trainee(TASK, **form).eval()
    step(trained)
    trained.save_body(tmp_path)
    fresh = model.trainee(TASK, **form).eval()
    fresh.load_body(tmp_path)
    if trained.head is not None:
        fresh.head.load_state_dict(trained.head.state_dict())
    batch = trained.encode(TEXTS)
    with torch.no_grad():
        assert torch.equal(trained.answers(batch), fresh.answers(batch))
    assert all(parameter.requires_grad for parameter in fresh.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", [{}, {"form": "head"}, {"prompt": PROMPTS[0]}], ids=str)
def test_activation_checkpoints_change_nothing_but_memory(family, form):
    torch.manual_seed(0)
    trainee = backbone(family).trainee(TASK, **form)
    for module in trainee.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch, targets = trainee.encode(TEXTS), torch.tensor([0, 1, 2])
    gradients = []
    for _ in range(2):
        trainee.train().zero_grad()
        trainee.loss(batch, targets).backward()
        gradients.append([p.grad.clone() for p in trainee.parameters() if p.requires_grad])
        assert trainee.save_memory()
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_half_precision_trains_to_about_the_same_loss(family, form):
    trainee = backbone(family).trainee(TASK, **form).eval()
    batch, targets = trainee.encode(TEXTS), torch.tensor([0, 1, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = trainee.loss(batch, targets)
    half.backward()
    assert all(torch.isfinite(p.grad).all() for p in trainee.parameters() if p.requires_grad)
    torch.testing.assert_close(half, trainee.loss(batch, targets), rtol=0.02, atol=0.0)


def test_prefix_vectors_and_activation_checkpoints_do_not_go_together():
    assert not backbone("gpt2").trainee(TASK, prompt=PROMPTS[3]).save_memory()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_objective_of_the_labels_is_what_prediction_compares(family):
    trainee = backbone(family).trainee(TASK, form="labels").eval()
    batch, targets = trainee.encode(TEXTS), torch.tensor([0, 1, 2])
    logs = trainee.answers(batch)
    torch.testing.assert_close(trainee.loss(batch, targets), -logs[torch.arange(3), targets].mean())
    whole = backbone(family).trainee(TASK).eval()
    assert whole.loss(batch, targets) > trainee.loss(batch, targets)


def test_a_label_that_begins_another_can_lose_to_it():
    """Alone, "art" would never be less likely than "art history"."""
    trainee = backbone("llama").trainee(TASK)
    target = torch.tensor([2, 2, 2])
    optimizer = torch.optim.Adam(trainee.parameters(), lr=0.003)
    for _ in range(12):
        trainee.loss(trainee.encode(TEXTS), target).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        assert trainee.answers(trainee.encode(TEXTS)).argmax(dim=-1).tolist() == [2] * 3


def test_lengths_count_the_template_and_long_texts_are_cut():
    model = backbone("gemma3")
    trainee = model.trainee(TASK)
    lengths = trainee.lengths(["", "win a prize", "win " * 500])
    assert lengths[0] == len(model.tokens.rows(queries([""]))[0])
    assert lengths[0] < lengths[1] < lengths[2] <= lengths[0] + model.max_tokens
    assert trainee.encode(["win " * 500])["input_ids"].shape == (1, lengths[2])


@pytest.mark.parametrize("form", [{}, {"form": "head"}, *FORMS[2:4]], ids=str)
def test_rows_fit_learned_positions(form):
    model = tiny_decoder("gpt2", window=32)
    trainee = model.trainee(TASK, **form)
    with torch.no_grad():
        logs = trainee.answers(trainee.encode(["win " * 200]))
    assert torch.isfinite(logs).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompt": PromptSpec(length=0)}, "at least 1 vector; got length 0"),
        ({"prompt": PromptSpec(init="zeros")}, "init must be one of vocabulary, text, random; got"),
        ({"prompt": PromptSpec(position="left")}, "position must be one of before, behind, around"),
        ({"prompt": PromptSpec(kind="deep")}, "kind must be 'prompt' or 'prefix'; got 'deep'"),
        ({"prompt": PromptSpec("prefix", 4, "behind")}, "stand before the input; got position"),
        ({"prompt": PromptSpec(length=300)}, "leave no room for text in the window of 256"),
        ({"pooling": "mean"}, "pools nothing; leave out 'mean'"),
        ({"form": "head", "prompt": PromptSpec()}, "takes no prompt vectors"),
        ({"form": "tail"}, "form must be one of default, labels, head; got 'tail'"),
    ],
)
def test_what_cannot_be_done_is_said(asked, message):
    with pytest.raises(SpecError, match=message):
        backbone("gemma3").trainee(TASK, **asked)


def test_the_start_of_a_prompt_is_drawn_by_its_seed():
    def vectors(seed: int) -> np.ndarray:
        prompt = backbone("llama").trainee(TASK, prompt=PromptSpec(length=4, seed=seed)).prompt
        return prompt.vectors.detach().numpy()

    np.testing.assert_array_equal(vectors(1), vectors(1))
    assert not np.array_equal(vectors(1), vectors(2))
