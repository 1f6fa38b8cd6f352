from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report import summary_text


def test_summary_says_verdict_scores_costs_refusals_and_advice(run):
    said = summary_text(run)
    assert said.startswith("Which adaptation of all-MiniLM-L6-v2 fits bbc-news?\n\n")
    assert "Linear probe comes first with 95.1% test accuracy" in said
    row = next(line for line in said.splitlines() if line.startswith("  linear probe"))
    assert " ".join(row.split()) == "linear probe 95.1% 93.7–96.5% 87.0% 38 s 1,925 912 MB"
    assert "hard prompting (refused): An encoder has no next-token output" in said
    assert "the advice was right" in " ".join(said.split())
    assert "\n! Soft prompting is underfit" in said
    assert said.endswith("\n")


def test_summary_of_nothing():
    said = summary_text({"winner": None, "strategies": []})
    assert "No strategy was measured to the end." in said


def test_markup_and_steering_characters_are_plain_text(run):
    run["question"]["data"]["name"] = "[bold]news[/bold]\x1b[31m\n"
    run["strategies"][1]["name"] = "[/] full"
    said = summary_text(run)
    assert "[bold]news[/bold] [31m" in said
    assert "[/] full" in said
    assert "\x1b" not in said


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_missing_it_fits_eighty_columns(any_run, data):
    said = summary_text(data.draw(any_run))
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "None" not in said


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_long_and_strange_names_fit_too(name):
    run = {
        "winner": "lora",
        "question": {"model": {"name": name}},
        "strategies": [{"strategy": "lora", "name": name, "test": {"mean": 0.5}}],
    }
    said = summary_text(run)
    assert all(len(line) <= 80 for line in said.splitlines())
    said.encode("utf-8")
