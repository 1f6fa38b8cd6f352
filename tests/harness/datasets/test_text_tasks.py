"""Data for questions, translations and tags: which columns, what is refused, what is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.errors import DataError, SpecError
from harness.datasets.answers import are_yes_no
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.load import load_dataset
from harness.datasets.tagged import words_and_tags
from harness.tasks.qa import QuestionAnswering
from harness.tasks.token_labelling import TokenLabelling
from harness.tasks.translation import Translation
from harness.text_pair import TextPair

CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Anna\tNNP\tB-NP\tB-PER
slept VBD B-VP O
. . O O
"""


def json_lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def load(path: Path, task: str | None, **more) -> Dataset:
    return load_dataset(DataRequest(str(path), task=task, **more))


def squad_rows(answers: list[str]) -> list[dict]:
    return [
        {"id": str(n), "question": f"Who is number {n}?", "context": f"Here is Bob number {n}, yes.",
         "answer": answer, "answer_start": None if not answer else 8}
        for n, answer in enumerate(answers)
    ]  # fmt: skip


def test_rows_like_squads_need_no_columns_named(tmp_path):
    data = load(json_lines(tmp_path / "qa.jsonl", squad_rows(["Bob", "", "Bob", ""] * 3)), "qa")
    assert data.task == "qa"
    one = data.train.inputs[0]
    assert isinstance(one, TextPair)
    assert one.first.startswith("Who is number")
    assert one.second.startswith("Here is Bob")
    assert set(data.train.targets) == {"Bob", ""}
    assert QuestionAnswering.of(data, None).metric == "token_f1"


def test_answers_that_stand_nowhere_are_noticed(tmp_path):
    rows = squad_rows(["Bob", "Rob", "Bob", "", "Bob", "Bob"])
    data = load(json_lines(tmp_path / "qa.jsonl", rows), "qa")
    found = next(one for one in data.findings if one.code == "answers_elsewhere")
    assert found.count == 1


def test_questions_answered_by_yes_and_no_become_pairs_with_classes(tmp_path):
    rows = squad_rows(["Yes", "no", "yes.", "No", "true", "false"] * 3)
    data = load(json_lines(tmp_path / "qa.jsonl", rows), "qa")
    assert data.task == "pair_classification"
    assert data.label_names == ("no", "yes")
    assert "yes_no" in {one.code for one in data.findings}
    assert isinstance(data.test.inputs[0], TextPair)
    assert are_yes_no(["yes", "no"])
    assert not are_yes_no(["yes", "yes"])
    assert not are_yes_no(["yes", "no", ""])


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("EU rejects", "B-ORG O"),
        ('["EU", "rejects"]', '["B-ORG", "O"]'),
        ("['EU', 'rejects']", "['B-ORG', 'O']"),
        ("EU   rejects", '["B-ORG", "O"]'),
    ],
)
def test_words_and_tags_are_blanks_or_lists(words, tags):
    assert words_and_tags(words, tags, "x:1") == ("EU rejects", "B-ORG O")


def test_words_and_tags_that_do_not_match_are_refused():
    assert words_and_tags("[ laughs ]", "O O O", "x:1") == ("[ laughs ]", "O O O")
    with pytest.raises(DataError, match="x:1: 2 words and 1 tags"):
        words_and_tags("EU rejects", "O", "x:1")
    with pytest.raises(DataError, match="'New York' holds a blank"):
        words_and_tags('["New York", "is"]', '["B", "O"]', "x:1")


def test_tables_of_words_and_tags_are_read(tmp_path):
    rows = [{"words": ["Bob", f"met{n}"], "tags": ["B-PER", "O"]} for n in range(10)]
    data = load(json_lines(tmp_path / "tags.jsonl", rows), "token_labelling")
    assert data.train.inputs[0].startswith("Bob met")
    assert set(data.train.targets) == {"B-PER O"}
    assert TokenLabelling.of(data, None).label_names == ("B-PER", "O")
    table = "words,tags\n" + "".join(f"Bob met{n},B-PER O\n" for n in range(10))
    (tmp_path / "tags.csv").write_text(table, encoding="utf-8")
    assert load(tmp_path / "tags.csv", "token_labelling").train.inputs == data.train.inputs


def test_files_in_conlls_form_are_read(tmp_path):
    more = "".join(f"Bob{n} B-PER\nsleeps O\n\n" for n in range(8))
    (tmp_path / "train.conll").write_text(CONLL + "\n" + more, encoding="utf-8")
    (tmp_path / "test.conll").write_text("Eve B-PER\n", encoding="utf-8")
    data = load(tmp_path, None)
    assert data.task == "token_labelling"
    assert data.train.inputs[:2] == ("EU rejects", "Anna slept .")
    assert data.train.targets[:2].tolist() == ["B-ORG O", "B-PER O O"]
    assert data.train.ids[:2] == ("train.conll:3", "train.conll:6")
    assert data.test.inputs == ("Eve",)
    alone = load(
        tmp_path / "train.conll", "token_labelling", test_data=str(tmp_path / "test.conll")
    )
    assert alone.test.inputs == ("Eve",)
    with pytest.raises(SpecError, match="--task token_labelling"):
        load(tmp_path, "qa")
    (tmp_path / "bad.conll").write_text("EU\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: 'EU' has no tag"):
        load(tmp_path / "bad.conll", None)


def test_translations_are_sources_and_targets(tmp_path):
    table = "source,target\n" + "".join(f"She {n}.,Ella {n}.\n" for n in range(10))
    (tmp_path / "train.csv").write_text(table, encoding="utf-8")
    data = load(tmp_path, "translation")
    assert data.train.inputs[0].startswith("She")
    assert data.train.targets[0].startswith("Ella")
    assert Translation.of(data, None).metric == "chrf"


def test_real_questions_and_translations_are_read(datasets):
    squad = load(datasets / "qa_xquad_en" / "test.jsonl", "qa")
    assert len(squad.train) + len(squad.test) > 1100
    assert "answers_elsewhere" not in {one.code for one in squad.findings}
    reviews = load(datasets / "qa_subjqa_electronics", "qa")
    assert (reviews.test.targets == "").sum() == 383
    assert len(reviews.test) == 662
    spanish = load(datasets / "enes_tatoeba", "translation")
    assert len(spanish.test) == 1780
    rows = spanish.test.take(range(100))
    scores = Translation.of(spanish, None).baselines(spanish.train, rows, seed=0)
    assert scores["nearest_input"]["chrf"] > scores["copy_input"]["chrf"] > 0
