"""The study of the measured shift: what takes part, what is left out, what the report says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.measured_shift import (
    ARMS,
    REPORT,
    as_markdown,
    is_own,
    left_out,
    measured_for,
    verdict,
    with_shifts,
)
from harness.evidence.contexts import contexts
from harness.evidence.load import load
from harness.fit.cases import cases
from harness.fit.model import Hyper
from harness.fit.observations import compared, table
from harness.fit.predict import Folds, Setting, fitted_to

SHIFTS = {"trec6": {"shift": 0.11}, "sst2": {"shift": 0.22}}


@pytest.fixture(scope="module")
def some():
    rows = [
        row
        for row in load()
        if row.usable and row.source_group in ("own_studies", "lpft_ntk_paper", "ulmfit_paper")
    ]
    return compared(contexts(rows))


def test_the_report_is_what_was_computed() -> None:
    result = json.loads(REPORT.with_suffix(".json").read_text(encoding="utf-8"))
    assert REPORT.with_suffix(".md").read_text(encoding="utf-8") == as_markdown(result) + "\n"
    for one in result["compared"].values():
        assert set(one["arms"]) == set(ARMS)
        low, high = one["regret_difference"]["plain_interval"]
        assert low <= one["regret_difference"]["plain"] <= high


def test_the_measured_shift_stands_where_it_was_measured_and_nowhere_else(some) -> None:
    found = with_shifts(some, SHIFTS, "measured", is_own)
    for before, after in zip(some, found, strict=True):
        known = measured_for(before, SHIFTS) if is_own(before) else None
        assert after.situation.shift == (before.situation.shift if known is None else known)
    tested_elsewhere = [one for one in some if one.context.data == "sst2_tweets"]
    assert tested_elsewhere
    assert {measured_for(one, SHIFTS) for one in tested_elsewhere} == {0.22}
    assert with_shifts(some, SHIFTS, "rubric", is_own) == some


def test_a_data_set_is_left_out_of_every_source(some) -> None:
    asked = [one for one in some if one.context.data_group == "trec" and is_own(one)]
    predicted = left_out(some, asked, Setting(Hyper()))
    rest = [one for one in some if one.context.data_group != "trec"]
    fitted = fitted_to(list(Folds(table(rest)).of(Hyper()).values()), Setting(Hyper()))
    assert predicted
    for each, case in zip(predicted, cases(asked), strict=True):
        np.testing.assert_allclose(each.mean, case.terms @ fitted.mean, atol=1e-8)


def test_only_an_interval_on_one_side_of_zero_decides() -> None:
    def found(low: float, high: float) -> dict:
        return {"ours": {"regret_difference": {"plain_interval": [low, high]}}}

    assert "too few to tell" in verdict(found(-1.0, 0.0))
    assert "lowers regret in: ours" in verdict(found(-1.0, -0.1))
    assert "stays out" in verdict(found(0.1, 1.0))
