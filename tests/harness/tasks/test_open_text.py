"""Tasks whose answers are texts: what they score, what they say, and what beats nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from advisor.errors import SpecError, UnknownName
from harness.catalog import TASKS
from harness.datasets.base import Dataset, Split
from harness.metrics import METRICS
from harness.tasks.qa import QuestionAnswering
from harness.tasks.token_labelling import TokenLabelling
from harness.tasks.translation import Translation
from harness.text_pair import TextPair

IDS = ("qa", "generation", "translation", "token_labelling")


def split(inputs, targets) -> Split:
    ids = tuple(map(str, range(len(inputs))))
    return Split(tuple(inputs), np.array(targets, dtype=np.str_), ids)


def dataset(task: str, rows: Split) -> Dataset:
    return Dataset("toy", "text", (), rows, rows, task=task)


@pytest.mark.parametrize("id", IDS)
def test_the_settings_make_the_same_task_again(id):
    rows = split(["Anna sleeps"], ["B-PER O"])
    kind = TASKS.load(id)
    task = kind.of(dataset(id, rows), None)
    assert task.id == id
    assert kind(**json.loads(json.dumps(task.settings()))) == task
    assert task.metric == kind.metrics[0]
    assert task.description
    assert set(kind.metrics) <= set(METRICS)
    with pytest.raises(UnknownName):
        kind.of(dataset(id, rows), "accuracy")


def test_a_task_is_scored_by_all_its_metrics_and_refuses_other_shapes():
    task = Translation()
    said, true = np.array(["Hola.", "Adios"]), np.array(["hola", "Hasta luego"])
    scores = task.scores(said, true)
    assert set(scores) == {"chrf", "bleu", "exact_match"}
    assert scores["exact_match"] == 0.5
    with pytest.raises(ValueError, match="answers must be texts"):
        task.scores(said[:1], true)
    copied = task.baselines(split([], []), split(["Bob"], ["Bob"]), seed=0)
    assert list(copied) == ["copy_input"]
    assert copied["copy_input"]["chrf"] == copied["copy_input"]["exact_match"] == 1.0


def test_tags_come_from_the_training_rows_and_have_recalls():
    rows = split(["Anna met Bob", "it rained"], ["B-PER O B-PER", "O O"])
    task = TokenLabelling.of(dataset("token_labelling", rows), None)
    assert task.label_names == ("B-PER", "O")
    assert (task.n_outputs, task.n_classes) == (2, 1)
    answers = np.array(["B-PER O O", "O O"])
    assert task.scores(answers, rows.targets) == {
        "tag_f1": pytest.approx(2 / 3),
        "tag_accuracy": pytest.approx(4 / 5),
    }
    assert task.per_class(answers, rows.targets) == {"B-PER": 0.5, "O": 1.0}
    assert task.per_class(answers[1:], rows.targets[1:])["B-PER"] is None
    with pytest.raises(SpecError, match="at least two tags"):
        TokenLabelling(label_names=("O",))


def test_baselines_of_tags_know_words_and_the_most_frequent_tag():
    train = split(["Anna met Bob", "it met Bob then"], ["PER O PER", "O O PER O"])
    test = split(["Anna met Bob"], ["PER O PER"])
    task = TokenLabelling(label_names=("O", "PER"))
    fitted = task.fit_baselines(train)
    assert fitted["frequent_tag"].predict(test.inputs).tolist() == ["PER O PER"]
    assert fitted["majority_tag"].predict(test.inputs).tolist() == ["O O O"]
    assert task.baselines(train, test, seed=0)["frequent_tag"]["tag_f1"] == 1.0
    assert task.baselines(train.take([]), test, seed=0) == {}


def test_baselines_of_questions_are_a_sentence_and_the_most_frequent_answer():
    passage = "It was late. The Broncos won the cup! Nobody slept."
    train = split([TextPair("Who?", "Bob."), TextPair("What?", "Tea."), TextPair("When?", "A.")],
                  ["", "Tea", ""])  # fmt: skip
    test = split([TextPair("Who won the cup?", passage)], ["The Broncos won the cup!"])
    fitted = QuestionAnswering().fit_baselines(train)
    assert fitted["closest_sentence"].predict(test.inputs).tolist() == ["The Broncos won the cup!"]
    assert fitted["frequent_answer"].predict(test.inputs).tolist() == [""]
    scores = QuestionAnswering().baselines(train, test, seed=0)
    assert scores["closest_sentence"]["exact_match"] == 1.0
    assert scores["frequent_answer"]["token_f1"] == 0.0


def test_the_nearest_input_lends_its_target():
    train = split(["I am hungry.", "She is Canadian.", "Go!"], ["Tengo hambre.", "Ella", "¡Ve!"])
    fitted = Translation().fit_baselines(train)
    found = fitted["nearest_input"].predict(["He is Canadian.", "Go home!", "zzz"])
    assert found.tolist() == ["Ella", "¡Ve!", "Tengo hambre."]
    assert fitted["copy_input"].predict(["abc"]).tolist() == ["abc"]
