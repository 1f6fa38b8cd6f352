"""Runs in worker processes give what a run in one process gives, and survive what happens."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from advisor.errors import OutputError, SpecError, WorkFailed
from harness.executors.base import Resources
from harness.executors.local import LocalExecutor
from harness.progress import StrategyEnded, TrialEnded
from harness.runner import Conditions, run
from harness.store import Store
from harness.tuning import Stopped
from tests.harness.executors.forked import Forked
from tests.harness.fair_toys import Threshold, install, toy_question
from tests.harness.test_runner import measured, named, without_times
from tests.harness.test_tuning import settled

ASKED = {"strategies": ("linear_probe", "full_finetune", "soft_prompt"), "trials": 3}
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setattr("harness.executors.local.LocalExecutor.open", Forked.open)
    monkeypatch.setattr(Threshold, "pause", 0.0)


SIDE_BY_SIDE = Conditions(command="harness run", resources=Resources(jobs=2))


def kept(folder: Path) -> tuple:
    with Store(folder / "store.sqlite") as store:
        return store.query()


def test_side_by_side_gives_the_records_of_one_after_the_other(tmp_path: Path) -> None:
    alone = measured(tmp_path / "alone", **ASKED)
    beside = measured(tmp_path / "beside", SIDE_BY_SIDE, **ASKED)
    assert settled(kept(tmp_path / "beside")) == settled(kept(tmp_path / "alone"))
    assert without_times(beside) == without_times(alone)
    assert (tmp_path / "beside" / "winner" / "threshold.json").exists()


def test_strategies_run_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Threshold, "pause", 0.05)
    ended: list[str] = []

    def listen(event: object) -> None:
        if isinstance(event, TrialEnded):
            ended.append(event.record.asked.strategy)
        if isinstance(event, StrategyEnded):
            ended.append(f"end of {event.strategy}")

    asked = {"strategies": ("linear_probe", "full_finetune"), "trials": 3}
    measured(tmp_path / "run", Conditions(on_event=listen, resources=Resources(jobs=2)), **asked)
    assert ended.index("full_finetune") < ended.index("end of linear_probe")
    assert ended.index("linear_probe") < ended.index("end of full_finetune")


def test_a_strategy_is_charged_what_its_trials_took(tmp_path: Path) -> None:
    result = measured(tmp_path / "run", SIDE_BY_SIDE, budget_seconds=60.0, **ASKED)
    for id in ("linear_probe", "full_finetune"):
        mine = [one for one in kept(tmp_path / "run") if one.asked.strategy == id]
        paid = sum(one.happened.own_seconds for one in mine)
        assert named(result)[id]["seconds"] == pytest.approx(paid)
        assert named(result)[id]["status"] == "done"


def test_an_interruption_stops_every_worker_and_is_resumed(tmp_path: Path) -> None:
    whole = measured(tmp_path / "whole", **ASKED)
    ended: list[object] = []

    def listen(event: object) -> None:
        ended.extend([event] if isinstance(event, TrialEnded) else [])

    stop = Conditions(
        on_event=listen, cancelled=lambda: len(ended) >= 3, resources=Resources(jobs=2)
    )
    with pytest.raises(Stopped, match="kept"):
        measured(tmp_path / "broken", stop, **ASKED)
    result = measured(tmp_path / "broken", SIDE_BY_SIDE, **ASKED)
    assert without_times(result) == without_times(whole)
    assert settled(kept(tmp_path / "broken")) == settled(kept(tmp_path / "whole"))


def test_more_jobs_than_cores_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        SpecError, match=r"jobs must be between 1 and \d+ \(\d+ cores here\); got 9999"
    ):
        LocalExecutor(9999, device="cpu")
    monkeypatch.setattr(
        "harness.executors.local.LocalExecutor.open",
        lambda resources, prepared: LocalExecutor(9999, device="cpu"),
    )
    with pytest.raises(SpecError, match="jobs must be"):
        measured(tmp_path / "run", **ASKED)
    assert not (tmp_path / "run").exists()


class Suicidal(Threshold):
    """Takes its worker with it, once."""

    id = "full_finetune"
    mark: Path

    def fit(self, *args, **kwargs):
        if not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(*args, **kwargs)


def test_a_worker_that_dies_is_told_in_one_line_and_the_run_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, kinds={"full_finetune": Suicidal})
    monkeypatch.setattr(Suicidal, "mark", tmp_path / "died", raising=False)
    with pytest.raises(WorkFailed, match="a worker process died, most likely for want of memory"):
        measured(tmp_path / "run", SIDE_BY_SIDE, **ASKED)
    result = measured(tmp_path / "run", SIDE_BY_SIDE, **ASKED)
    assert named(result)["full_finetune"]["status"] == "done"
    ids = Counter(one.content_id for one in kept(tmp_path / "run"))
    assert set(ids.values()) == {1}


def _whole_run(out: Path, jobs: int) -> None:
    Threshold.pause = 0.02
    run(toy_question(**ASKED), out, Conditions(resources=Resources(jobs=jobs)))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_20_random_moments_a_run_ends_as_an_undisturbed_one(
    tmp_path: Path, jobs: int
) -> None:
    whole = measured(tmp_path / "whole", **ASKED)
    took = time.perf_counter()
    measured(tmp_path / "timed", Conditions(resources=Resources(jobs=jobs)), **ASKED)
    took = time.perf_counter() - took + 0.1
    draw = random.Random(jobs)
    out, killed = tmp_path / "killed", 0
    finished: dict[str, str] = {}  # trial -> record, of every trial ever seen to be finished
    for _ in range(20):
        process = FORK.Process(target=_whole_run, args=(out, jobs))
        process.start()
        process.join(draw.uniform(0, took))
        if process.exitcode is None:
            killed += 1
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        if (out / "store.sqlite").exists():
            now = {one.content_id: one.record_id for one in kept(out)}
            assert finished.items() <= now.items(), "a finished trial was lost or ran again"
            finished = now
        if (out / "result.json").exists():
            out = tmp_path / f"killed{killed}"  # finished before its time: another one
            finished = {}
    assert killed >= 10
    result = measured(out, Conditions(resources=Resources(jobs=jobs)), **ASKED)
    assert without_times(result) == without_times(whole)
    assert settled(kept(out)) == settled(kept(tmp_path / "whole"))
    assert max(Counter(one.content_id for one in kept(out)).values()) == 1
    # whatever the moment, `winner` is whole and predicts
    assert (out / "winner" / "manifest.json").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_or_read_only_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, jobs: int
) -> None:
    whole = measured(tmp_path / "whole", **ASKED)
    written: list[Path] = []

    def full(path: Path, arrays: dict) -> None:
        written.append(path)
        if len(written) > 2:
            raise OSError(code, os.strerror(code), str(path))
        real(path, arrays)

    from harness.trial import _write_arrays as real

    monkeypatch.setattr("harness.trial._write_arrays", full)
    how = Conditions(resources=Resources(jobs=jobs))
    with pytest.raises(OutputError, match="cannot be written") as told:
        measured(tmp_path / "run", how, **ASKED)
    assert os.strerror(code) in str(told.value)
    before = {one.record_id for one in kept(tmp_path / "run") if one.happened.status != "stopped"}
    assert {one.happened.status for one in kept(tmp_path / "run")} <= {"done", "failed", "stopped"}
    assert not any("OSError" in (one.happened.error or "") for one in kept(tmp_path / "run"))
    monkeypatch.setattr("harness.trial._write_arrays", real)
    result = measured(tmp_path / "run", how, **ASKED)
    assert without_times(result) == without_times(whole)
    assert before <= {one.record_id for one in kept(tmp_path / "run")}
