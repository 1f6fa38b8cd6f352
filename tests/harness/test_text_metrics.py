"""Metrics of texts and tags: equal to their references, and sums of what the rows contribute."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import METRICS
from harness.metrics.tags import spans, tag_accuracy, tag_f1
from harness.metrics.texts import bare, bleu, chrf, exact_match, token_f1, word_f1

NAMES = ("exact_match", "token_f1", "chrf", "bleu", "tag_f1", "tag_accuracy")
WORDS = st.sampled_from(
    [
        "the",
        "cat",
        "sat",
        "on",
        "a",
        "mat",
        ".",
        "Mat,",
        "O",
        "B-PER",
        "I-PER",
        "B-ORG",
        "I-ORG",
        "NOUN",
    ]
)
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8)


def arrays(rows):
    return tuple(np.array(column, dtype=np.str_) for column in zip(*rows, strict=True))


def test_squad_answers_worked_by_hand():
    assert bare("The  Eiffel-Tower, an icon!") == "eiffeltower icon"
    assert word_f1("the Denver Broncos", "Denver Broncos") == 1.0
    # 2 of 3 words said are right, 2 of 4 words were wanted
    assert word_f1("in New York", "New York City, NY") == pytest.approx(2 * 2 / (3 + 4))
    assert word_f1("to be or not to be", "to be") == pytest.approx(2 * 2 / (6 + 2))
    assert word_f1("", "") == 1.0
    assert word_f1("", "308") == word_f1("308", "") == 0.0
    assert word_f1("the", "") == 1.0  # an article alone is no word, as in SQuAD 2.0
    rows = arrays([("The Panthers.", "panthers"), ("", ""), ("24", "308"), ("New York", "York")])
    assert exact_match(*rows) == pytest.approx(2 / 4)
    assert token_f1(*rows) == pytest.approx((1 + 1 + 0 + 2 / 3) / 4)


@settings(max_examples=40)
@given(ROWS)
def test_chrf_and_bleu_are_sacrebleus(rows):
    answers, targets = arrays(rows)
    said, true = answers.tolist(), [targets.tolist()]
    assert chrf(answers, targets) == pytest.approx(
        sacrebleu.corpus_chrf(said, true).score / 100, abs=1e-12
    )
    assert bleu(answers, targets) == pytest.approx(
        sacrebleu.corpus_bleu(said, true, force=True).score / 100, abs=1e-12
    )


def test_a_perfect_translation_scores_one():
    texts = np.array(["Ella es canadiense.", "Fuimos juntos de picnic al parque."])
    assert chrf(texts, texts) == bleu(texts, texts) == exact_match(texts, texts) == 1.0
    assert chrf(np.array(["x", "y"]), texts) < 0.1


def test_spans_of_iob2():
    tags = ["B-PER", "I-PER", "O", "B-PER", "B-PER", "I-ORG", "I-ORG", "O", "I-LOC", "B-LOC"]
    assert spans(tags) == {
        ("PER", 0, 2), ("PER", 3, 4), ("PER", 4, 5), ("ORG", 5, 7), ("LOC", 8, 9), ("LOC", 9, 10)
    }  # fmt: skip
    assert spans(["NOUN", "O", "VERB", "VERB"]) == {("NOUN", 0, 1), ("VERB", 2, 3), ("VERB", 3, 4)}
    assert spans(["B-", "I", "O"]) == {("B-", 0, 1), ("I", 1, 2)}  # no type: tags as they are
    assert spans([]) == spans(["O"]) == set()


def test_tag_f1_worked_by_hand():
    targets = np.array(["B-PER I-PER O O", "O B-ORG O", "O O"])
    answers = np.array(["B-PER O O O", "O B-ORG B-ORG", "O O"])
    # said: PER 0-1 (wrong end), ORG 1-2 (right), ORG 2-3 (wrong); true: two spans
    assert tag_f1(answers, targets) == pytest.approx(2 * 1 / (3 + 2))
    assert tag_accuracy(answers, targets) == pytest.approx(7 / 9)
    assert tag_f1(targets[2:], targets[2:]) == 0.0  # as seqeval: no spans, no score
    short, long = np.array(["O"]), np.array(["O O"])
    assert tag_accuracy(short, long) == tag_accuracy(long, short) == 0.5


@settings(max_examples=20)
@given(ROWS, st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_of_sums_whatever_the_order(name, rows, random):
    metric = METRICS[name]
    answers, targets = arrays(rows)
    whole = metric(answers, targets)
    assert 0 <= whole <= 1
    statistics = metric.statistics(answers, targets)
    assert statistics.shape[0] == len(rows)
    summed = np.stack([statistics.sum(axis=0), 2 * statistics.sum(axis=0)])
    scores = metric.score(summed[None])
    assert scores.shape == (1, 2)
    np.testing.assert_allclose(scores[0, 0], whole, atol=1e-12)
    if name != "bleu":  # which smooths a precision of 0 to less the more n-grams there are
        np.testing.assert_allclose(scores[0, 1], whole, atol=1e-12)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert metric(answers[order], targets[order]) == pytest.approx(whole, abs=1e-12)
