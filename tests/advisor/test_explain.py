"""The page: readable in 80 columns, honest about what is not known, the same story as the JSON."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor import advise, catalogue
from advisor.explain_text import to_text
from advisor.quantities import format_count
from advisor.terminal import WIDTH, Style, paragraph, style_of

SITUATIONS = {
    "large language model": {"params": "175B", "task": "qa", "examples": "100k"},
    "no data": {
        "params": "90B",
        "task": "classification",
        "examples": 0,
        "description": "Is it spam?",
    },
    "conv net": {"params": "1B", "family": "convnet", "task": "classification", "examples": 100},
    "x-ray": {
        "params": "1B",
        "family": "vit",
        "task": "localization",
        "examples": "100M",
        "shift": "high",
    },
    "all in the prompt": {"params": "7B", "examples": "10k", "demonstrations": "10k"},
    "api": {"params": "70B", "access": "text", "examples": 50},
    "every strategy": {
        "model": "minilm",
        "examples": 200,
        "candidates": "all",
        "requests_per_month": "1M",
    },
    "nothing said": {},
    "impossible": {"family": "convnet", "params": "1B", "access": "text"},
}
PLAIN = Style()


@pytest.fixture(params=SITUATIONS, ids=lambda name: name.replace(" ", "-"))
def answer(request: pytest.FixtureRequest):
    return advise(SITUATIONS[request.param])


@pytest.mark.parametrize("explain", [False, True], ids=["short", "explained"])
def test_no_line_is_wider_than_80_columns(answer, explain: bool) -> None:
    for line in to_text(answer, PLAIN, explain=explain).splitlines():
        assert len(line) <= WIDTH, line
        assert line == line.rstrip()


def test_every_candidate_is_on_the_page_with_its_score_or_why_not(answer) -> None:
    page = to_text(answer, PLAIN)
    table = page.partition("On ")[0]
    for each in answer.recommendations:
        shown = each.name if len(each.name) <= 21 else each.strategy
        if each.feasible:
            assert re.search(
                rf"^ +{each.rank} {re.escape(shown)} +{each.score:.1f} ", table, re.MULTILINE
            )
        else:
            _, _, ruled_out = page.partition("Not possible here")
            assert each.name in " ".join(ruled_out.split())


def test_explained_it_holds_every_reason_source_and_formula(answer) -> None:
    page = " ".join(to_text(answer, PLAIN, explain=True).split())
    for each in answer.recommendations:
        for reason in each.reasons:
            assert " ".join(reason.text.split()) in page
            assert f"[{reason.rule}]" in page
            assert " ".join(reason.source.split()) in page
    for note in answer.notes:
        assert " ".join(note.source.split()) in page
    assert "Where the costs come from" in page
    assert "Rajbhandari et al. 2020" in page


def test_every_assumption_is_on_the_page(answer) -> None:
    page = " ".join(to_text(answer, PLAIN).split())
    for assumption in answer.assumptions:
        assert " ".join(assumption.split()) in page


def test_the_scores_shown_are_the_reasons_added_up(answer) -> None:
    for each in answer.recommendations:
        if each.feasible:
            assert sum(reason.effect for reason in each.reasons) == each.score


def test_colour_changes_nothing_but_colour(answer) -> None:
    plain = to_text(answer, PLAIN, explain=True)
    coloured = to_text(answer, Style(colour=True), explain=True)
    assert coloured != plain
    assert re.sub(r"\033\[\d+m", "", coloured) == plain


def test_what_would_change_the_answer_is_told(capsys) -> None:
    answer = advise(SITUATIONS["conv net"])
    page = " ".join(to_text(answer, PLAIN).split())
    point = answer.tipping_points[0]
    assert f"{point.field} 100 → {format_count(point.to)} (between" in page
    assert "): full fine-tuning first" in page


def test_all_examples_in_the_prompt_is_answered_with_reasons_and_a_number() -> None:
    answer = advise(SITUATIONS["all in the prompt"])
    page = " ".join(to_text(answer, PLAIN).split())
    assert "All 10k examples in the prompt? no" in page
    assert "Set 2k aside for validation first" in page
    for reason in answer.demonstrations.reasons:
        assert " ".join(reason.split()) in page


def test_break_even_is_compared_with_the_requests_asked_about() -> None:
    few = to_text(advise({"params": "7B", "examples": "1k", "requests_per_month": 1}), PLAIN)
    many = to_text(advise({"params": "7B", "examples": "1k", "requests_per_month": "1G"}), PLAIN)
    assert "Your 1 are below the first." in " ".join(few.split())
    assert "Your 1B are above the first." in " ".join(many.split())


def test_nobody_is_told_a_probability_or_an_accuracy_of_the_costs_that_was_not_measured(
    monkeypatch,
) -> None:
    monkeypatch.setattr("advisor.explain_text.cost_check", lambda: None)
    monkeypatch.setattr("advisor.prospects.artefact", lambda: None)
    page = " ".join(to_text(advise(SITUATIONS["conv net"]), PLAIN).split())
    assert "not yet checked against measurements" in page
    assert "it is no probability: none is shown before it is validated" in page


def test_the_measured_error_is_shown_beside_the_estimates(monkeypatch, tmp_path) -> None:
    check = {
        "measured_on": "2026-11-24, 2 CPU cores",
        "rows": [],
        "summary": {"memory_factor_p90": 1.42, "seconds_factor_p90": 2.31},
    }
    (tmp_path / "cost_check.json").write_text(json.dumps(check))
    monkeypatch.setattr(catalogue, "_path", lambda name: str(tmp_path / f"{name}.json"))
    assert catalogue.cost_check() == check
    monkeypatch.undo()
    monkeypatch.setattr("advisor.explain_text.cost_check", lambda: check)
    page = " ".join(to_text(advise(SITUATIONS["conv net"]), PLAIN).split())
    assert (
        "9 in 10 were within a factor of 1.4 (memory) and 2.3 (time) of what was measured on "
        "2026-11-24, 2 CPU cores" in page
    )


def test_an_impossible_question_says_so_and_why() -> None:
    page = to_text(advise(SITUATIONS["impossible"]), PLAIN)
    assert "No candidate is possible here." in page
    assert "[convnets_cannot_be_prompted]" in page
    assert "harness run" not in page


@given(st.lists(st.text(alphabet="abc,.", min_size=1, max_size=30), max_size=60))
@settings(max_examples=100)
def test_paragraphs_keep_every_word_and_the_width(words: list[str]) -> None:
    lines = paragraph(" ".join(words), "  · ", "    ")
    assert all(len(line) <= WIDTH for line in lines)
    assert " ".join(lines).replace("·", " ").split() == words
    assert all(line.startswith("    ") for line in lines[1:])


class _Stream:
    def __init__(self, terminal: bool, encoding: str | None = "utf-8") -> None:
        self.terminal, self.encoding = terminal, encoding

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch, terminal: bool, environment: dict, colour: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert style_of(_Stream(terminal)).colour is colour


def test_characters_a_stream_cannot_take_become_plain_ones() -> None:
    style = Style(encoding="ascii")
    assert style.printable("█░ 100 → 1k · −5 × …") == "#. 100 -> 1k - -5 x ..."
    assert style.printable("naïve") == "na?ve"
    assert Style(encoding="cp1252").printable("−5") == "-5"
    assert style_of(_Stream(False, None)).encoding == "ascii"
