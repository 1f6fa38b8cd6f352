"""The Ray executor on a cluster of two nodes, whose workers are killed in mid-trial."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness.executors.base import Resources
from harness.question import Question
from harness.runner import Conditions, run
from harness.store import Store
from tests.harness.test_runner import without_times
from tests.harness.test_tuning import settled
from tests.harness.tiny_models import WORDS, save_tiny_encoder

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture
def question(tmp_path: Path) -> Question:
    model = save_tiny_encoder("bert", tmp_path / "model")
    words = {"good": "the film was good", "bad": "a very dull story"}
    with (tmp_path / "data.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "label"])
        for number in range(60):
            for label, text in words.items():
                tail = " and".join(WORDS[number % 20 : number % 20 + 1 + number // 20])
                table.writerow([f"{text} {tail} {number}", label])
    return Question(
        model=str(model),
        data=str(tmp_path / "data.csv"),
        strategies=("linear_probe", "full_finetune"),
        examples=32,
        trials=3,
        seeds=2,
        max_tokens=16,
        device="cpu",
    )


def measured(question: Question, out: Path, **more) -> tuple[dict, tuple]:
    import json

    run(question, out, Conditions(executor="ray", **more))
    with Store(out / "store.sqlite") as store:
        return json.loads((out / "result.json").read_text()), store.query()


class Killer(threading.Thread):
    """Kills the worker of a trial, so many times, while it works."""

    def __init__(self, times: int) -> None:
        super().__init__(daemon=True)
        self.times, self.killed, self.ended = times, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05) and self.killed < self.times:
            for process in psutil.process_iter(["name", "cmdline"]):
                line = " ".join(process.info["cmdline"] or ())
                if line.startswith("ray::_work"):
                    time.sleep(0.3)
                    if self.killed < self.times:
                        os.kill(process.pid, signal.SIGKILL)
                        self.killed += 1
                    break


def test_workers_killed_in_mid_trial_change_nothing_but_times(
    cluster, question: Question, tmp_path: Path
) -> None:
    resources = Resources(address="auto", jobs=None, cpus=1, retries=4)
    whole, undisturbed = measured(question, tmp_path / "whole", resources=resources)
    killer = Killer(2)
    killer.start()
    try:
        result, records = measured(question, tmp_path / "killed", resources=resources)
    finally:
        killer.ended.set()
        killer.join()
    assert killer.killed == 2
    assert without_times(result) == without_times(whole)
    assert settled(records) == settled(undisturbed)
    assert max(Counter(one.content_id for one in records).values()) == 1


def test_nodes_that_share_no_folder_exchange_files_through_a_storage(
    cluster, question: Question, tmp_path: Path
) -> None:
    resources = Resources(address="auto", jobs=None, storage=f"file://{tmp_path}/storage")
    result, records = measured(question, tmp_path / "run", resources=resources)
    assert result["winner"] in ("linear_probe", "full_finetune")
    assert (tmp_path / "run" / "winner" / "manifest.json").exists()
    sent = {one.name for one in (tmp_path / "storage" / "predictions").glob("*.npz")}
    scored = {f"{one.content_id}.npz" for one in records if one.happened.predictions}
    assert scored <= sent


def test_an_error_of_ours_is_not_repeated_and_becomes_a_record(
    cluster, question: Question, tmp_path: Path
) -> None:
    broken = question.model_copy(update={"fixed": {"full_finetune": {"batch_size": 0}}})
    resources = Resources(address="auto", jobs=None)
    _, records = measured(broken, tmp_path / "run", resources=resources)
    failed = [one for one in records if one.happened.status == "failed"]
    assert failed
    assert {one.asked.strategy for one in failed} == {"full_finetune"}
    assert max(Counter(one.content_id for one in records).values()) == 1
