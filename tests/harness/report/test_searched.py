"""The section on a budgeted search."""

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import charts
from harness.report.facts import asked
from harness.report.render import to_html
from harness.report.result import parse
from harness.report.searched import search_view
from harness.report.view import build
from tests.harness.report.conftest import RUN
from tests.harness.report.test_render import ATTACK, Outline


def foreseen(strategy: str, examples: int, score: float, half: float) -> dict:
    interval = [score - half, score + half]
    return {"strategy": strategy, "examples": examples, "score": score, "interval": interval}


def tried(strategy: str, examples: int, score: float | None, cost: float) -> dict:
    status = "failed" if score is None else "done"
    return {
        "strategy": strategy, "settings": {"lr": 0.001}, "examples": examples, "passes": 1.0,
        "status": status, "score": score, "cost": cost,
    }  # fmt: skip


SEARCH = {
    "ended": "tolerance",
    "budget": {"unit": "seconds", "amount": 300.0, "spent": 75.0},
    "tolerance": 0.5,
    "trials": 4,
    "dropped": ["soft_prompt"],
    "validated": True,
    "history": [
        tried("linear_probe", 200, 0.951, 15.0),
        tried("soft_prompt", 12, None, 10.0),
        tried("soft_prompt", 12, 0.31, 10.0),
        tried("full_finetune", 50, 0.8, 40.0),
    ],
    "p_best": {"linear_probe": 0.83, "full_finetune": 0.165, "soft_prompt": 0.005},
    "expected_loss": 0.31,
    "level": 0.9,
    "predicted": {"score": 0.947, "interval": [0.91, 0.97]},
    "crossovers": [
        {"before": "linear_probe", "after": "full_finetune", "examples": 640.0,
         "interval": [320.0, 800.0], "probability": 0.62, "measured": False},
    ],
    "more_labels": [
        {"examples": 400, "score": 0.957, "interval": [0.92, 0.98], "reaches_target": 0.4},
    ],
    "target": {"score": 0.96, "strategy": "full_finetune", "examples": 500, "looked_up_to": 1600},
    "curves": [
        *(foreseen("linear_probe", n, 0.9 + 0.01 * i, 0.03) for i, n in enumerate((50, 200, 800))),
        *(foreseen("full_finetune", n, 0.8 + 0.05 * i, 0.05) for i, n in enumerate((50, 200, 800))),
    ],
}  # fmt: skip


@pytest.fixture
def searched() -> dict:
    """A run by search: soft prompting was never trained on all examples."""
    run = copy.deepcopy({**RUN, "protocol": "search", "search": SEARCH})
    for one in run["strategies"]:
        if one["strategy"] == "soft_prompt":
            del one["test"]
    return run


def text_of(run: dict) -> str:
    return Outline(to_html(build(parse(run)))).text


def test_the_section_tells_how_the_search_went(searched):
    text = text_of(searched)
    assert (
        "The search made 4 trials, which took 25% of the budget, and ended because no further"
        in text
    )
    assert "1 min 15 s spent on trials" in text
    assert (
        "Full fine-tuning overtakes linear probe at about 640 examples, 90% interval 320 to 800"
        in text
    )
    assert "outside the sizes that were measured" in text
    assert "Full fine-tuning is as likely as not to reach 96.0% from 500 examples on" in text
    assert "0.31 points" in text


def test_the_budget_is_told_in_its_unit_and_where_it_went(searched):
    searched["search"]["budget"] = {"unit": "trials", "amount": 40, "spent": 39}
    searched["question"]["budget_seconds"] = None
    facts = {fact.term: fact.text for fact in asked(parse(searched))}
    assert facts["Budget"] == "40 trials"
    assert search_view(parse(searched)).facts[0].note == "39 made"
    searched["search"]["budget"] = {"unit": "seconds", "amount": 60, "spent": 30}
    searched["seconds"] = 55
    assert search_view(parse(searched)).facts[0].note == (
        "30 s spent on trials, 25 s on loading, scoring and the report"
    )


def test_trials_stand_in_their_order_with_what_was_spent(searched):
    view = search_view(parse(searched))
    cells = [[cell.text for cell in row.cells] for row in view.history.rows]
    assert [row[1] for row in cells] == [
        "linear probe", "soft prompting", "soft prompting", "full fine-tuning",
    ]  # fmt: skip
    assert [row[-1] for row in cells] == ["15 s", "25 s", "35 s", "1 min 15 s"]
    assert view.history.rows[1].cells[1].badge == "failed"


def test_strategies_without_a_score_are_named_and_the_dropped_one_is_marked(searched):
    view = search_view(parse(searched))
    assert view.unscored.startswith("Without a test score: hard prompting and soft prompting.")
    dropped = [row.cells[0].text for row in view.strategies.rows if row.cells[0].badge == "dropped"]
    assert dropped == ["soft prompting"]


def test_what_the_curves_foresee_is_withheld_until_they_are_validated(searched):
    searched["search"]["validated"] = False
    view = search_view(parse(searched))
    assert view.withheld
    assert (view.bands, view.foreseen, view.more_labels, view.crossovers) == ((), None, None, ())
    text = text_of(searched)
    for hidden in ("83%", "Expected loss", "overtakes", "Chance of being best"):
        assert hidden not in text.replace("Not measured in this run: Chance of being best.", "")


def test_a_fair_run_has_no_such_section(run):
    assert search_view(parse(run)) is None
    assert "How the search went" not in text_of(run)


@pytest.mark.parametrize(
    ("unit", "amount", "said"),
    [("trials", 8.0, "8 trials"), ("flops", 1e15, "1 PFLOP"), ("seconds", 90.0, "1 min 30 s")],
)
def test_a_budget_is_told_in_its_unit(searched, unit, amount, said):
    searched["search"]["budget"] = {"unit": unit, "amount": amount, "spent": amount / 2}
    assert search_view(parse(searched)).facts[0].text == said


@given(st.sampled_from(sorted(SEARCH)))
def test_whatever_is_missing_a_page_is_written(field):
    run = copy.deepcopy({**RUN, "protocol": "search", "search": SEARCH})
    del run["search"][field]
    assert "How the search went" in text_of(run)


def test_names_and_settings_cannot_become_markup(searched):
    searched["search"]["history"][0]["settings"] = {ATTACK: ATTACK}
    searched["search"]["history"][0]["strategy"] = ATTACK
    searched["search"]["ended"] = ATTACK
    searched["search"]["dropped"] = [ATTACK]
    searched["search"]["crossovers"][0]["before"] = ATTACK
    searched["search"]["curves"][0]["strategy"] = searched["search"]["curves"][1]["strategy"] = (
        ATTACK
    )
    outline = Outline(to_html(build(parse(searched))))
    assert not outline.broken
    assert not outline.all("script")
    assert not outline.all("img")
    assert "{{7*7}}" in outline.text


def test_panels_share_both_axes_and_mark_all_examples_there_are(searched):
    bands = search_view(parse(searched)).bands
    probe, full = charts.band_panels(bands, "accuracy")
    assert probe.full == full.full
    assert probe.y_ticks == full.y_ticks
    assert probe.middle[0][0] == full.middle[0][0]
    assert probe.seen[0][0] == probe.full  # its one trial was on everything
    ys = [y for _, y in probe.middle]
    assert ys == sorted(ys, reverse=True)  # a higher score lies higher
    assert all(math.isfinite(value) for point in (*probe.band, *full.band) for value in point)
