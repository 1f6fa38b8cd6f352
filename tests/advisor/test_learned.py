"""Laws of the learned advisor: probabilities, differences, and what they may not depend on."""

from __future__ import annotations

import csv
import json
from math import erf, sqrt

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from advisor import Recommendation, Situation, advise
from advisor.batch import advise_batch
from advisor.cli import main
from advisor.errors import SpecError
from advisor.learned.artefact import NAMES, PATH, Artefact, artefact
from advisor.learned.further import cheapest_within
from advisor.learned.nearest import nearest
from advisor.learned.outlook import cholesky, outlook
from advisor.situation import ACCESS
from advisor.traits import FAMILIES, STRATEGIES

SITUATIONS = st.fixed_dictionaries(
    {},
    optional={
        "family": st.sampled_from(FAMILIES),
        "params": st.sampled_from((10**7, 10**8, 10**9, 7 * 10**9)),
        "examples": st.sampled_from((0, 2, 16, 100, 1_000, 10_000, 10**6)),
        "classes": st.sampled_from((2, 5, 100)),
        "shift": st.sampled_from((0.0, 0.25, 0.5, 0.8, 1.0)),
        "objective": st.sampled_from(("contrastive", "supervised")),
        "robust": st.booleans(),
    },
)
LAWS = settings(max_examples=60)


@pytest.fixture(scope="module")
def model() -> Artefact:
    found = artefact()
    assert found is not None
    return found


def ask(keys: dict[str, object], **more: object) -> Recommendation:
    return advise(Situation.from_mapping(keys | more), candidates="all")


def test_the_artefact_travels_with_scores_on_left_out_sources_and_the_digest_of_its_evidence():
    with open(PATH, encoding="utf-8") as file:
        raw = json.load(file)
    assert raw["terms"] == list(NAMES)
    assert len(raw["evidence"]["digest"]) == 16
    assert raw["validation"]["passed"]
    assert raw["validation"]["ece"] <= 0.08
    assert 0.75 <= raw["validation"]["coverage"] <= 0.85


@LAWS
@given(SITUATIONS)
def test_probabilities_add_up_and_nobody_is_expected_to_beat_the_best(keys):
    feasible = [each for each in ask(keys).recommendations if each.feasible]
    assume(feasible)
    assert sum(each.p_best for each in feasible) == pytest.approx(1)
    assert all(0 < each.p_best <= 1 for each in feasible)
    assert feasible[0].expected_score == 0
    assert feasible[0].interval == (0, 0)
    for each in feasible:
        assert each.expected_score <= 0
        assert each.interval[0] <= each.expected_score <= each.interval[1]
        assert each.expected_regret >= 0
    told = [each.expected_score for each in feasible]
    assert told == sorted(told, reverse=True)
    for each in ask(keys).recommendations[len(feasible) :]:
        assert each.p_best is each.expected_score is each.interval is each.expected_regret is None


@LAWS
@given(SITUATIONS)
def test_less_access_leaves_the_expected_scores_of_what_remains_unchanged(keys):
    answers = [ask(keys, access=access) for access in ACCESS]
    most = {each.strategy: each for each in answers[-1].recommendations}
    for answer in answers[:-1]:
        for each in answer.recommendations:
            if each.feasible:
                same = most[each.strategy]
                assert each.expected_score == pytest.approx(same.expected_score, abs=1e-9)
                assert each.interval == pytest.approx(same.interval, abs=1e-9)


@LAWS
@given(SITUATIONS, st.integers(0, 10**9), st.integers(0, 10**9))
def test_zero_shot_does_not_depend_on_the_number_of_labels(keys, one, other):
    # a window too short for any demonstration: what is left is zero-shot
    scores = []
    for examples in (one, other):
        answer = ask(keys, examples=examples, window=64, tokens=60, description="yes")
        scores.append({each.strategy: each.score for each in answer.recommendations})
    assume(None not in (scores[0]["hard_prompt"], scores[1]["hard_prompt"]))
    assert scores[0]["hard_prompt"] == scores[1]["hard_prompt"]


def test_far_from_evidence_intervals_are_wider(model):
    near = advise({"family": "vit", "objective": "supervised", "examples": "1k", "params": "86M"})
    far = advise({"family": "encoder_decoder", "task": "translation", "examples": "1k"})

    def width(answer: Recommendation) -> float:
        low, high = answer.recommendations[1].interval
        return high - low

    assert width(far) > width(near)


def test_nothing_is_shown_that_was_not_validated(monkeypatch, model):
    monkeypatch.setitem(model.validation, "passed", False)
    for each in advise({"params": "7B", "examples": "1k"}).recommendations:
        assert each.p_best is each.expected_score is each.interval is each.expected_regret is None


def test_two_candidates_have_the_probability_of_the_normal_distribution(model):
    seen = outlook(model, [0.3, 0.0], [[0.2, 0.05], [0.05, 0.1]], points=10.0)
    exact = 0.5 * (1 + erf(0.3 / sqrt(0.2) / sqrt(2)))
    assert seen.p_best[0] == pytest.approx(exact, abs=0.01)
    assert seen.regret[0] < seen.regret[1]


def test_the_root_of_a_matrix_times_itself_is_the_matrix():
    matrix = [[4.0, 2.0, 1.0], [2.0, 3.0, 0.5], [1.0, 0.5, 2.0]]
    root = cholesky(matrix)
    for i in range(3):
        for j in range(3):
            assert sum(root[i][k] * root[j][k] for k in range(3)) == pytest.approx(matrix[i][j])


