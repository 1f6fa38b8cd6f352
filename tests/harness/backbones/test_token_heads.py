"""Heads on tokens: spans read back from offsets, long texts, learning, and reading back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from advisor.errors import SpecError
from harness.backbones.base import ModelFacts, PromptSpec
from harness.backbones.encoder import EncoderBackbone
from harness.backbones.text_windows import tokenized
from harness.backbones.token_heads import (
    SpanTrainee,
    TagTrainee,
    answer_tokens,
    find_answer,
    first_tokens,
    likeliest_span,
)
from harness.datasets.base import Split
from harness.strategies.base import TrialBudget
from harness.strategies.full_finetune import FullFineTuning
from harness.strategies.ia3 import Ia3
from harness.strategies.linear_probe import LinearProbe
from harness.strategies.lora import Lora
from harness.strategies.lp_ft import LpFt
from harness.strategies.soft_prompt import SoftPrompting
from harness.tasks.qa import QuestionAnswering
from harness.tasks.token_labelling import TokenLabelling
from harness.tasks.translation import Translation
from harness.text_pair import TextPair
from tests.harness.tiny_models import (
    CPU,
    VOCABULARY,
    WINDOW,
    WORDS,
    tiny_encoder_model,
    word_tokenizer,
)

FILLERS = ["the", "a", "was", "and", "at", "all", "scene", "actor"]
QA, TAGS = QuestionAnswering(), TokenLabelling(label_names=("B-X", "I-X", "O"))
LONG = 24  # tokens of a window


@cache
def backbone(family: str = "bert", max_tokens: int = LONG) -> EncoderBackbone:
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    model = tiny_encoder_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.div_(2.5 if parameter.ndim > 1 else 1.0)
    facts = ModelFacts(
        name=family, family="encoder", params=model.num_parameters(), layers=2, width=32,
        modality="text", window=WINDOW, vocabulary=len(VOCABULARY), digest=f"heads-{family}",
    )  # fmt: skip
    return EncoderBackbone(facts, model, tokenizer, device=CPU, max_tokens=max_tokens)


def questions(n: int, seed: int, *, length: int = 8) -> Split:
    """The answer is the adjective with "story" behind it, where the passage has them."""
    draw = np.random.default_rng(seed)
    pairs, answers = [], []
    for row in range(n):
        words = draw.choice(FILLERS, length).tolist()
        answer = "" if row % 3 == 0 else f"{draw.choice(['good', 'bad', 'dull'])} story"
        words.insert(int(draw.integers(length)), answer)
        pairs.append(TextPair("label the story", " ".join(" ".join(words).split())))
        answers.append(answer)
    return Split(tuple(pairs), np.array(answers, dtype=np.str_), tuple(map(str, range(n))))


def sentences(n: int, seed: int, *, length: int = 8) -> Split:
    """ "good" is a span where the text is about sport: no word tells that of its own."""
    draw = np.random.default_rng(seed)
    texts, tags = [], []
    for row in range(n):
        topic = ("sport", "news")[row % 2]
        words = draw.choice([*FILLERS[:4], "good", "good", topic, topic], length - 1).tolist()
        words.insert(int(draw.integers(length)), topic)
        texts.append(" ".join(words))
        tags.append(
            " ".join("B-X" if (word, topic) == ("good", "sport") else "O" for word in words)
        )
    return Split(tuple(texts), np.array(tags, dtype=np.str_), tuple(map(str, range(n))))


TOYS = {"qa": (QA, questions), "token_labelling": (TAGS, sentences)}


@settings(max_examples=60)
@given(st.data())
def test_an_answers_span_is_read_back_from_offsets(data):
    words = data.draw(st.lists(st.sampled_from([*WORDS, "unknown"]), min_size=1, max_size=40))
    passage = data.draw(st.sampled_from([" ", "  ", "\n"])).join(words)
    ends = [0, *np.cumsum([len(word) for word in words])]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(words) - 1)] * 2)))
    gap = (len(passage) - ends[-1]) // max(1, len(words) - 1)
    answer = passage[ends[start] + gap * start : ends[end + 1] + gap * end]
    pair = TextPair("a film ?", passage)
    (text,) = tokenized(backbone().tokenizer, [pair], LONG)
    known, span = answer_tokens(pair, text, answer)
    assert known
    assert span is not None
    assert passage[text.offsets[span[0]][0] : text.offsets[span[1]][1]] == answer
    windows = text.windows()
    assert {token for window in windows for token in range(*window)} == set(range(len(words)))
    assert all(len(text.row(window)) <= LONG for window in windows)
    if span[1] - span[0] < text.room // 2:  # half a piece is whole in some window
        assert any(first <= span[0] and span[1] < behind for first, behind in windows)
    for token in range(len(text.tokens)):
        first, behind = windows[text.read_in(token)]
        assert first <= token < behind


def test_answers_are_found_as_whole_words_first():
    assert find_answer("the party has art", "art") == 14
    assert find_answer("the party", "art") == 5
    assert find_answer("the party", "song") == -1
    pair = TextPair("a", "the film")
    (text,) = tokenized(backbone().tokenizer, [pair], LONG)
    assert answer_tokens(pair, text, "song") == (False, None)
    assert answer_tokens(pair, text, "") == (True, None)


def test_a_long_question_leaves_half_of_the_room_to_the_passage():
    (text,) = tokenized(backbone().tokenizer, [TextPair("the " * 50, "film " * 30)], LONG)
    assert len(text.before) == 2 + (LONG - 3) // 2
    assert text.room == LONG - len(text.before) - 1
    with pytest.raises(SpecError, match="no room"):
        tokenized(backbone().tokenizer, [TextPair("the", "film")], 3)


def test_words_have_their_first_tokens():
    (text,) = tokenized(backbone().tokenizer, ["the film , was good."], LONG)
    assert first_tokens("the film , was good.", text) == [0, 1, 2, 3, 4]
    (text,) = tokenized(backbone().tokenizer, ["good. film"], LONG)  # a word of two tokens
    assert first_tokens("good. film", text) == [0, 2]


def test_the_likeliest_span_is_ordered_and_short():
    first, last = torch.tensor([0.0, 5.0, 0.0]), torch.tensor([9.0, 0.0, 1.0])
    assert likeliest_span(first, last) == (9.0, (0, 0))
    first, last = torch.zeros(40), torch.zeros(40)
    first[0], last[39], last[29] = 5.0, 9.0, 1.0
    assert likeliest_span(first, last)[1] == (10, 39)
    assert likeliest_span(torch.zeros(0), torch.zeros(0)) == (float("-inf"), None)


@pytest.mark.parametrize("name", TOYS)
def test_a_tiny_bert_learns(name):
    task, rows = TOYS[name]
    strategy = FullFineTuning(learning_rate=3e-3, epochs=12, batch_size=16)
    strategy.fit(backbone(), task, rows(160, 0), rows(40, 1), seed=0, budget=TrialBudget())
    test = rows(60, 2)
    scores = task.scores(strategy.predict(test.inputs), test.targets)
    beaten = task.baselines(rows(160, 0), test, seed=0)
    assert scores[task.metric] > 0.9
    assert scores[task.metric] > max(one[task.metric] for one in beaten.values()) + 0.1
    # a text of several windows is answered by the same model
    long = rows(20, 3, length=40)
    answers = strategy.predict(long.inputs)
    assert task.scores(answers, long.targets)[task.metric] > 0.5


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize(
    "strategy",
    [
        FullFineTuning(epochs=1),
        Lora(epochs=1),
        Ia3(epochs=1),
        SoftPrompting(epochs=1, length=3, kind="prompt", init="text"),
        SoftPrompting(epochs=1, length=3, kind="prompt", position="behind"),
        SoftPrompting(epochs=1, length=3, kind="prefix"),
    ],
    ids=lambda one: f"{one.id}-{getattr(one, 'kind', '')}-{getattr(one, 'position', '')}",
)
def test_what_was_saved_predicts_the_same(name, strategy, tmp_path):
    task, rows = TOYS[name]
    again = type(strategy)(
        **{key: value for key, value in vars(strategy).items() if not key.startswith("_")}
    )
    again.fit(backbone(), task, rows(24, 0), rows(8, 1), seed=0, budget=TrialBudget())
    again.save(tmp_path)
    inputs = rows(10, 2, length=30).inputs
    loaded = type(strategy).load(tmp_path, backbone(), task)
    assert loaded.predict(inputs).tolist() == again.predict(inputs).tolist()


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("family", ["bert", "roberta", "deberta", "modernbert"])
def test_answers_do_not_depend_on_the_batch(name, family):
    task, rows = TOYS[name]
    trainee = backbone(family).trainee(task).eval()
    inputs = [*rows(3, 0).inputs, *rows(2, 1, length=40).inputs]
    together = trainee.answers(trainee.encode(inputs))
    assert together == [trainee.answers(trainee.encode([one]))[0] for one in inputs]
    if name == "token_labelling":
        assert [len(said.split()) for said in together] == [len(one.split()) for one in inputs]


def test_prompt_vectors_move_the_text_and_the_head_reads_it_where_it_is():
    rows = questions(6, 0)
    for position in ("before", "behind", "around"):
        prompt = PromptSpec("prompt", 4, position)
        trainee = backbone().trainee(QA, prompt=prompt)
        batch = trainee.encode(rows.inputs)
        ids = batch["input_ids"]
        for row, (pair, text) in enumerate(zip(rows.inputs, batch["texts"], strict=True)):
            first = len(text.before) + batch["shift"]
            seen = trainee._tokenizer.convert_ids_to_tokens(
                ids[row, first : first + len(text.tokens)].tolist()
            )
            assert seen == pair.second.split()


def test_a_probe_on_words_learns_what_frozen_states_know(tmp_path):
    """Which words are adjectives stands in every state."""
    rows = sentences(60, 0)
    tags = [
        " ".join("B-X" if word == "good" else "O" for word in one.split()) for one in rows.inputs
    ]
    rows = Split(rows.inputs, np.array(tags, dtype=np.str_), rows.ids)
    train, validation, test = (
        rows.take(range(30)),
        rows.take(range(30, 40)),
        rows.take(range(40, 60)),
    )
    probe = LinearProbe().fit(backbone(), TAGS, train, validation, seed=0, budget=TrialBudget())
    answers = probe.predict(test.inputs)
    assert TAGS.scores(answers, test.targets)["tag_f1"] > 0.95
    probe.save(tmp_path)
    loaded = LinearProbe.load(tmp_path, backbone(), TAGS)
    assert loaded.predict(test.inputs).tolist() == answers.tolist()
    assert [probe.predict([one])[0] for one in test.inputs[:3]] == answers[:3].tolist()
    assert probe.predict([]).shape == (0,)
    alone = LinearProbe().fit(
        backbone(), TAGS, train, train.take([]), seed=0, budget=TrialBudget(seconds=30.0)
    )
    assert TAGS.scores(alone.predict(test.inputs), test.targets)["tag_f1"] > 0.5


def test_fine_tuning_can_start_from_the_probe_on_words():
    rows = sentences(24, 0)
    strategy = LpFt(epochs=1, learning_rate=1e-6)
    strategy.fit(backbone(), TAGS, rows, sentences(8, 1), seed=0, budget=TrialBudget())
    probe = LinearProbe().fit(backbone(), TAGS, rows, sentences(8, 1), seed=0, budget=TrialBudget())
    assert strategy.report_.chosen["probe_C"] == probe.report_.chosen["C"]
    test = sentences(10, 2).inputs
    assert strategy.predict(test).tolist() == probe.predict(test).tolist()


def test_no_other_task_has_a_head_on_tokens():
    with pytest.raises(SpecError, match="no head for the task translation"):
        backbone().trainee(Translation())
    assert isinstance(backbone().trainee(QA), SpanTrainee)
    assert isinstance(backbone().trainee(TAGS), TagTrainee)


def test_wrong_tags_and_answers_from_elsewhere_are_told_apart():
    trainee = backbone().trainee(TAGS)
    with pytest.raises(ValueError, match="not the tags"):
        trainee.loss(trainee.encode(["a film"]), np.array(["O"]))
    span = backbone().trainee(QA)
    batch = span.encode([TextPair("a", "the film")])
    assert float(span.loss(batch, np.array(["song"])).detach()) == 0.0
    assert float(span.loss(batch, np.array(["film"])).detach()) > 0.0
