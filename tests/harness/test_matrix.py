"""What works on what, as the code says it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from harness.catalog import STRATEGIES, TASKS
from harness.cli.app import app
from harness.matrix import IMPOSSIBLE, NOT_SENSIBLE, WORKS, combinations, families


def test_every_combination_is_said_once_and_refusals_have_reasons() -> None:
    found = combinations()
    assert len(found) == len(families()) * len(STRATEGIES.names()) * len(TASKS.names())
    assert len({(one.family, one.strategy, one.task) for one in found}) == len(found)
    for one in found:
        assert one.status in (WORKS, IMPOSSIBLE, NOT_SENSIBLE)
        assert bool(one.reason) == (one.status != WORKS), one


def test_conv_nets_cannot_be_prompted_and_say_why() -> None:
    prompted = [
        one
        for one in combinations()
        if one.family == "convnet" and one.strategy in ("hard_prompt", "soft_prompt")
    ]
    assert prompted
    assert all(one.status == IMPOSSIBLE for one in prompted)
    assert any("cannot be prompted (yet)" in one.reason for one in prompted)


def test_the_command_prints_tables_and_json() -> None:
    plain = CliRunner().invoke(app, ["matrix", "--family", "convnet"])
    assert plain.exit_code == 0, plain.output
    assert "linear_probe" in plain.output
    assert "impossible:" in plain.output
    listed = CliRunner().invoke(app, ["matrix", "--json", "--task", "classification"])
    rows = json.loads(listed.output)
    assert {row["family"] for row in rows} == set(families())
    assert {"family", "strategy", "task", "status", "reason"} == set(rows[0])


def test_an_unknown_family_is_refused_with_near_names() -> None:
    said = CliRunner().invoke(app, ["matrix", "--family", "convent"])
    assert said.exception is not None
    assert "convnet" in str(said.exception)
