import pytest

from harness.report.parts import Cell, Column, Row, table
from harness.report.result import parse
from harness.report.view import build


def texts(found, heading):
    """A row's cells as text, by the table's column labels."""
    row = next(row for row in found.rows if row.cells[0].text == heading)
    labels = [column.label for column in found.columns]
    return {label: cell.text for label, cell in zip(labels, row.cells, strict=True)}


@pytest.fixture
def report(run):
    return build(parse(run))


def test_quality_is_ordered_by_score_and_baselines_come_last(report):
    assert [row.cells[0].text for row in report.quality.rows] == [
        "linear probe",
        "full fine-tuning",
        "soft prompting",
        "hard prompting",
        "majority (baseline)",
        "TF-IDF (baseline)",
    ]
    assert [row.kind for row in report.quality.rows] == [
        "winner",
        "",
        "",
        "unmeasured",
        "baseline",
        "baseline",
    ]


def test_quality_of_a_strategy(report):
    assert texts(report.quality, "linear probe") == {
        "Strategy": "linear probe",
        "Test accuracy": "95.1%",
        "95% interval": "93.7–96.5%",
        "Spread over seeds": "± 0.4 (3 seeds)",
        "Validation": "95.0%",
        "Shifted test": "87.0%",
        "macro-F1": "95.0%",
        "log loss": "0.186",
        "calibration error": "0.031",
    }


def test_status_is_a_badge_and_a_refusal_carries_its_reason(report):
    rows = {row.cells[0].text: row for row in report.quality.rows}
    assert rows["linear probe"].cells[0].badge == ""
    assert rows["soft prompting"].cells[0].badge == "underfit"
    assert rows["hard prompting"].cells[0].badge == "refused"
    assert rows["hard prompting"].remark.startswith("An encoder has no next-token output")


def test_a_failure_without_a_reason_says_so(run):
    run["strategies"][0].update(status="failed", reason=None)
    rows = {row.cells[0].text: row for row in build(parse(run)).quality.rows}
    assert rows["hard prompting"].remark == "No reason was recorded."


def test_costs_of_a_strategy(report):
    assert texts(report.costs, "full fine-tuning") == {
        "Strategy": "full fine-tuning",
        "Time": "2 min 11 s",
        "Time shared": "0 s",
        "Trials": "4 (1 failed)",
        "Trained parameters": "22.7M",
        "Peak memory": "1.7 GB",
        "Size on disk": "90.9 MB",
        "Time per example": "9.6 ms",
    }


def test_a_column_nobody_was_measured_in_is_named_instead_of_shown(run):
    for one in run["strategies"]:
        one["ood"] = None
    report = build(parse(run))
    assert "Shifted test" not in [column.label for column in report.quality.columns]
    assert "Not measured in this run: Shifted test." in report.quality.notes


def test_table_keeps_cells_under_their_columns():
    rows = [
        Row((Cell("one"), Cell(None), Cell("1"))),
        Row((Cell("two"), Cell(None), Cell(None))),
        Row((Cell("three"),), remark="refused"),
    ]
    made = table("caption", "who", [Column("never"), Column("some")], rows, [])
    assert [column.label for column in made.columns] == ["who", "some"]
    assert [[cell.text for cell in row.cells] for row in made.rows] == [
        ["one", "1"],
        ["two", None],
        ["three"],
    ]
    assert made.has_gaps


def test_one_seed_has_no_spread(run):
    for one in run["strategies"][1:]:
        one["test"].update(seeds=1, std=0.0)
    assert "Spread over seeds" not in [c.label for c in build(parse(run)).quality.columns]


def test_advice_that_was_right(report):
    assert report.advice.outcome == (
        "The advisor recommended linear probe, and linear probe won: the advice was right. "
        "No strategy scores higher on the test set, so following the advice costs nothing."
    )
    row = report.advice.ranking.rows[0]
    assert [cell.text for cell in row.cells] == ["linear probe", "1", "76", None, "95.1%"]
    assert [(line.lead, line.source) for line in row.cells[3].lines] == [
        ("+14", "course text, 1c"),
        ("+9", "Kumar et al. 2022"),
        ("+3", "Kumar et al. 2022"),
    ]
    assert report.advice.tipping == (
        "With examples 4,000 instead of 200, full fine-tuning would come first.",
    )


