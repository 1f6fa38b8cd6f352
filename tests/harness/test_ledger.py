"""Runs that share a store: nothing is paid for twice, lost or doubled."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from advisor.errors import OutputError, SpecError
from harness.ledger import Ledger, files_of
from harness.prediction import predict_file
from harness.runner import Conditions, run
from harness.storage import Storage
from harness.store import Store
from tests.harness.fair_toys import Threshold, install, toy_data, toy_question
from tests.harness.test_runner import measured, without_times
from tests.harness.test_store import record
from tests.harness.test_tuning import settled

ASKED = {"strategies": ("linear_probe", "full_finetune"), "trials": 3}


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setattr(Threshold, "pause", 0.0)


def shared(tmp_path: Path) -> Conditions:
    return Conditions(store=str(tmp_path / "shared.sqlite"))


def kept(folder: Path) -> tuple:
    with Store(folder / "store.sqlite") as store:
        return store.query()


def test_the_same_question_in_another_folder_costs_nothing(tmp_path: Path) -> None:
    first = measured(tmp_path / "a", shared(tmp_path), **ASKED)
    Threshold.fits = 0
    second = measured(tmp_path / "b", shared(tmp_path), **ASKED)
    assert Threshold.fits == 0
    assert without_times(second) == without_times(first)
    assert {one.record_id for one in kept(tmp_path / "b")} == {
        one.record_id for one in kept(tmp_path / "a")
    }
    rows = predict_file(tmp_path / "b", tmp_path / "b" / "test.csv")
    assert rows == predict_file(tmp_path / "a", tmp_path / "a" / "test.csv")


def test_a_larger_question_pays_only_for_what_is_new(tmp_path: Path) -> None:
    measured(tmp_path / "a", shared(tmp_path), strategies=("linear_probe",), trials=3, seeds=2)
    Threshold.fits = 0
    measured(tmp_path / "b", shared(tmp_path), strategies=("linear_probe",), trials=3, seeds=3)
    assert Threshold.fits == 1


def test_another_description_is_another_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    measured(tmp_path / "a", shared(tmp_path), **ASKED)
    install(monkeypatch, dataset=replace(toy_data(), description="Is it high?"))
    Threshold.fits = 0
    measured(tmp_path / "b", shared(tmp_path), **ASKED)
    assert Threshold.fits > 0


def _whole_run(tmp_path: Path, worker: int) -> None:
    Threshold.pause = 0.05
    run(toy_question(**ASKED), tmp_path / f"run{worker}", shared(tmp_path))
    (tmp_path / f"fits{worker}").write_text(str(Threshold.fits))


def test_four_processes_on_one_store_share_the_work(tmp_path: Path) -> None:
    whole = measured(tmp_path / "whole", **ASKED)
    alone = kept(tmp_path / "whole")
    Threshold.fits = 0
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_whole_run, args=(tmp_path, one)) for one in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    with Store(tmp_path / "shared.sqlite") as store:
        everything = store.query()
    assert max(Counter(one.content_id for one in everything).values()) == 1
    assert settled(everything) == settled(alone)
    fits = sum(int((tmp_path / f"fits{one}").read_text()) for one in range(4))
    assert fits == 3 + 2, "every trial of the probe was fitted by one process alone"
    for one in range(4):
        folder = tmp_path / f"run{one}"
        assert settled(kept(folder)) == settled(alone)
        assert (folder / "result.json").exists()
    assert whole["winner"] == "linear_probe"


@pytest.fixture
def stores(tmp_path: Path):
    with Store(tmp_path / "shared.sqlite") as one, Store(tmp_path / "own.sqlite") as own:
        yield one, own


def ledger(tmp_path: Path, stores, **more) -> Ledger:
    one, own = stores
    return Ledger(own, tmp_path, one, Storage(tmp_path / "files"), **more)


def test_a_claim_of_a_dead_process_is_taken_over(tmp_path: Path, stores) -> None:
    one, _ = stores
    trial = record().content_id
    assert one.claim(trial, "dead", 0.3)
    assert not one.claim(trial, "other", 0.3)
    with ledger(tmp_path, stores, lease=0.3) as mine:
        assert mine.find(trial) is None  # after the lease has run out
        assert not one.claim(trial, "other", 60)


def test_a_claim_of_a_living_process_stands(tmp_path: Path, stores) -> None:
    one, _ = stores
    with ledger(tmp_path, stores, lease=0.3) as mine:
        assert mine.find(record().content_id) is None
        time.sleep(1.0)
        assert not one.claim(record().content_id, "other", 60)
    assert one.claim(record().content_id, "other", 60)


def test_who_waits_gets_the_record_of_who_works(tmp_path: Path, stores) -> None:
    one, _ = stores
    trial = record()
    assert one.claim(trial.content_id, "worker", 60)
    threading.Timer(0.3, lambda: one.append(trial)).start()
    with ledger(tmp_path, stores) as mine:
        assert mine.find(trial.content_id) == trial


def test_a_wait_can_be_interrupted(tmp_path: Path, stores) -> None:
    one, _ = stores
    assert one.claim(record().content_id, "worker", 60)
    with ledger(tmp_path, stores, cancelled=lambda: True) as mine:
        assert mine.find(record().content_id) is None


def test_files_lie_beside_the_store_or_where_they_are_named() -> None:
    assert files_of("runs/all.sqlite", None) == "runs/all.sqlite.files"
    assert files_of("sqlite:////srv/all.db", None) == "/srv/all.db.files"
    assert files_of("postgresql://host/runs", "s3://bucket") == "s3://bucket"
    with pytest.raises(SpecError, match="--storage"):
        files_of("postgresql://host/runs", None)


def test_a_store_or_storage_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no store"):
        Store("nothing://x")
    with pytest.raises(OutputError, match="fsspec URL"):
        Storage("nothing://x")
    with pytest.raises(SpecError, match="--storage"):
        measured(tmp_path / "run", Conditions(store="postgresql://host/runs"), **ASKED)
    assert not (tmp_path / "run").exists()
