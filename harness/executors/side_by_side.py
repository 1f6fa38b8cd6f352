"""Strategies side by side: a thread waits for each, the executor does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from harness.executors.base import Executor
from harness.tuning import Stopped

_POLL_SECONDS = 0.2
Outcome = TypeVar("Outcome")


def side_by_side(
    work: Callable[[str], Outcome],
    names: Sequence[str],
    executor: Executor,
    cancelled: Callable[[], bool],
) -> list[Outcome]:
    """What `work` returns for each name, in their order.

    Raises:
        Stopped: After an interruption.
        Exception: Whatever went wrong in one; the others are stopped first.
    """
    with ThreadPoolExecutor(max(1, len(names))) as threads:
        running = [threads.submit(work, name) for name in names]
        try:
            while wait(running, timeout=_POLL_SECONDS).not_done:
                if cancelled() or any(_failed(one) for one in running):
                    executor.stop()
        except KeyboardInterrupt:
            executor.stop()
            raise
    errors = [one.exception() for one in running if _failed(one)]
    # a strategy that was stopped because another one failed is not what went wrong
    for error in sorted(filter(None, errors), key=lambda one: isinstance(one, Stopped)):
        raise error
    return [one.result() for one in running]


def _failed(one: Future[Outcome]) -> bool:
    return one.done() and one.exception() is not None
