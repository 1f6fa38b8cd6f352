"""Trials on a Ray cluster: scheduling, resources and repeats of lost work are Ray's.

Source: Ray Core, "Task fault tolerance": a task whose worker or node died is repeated up to
`max_retries` times; an exception of ours is not.
"""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from typing import Any

import torch

from advisor.errors import AdviceError, MissingExtra, OutputError, WorkFailed
from harness.executors.base import Executor, Resources, TrialDone, TrialSpec
from harness.executors.work import Prepared, work_on
from harness.records import RunRecord
from harness.storage import Storage

_OBJECT_BYTES = 100 * 2**20  # of shared memory: a trial is described in kilobytes and answers so


class RayExecutor(Executor):
    """Every trial a Ray task with its own resources.

    Args:
        resources: `address` "auto" or ray://HOST:PORT joins a cluster; None starts one here.

    Raises:
        MissingExtra: If Ray is not installed.
        OutputError: If there is no cluster at the address, or none can be started.
    """

    def __init__(self, resources: Resources) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingExtra(
                "the Ray executor needs ray: pip install 'adaptation-advisor[ray]'."
            ) from None
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            _join(ray, resources) if resources.address else _start(ray, resources.jobs)
        self._task = ray.remote(_work).options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            max_retries=resources.retries,
            retry_exceptions=False,
        )
        self._threads = max(1, int(resources.cpus))
        self._running: set[Any] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @classmethod
    def open(cls, resources: Resources, prepared: Prepared) -> Executor:
        return cls(resources)

    def submit(self, spec: TrialSpec) -> Future[TrialDone]:
        with self._lock:
            reference = self._task.remote(spec, self._threads)
            self._running.add(reference)
            stopped = self._stopped
        told: Future[TrialDone] = Future()
        reference.future().add_done_callback(
            lambda ended: self._pass_on(reference, spec, ended, told)
        )
        if stopped:
            self._ray.cancel(reference)
        return told

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for reference in running:
            self._ray.cancel(reference)  # the trial sees a KeyboardInterrupt and records itself

    def close(self) -> None:
        self.stop()
        if self._started:
            self._ray.shutdown()

    def _pass_on(
        self, reference: Any, spec: TrialSpec, ended: Future[TrialDone], told: Future[TrialDone]
    ) -> None:
        with self._lock:
            self._running.discard(reference)
        error = ended.exception()
        if error is None:
            try:
                _collect(spec, ended.result().record)
            except (AdviceError, WorkFailed, OSError) as lost:
                told.set_exception(lost)
            else:
                told.set_result(ended.result())
        elif isinstance(error, self._ray.exceptions.TaskCancelledError):
            told.cancel()
            told.set_running_or_notify_cancel()
        elif isinstance(error, self._ray.exceptions.RayTaskError):
            told.set_exception(error.cause if isinstance(error.cause, Exception) else error)
        else:
            told.set_exception(
                WorkFailed(
                    "a trial was lost with its worker and every repeat of it "
                    f"({_first_line(error)}); what is "
                    "finished is kept. Run the same command to go on."
                )
            )


def _join(ray: Any, resources: Resources) -> None:
    """Raises: OutputError: If there is no cluster at the address."""
    try:
        ray.init(address=resources.address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise OutputError(
            f"no Ray cluster at {resources.address} ({_first_line(error)}). "
            "Write --executor ray for one on this machine."
        ) from None


def _start(ray: Any, jobs: int | None) -> None:
    """A cluster of this machine alone, without its web page and without reports to its makers.

    Raises:
        OutputError: If its processes do not come up.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(
            num_cpus=jobs,
            include_dashboard=False,
            object_store_memory=_OBJECT_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises no kind of its own here
        raise OutputError(
            f"Ray did not start on this machine ({_first_line(error)}). A node gives up when its "
            "processes are not ready within 15 seconds: run the same command again once the "
            "machine is less busy, or write --executor local."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _work(spec: TrialSpec, threads: int) -> TrialDone:
    torch.set_num_threads(threads)
    return work_on(spec)


def _collect(spec: TrialSpec, record: RunRecord) -> None:
    """Bring the files of a trial into the folder of the run.

    Raises:
        WorkFailed: If they are nowhere to be found.
    """
    site, happened = spec.site, record.happened
    if site.storage is not None:
        storage = Storage(site.storage)
        storage.fetch_predictions(record, site.folder)
        if happened.artefact_bytes is not None and spec.searched is None:
            storage.fetch_model(record.content_id, site.folder, spec.strategy)
    if happened.predictions is not None and not (site.folder / happened.predictions).exists():
        raise WorkFailed(
            f"the predictions of a trial did not arrive in {site.folder}: the nodes do not share "
            "it. Name a place they all reach with --storage."
        )
