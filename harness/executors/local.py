"""Trials on this machine: in this process, or side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any

import torch

from advisor.errors import SpecError, WorkFailed
from harness.executors.base import Executor, Resources, TrialDone, TrialSpec
from harness.executors.work import Prepared, perform, work_on

_stopping: Event | None = None  # of a worker: set by the parent


class InProcess(Executor):
    """One trial after the other, here and now, on a bench that is prepared."""

    concurrent = False

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared

    def submit(self, spec: TrialSpec) -> Future[TrialDone]:
        """Returns when the trial has ended; its progress is told to the bench's listener."""
        done: Future[TrialDone] = Future()
        kind = self._prepared.kinds[spec.strategy]
        done.set_result(TrialDone(perform(spec, kind, self._prepared.bench)))
        return done

    def stop(self) -> None:
        """Nothing to do: the bench itself asks whether it is cancelled."""

    def close(self) -> None:
        """Nothing was taken."""


class LocalExecutor(Executor):
    """Worker processes, each with its share of the cores and, where there are GPUs, one of them.

    Args:
        jobs: Workers. start: How they are started; "spawn" is safe with threads and CUDA.

    Raises:
        SpecError: For more workers than cores, or than GPUs where trials run on GPUs.
    """

    def __init__(self, jobs: int, *, device: str = "auto", start: str = "spawn") -> None:
        cores, gpus = len(os.sched_getaffinity(0)), _gpus(device)
        if not 1 <= jobs <= (gpus or cores):
            what = f"{gpus} GPUs" if gpus else f"{cores} cores"
            raise SpecError(
                f"jobs must be between 1 and {gpus or cores} ({what} here); got {jobs}."
            )
        context: Any = multiprocessing.get_context(start)
        self._stop: Event = context.Event()
        slots = context.SimpleQueue()
        for slot in range(jobs):
            slots.put(slot if gpus else None)
        threads = max(1, torch.get_num_threads() // jobs)
        self._pool = ProcessPoolExecutor(
            jobs, context, initializer=_begin, initargs=(self._stop, slots, threads)
        )

    @classmethod
    def open(cls, resources: Resources, prepared: Prepared) -> Executor:
        """In this process for one job, else in processes of their own."""
        if resources.address is not None:
            raise SpecError("the local executor has no address; write --executor local.")
        jobs = 1 if resources.jobs is None else resources.jobs
        if jobs == 1:
            return InProcess(prepared)
        return cls(jobs, device=prepared.bench.question.device)

    def submit(self, spec: TrialSpec) -> Future[TrialDone]:
        try:
            return _told(self._pool.submit(_work, spec))
        except BrokenProcessPool:
            return _told(_failed(BrokenProcessPool()))

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _told(done: Future[TrialDone]) -> Future[TrialDone]:
    """With a sentence for a worker that died; a repeat here would die of the same cause."""
    told: Future[TrialDone] = Future()

    def pass_on(ended: Future[TrialDone]) -> None:
        if ended.cancelled():
            told.cancel()
            told.set_running_or_notify_cancel()
            return
        error = ended.exception()
        if isinstance(error, BrokenProcessPool):
            error = WorkFailed(
                "a worker process died, most likely for want of memory; what is finished is kept. "
                "Run the same command with fewer --jobs to go on."
            )
        if error is None:
            told.set_result(ended.result())
        else:
            told.set_exception(error)

    done.add_done_callback(pass_on)
    return told


def _failed(error: Exception) -> Future[TrialDone]:
    failed: Future[TrialDone] = Future()
    failed.set_exception(error)
    return failed


def _gpus(device: str) -> int:
    """GPUs that trials are spread over; 0 where they run on the CPU."""
    if device == "cpu" or not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count() if device in ("auto", "cuda") else 1


def _begin(stop: Event, slots: Any, threads: int) -> None:
    """Settle into a worker process: its GPU, its share of cores, and to end with the parent."""
    global _stopping
    _stopping = stop
    gpu = slots.get()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent asks workers to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(parent_ends: Callable[[], None]) -> None:
    """A parent that was killed leaves no one to take the result."""
    parent_ends()
    os._exit(1)


def _work(spec: TrialSpec) -> TrialDone:
    stopping = _stopping
    return work_on(spec, lambda: stopping is not None and stopping.is_set())
