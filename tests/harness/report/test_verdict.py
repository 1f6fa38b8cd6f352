import pytest

from harness.report.result import parse
from harness.report.verdict import verdict


def test_a_lead_whose_interval_holds_zero_could_be_chance(run):
    said = verdict(parse(run))
    assert said.kind == "close"
    assert said.headline == (
        "Linear probe comes first with 95.1% test accuracy, "
        "but its lead of 0.8 points over full fine-tuning could be chance."
    )
    assert said.certainty.startswith(
        "Linear probe leads in 86% of the bootstrap resamples over seeds and test examples. "
        "The 95% interval of its lead runs from −0.4 to +2.1 points."
    )


def test_a_clear_win(run):
    run["difference"] = {"mean": 0.03, "interval": [0.01, 0.05]}
    run["win_rate"] = 0.97
    said = verdict(parse(run))
    assert said.kind == "clear"
    assert said.headline == (
        "Linear probe wins with 95.1% test accuracy, 3.0 points ahead of full fine-tuning."
    )


@pytest.mark.parametrize("win_rate", [0.5, 0.89])
def test_a_low_win_rate_is_no_clear_win(run, win_rate):
    run["difference"] = {"mean": 0.03, "interval": [0.01, 0.05]}
    run["win_rate"] = win_rate
    assert verdict(parse(run)).kind == "close"


def test_a_winner_that_scores_lower_is_said_to(run):
    run["winner"], run["runner_up"] = "full_finetune", "linear_probe"
    run["difference"] = {"mean": -0.008, "interval": [-0.021, 0.004]}
    run["winner_reason"] = "a tie goes to the cheaper"
    said = verdict(parse(run))
    assert said.headline == (
        "Full fine-tuning is chosen with 94.3% test accuracy, "
        "though linear probe scores 0.8 points higher."
    )
    assert said.certainty.endswith("A tie goes to the cheaper.")


def test_no_strategy_reaches_the_target(run):
    run["target"] = 0.99
    said = verdict(parse(run))
    assert said.kind == "missed"
    assert said.headline == (
        "No strategy reaches the target of 99.0%: "
        "linear probe comes closest with 95.1% test accuracy."
    )


def test_a_target_that_is_reached_changes_nothing(run):
    before = verdict(parse(run))
    run["question"]["target"] = 0.9
    assert verdict(parse(run)) == before


def test_without_a_winner_the_highest_score_is_only_named(run):
    run["winner"] = None
    assert verdict(parse(run)).headline == (
        "No winner was declared; linear probe scores highest with 95.1% test accuracy."
    )


def test_a_single_strategy_has_nothing_to_be_compared_with(run):
    run["strategies"] = [run["strategies"][2]]
    run["runner_up"] = run["difference"] = None
    run["win_rate"] = 1.0
    said = verdict(parse(run))
    assert said.kind == "alone"
    assert "100%" not in said.certainty
    assert "Win rate" not in [figure.term for figure in said.figures]


def test_nothing_finished(run):
    for one in run["strategies"]:
        one.update(test=None, status="failed", reason="out of memory")
    said = verdict(parse(run))
    assert said.kind == "none"
    assert said.headline == "No strategy was measured to the end."
    assert "full fine-tuning: failed, out of memory" in said.certainty


def test_without_win_rate_and_interval_the_doubt_is_said(run):
    run["win_rate"] = run["winner_reason"] = None
    run["difference"]["interval"] = None
    assert verdict(parse(run)).certainty == "How sure that is was not measured."


def test_cautions(run):
    run["baselines"]["tfidf"]["accuracy"] = 0.96
    run["protocol"] = "search"
    run["strategies"][2]["test"]["seeds"] = 1
    cautions = "\n".join(verdict(parse(run)).cautions)
    assert (
        "The TF-IDF baseline, which uses no pretrained model, is at least as good: 96.0%."
        in cautions
    )
    assert "Soft prompting is underfit (its validation loss was still falling" in cautions
    assert "single seed" in cautions
    assert "The protocol was 'search'" in cautions
    assert "The data check has 1 warning;" in cautions


def test_a_higher_test_score_than_the_winners_is_not_kept_quiet(run):
    run["strategies"][3]["test"]["mean"] = 0.96
    assert (
        "Soft prompting (96.0%) scores higher on the test set; "
        "validation examples, not the test set, choose the winner."
    ) in verdict(parse(run)).cautions


def test_the_level_of_an_interval_is_not_guessed(run):
    run["interval_level"] = None
    assert "The interval of its lead" in verdict(parse(run)).certainty


def test_a_failure_is_named_where_something_of_it_was_scored(run):
    run["strategies"][3].update(status="failed", reason="out of memory on seed 2")
    assert (
        "Soft prompting failed (out of memory on seed 2); "
        "its scores are of the seeds that were finished."
    ) in verdict(parse(run)).cautions


def test_figures_show_score_win_rate_time_and_parameters(run):
    figures = {one.term: (one.text, one.note) for one in verdict(parse(run)).figures}
    assert figures == {
        "Test accuracy": ("95.1%", "93.7–96.5%"),
        "Win rate": ("86%", "of resamples"),
        "Time it took": ("38 s", "tuning and scoring"),
        "Trained parameters": ("1,925", "less than 0.01% of the model"),
    }
