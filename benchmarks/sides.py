"""Two ways to the same result, measured in one run: in turn, each in a process of its own.

A process of its own keeps memory and caches of one side out of the other's figures; taking turns
lets both meet the same load of the machine.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")  # fmt: skip


class SideFailed(Exception):
    """One side could not do its work; the message is one line, then its traceback."""


@dataclass(frozen=True)
class Outcome:
    """What a piece of work came to.

    Attributes:
        values: What is compared between the sides: numbers, strings, numpy arrays.
        seconds: Where only part of the call is the work: that part, timed by the work itself.
        flops: Floating point operations, where the machine's limit is counted in them.
        beside: More values, worked out when the time and memory of the work were read.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    flops: float | None = None
    beside: Callable[[], Mapping[str, Any]] | None = None

    def whole(self) -> Outcome:
        """With the values of `beside`."""
        if self.beside is None:
            return self
        return replace(self, values={**self.values, **self.beside()}, beside=None)


Work = Callable[[], Outcome]


@dataclass(frozen=True)
class Contender:
    """One side.

    Args:
        name: As the table shows it.
        make: A function at the top level of a module. It runs in the side's own process, loads
            whatever is not to be timed, and returns the work to be timed.
        arguments: Keyword arguments of `make`; small values.
        warmups: Untimed calls of the work before the first round.
    """

    name: str
    make: Callable[..., Work]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    warmups: int = 0


@dataclass(frozen=True)
class Measured:
    """What was measured of one side.

    Attributes:
        seconds: One entry a round.
        peak_bytes: Highest resident memory of the side's process while it worked, its libraries
            and models included.
        prepare_seconds: Time of `make`: imports, loading, what is made once and kept.
        outcome: Of the last round.
    """

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    prepare_seconds: float
    outcome: Outcome

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def race(contenders: Sequence[Contender], *, rounds: int, threads: int) -> list[Measured]:
    """Each contender once a round, in turn; every other round in the opposite order.

    Args:
        rounds: At least 1.
        threads: Threads every side may use.

    Raises:
        SideFailed: If a side raised an error or its process died.
    """
    with ExitStack() as stack:
        sides = [stack.enter_context(_side(one, threads)) for one in contenders]
        for side in sides:  # loading takes one core each, and is not what is compared
            side.begin("make")
        prepared = [side.answer()[0] for side in sides]
        for side, one in zip(sides, contenders, strict=True):
            for _ in range(one.warmups):
                side.ask("work")
        seconds: list[list[float]] = [[] for _ in sides]
        for turn in range(rounds):
            order = range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides)))
            for index in order:
                seconds[index].append(sides[index].ask("work")[0])
        found = []
        for side, times, made in zip(sides, seconds, prepared, strict=True):
            peak, outcome = side.ask("tell")
            found.append(Measured(side.name, tuple(times), peak, made, outcome))
        return found


@dataclass(frozen=True)
class _Side:
    name: str
    process: multiprocessing.process.BaseProcess
    pipe: Connection

    def ask(self, what: str) -> Any:
        self.begin(what)
        return self.answer()

    def begin(self, what: str) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            return  # its process ended: waiting for the answer says so

    def answer(self) -> Any:
        try:
            good, answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(5)
            raise SideFailed(
                f"{self.name}: its process ended (exit code {self.process.exitcode}); a negative "
                "code is a signal, -9 mostly too little memory"
            ) from error
        if not good:
            raise SideFailed(f"{self.name}: {answer}")
        return answer


@contextmanager
def _side(contender: Contender, threads: int) -> Iterator[_Side]:
    context = multiprocessing.get_context("spawn")  # a fork would inherit our memory
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(contender, there, threads), daemon=True)
    with _environment(threads):
        process.start()
    there.close()
    try:
        yield _Side(contender.name, process, here)
    finally:
        here.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What libraries read when they are imported."""
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {"HF_HUB_OFFLINE": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _serve(contender: Contender, pipe: Connection, threads: int) -> None:
    """The side's process: makes, works and tells when asked, until the pipe closes."""
    work: Work | None = None
    outcome, peak = Outcome(), 0
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        try:
            start = time.perf_counter()
            if asked == "tell":
                pipe.send((True, (peak, outcome.whole())))
                continue
            if asked == "make":
                _limit_torch(threads)
                work = contender.make(**contender.arguments)
            else:
                assert work is not None
                forget_peak()
                outcome = work()
            took = time.perf_counter() - start
            if asked == "work":
                peak = max(peak, peak_bytes())
            own = outcome.seconds if asked == "work" else None
            pipe.send((True, (took if own is None else own,)))
        except Exception as error:  # noqa: BLE001 - passed on whole to the process that asked
            line = f"{type(error).__name__}: {error}".split("\n")[0]
            pipe.send((False, f"{line}\n{traceback.format_exc()}"))


def _limit_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Start to look for the highest memory anew, where the system can (Linux)."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def peak_bytes() -> int:
    """Highest resident memory of this process, since `forget_peak` on Linux."""
    return _status_bytes("VmHWM:")


def resident_bytes() -> int:
    """Resident memory of this process now; where the system does not say, the highest."""
    return _status_bytes("VmRSS:")


def _status_bytes(field: str) -> int:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