def test_advice_that_was_wrong_has_its_price(run):
    run["agreement"] = {"advised": "full_finetune", "agreed": False, "regret": 0.021}
    assert build(parse(run)).advice.outcome == (
        "The advisor recommended full fine-tuning, but linear probe won. "
        "Following the advice costs 2.1 points of test accuracy against the strategy with the "
        "highest test score."
    )


def test_advice_is_held_against_the_winner_without_a_recorded_agreement(run):
    run["agreement"] = None
    assert "the advice was right" in build(parse(run)).advice.outcome
    run["winner"] = "full_finetune"
    assert build(parse(run)).advice.outcome.endswith(
        "What following the advice would have cost was not measured."
    )


def test_a_reason_that_holds_for_all_alike_is_none(report):
    said = [line.text for row in report.advice.ranking.rows for line in row.cells[3].lines]
    assert len(said) == 7
    assert "Every feasible strategy starts here." not in said


def test_probabilities_stay_away_until_there_are_some(run):
    labels = [column.label for column in build(parse(run)).advice.ranking.columns]
    assert "P(best)" not in labels
    run["advice"]["recommendations"][0]["p_best"] = 0.62
    labels = [column.label for column in build(parse(run)).advice.ranking.columns]
    assert "P(best)" in labels


def test_infeasible_advice_comes_last_and_is_badged(report):
    last = report.advice.ranking.rows[-1]
    assert (last.cells[0].text, last.cells[0].badge) == ("hard prompting", "ruled out")


def test_sentences_above_the_charts(report):
    assert report.scores_said == (
        "2 of 3 measured strategies score above the best baseline, TF-IDF with 92.4%."
    )
    assert report.costs_said == (
        "Soft prompting took 3.6× as long as linear probe and scores 4.9 points less."
    )
    assert report.losses.said == (
        "Validation loss was still falling at the end for soft prompting: longer training may help."
    )
    assert report.recalls.said == (
        "Linear probe finds 92.0% of “politics”, the class it misses most."
    )


def test_estimates_are_held_against_measurements(report):
    assert texts(report.estimates.table, "full fine-tuning") == {
        "Strategy": "full fine-tuning",
        "Least time, estimated": "3 min 8 s",
        "Time, measured": "2 min 11 s",
        "Time, ratio": "0.7×",
        "Memory, estimated": "1.4 GB",
        "Memory, measured": "1.7 GB",
        "Memory, ratio": "1.2×",
    }
    assert report.estimates.said == (
        "Measured time is 0.7× to 1.3× the estimate and peak memory is 1.1× to 1.2× the estimate."
    )


def test_warnings_come_before_notes(report):
    assert [notice.level for notice in report.notices] == ["warning", "note"]


def test_the_numbers_of_the_curves_are_a_table_too(report):
    assert len(report.losses.table.rows) == sum(len(curve.validation) for curve in report.curves)
    assert [curve.label for curve in report.curves] == ["full fine-tuning", "soft prompting"]


def test_the_rules_of_the_fair_protocol_are_claimed_for_it_alone(run):
    def terms():
        return {fact.term: fact.text for fact in build(parse(run)).fairness}

    assert terms()["Test set"] == "read once per finished strategy and seed, and only reported"
    run["protocol"] = "search"
    assert "Test set" not in terms()
    assert terms()["Protocol"] == "search"


def test_a_budget_is_only_called_unlimited_where_one_was_recorded(run):
    def budget():
        return {fact.term: fact.text for fact in build(parse(run)).fairness}["Budget"]

    assert budget() == "5 min"
    run["budget"]["seconds"] = None
    assert budget() == "no limit on time"
    run["budget"] = None
    assert budget() == "not recorded"


def test_facts_that_are_unknown_are_left_out(run):
    run["question"]["model"]["window"] = None
    run["question"]["target"] = 0.9
    asked = {fact.term: fact for fact in build(parse(run)).asked}
    assert "window" not in asked["Model"].note
    assert asked["Target"].text == "90.0%"
    assert asked["Classes"].text == "5: business, entertainment, politics, sport, tech"
