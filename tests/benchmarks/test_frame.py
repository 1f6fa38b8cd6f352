"""The frame of the benchmarks, on work that takes no time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import run_all, toy
from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.gemm import share_of_peak
from benchmarks.page import Failure, as_html, as_markdown, cells, drawn
from benchmarks.results import Agreement, Chart, Figures, Result, Row, Series, load, save
from benchmarks.sides import Contender, Measured, Outcome, SideFailed, race

ON = {"device": "cpu (<test>)", "threads": 1, "load": [0.1, 0.2], "commit": "a" * 40, "dirty": False, "time": "2026-01-01T00:00:00"}  # fmt: skip


def a_row(**changed: object) -> Row:
    plain: dict[str, object] = {
        "title": "features <b>",
        "ours": Figures("ours", (1.0, 2.0, 1.5), 10**9, 3.0),
        "peer": Figures("peer", (4.0, 2.0, 4.5), 2 * 10**9, 3.0),
        "wanted": 2.0,
        "agreement": Agreement("equal", True),
        "amount": 30,
        "unit": "texts",
    }
    return Row(**plain | changed)  # type: ignore[arg-type]


def a_result(**changed: object) -> Result:
    chart = Chart("growth", "rows", "s", (Series("one", ((1.0, 2.0), (10.0, 20.0))),))
    plain: dict[str, object] = {"benchmark": "it", "quick": False, "command": "python -m x", "on": ON, "rows": (a_row(),), "charts": (chart,)}  # fmt: skip
    return Result(**plain | changed)  # type: ignore[arg-type]


def test_sides_work_in_turn_in_processes_of_their_own() -> None:
    ours, peer = race(
        [
            Contender("numpy", toy.by_numpy, {"size": 1000}),
            Contender("loop", toy.by_loop, {"size": 1000}, warmups=1),
        ],
        rounds=3,
        threads=1,
    )
    assert ours.outcome.values == peer.outcome.values == {"sum": 499500}
    assert len(ours.seconds) == len(peer.seconds) == 3
    assert ours.peak_bytes > 10**7
    with pytest.raises(SideFailed, match="loop: TypeError"):
        race([Contender("loop", toy.by_loop, {"size": "many"})], rounds=1, threads=1)


def test_a_row_is_reached_by_ratio_result_and_share_together() -> None:
    row = a_row()
    assert row.ratio == pytest.approx(4.0 / 1.5)
    assert row.ratios == pytest.approx((1.0, 4.0))
    assert row.reached
    assert not a_row(wanted=2.7).reached
    assert not a_row(agreement=Agreement("different", False)).reached
    assert not a_row(share=0.6, share_wanted=0.7).reached
    assert a_row(share=0.71, share_wanted=0.7).reached


def test_the_share_counts_work_done_in_a_second() -> None:
    side = Measured("ours", (2.0,), 0, 0.0, Outcome(flops=100.0))
    limit = Measured("GEMM", (1.0,), 0, 0.0, Outcome(flops=100.0))
    assert share_of_peak(side, limit) == 0.5


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    save(tmp_path / "deep" / "it.json", a_result())
    assert load(tmp_path / "deep" / "it.json") == a_result()
    (tmp_path / "old.json").write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="schema 0"):
        load(tmp_path / "old.json")


def test_the_pages_show_every_row_and_escape_what_they_show() -> None:
    missed = a_row(title="slow", wanted=9.0, why="the disk is slow")
    failed = [Failure("other", "no <peer>")]
    quick = [a_result(rows=(missed,), quick=True)]
    markdown = as_markdown([a_result()], quick, failed)
    assert "| features <b> | ours: 1.5 s, 20 texts/s |" in markdown
    assert "slow: the disk is slow" in markdown
    assert "other was not measured" in markdown
    page = as_html([a_result()], quick, failed)
    assert "features &lt;b&gt;" in page
    assert "<b>" not in page
    assert "no &lt;peer&gt;" in page
    assert "<code>python -m benchmarks.run_all</code>" in page
    assert "<polyline" in page
    assert not re.search(r"(src|href)=", page), "needs no other file"
    assert cells(missed)[5] == "no"


def test_a_chart_spans_its_axes() -> None:
    drawing = drawn(a_result().charts[0])
    (first, last) = drawing.lines[0].points
    assert first == (drawing.left, drawing.bottom)
    assert last[0] == drawing.right
    assert [tick.text for tick in drawing.x_ticks] == ["1", "10"]


def test_a_missing_peer_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(asked: Asked) -> Result:
        raise AssertionError("must not start")

    assert run(Benchmark("it", measure, ("no_such_peer",)), None, []) == 2
    assert capsys.readouterr().err == (
        "it needs no_such_peer, which is not installed: uv sync --all-extras --group bench\n"
    )


def test_the_command_keeps_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "it.json"
    words = ["--quick", "--out", str(out), "--threads", "1"]
    done = run(Benchmark("it", lambda asked: result(rows=(a_row(),))), "What it is.", words)
    assert done == 0
    kept = load(out)
    assert kept.quick
    assert kept.command == "python -m benchmarks.it --quick --threads 1"
    assert len(kept.on["load"]) == 2
    assert "2.67" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        run(Benchmark("it", lambda asked: result()), None, ["--rounds", "0"])
    assert stopped.value.code == 2


def test_all_goes_on_where_it_was_and_survives_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_all, "NAMES", ("good", "bad"))
    measured = []

    def pretend(name: str, target: Path, *, quick: bool, threads: int | None) -> str:
        measured.append(name)
        if name == "bad":
            return "no memory"
        save(target, a_result(benchmark=name, quick=quick))
        return ""

    monkeypatch.setattr(run_all, "measure", pretend)
    arguments = ["--quick", "--out", str(tmp_path)]
    assert run_all.main(arguments) == 1
    assert run_all.main(arguments) == 1
    assert measured == ["good", "bad", "bad"]
    assert run_all.main([*arguments, "--again", "--only", "good"]) == 0
    assert measured[-1] == "good"
    assert "features" in (tmp_path / "benchmarks.md").read_text()
    assert "features" in (tmp_path / "benchmarks.html").read_text()
    file = tmp_path / "benchmarks" / "quick" / "good.json"
    file.write_text(json.dumps({"schema": 0}))
    assert run_all.main([*arguments, "--only", "good"]) == 0
    assert measured[-1] == "good"
