"""The fit: groups can be left out by subtraction, zero-shot is counted once, refits are equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import erf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.inference import Resolved
from advisor.learned import artefact as installed
from advisor.learned.artefact import NAMES, Artefact
from advisor.learned.outlook import covariance, run_variance, shared_variance
from harness.evidence.contexts import contexts
from harness.evidence.load import load
from harness.evidence.table import write_rows
from harness.fit.artefact import digest, model_of, nearest_of
from harness.fit.cases import Case, cases, wins
from harness.fit.model import Hyper, posterior, prediction_noise, prior, statistics
from harness.fit.observations import RULES, TERM_NAMES, compared, table
from harness.fit.orientation import COUNTINGS, counted, with_unfinished
from harness.fit.predict import Folds, Setting, calibrated, fitted_to, mixed
from harness.fit.rivals import RIVALS, always
from harness.fit.scores import (
    balanced,
    choice_scores,
    chosen_tolerance,
    coverage,
    difference,
    interval_of,
    most_saved,
    regrets,
    reliability,
    traded,
)

SOURCES = ("lpft_ntk_paper", "bbt_paper_table3", "unipelt_paper", "tfew_paper", "own_studies")


@pytest.fixture(scope="module")
def some():
    rows = [row for row in load() if row.usable and row.source_group in SOURCES]
    several = compared(contexts(rows))
    return rows, several, table(several), cases(several)


def test_a_group_is_left_out_by_leaving_out_its_statistics(some):
    _, several, rows, _ = some
    whole = statistics(rows, Hyper())
    without = [one for one in several if one.group != "unipelt_paper"]
    apart = posterior(statistics(table(without), Hyper()).values(), Hyper())
    rest = posterior([one for name, one in whole.items() if name != "unipelt_paper"], Hyper())
    np.testing.assert_allclose(apart.mean, rest.mean, atol=1e-8)
    np.testing.assert_allclose(apart.covariance, rest.covariance, atol=1e-8)


def test_without_evidence_the_posterior_is_the_prior():
    mean, spread = prior(Hyper())
    found = posterior([], Hyper())
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.covariance, np.diag(spread**2))
    places = {name: place for place, name in enumerate(TERM_NAMES)}
    for rule in RULES:
        assert mean[places[f"rule {rule.id}"]] == pytest.approx(Hyper().unit * rule.points)
    everything = frozenset(rule.id for rule in RULES)
    assert not prior(Hyper(), everything)[0].any()
    mean, spread = prior(Hyper(), absent=everything)
    assert not mean.any()
    assert not spread[: len(RULES)].any()


def test_evidence_never_makes_a_term_less_certain(some):
    _, _, rows, _ = some
    _, spread = prior(Hyper())
    found = posterior(statistics(rows, Hyper()).values(), Hyper())
    assert (np.diag(found.covariance) <= spread**2 + 1e-12).all()


def test_a_level_common_to_a_context_changes_nothing(some):
    _, _, rows, _ = some
    moved = rows.logits + np.array([0.3, -0.2, 0.1])[rows.context % 3]
    one = posterior(statistics(rows, Hyper()).values(), Hyper()).mean
    other = posterior(
        statistics(type(rows)(**{**vars(rows), "logits": moved}), Hyper()).values(), Hyper()
    ).mean
    np.testing.assert_allclose(one, other, atol=0.02)


def test_the_noise_of_a_prediction_is_what_advise_adds(some):
    rows, _, lines, asked = some
    setting = Setting(Hyper())
    model = Artefact(
        json.loads(json.dumps(model_of(Folds(lines), asked, setting, rows, {"passed": False})))
    )
    for case in asked[:5]:
        noise = prediction_noise(case.strategies, case.examples, case.slopes, setting.hyper)
        assert added(model, case.one.situation, case.strategies) == pytest.approx(np.diag(noise))


def added(model: Artefact, s: Resolved, strategies: Sequence[str]) -> np.ndarray:
    """What a new source adds to the covariance of scores, before inflation."""
    nothing = [(0.0,) * len(NAMES)] * len(strategies)
    return np.array(covariance(model, s, nothing, strategies)) / model.noise["inflation"]


def test_strategies_of_a_branch_share_what_a_source_has_of_its_own(some):
    rows, _, lines, asked = some
    model = Artefact(model_of(Folds(lines), asked, Setting(Hyper()), rows, {"passed": False}))
    s = asked[0].one.situation
    found = added(model, s, ("full_finetune", "lp_ft", "lora", "ia3", "hard_prompt"))
    shared = np.zeros((5, 5))
    shared[0, 1] = shared[1, 0] = shared[2, 3] = shared[3, 2] = shared_variance(model, s)
    np.testing.assert_allclose(found - np.diag(np.diag(found)), shared)
    assert found[0, 0] == pytest.approx(shared_variance(model, s) + run_variance(model, s))


def test_the_shipped_artefact_is_fitted_to_the_shipped_evidence():
    model = installed.artefact()
    assert model is not None
    assert model.evidence["digest"] == digest(row for row in load() if row.usable)


def test_the_same_evidence_gives_the_same_files(some):
    rows, several, lines, asked = some
    made = [
        json.dumps(model_of(Folds(lines), asked, Setting(Hyper()), rows, {"passed": False}))
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert nearest_of(several) == nearest_of(several)
    assert digest(rows) == digest(list(reversed(rows)))
    assert digest(rows) != digest(rows[1:])


def leaves(value: Any, place: str = "") -> tuple[list[float], dict[str, Any]]:
    """The fractions inside a JSON value in their order, and everything else by its place."""
    if isinstance(value, float):
        return [value], {place: float}
    if not isinstance(value, dict | list):
        return [], {place: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    numbers: list[float] = []
    rest: dict[str, Any] = {}
    for key, one in inside:
        some, other = leaves(one, f"{place}/{key}")
        numbers += some
        rest |= other
    return numbers, rest


@pytest.mark.slow
def test_the_artefact_that_travels_is_the_fit_to_the_evidence_that_travels():
    """From the settings and scores it holds itself; tuning anew takes minutes."""
    raw = json.loads(Path(installed.PATH).read_text(encoding="utf-8"))
    usable = [row for row in load() if row.usable]
    several = compared(contexts(usable))
    averaged = tuple((Hyper(**one), weight) for one, weight in raw["averaged"])
    noise = raw["noise"]
    setting = Setting(Hyper(**raw["hyper"]), noise["inflation"], raw["interval"], averaged)
    again = model_of(Folds(table(several)), cases(several), setting, usable, raw["validation"])
    numbers, rest = leaves(json.loads(json.dumps(again)))
    kept, same = leaves(raw)
    assert rest == same
    # another processor adds up in another order
    np.testing.assert_allclose(numbers, kept, rtol=1e-6, atol=1e-9)
    nearest = Path(installed.PATH).with_name("nearest.tsv").read_text(encoding="utf-8")
    assert nearest_of(several) + "\n" == nearest


@pytest.mark.slow
def test_two_whole_refits_write_the_same_bytes(tmp_path):
    """`harness calibrate --evidence-only` in two processes; some of the sources, to take a minute."""
    evidence = tmp_path / "evidence.csv"
    write_rows([row for row in load() if row.source_group in SOURCES], evidence)
    files = []
    for name in ("one", "two"):
        words = ["--evidence", str(evidence), "--artefact", str(tmp_path / name), "--reports", str(tmp_path / name)]  # fmt: skip
        command = [sys.executable, "-m", "harness", "calibrate", "--evidence-only", *words]
        seeded = {**os.environ, "PYTHONHASHSEED": str(len(files))}
        subprocess.run(command, check=True, env=seeded, capture_output=True)
        files.append({one.name: one.read_bytes() for one in (tmp_path / name).iterdir()})
    assert {"artefact.json", "nearest.tsv", "calibration.json", "calibration.md"} <= set(files[0])
    assert files[0] == files[1]


def test_terms_of_the_model_are_those_advise_reads():
    assert TERM_NAMES[: len(NAMES)] == NAMES


def test_probabilities_by_quadrature_and_in_closed_form_agree():
    mean, variance = np.array([0.2, 0.0]), np.array([[0.3, 0.1], [0.1, 0.2]])
    first = 0.5 * (1 + erf(0.2 / sqrt(0.3 + 0.2 - 2 * 0.1) / sqrt(2)))
    assert wins(mean, variance)[0] == pytest.approx(first, abs=0.02)


def test_calibration_makes_intervals_hold_as_often_as_they_say(some):
    _, _, lines, asked = some
    predicted = Folds(lines).left_out(Setting(Hyper()), asked)
    setting = calibrated(Setting(Hyper()), predicted)
    after = [
        replace(each, variance=each.variance * setting.inflation, interval=setting.interval)
        for each in predicted
    ]
    assert coverage(after)["coverage"] == pytest.approx(0.8, abs=0.02)


def test_scores_of_perfect_and_of_worst_choices(some):
    _, _, _, asked = some
    best = [int(case.best.argmax()) for case in asked]
    worst = [int(case.best.argmin()) for case in asked]
    assert choice_scores(asked, best)["regret"] == 0
    assert choice_scores(asked, best)["top1"] == 1
    assert choice_scores(asked, worst)["regret"] > 0
    gap = difference(
        regrets(asked, best), regrets(asked, worst), np.array([case.group for case in asked])
    )
    assert gap["plain_interval"][0] <= gap["plain"] <= gap["plain_interval"][1] <= 0


def test_balanced_means_count_every_source_once():
    values, groups = np.array([1.0, 1.0, 1.0, 3.0]), np.array(["a", "a", "a", "b"])
    assert balanced(values, groups) == 2.0
    low, high = interval_of(values, groups, is_balanced=True)
    assert 1.0 <= low <= 2.0 <= high <= 3.0


def test_the_more_regret_is_allowed_the_more_can_be_saved(some):
    _, _, _, asked = some
    behind = [case.best.max() - case.best for case in asked]
    saved = [most_saved(asked, behind, most)["saved"]["mean"] for most in (0.0, 2.0, 50.0)]
    assert saved == sorted(saved)


def test_at_a_high_price_of_points_the_best_is_taken_and_at_a_low_one_the_cheapest(some):
    _, _, _, asked = some
    behind = [case.best.max() - case.best for case in asked]
    assert regrets(asked, traded(asked, behind, 1e9)).max() == pytest.approx(0)
    cheap = traded(asked, behind, 0.0)
    assert all(
        case.flops[pick] == case.flops.min() for case, pick in zip(asked, cheap, strict=True)
    )


def test_a_run_of_ours_is_asked_with_its_cap():
    rows = [row for row in load() if row.data == "trec6" and row.n_train == 16]
    (one,) = compared(contexts(rows))
    cap = rows[0].cap_seconds
    assert cap is not None
    assert one.situation.budget_hours == pytest.approx(cap / 3600)
    assert one.situation.gpus == 0


def test_what_ran_out_of_time_is_neither_taught_nor_judged_unless_asked_for():
    rows = [row for row in load() if row.source_group == "own_studies"]
    usable = compared(contexts([row for row in rows if row.usable]))
    for one in usable:
        for each in one.context.observations:
            assert {row.status for row in each.rows} == {"done"}
    judged, whole = cases(usable), with_unfinished(rows)
    assert len(whole) > len(judged)
    strategies = {case.one.context: case.strategies for case in whole}
    assert any("full_finetune" in several for several in strategies.values())
    assert len(with_unfinished([row for row in rows if row.usable])) == len(judged)


def test_the_tolerance_of_a_source_is_chosen_on_the_others(some):
    _, _, lines, asked = some
    predicted = Folds(lines).left_out(Setting(Hyper()), asked)
    cases_of = [each.case for each in predicted]
    full = regrets(cases_of, always("full_finetune")((), cases_of))
    picks, chosen = chosen_tolerance(predicted, full)
    assert set(chosen) == {case.group for case in cases_of}
    # a source in which everything may be lost changes the tolerances of the others, not its own
    mine = np.array([case.group == "unipelt_paper" for case in cases_of])
    _, other = chosen_tolerance(predicted, np.where(mine, 1e6, full))
    assert other["unipelt_paper"] == chosen["unipelt_paper"]
    assert all(other[name] >= chosen[name] for name in chosen)
    for pick, each in zip(picks, predicted, strict=True):
        assert -each.difference(pick)[0] <= chosen[each.case.group] + 1e-9


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "random forest"])
def test_every_rival_picks_a_measured_strategy(name, some):
    _, _, _, asked = some
    picks = RIVALS[name](asked, asked)
    assert len(picks) == len(asked)
    assert all(0 <= pick < len(case.strategies) for pick, case in zip(picks, asked, strict=True))


def test_always_takes_the_strategy_where_it_was_measured(some):
    _, _, _, asked = some
    for case, pick in zip(asked, always("linear_probe")((), asked), strict=True):
        if "linear_probe" in case.strategies:
            assert case.strategies[pick] == "linear_probe"


def test_reliability_says_what_came_true(some):
    _, _, lines, asked = some
    found = reliability(Folds(lines).left_out(Setting(Hyper()), asked))
    assert sum(row["candidates"] for row in found["reliability"]) == sum(
        len(case.strategies) for case in asked
    )
    assert 0 <= found["ece"] <= 1


def test_cases_compare_core_strategies_alone(some):
    _, _, _, asked = some
    assert asked
    for case in asked:
        assert isinstance(case, Case)
        assert len(case.strategies) >= 2
        assert case.best.shape == case.median.shape == case.flops.shape
        assert (case.median <= case.best + 1e-9).all()


def test_a_mixture_of_equals_is_itself_and_of_others_is_wider(some):
    _, _, lines, _ = some
    seen = list(Folds(lines).of(Hyper()).values())
    stiff, free = Hyper(freedom=0.3), Hyper(freedom=0.6)
    one = posterior(seen, stiff)
    np.testing.assert_allclose(mixed([one, one], [0.4, 0.6]).covariance, one.covariance)
    found = fitted_to(seen, Setting(Hyper(), averaged=((stiff, 0.5), (free, 0.5))))
    other = posterior(seen, free)
    np.testing.assert_allclose(found.mean, (one.mean + other.mean) / 2)
    least = (np.diag(one.covariance) + np.diag(other.covariance)) / 2
    assert (np.diag(found.covariance) >= least - 1e-12).all()


def test_a_prompt_joins_every_number_of_labels_in_the_other_counting(some):
    rows, _, _, _ = some
    found = [counted(rows, out) for out in COUNTINGS.values()]
    assert len(found[0]) >= len(found[1]) >= len(found[2])
    bare = counted([row for row in rows if row.strategy != "hard_prompt"], frozenset())
    assert len(found[0]) >= len(bare)
    assert any("hard_prompt" in case.strategies for case in found[0])


def test_with_equal_epochs_a_soft_prompt_costs_less_than_full_finetuning(some):
    _, _, _, asked = some
    both = [one for one in asked if {"soft_prompt", "full_finetune"} <= set(one.strategies)]
    assert both
    for case in both:
        soft, full = (case.strategies.index(one) for one in ("soft_prompt", "full_finetune"))
        assert case.even_flops[full] == case.flops[full] == case.full_flops
        assert case.even_flops[soft] < case.even_flops[full] or case.one.situation.tokens < 60
