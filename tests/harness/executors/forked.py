"""Worker processes that inherit the toys of a test."""

from __future__ import annotations

from harness.executors.base import Executor, Resources
from harness.executors.local import InProcess, LocalExecutor


class Forked(LocalExecutor):
    """Started by a fork, so that what was put in place of model and data is there, too."""

    @classmethod
    def open(cls, resources: Resources, prepared) -> Executor:
        return cls(2, device="cpu", start="fork") if resources.jobs == 2 else InProcess(prepared)
