"""What a row counts for once it is read: the status of its strategy in its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.evidence import load
from harness.evidence.table import write_rows
from tests.harness.evidence.toys import toy


def ours(**given: object):
    values = {"protocol": "fair", "place": "", "data_digest": "ab", "device": "cpu", "status": "done", "cap_seconds": 45.0}  # fmt: skip
    return toy(**{**values, **given})


@pytest.mark.parametrize("status", ["underfit", "underfunded"])
def test_one_seed_that_ended_unfinished_makes_its_strategy_unfinished(
    status: str, tmp_path: Path
) -> None:
    tuned = [
        ours(strategy="full_finetune", seed=seed, status=status if seed == 1 else "done")
        for seed in (0, 1, 2)
    ]
    others = [
        ours(seed=0),
        ours(strategy="full_finetune", seed=0, cap_seconds=900.0),
        ours(strategy="full_finetune", seed=0, n_train=200),
        toy(strategy="full_finetune"),
    ]
    write_rows([*tuned, *others], tmp_path / "rows.csv")
    found = {row.id: row for row in load([tmp_path / "rows.csv"])}
    for row in tuned:
        assert not found[row.id].usable
        assert found[row.id].why
    assert all(found[row.id].usable and found[row.id].weight == 1 for row in others)


def test_the_score_plays_no_part(tmp_path: Path) -> None:
    rows = [ours(seed=0, status="underfit", value=0.99), ours(strategy="lora", seed=0, value=0.1)]
    write_rows(rows, tmp_path / "rows.csv")
    assert {row.strategy: row.usable for row in load([tmp_path / "rows.csv"])} == {
        "linear_probe": False,
        "lora": True,
    }
