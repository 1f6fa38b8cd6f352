"""Options that say where trials are done and who shares their results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Where:
    """What the options said; see `harness.runner.Conditions`."""

    executor: str
    address: str | None
    jobs: int | None
    cpus: float
    gpus: float
    retries: int
    store: str | None
    storage: str | None

    def conditions(self) -> dict[str, Any]:
        """The fields of `Conditions` they fill."""
        from harness.executors.base import Resources

        resources = Resources(
            self.address, self.jobs, self.cpus, self.gpus, self.retries, self.storage
        )
        return {
            "executor": self.executor,
            "resources": resources,
            "store": self.store,
            "storage": self.storage,
        }


_OPTIONS = (
    click.option(
        "--executor",
        default="local",
        show_default=True,
        metavar="local|ray[:ADDRESS]",
        help="Where trials are done; ray alone starts a cluster here, ray:auto joins the one here.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Trials at once; 1 by default, on Ray as many as the cluster takes.",
    ),
    click.option(
        "--trial-cpus",
        type=click.FloatRange(min=0, min_open=True),
        default=1,
        show_default=True,
        metavar="N",
        help="Cores of one trial on Ray.",
    ),
    click.option(
        "--trial-gpus",
        type=click.FloatRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="GPUs of one trial on Ray; 0.5 lets two share one.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        metavar="N",
        help="Repeats of a trial whose worker died, on Ray.",
    ),
    click.option(
        "--store",
        metavar="URL",
        help="Store that runs share, a file or an SQLAlchemy URL: no trial is measured twice.",
    ),
    click.option(
        "--storage",
        metavar="URL",
        help="Where predictions and models of shared trials lie (fsspec); beside an SQLite store by "
        "default.",
    ),
)


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, which it gets as one argument `where`."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        executor: str,
        jobs: int | None,
        trial_cpus: float,
        trial_gpus: float,
        retries: int,
        store: str | None,
        storage: str | None,
        **others: Any,
    ) -> Any:
        from harness.catalog import EXECUTORS

        name, _, address = executor.partition(":")
        if name not in EXECUTORS.names():
            from advisor.errors import UnknownName

            raise UnknownName("executor", name, EXECUTORS.names())
        if jobs is None and name == "local":
            jobs = 1
        where = Where(name, address or None, jobs, trial_cpus, trial_gpus, retries, store, storage)
        return command(*args, where=where, **others)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected
