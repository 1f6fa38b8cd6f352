from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from advisor.errors import OutputError
from harness.records import Asked, Happened, ModelAsked, OnWhat, RunRecord
from harness.store import MIGRATIONS, Store

ASSETS = Path(__file__).parent / "assets"


def record(seed: int = 0, status: str = "done", time: str = "2026-01-01", **happened) -> RunRecord:
    return RunRecord(
        asked=Asked(
            stage="search",
            model=ModelAsked(name="m", family="encoder", params=1, digest="d"),
            task="classification",
            data="data",
            data_digest="e",
            strategy="linear_probe",
            hyperparameters={"c": 1.0},
            examples=8,
            seed=seed,
            metric="accuracy",
            max_tokens=128,
            test_examples=10,
            budget_seconds=None,
        ),
        happened=Happened(status=status, **happened),
        on=OnWhat(
            package_version="0", versions={}, device="cpu", threads=1, commit=None, dirty=None, time=time
        ),
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def test_what_was_appended_is_found_and_equal(store: Store) -> None:
    kept = record(
        scores={"validation": {"accuracy": 0.5}}, curve=({"step": 1.0},), chosen={"k": [1, 2]}
    )
    assert store.append(kept)
    assert store.find(kept.content_id) == kept
    assert store.find("0" * 64) is None


def test_appending_twice_keeps_one(store: Store) -> None:
    assert store.append(record())
    assert not store.append(record())
    assert len(store.query()) == 1


def test_of_a_trial_that_ran_twice_the_first_result_counts(store: Store) -> None:
    first, second = record(seconds=1.0), record(seconds=2.0, time="2026-01-02")
    assert store.append(first)
    assert not store.append(second)
    assert store.find(first.content_id) == first


def test_a_stopped_trial_stays_and_does_not_settle(store: Store) -> None:
    store.append(record(status="stopped"))
    assert store.find(record().content_id) is None
    store.append(record(time="2026-01-02"))
    assert [one.happened.status for one in store.query()] == ["stopped", "done"]


def test_a_failed_trial_stays_and_settles(store: Store) -> None:
    failed = record(status="failed", error="ValueError: no")
    store.append(failed)
    assert store.find(failed.content_id) == failed


def test_query_narrows_by_column(store: Store) -> None:
    for seed in range(3):
        store.append(record(seed=seed))
    store.append(record(seed=3, status="failed"))
    assert [one.asked.seed for one in store.query(status="done")] == [0, 1, 2]
    assert [one.asked.seed for one in store.query(seed=3)] == [3]
    assert store.query(strategy="lora") == ()


def test_opening_again_applies_no_migration_twice(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for _ in range(2):
        Store(path).close()
    with sqlite3.connect(path) as connection:
        numbers = [row[0] for row in connection.execute("SELECT number FROM migrations")]
    assert numbers == [one.number for one in MIGRATIONS]


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'later', 'now')")
    with pytest.raises(OutputError, match="newer version"):
        Store(path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_text("not a database, but long enough to be read as one" * 10)
    with pytest.raises(OutputError, match="--out"):
        Store(path)


def _write(path: Path, worker: int) -> None:
    with Store(path) as store:
        for seed in range(20):
            store.append(record(seed=seed, seconds=float(worker)))
            store.append(record(seed=1000 * (worker + 1) + seed))


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(path, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    with Store(path) as store:
        assert len(store.query()) == 20 + 4 * 20


def test_a_store_of_the_first_schema_is_read(tmp_path: Path) -> None:
    """The dump was written by the first version; it stays as it is for ever."""
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((ASSETS / "store-v1.sql").read_text())
    with Store(path) as store:
        done, failed = store.query()
    assert done.happened.scores == {"validation": {"accuracy": 0.5}}
    assert done.happened.chosen == {"template": "topic", "layers": [1, 2]}
    assert done.asked.hyperparameters == {"c": 1.0}
    assert failed.happened.error == "ValueError: no"
    assert done.content_id == record().content_id
