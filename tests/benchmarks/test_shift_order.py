"""The order of near and far sets: what the report says, and measured anew (slow)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import advisor.cli
from advisor.errors import MissingExtra
from benchmarks.shift_order import (
    DATA,
    DRAWS,
    ORDER,
    REPORT,
    SETS,
    as_markdown,
    in_order,
    made,
    profiled,
)
from harness.profile.situation_file import write_situation


def test_the_report_is_what_was_measured() -> None:
    result = json.loads(REPORT.with_suffix(".json").read_text(encoding="utf-8"))
    assert list(result) == list(SETS)
    assert REPORT.with_suffix(".md").read_text(encoding="utf-8") == as_markdown(result) + "\n"


def test_the_report_has_every_pair_in_order_in_every_draw() -> None:
    result = json.loads(REPORT.with_suffix(".json").read_text(encoding="utf-8"))
    for model, sets in result.items():
        found = in_order(model, sets)
        assert len(found) == len(ORDER[model])
        assert all(held == of == len(DRAWS[model]) for held, of in found.values())


def test_a_pair_counts_in_the_draws_in_which_the_first_lies_nearer() -> None:
    sets = {one.name: [{"value": 0.2}, {"value": 0.1}] for one in SETS["minilm"]}
    sets["chemistry abstracts"] = [{"value": 0.3}, {"value": 0.0}]
    found = in_order("minilm", sets)
    assert found["BBC news before chemistry abstracts"] == [1, 2]
    assert found["BBC news before encyclopedia, Spanish"] == [0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("model", list(SETS))
def test_the_command_puts_near_sets_before_far_ones_and_advise_reads_what_it_writes(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"no data sets at {DATA}; ADVISOR_DATASETS names the folder")
    made(tmp_path)
    found = {}
    for chosen in SETS[model]:
        try:
            profile = profiled(model, chosen, tmp_path, seed=0)
        except MissingExtra as missing:
            pytest.skip(str(missing))
        found[chosen.name] = [{"value": profile.shift.value}]
        file = tmp_path / "situation.yaml"
        write_situation(profile, file)
        assert advisor.cli.main(["--spec", str(file), "--json"]) == 0, capsys.readouterr().err
        said = json.loads(capsys.readouterr().out)["situation"]
        assert said["shift"] == pytest.approx(profile.shift.shift)
    assert in_order(model, found) == {f"{near} before {far}": [1, 1] for near, far in ORDER[model]}
