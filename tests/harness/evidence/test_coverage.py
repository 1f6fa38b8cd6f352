from __future__ import annotations

import json

import pytest

from advisor.traits import CORE
from harness.cli import main
from harness.evidence.coverage import FEW_CONTEXTS, coverage, thin_sentence
from harness.evidence.load import join, read_tables
from tests.harness.evidence.toys import toy

TABLES = read_tables()


def made(*some):
    return [join(row, TABLES) for row in some]


def test_contexts_are_counted_in_their_corner_and_empty_corners_are_shown() -> None:
    rows = made(toy(), toy(strategy="full_finetune", value=0.9), toy(n_train=5000))
    found = coverage(rows, CORE)
    assert found.contexts == 1
    full = [one for one in found.corners if one.contexts]
    assert [(one.params, one.examples, one.shift, one.contexts, one.rows, one.groups) for one in full] == [
        ("below 100M", "up to 100", "near (to 0.25)", 1, 2, 1)
    ]  # fmt: skip
    assert len(found.corners) == 4 * 4 * 3


def test_pairs_say_how_often_they_met_and_which_scored_higher() -> None:
    rows = made(
        *(toy(source=name, n_train=n, strategy=kind, value=value) for name in ("a", "b") for n in (10, 20)
          for kind, value in (("linear_probe", 0.5), ("full_finetune", 0.6 if n == 20 else 0.4)))
    )  # fmt: skip
    pair = next(one for one in coverage(rows, CORE).pairs if {one.a, one.b} == {"linear_probe", "full_finetune"})  # fmt: skip
    assert (pair.contexts, pair.sources, pair.groups, pair.text_contexts) == (4, 2, 2, 4)
    assert (pair.a_wins, pair.b_wins, pair.thin) == (2, 2, True)
    assert "linear probe with full fine-tuning (4 contexts, 2 source groups)" in thin_sentence(
        [pair]
    )


def test_a_pair_with_much_evidence_is_not_called_thin() -> None:
    rows = made(
        *(toy(source=name, n_train=n, strategy=kind) for name in "abcde"
          for n in range(10, 10 + FEW_CONTEXTS) for kind in ("linear_probe", "full_finetune"))
    )  # fmt: skip
    (pair,) = coverage(rows, ("linear_probe", "full_finetune")).pairs
    assert not pair.thin
    assert thin_sentence([pair]).startswith("Every pair")


def test_the_command_prints_both_tables_and_says_where_evidence_is_thin(capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["evidence", "coverage"]) == 0
    out = capsys.readouterr().out
    assert "hard prompting | soft prompting" in out
    assert "hard prompting with soft prompting" in out.splitlines()[-1]
    assert main(["evidence", "coverage", "--json", "--strategies", "core"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["pairs"]) == 6
    assert main(["evidence", "coverage", "--strategies", "magic"]) == 2
