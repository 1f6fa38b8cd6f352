"""Encoders: pooling, independence of the batch, prompts that steer, saving."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advisor.errors import ModelError, SpecError
from harness.backbones import encoder as encoder_module
from harness.backbones.base import ModelFacts, PromptSpec
from harness.backbones.encoder import EncoderBackbone
from harness.backbones.encoder_prefix import EncoderPrefix
from harness.backbones.encoder_trainee import EncoderTrainee
from harness.backbones.prompt_vectors import PromptVectors
from harness.tasks.classification import Classification
from tests.harness.tiny_models import CPU, ENCODERS, WINDOW, WITH_PREFIX, WORDS, tiny_encoder

TASK = Classification(("good", "bad"), description="Is the film good or bad?")
TEXTS = ["a good film", "the story was very dull and not good at all", "", "bad " * 60]
PROMPTS = [PromptSpec("prompt", 4, place, init) for place in ("before", "behind", "around")
           for init in ("vocabulary", "text", "random")]  # fmt: skip
PREFIXES = [PromptSpec("prefix", 4, init=init) for init in ("vocabulary", "text", "random")]


@cache
def backbone(family: str) -> EncoderBackbone:
    return tiny_encoder(family)


def states_of(model: EncoderBackbone, text: str, layer: int) -> torch.Tensor:
    """Hidden states of one text computed alone, shape (L, width)."""
    ids = model.tokenizer(text, truncation=True, max_length=model.max_tokens)["input_ids"]
    with torch.inference_mode():
        return model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]


def trained(
    trainee: EncoderTrainee, *, steps: int, lr: float, targets: tuple[int, ...] = (0, 0, 1, 1)
) -> list[float]:
    """Losses of a few steps on four texts."""
    texts = ["good film", "very good actor", "bad film", "very dull story"]
    parameters = [p for p in trainee.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = trainee.loss(trainee.encode(texts), torch.tensor(targets))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("family", ENCODERS)
@pytest.mark.parametrize("pooling", EncoderBackbone.poolings)
def test_features_pool_the_states_of_each_layer(family, pooling):
    model = backbone(family)
    pool = {
        "mean": lambda states: states.mean(dim=0),
        "cls": lambda states: states[0],
        "cls_mean": lambda states: torch.cat([states[0], states.mean(dim=0)]),
        "max": lambda states: states.amax(dim=0),
        "last": lambda states: states[-1],
    }[pooling]
    features = model.features(TEXTS, pooling=pooling, layers=(0, 1))
    assert features.dtype == np.float32
    for row, text in enumerate(TEXTS):
        expected = torch.cat([pool(states_of(model, text, layer)) for layer in (0, 1)])
        np.testing.assert_allclose(features[row], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("family", ENCODERS)
def test_the_last_layer_is_the_models_output(family):
    model = backbone(family)
    ids = model.tokenizer("a good film", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = model.model(ids).last_hidden_state.mean(dim=1).numpy()
    np.testing.assert_allclose(model.features(["a good film"], pooling="mean"), expected, atol=1e-5)


@settings(max_examples=25)
@given(
    family=st.sampled_from(ENCODERS),
    lengths=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    batch_tokens=st.integers(1, 200),
)
def test_features_do_not_depend_on_the_batch(family, lengths, batch_tokens):
    draw = np.random.default_rng(len(lengths))
    texts = [" ".join(draw.choice(WORDS, size=length)) for length in lengths]
    model = backbone(family)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoder_module.BATCH_TOKENS, "cpu", batch_tokens)
        together = model.features(texts, pooling="mean")
    alone = np.concatenate([model.features([text], pooling="mean") for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_features_report_progress_and_accept_nothing():
    seen: list[float] = []
    model = backbone("bert")
    model.features(TEXTS, pooling="cls", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert model.features([], pooling="cls_mean", layers=(0, -1)).shape == (0, 128)


@pytest.mark.parametrize("family", ENCODERS)
@pytest.mark.parametrize("prompt", [None, *PROMPTS[::4]])
def test_predictions_do_not_depend_on_the_batch(family, prompt):
    trainee = backbone(family).trainee(TASK, prompt=prompt, pooling="cls_mean").eval()
    with torch.inference_mode():
        together = trainee.answers(trainee.encode(TEXTS))
        alone = [trainee.answers(trainee.encode([text])) for text in TEXTS]
    np.testing.assert_allclose(together, torch.cat(alone), atol=1e-5)
    np.testing.assert_allclose(together.exp().sum(dim=1), np.ones(len(TEXTS)), atol=1e-5)


@pytest.mark.parametrize("family", ENCODERS)
def test_without_a_prompt_everything_trains_and_the_backbone_stays(family):
    model = tiny_encoder(family)
    before = model.features(TEXTS, pooling="mean")
    torch.manual_seed(0)
    trainee = model.trainee(TASK)
    losses = trained(trainee, steps=10, lr=1e-3)
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in trainee.parameters())
    np.testing.assert_array_equal(model.features(TEXTS, pooling="mean"), before)


@pytest.mark.parametrize("family", ENCODERS)
def test_layer_groups_run_from_embeddings_to_head(family):
    trainee = backbone(family).trainee(TASK)
    groups = trainee.layer_groups()
    everything = [id(p) for group in groups for p in group]
    assert sorted(everything) == sorted(id(p) for p in trainee.parameters())
    assert groups[0][0] is trainee.body.get_input_embeddings().weight
    assert {id(p) for p in groups[-1]} == {id(p) for p in trainee.head.parameters()}
    assert len(groups) >= 4  # embeddings, two blocks, head


def test_relative_positions_count_as_input():
    trainee = backbone("deberta").trainee(TASK)
    relative = trainee.body.encoder.rel_embeddings.weight
    assert any(parameter is relative for parameter in trainee.layer_groups()[0])


@pytest.mark.parametrize(
    ("family", "prompt"),
    [(family, spec) for family in ENCODERS for spec in PROMPTS]
    + [(family, spec) for family in WITH_PREFIX for spec in PREFIXES],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.position}-{value.init}",
)  # fmt: skip
def test_prompt_vectors_learn_while_the_body_stays_frozen(family, prompt):
    model = backbone(family)
    torch.manual_seed(0)
    trainee = model.trainee(TASK, prompt=prompt)
    trainee.head.requires_grad_(False)  # whatever is learned, the vectors learned it
    assert [p for p in trainee.body.parameters() if p.requires_grad] == []
    body = [p.clone() for p in trainee.body.parameters()]
    vectors = [p.clone() for p in trainee.prompt.parameters()]
    losses = trained(trainee.eval(), steps=20, lr=0.1, targets=(1, 1, 1, 1))
    assert losses[-1] < 0.8 * losses[0]
    moved = [
        not torch.equal(a, b) for a, b in zip(vectors, trainee.prompt.parameters(), strict=True)
    ]
    assert moved == [True] * len(vectors)
    assert all(torch.equal(a, b) for a, b in zip(body, trainee.body.parameters(), strict=True))


@pytest.mark.parametrize("prompt", [None, PROMPTS[0], PREFIXES[0]])
def test_mixed_precision_trains_too(prompt):
    """Prefix and text meet in attention in different number formats."""
    trainee = backbone("bert").trainee(TASK, prompt=prompt).eval()
    batch = trainee.encode(TEXTS)
    whole = trainee.answers(batch).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = trainee.answers(batch)
    assert mixed.dtype == torch.float32
    np.testing.assert_allclose(mixed.detach(), whole, atol=0.1)
    mixed[:, 0].sum().backward()
    trained_ones = [p for p in trainee.parameters() if p.requires_grad]
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in trained_ones)


def test_a_frozen_body_shares_the_backbones_weights():
    model = backbone("bert")
    trainee = model.trainee(TASK, prompt=PROMPTS[0])
    weights = model.model.embeddings.word_embeddings.weight
    shared = trainee.body.embeddings.word_embeddings.weight
    assert shared.data_ptr() == weights.data_ptr()
    assert {id(p) for p in trainee.layer_groups()[0]} == {id(trainee.prompt.vectors)}


@pytest.mark.parametrize(("position", "expected"), [
    ("before", [-1, 0, 1, 2, -1, -1, -1]),
    ("behind", [-1, -1, -1, 0, 1, 2, -1]),
    ("around", [-1, 0, 1, -1, -1, 2, -1]),
])  # fmt: skip
def test_vectors_stand_between_class_token_and_separator(position, expected):
    trainee = backbone("bert").trainee(TASK, prompt=PromptSpec("prompt", 3, position))
    batch = trainee.encode(["good film", "bad"])
    assert batch["slots"][0].tolist() == expected
    assert batch["slots"][1][-1] == -1
    assert batch["attention_mask"].tolist() == [[1] * 7, [1] * 6 + [0]]


def test_vectors_of_a_words_embedding_equal_that_word():
    """A prompt that starts from words does what the words in the text would do."""
    model = backbone("bert")
    trainee = model.trainee(TASK, prompt=PromptSpec("prompt", 2, "before"), pooling="cls").eval()
    word = model.tokenizer.convert_tokens_to_ids("very")
    with torch.no_grad():
        trainee.prompt.vectors.copy_(model.model.get_input_embeddings().weight[[word, word]])
        steered = trainee.pooled(trainee.encode(["good film"]))
    written = model.features(["very very good film"], pooling="cls")
    np.testing.assert_allclose(steered, written, atol=1e-5)


@pytest.mark.parametrize("family", WITH_PREFIX)
def test_a_prefix_keeps_the_positions_of_the_text(family):
    """Keys nobody attends to change nothing: the text stands where it would stand alone."""
    model = backbone(family)
    trainee = model.trainee(TASK, prompt=PREFIXES[0], pooling="cls").eval()
    prefix = trainee.prompt
    assert isinstance(prefix, EncoderPrefix)
    batch = trainee.encode(["a very good film", "bad"])
    with torch.no_grad():
        cache = prefix(2)
        mask = torch.cat(
            [torch.zeros(2, len(prefix), dtype=torch.long), batch["attention_mask"]], 1
        )
        first = prefix.first_position
        unseen = trainee.body(
            input_ids=batch["input_ids"],
            attention_mask=mask,
            position_ids=torch.arange(first, first + batch["input_ids"].shape[1])[None],
            past_key_values=cache,
        ).last_hidden_state[:, 0]
    plain = model.features(["a very good film", "bad"], pooling="cls")
    np.testing.assert_allclose(unseen, plain, atol=1e-5)
    steered = trainee.pooled(batch).detach().numpy()
    assert np.abs(steered - plain).max() > 1e-3


def test_the_same_seed_draws_the_same_prompt():
    model = backbone("bert")
    first, same, other = (
        model.trainee(TASK, prompt=PromptSpec("prefix", 4, init="random", seed=seed)).prompt
        for seed in (1, 1, 2)
    )
    weight = first.vectors.embedding.weight
    assert torch.equal(weight, same.vectors.embedding.weight)
    assert not torch.equal(weight, other.vectors.embedding.weight)


def test_long_texts_leave_room_for_the_vectors():
    model = tiny_encoder("bert", max_tokens=WINDOW)
    trainee = model.trainee(TASK, prompt=PromptSpec("prompt", 8))
    batch = trainee.encode(["bad " * 100])
    assert batch["input_ids"].shape == (1, WINDOW)
    assert isinstance(trainee.prompt, PromptVectors)
    with pytest.raises(SpecError, match="46 prompt vectors leave no room"):
        model.trainee(TASK, prompt=PromptSpec("prompt", 46, init="random"))


def test_a_saved_body_predicts_the_same(tmp_path: Path):
    model = backbone("bert")
    torch.manual_seed(0)
    trainee = model.trainee(TASK)
    trained(trainee, steps=3, lr=1e-3)
    trainee.save_body(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    again = model.trainee(TASK)
    again.head.load_state_dict(trainee.head.state_dict())
    again.load_body(tmp_path)
    with torch.inference_mode():
        expected, got = (t.eval().answers(t.encode(TEXTS)) for t in (trainee, again))
    np.testing.assert_array_equal(expected, got)
    loaded = EncoderBackbone.from_location(
        ModelFacts("saved", "encoder", 1, 2, 32, "text", location=str(tmp_path)),
        device=CPU, max_tokens=32,
    )  # fmt: skip
    assert loaded.features(TEXTS, pooling="mean").shape == (4, 32)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: m.features(["a"], pooling="sum"), "pooling must be one of mean, cls"),
        (lambda m: m.trainee(TASK, pooling="sum"), "pooling must be one of mean, cls"),
        (lambda m: m.trainee(TASK, form="words"), "form must be one of default, labels, head; got 'words'"),
        (lambda m: m.trainee(TASK, prompt=PromptSpec("soft")), "kind must be 'prompt' or 'prefix'"),
        (lambda m: m.trainee(TASK, prompt=PromptSpec(length=0)), "at least 1 vector; got length 0"),
        (lambda m: m.trainee(TASK, prompt=PromptSpec("prefix", position="behind")), "got position 'behind'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(ask, said):
    with pytest.raises(SpecError, match=said):
        ask(backbone("bert"))


@pytest.mark.parametrize("family", ["deberta", "modernbert"])
def test_encoders_without_given_keys_refuse_a_prefix(family):
    model = backbone(family)
    with pytest.raises(SpecError, match="take no prefix vectors; use prompt kind 'prompt'"):
        model.trainee(TASK, prompt=PREFIXES[0])


def test_a_missing_folder_is_a_model_error(tmp_path: Path):
    facts = ModelFacts("x", "encoder", 1, 2, 32, "text", location=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="encoder 'x' cannot be loaded from"):
        EncoderBackbone.from_location(facts, device=CPU, max_tokens=None)


def test_minilm_knows_what_texts_are_about(minilm: EncoderBackbone):
    texts = ["The striker scored a late goal.", "They won the league match.",
             "The bank raised its interest rate.", "Shares fell on the stock market."]  # fmt: skip
    features = minilm.features(texts, pooling="mean")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similar = features @ features.T
    assert similar[0, 1] > similar[0, 2:].max()
    assert similar[2, 3] > similar[2, :2].max()


def test_minilm_features_do_not_depend_on_the_batch(minilm: EncoderBackbone):
    texts = ["word " * length for length in (1, 3, 20, 61, 200)]
    together = minilm.features(texts, pooling="mean")
    alone = np.concatenate([minilm.features([text], pooling="mean") for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["prefix", "prompt"])
def test_minilm_learns_by_its_prompt_alone(minilm: EncoderBackbone, kind):
    torch.manual_seed(0)
    trainee = minilm.trainee(TASK, prompt=PromptSpec(kind, 5))
    trainee.head.requires_grad_(False)
    losses = trained(trainee.eval(), steps=12, lr=0.1)
    assert isinstance(trainee.head, nn.Linear)
    assert losses[-1] < 0.7 * losses[0]