def test_a_batch_agrees_with_single_calls(tmp_path):
    keys = ("params", "family", "examples", "classes", "shift", "access", "candidates")
    rows = [
        dict(zip(keys, row, strict=True))
        for row in (
            ("7B", "decoder", "1k", "2", "0.25", "", "all"),
            ("86M", "vit", "1k", "10", "0.5", "", "core"),
            ("150M", "clip", "50", "10", "0.8", "embeddings", "core"),
            ("25M", "convnet", "30k", "2", "0.8", "", "linear_probe full_finetune"),
            ("110M", "encoder", "0", "2", "0.25", "text", "core"),
        )
    ]
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)
    assert advise_batch(str(source), str(target)) == len(rows)
    with target.open(newline="") as file:
        answered = list(csv.DictReader(file))
    for row, told in zip(rows, answered, strict=True):
        given_keys = {key: value for key, value in row.items() if value}
        answer = advise(given_keys, assume_hardware=False)
        assert told["best"] == (answer.best.strategy if answer.best else "")
        for each in answer.recommendations:
            for name, value in (("p_best", each.p_best), ("expected", each.expected_score)):
                cell = told[f"{name}_{each.strategy}"]
                assert (cell == "") == (value is None)
                assert value is None or float(cell) == pytest.approx(value, abs=1e-9)


def test_the_cheapest_within_tolerance_costs_no_more_and_loses_no_more():
    keys = {"family": "convnet", "examples": "100k", "shift": 0.25}
    behind = {}
    for tolerance in (0.0, 1.0, 100.0):
        strategy, loss = advise(keys, tolerance=tolerance).cheapest
        assert loss <= tolerance
        behind[tolerance] = strategy
    assert behind[0.0] == advise(keys).best.strategy
    assert behind[100.0] == "linear_probe"
    assert cheapest_within({"a": 0.0, "b": 0.5}, {"a": (2.0,), "b": (1.0,)}, 0.4) == "a"
    assert cheapest_within({"a": 0.0, "b": 0.5}, {"a": (2.0,), "b": (1.0,)}, 0.6) == "b"


@pytest.mark.parametrize("tolerance", ["-1", "101", "much"])
def test_a_tolerance_that_makes_no_sense_is_refused(tolerance, capsys):
    assert main(["--tolerance", tolerance, "--params", "7B"]) == 2
    assert "tolerance" in capsys.readouterr().err
    with pytest.raises(SpecError):
        advise({"params": "7B"}, tolerance=-1)


def test_the_nearest_evidence_names_model_data_examples_winner_and_where_it_was_published():
    answer = advise({"family": "vit", "objective": "supervised", "examples": "1k"})
    found = nearest(answer.situation, ["soft_prompt", "full_finetune"])
    assert 0 < len(found) <= 3
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert len({one.data for one in found}) == len(found)
    for one in found:
        assert {"soft_prompt", "full_finetune"} <= set(one.scores)
        assert one.scores[one.winner] == max(one.scores.values())
        assert one.model
        assert one.paper
    rows = answer.to_dict()["recommendations"][0]["evidence"]
    assert all(answer.best.strategy in row["scores"] for row in rows)


def test_hard_against_soft_prompting_is_said_to_rest_on_rules_where_it_was_hardly_compared(model):
    answer = advise({"params": "70B", "examples": "1k"}, candidates=("linear_probe", "hard_prompt"))
    compared = model.pairs["linear_probe hard_prompt"]
    assert answer.agreement.contexts == compared["contexts"]
    assert answer.agreement.rests_on_rules == (compared["contexts"] < 30 or compared["sources"] < 3)


def test_a_pilot_names_two_feasible_candidates_and_what_it_would_gain():
    answer = advise({"family": "vit", "examples": "5k", "shift": 0.5})
    pilot = answer.pilot
    assert pilot.strategies[0] == answer.best.strategy
    assert pilot.strategies[1] in {each.strategy for each in answer.recommendations}
    assert 0 < pilot.gain <= answer.best.expected_regret + 1e-9
    assert 0 < pilot.changes < 1
    assert advise({"params": "90B", "examples": 0, "description": "yes"}).pilot is None


def test_learning_curves_say_what_to_expect_at_other_numbers_of_examples():
    answer = advise({"family": "vit", "examples": "5k"})
    curves = answer.learning_curves
    examples = [point["examples"] for point in curves]
    assert examples == sorted(examples)
    same = advise({"family": "vit", "examples": examples[4]})
    for each in same.recommendations:
        if each.feasible:
            assert curves[4]["strategies"][each.strategy]["p_best"] == each.p_best


def test_a_tipping_point_has_an_interval_around_it():
    point = next(
        point
        for point in advise({"params": "1B", "family": "convnet", "examples": 100}).tipping_points
        if point.field == "examples"
    )
    low, high = point.interval
    assert low <= point.to <= high


def test_a_rule_newer_than_the_fit_has_its_stated_size():
    with open(PATH, encoding="utf-8") as file:
        raw = json.load(file)
    gone = raw["terms"].index("rule two_trainings")
    for values in (raw["terms"], raw["mean"], raw["spread"], *raw["reduction"]):
        del values[gone]
    assert Artefact(raw).rules["two_trainings"] == pytest.approx(-2 * raw["unit"])


def test_every_strategy_has_weights(model):
    assert set(model.weights) == set(STRATEGIES)
