"""Prompting for texts: what is asked, what is kept of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from advisor.errors import ModelError, SpecError, UnknownName
from harness.backbones.base import ModelFacts
from harness.datasets.base import Split
from harness.strategies import prompt_generation
from harness.strategies.base import DataFacts, Interrupted, TrialBudget
from harness.strategies.hard_prompt import HardPrompting
from harness.strategies.prompt_generation import WritingPrompt
from harness.tasks.open_text import OpenText
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_seq2seq import tiny_seq2seq

DATA = DataFacts(20, 1, "text", named_labels=False, description=True, mean_tokens=6.0)


class Saying(OpenText):
    metrics = ("accuracy",)


TASK = Saying(description="Say it again.", id="generation")


class Echo:
    """Writes the last word of the query's text, if the prompt shows how."""

    facts = ModelFacts("echo", "decoder", 1, 1, 1, "text", window=120)
    max_tokens = 16

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], int]] = []

    def generate(self, queries, *, prefix="", max_new_tokens, stop="\n", progress=None):
        self.asked.append((prefix, list(queries), max_new_tokens))
        if progress is not None:
            progress(1.0)
        return [
            query.splitlines()[0].split()[-1] if "Output: " in prefix else "?" for query in queries
        ]

    def token_counts(self, texts):
        texts = [text if isinstance(text, str) else " ".join(text) for text in texts]
        return np.array([len(text.split()) for text in texts])

    def truncate(self, texts, max_tokens):
        return [" ".join(text.split()[:max_tokens]) for text in texts]


def split(n: int) -> Split:
    texts = [f"number {i} is word{i}" for i in range(n)]
    targets = np.array([f"word{i}" for i in range(n)], dtype=np.str_)
    return Split(tuple(texts), targets, tuple(map(str, range(n))))


def fit(model, *, train=10, validation=4, budget=None, **settings) -> HardPrompting:
    return HardPrompting(**settings).fit(
        model, TASK, split(train), split(validation), seed=0, budget=budget or TrialBudget()
    )


def test_demonstrations_are_examples_with_their_answers_and_decide_what_is_written():
    model = Echo()
    few = fit(model, n_demonstrations=3)
    prompt = few.prompt_
    assert isinstance(prompt, WritingPrompt)
    assert len(prompt.demonstrations) == few.report_.chosen["demonstrations"] == 3
    assert all(text.endswith(answer) for text, answer in prompt.demonstrations)
    assert prompt.prefix.startswith("Say it again.\nInput: number ")
    assert few.predict(["the end"]).tolist() == ["end"]
    assert model.asked[-1][1:] == (["Input: the end\nOutput:"], 2)  # one word and the end
    zero = fit(model)
    assert zero.prompt_.demonstrations == ()
    assert zero.predict(["the end"]).tolist() == ["?"]
    assert fit(model, train=0).prompt_.max_new_tokens == prompt_generation.DEFAULT_ANSWER - 2


def test_as_many_demonstrations_as_the_window_holds():
    prompt = fit(Echo(), train=40, n_demonstrations=40).prompt_
    assert 3 <= len(prompt.demonstrations) < 40
    taken = len(prompt.prefix.split()) + prompt.text_tokens + prompt.max_new_tokens
    assert taken < 120


def test_several_templates_are_compared_on_validation_rows(monkeypatch):
    known = prompt_generation.templates_for(TASK)[0]
    bad = replace(known, id="bad", query="{text}\nSay:")
    monkeypatch.setattr(prompt_generation, "templates_for", lambda task: (bad, known))
    monkeypatch.setattr(
        Saying, "scores", lambda self, a, t: {"accuracy": float(np.mean(a == t))}, raising=True
    )
    chosen = fit(Echo(), n_demonstrations=2).report_.chosen
    assert chosen["template"] == "generation"
    assert chosen["scores_by_template"] == {"bad": 0.0, "generation": 1.0}
    assert chosen["validation_rows"] == 4
    with pytest.raises(Interrupted):
        fit(Echo(), budget=TrialBudget(cancelled=lambda: True))
    assert fit(Echo(), validation=0).report_.chosen["template"] == "bad"


@pytest.mark.parametrize("model", [tiny_decoder("gpt2"), tiny_seq2seq()], ids=["gpt2", "t5"])
def test_what_was_saved_writes_the_same(model, tmp_path):
    strategy = fit(model, n_demonstrations=1)
    answers = strategy.predict(["the film was good", "a"])
    strategy.save(tmp_path)
    again = HardPrompting.load(tmp_path, model, TASK)
    assert again.predict(["the film was good", "a"]).tolist() == answers.tolist()
    assert again.prompt_ == strategy.prompt_
    assert answers.dtype.kind == "U"
    (tmp_path / "prompt.json").write_text("{}")
    with pytest.raises(ModelError, match="not a saved prompt"):
        HardPrompting.load(tmp_path, model, TASK)


def test_what_cannot_be_asked_is_refused():
    facts = Echo.facts
    assert HardPrompting.feasible(facts, TASK, DATA).feasible
    assert (
        "no decoder that could write"
        in HardPrompting.feasible(
            replace(facts, family="encoder", masked_head=True), TASK, DATA
        ).reason
    )
    lstm = HardPrompting.feasible(replace(facts, family="lstm"), TASK, DATA)
    assert "never seen an instruction" in lstm.reason
    with pytest.raises(UnknownName, match="no template 'quote'"):
        fit(Echo(), template="quote")
    long = Saying(description="word " * 200, id="generation")
    with pytest.raises(SpecError, match="leave no room for text"):
        HardPrompting().fit(Echo(), long, split(2), split(0), seed=0, budget=TrialBudget())


def test_zero_shot_is_tried_first_then_many_then_few():
    points = HardPrompting.space(Echo.facts, TASK, DATA).first
    assert [point["n_demonstrations"] for point in points] == [0, 2, 1]
    strategies = [HardPrompting(**point) for point in points]
    assert all(strategy.template == "auto" for strategy in strategies)
