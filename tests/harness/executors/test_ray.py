"""The Ray executor on a cluster of two nodes, whose workers are killed in mid-trial."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness.executors.base import Resources
from harness.progress import TrialEnded
from harness.question import Question
from harness.runner import Conditions, run
from harness.store import Store
from harness.tuning import Stopped
from tests.harness.test_runner import without_times
from tests.harness.test_tuning import settled
from tests.harness.tiny_models import WORDS, save_tiny_encoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="the extra ray is not installed"
    ),
]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
PATIENT = {  # Ray reads these once, when it is first imported
    "RAY_raylet_start_wait_time_s": "200",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
AGENTS = """
import ray._private.runtime_env.agent.main, ray.dashboard.agent
from ray.dashboard.utils import DashboardAgentModule, get_all_modules
get_all_modules(DashboardAgentModule)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    """Two nodes.

    A node dies if its agents are not up 15 seconds after it, which no setting changes. Where no
    bytecode may be written they compile all of Ray anew and miss that on busy cores, so it is
    written once, to a folder of the test, before the first node starts.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PATIENT.items():
            patch.setenv(name, value)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        if "PYTHONPYCACHEPREFIX" not in os.environ:
            patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        subprocess.run([sys.executable, "-c", AGENTS], check=True, capture_output=True)
        import ray
        from ray.cluster_utils import Cluster

        found = Cluster(initialize_head=True, head_node_args=NODE)
        try:
            found.add_node(**NODE)
            ray.init(address=found.address, log_to_driver=False)
            yield found
        finally:
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
    """Kills the worker of a trial, so many times, each time after a trial has ended.

    The workers have read model and data by then, so that it is in mid-trial that they die.
    """

    def __init__(self, times: int) -> None:
        super().__init__(daemon=True)
        self.times, self.killed, self.trials, self.ended = times, 0, 0, threading.Event()

    def listen(self, event: object) -> None:
        self.trials += isinstance(event, TrialEnded)

    def run(self) -> None:
        while not self.ended.wait(0.01) and self.killed < self.times:
            if self.trials > self.killed:
                self.killed += kill_one()


def kill_one() -> bool:
    """Kill a worker that is at work on a trial, if there is one."""
    for process in psutil.process_iter(["cmdline"]):
        if " ".join(process.info["cmdline"] or ()).startswith("ray::_work"):
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False


def test_workers_killed_in_mid_trial_change_nothing_but_times(
    cluster, question: Question, tmp_path: Path
) -> None:
    resources = Resources(address="auto", jobs=None, cpus=1, retries=4)
    whole, undisturbed = measured(question, tmp_path / "whole", resources=resources)
    killer = Killer(3)
    killer.start()
    try:
        result, records = measured(
            question, tmp_path / "killed", resources=resources, on_event=killer.listen
        )
    finally:
        killer.ended.set()
        killer.join()
    assert killer.killed == 3
    assert without_times(result) == without_times(whole)
    assert settled(records) == settled(undisturbed)
    assert max(Counter(one.content_id for one in records).values()) == 1


def test_a_run_that_is_stopped_goes_on_where_it_ended(
    cluster, question: Question, tmp_path: Path
) -> None:
    resources = Resources(address="auto", jobs=None, cpus=1)
    whole, undisturbed = measured(question, tmp_path / "whole", resources=resources)
    trials: list[TrialEnded] = []

    def listen(event: object) -> None:
        trials.extend([event] if isinstance(event, TrialEnded) else [])

    with pytest.raises(Stopped):
        measured(
            question,
            tmp_path / "run",
            resources=resources,
            on_event=listen,
            cancelled=lambda: len(trials) >= 3,
        )
    with Store(tmp_path / "run" / "store.sqlite") as store:
        before = {one.record_id for one in store.query() if one.happened.status != "stopped"}
    assert before
    result, records = measured(question, tmp_path / "run", resources=resources)
    assert without_times(result) == without_times(whole)
    assert settled(records) == settled(undisturbed)
    assert before <= {one.record_id for one in records}


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
    broken = question.model_copy(update={"fixed": {"full_finetune": {"mask_ratio": -1.0}}})
    resources = Resources(address="auto", jobs=None)
    _, records = measured(broken, tmp_path / "run", resources=resources)
    failed = [one for one in records if one.happened.status == "failed"]
    assert failed
    assert {one.asked.strategy for one in failed} == {"full_finetune"}
    assert max(Counter(one.content_id for one in records).values()) == 1
