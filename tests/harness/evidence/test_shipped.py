"""The evidence that travels with the package."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.traits import CORE
from harness.evidence import contexts, load
from harness.evidence.check import check
from harness.evidence.collected import read_collected
from harness.evidence.load import read_tables
from harness.evidence.schema import Row
from harness.evidence.table import TABLES, read_rows
from harness.shipped import shipped

FOLDER = shipped("evidence")
COLLECTED = Path(os.environ.get("ADVISOR_DATASETS", Path(__file__).resolve().parents[4] / "shared" / "datasets")).parent / "evidence"  # fmt: skip
LIMIT = 2_000_000  # bytes


@pytest.fixture(scope="module")
def evidence() -> list[Row]:
    return load()


def test_it_has_no_fault(evidence: list[Row]) -> None:
    assert check(evidence).faults == ()


def test_every_row_has_a_shift_with_a_reason(evidence: list[Row]) -> None:
    assert [row.id for row in evidence if row.shift is None or not row.shift_reason] == []


def test_shifts_are_of_the_rubric_but_for_means_over_data_sets() -> None:
    for (data, corpus), (shift, reason) in read_tables().shifts.items():
        assert shift in (0, 0.25, 0.5, 0.8, 1) or reason.startswith("mean over"), (data, corpus)


def test_the_tables_say_nothing_of_rows_that_are_not_there(evidence: list[Row]) -> None:
    tables = read_tables()
    assert set(tables.sources) == {row.source for row in evidence}
    assert set(tables.data_sets) == {row.data for row in evidence}
    assert set(tables.shifts) >= {(row.data, row.corpus) for row in evidence}


def test_files_are_small_and_in_the_order_they_are_written_in() -> None:
    files = sorted(FOLDER.glob("*.csv"))
    assert set(TABLES) <= {file.name for file in files}
    assert all(file.stat().st_size < LIMIT for file in files)


def test_published_rows_are_all_there_and_ours_beside_them(evidence: list[Row]) -> None:
    protocols = Counter(row.protocol for row in evidence)
    assert protocols["published"] == 4269
    assert set(protocols) == {"published", "fair", "controlled"}


def test_what_is_doubtful_weighs_less_and_what_is_unconfirmed_nothing(evidence: list[Row]) -> None:
    tagged = {tag: {row.weight for row in evidence if tag in row.tags} for tag in ("unconfirmed_strategy", "secondary", "derived", "test_selected", "mean_over_data")}  # fmt: skip
    assert tagged["unconfirmed_strategy"] == {0}
    assert all(weights and max(weights) <= 0.5 for weights in tagged.values())
    assert not any(row.usable for row in evidence if row.protocol == "controlled")
    assert not any(
        row.strategy == "linear_probe" for row in evidence if "nonlinear_head" in row.tags
    )


def test_sources_with_common_baselines_are_one_group(evidence: list[Row]) -> None:
    group = {row.source: row.source_group for row in evidence if row.data.startswith("VTAB-1k")}
    assert len({group[name] for name in ("vpetl_bench", "snell_tables", "rlrr_vit_l_h", "han2024_vpt_or_ft")}) == 1  # fmt: skip
    assert group["vtab_official"] == "vtab_official"
    assert {row.source_group for row in evidence if row.source == "han2024_vpt_or_ft" and "-1k" not in row.data} == {"han2024_vpt_or_ft"}  # fmt: skip


def test_contexts_of_the_core_are_of_one_source_and_hold_a_contrast(evidence: list[Row]) -> None:
    found = contexts(evidence, CORE)
    assert len(found) > 700
    for one in found:
        members = [row for each in one.observations for row in each.rows]
        assert {(row.source, row.model, row.data, row.metric) for row in members} == {(one.source, one.model, one.data, one.metric)}  # fmt: skip
        assert len(one.strategies) >= 2
        assert one.shift is not None


@pytest.mark.skipif(
    not COLLECTED.is_dir(), reason="the collected tables are not beside the checkout"
)
def test_the_published_files_are_what_the_collected_tables_say() -> None:
    told = [
        row for file in sorted(COLLECTED.glob("published_*.csv")) for row in read_collected(file)
    ]
    bare = [replace(row, paper="", year=None, url="") for row in told]
    kept = [row for file in sorted(FOLDER.glob("published_*.csv")) for row in read_rows(file)]
    assert sorted(map(repr, kept)) == sorted(map(repr, bare))
