"""Decoders that write: exactly the likeliest tokens, whatever stands beside them in a batch."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import SpecError
from harness.backbones import decoder as module
from harness.backbones.base import PromptSpec
from harness.backbones.decoder import DecoderBackbone
from harness.tasks.open_text import OpenText
from tests.harness.tiny_decoder import FAMILIES, tiny_decoder

TEXTS = ["the team won", "banks reported losses in trade again and again", ""]
PROMPTS = [
    PromptSpec("prompt", 6, "behind", "text"),
    PromptSpec("prompt", 6, "around", "random"),
    PromptSpec("prefix", 14, "before", "text"),
]
LONGEST = 5


class Saying(OpenText):
    """Texts are answered with texts."""

    metrics = ("accuracy",)


TASK = Saying(description="Say it again.", id="generation")


@cache
def backbone(family: str) -> DecoderBackbone:
    return tiny_decoder(family)


def plain(model: DecoderBackbone, context: list[int]) -> str:
    """Greedy tokens, each from a full forward pass without cache or padding."""
    said: list[int] = []
    while len(said) < LONGEST:
        with torch.no_grad():
            logits = model.model(torch.tensor([context + said]), use_cache=False).logits
        said.append(int(logits[0, -1].argmax()))
        piece = model.tokens.tokenizer.decode([said[-1]])
        if said[-1] == model.tokens.tokenizer.eos_token_id or "\n" in piece:
            break
    text = model.tokens.tokenizer.decode(said, skip_special_tokens=True)
    return text.lstrip().split("\n")[0].strip()


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.text(alphabet="abcst .\n:", max_size=40),
    queries=st.lists(st.text(alphabet="abcst .\n:", max_size=30), min_size=1, max_size=4),
    batch_tokens=st.sampled_from([1, 4096]),
)
def test_generation_equals_the_plain_path(family, prefix, queries, batch_tokens, monkeypatch):
    model = backbone(family)
    monkeypatch.setitem(module.BATCH_TOKENS, "cpu", batch_tokens)
    written = model.generate(queries, prefix=prefix, max_new_tokens=LONGEST)
    contexts = model.tokens.rows([prefix + query for query in queries])
    assert written == [plain(model, context) for context in contexts]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", [None, *PROMPTS], ids=str)
def test_a_trainee_writes_each_row_as_if_it_were_alone(family, prompt):
    trainee = backbone(family).trainee(TASK, prompt=prompt).eval()
    trainee.write_up_to(LONGEST)
    with torch.no_grad():
        together = trainee.answers(trainee.encode(TEXTS))
        assert together == [trainee.answers(trainee.encode([text]))[0] for text in TEXTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trainee_writes_what_the_model_would_write_after_its_query(family):
    model = backbone(family)
    trainee = model.trainee(TASK).eval()
    trainee.write_up_to(LONGEST)
    queries = [f"Input: {text}\nOutput:" for text in TEXTS]
    with torch.no_grad():
        written = trainee.answers(trainee.encode(TEXTS))
    assert written == model.generate(queries, max_new_tokens=LONGEST)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_the_mean_over_the_tokens_of_each_answer_and_its_end(family):
    model = backbone(family)
    trainee = model.trainee(TASK).eval()
    targets = np.array(["sport", "business money", "a"])
    expected = []
    queries = model.tokens.rows([f"Input: {text}\nOutput:" for text in TEXTS])
    answers = model.tokens.labels([f" {target}" for target in targets])
    for context, answer in zip(queries, answers, strict=True):
        said = [*answer, model.tokens.tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model.model(torch.tensor([context + said])).logits[0]
        logs = logits.log_softmax(dim=-1)[len(context) - 1 : -1]
        expected.append(-logs[torch.arange(len(said)), torch.tensor(said)].mean())
    with torch.no_grad():
        loss = trainee.loss(trainee.encode(TEXTS), targets)
    torch.testing.assert_close(loss, torch.stack(expected).mean(), atol=1e-4, rtol=0)


def test_how_long_answers_may_be_comes_from_the_longest_and_leaves_room_for_texts():
    trainee = tiny_decoder("gpt2", window=64).trainee(TASK)
    trainee.read_answers(["a", "money"])
    assert trainee.max_new_tokens == len(trainee._said(["money"])[0])
    trainee.read_answers(["money " * 200])
    assert trainee.max_new_tokens == 32  # half of the window
    assert trainee.lengths(["banks " * 200])[0] <= 64 - 32


def test_what_cannot_be_is_refused():
    with pytest.raises(SpecError, match="writes no texts"):
        backbone("llama").trainee(TASK, form="head")
    with pytest.raises(SpecError, match="does not fit the window of 32"):
        tiny_decoder("gpt2", window=32).generate(["a b c"], max_new_tokens=40)
    assert backbone("llama").generate([], max_new_tokens=3) == []
