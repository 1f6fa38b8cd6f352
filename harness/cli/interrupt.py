"""Ctrl-C: the first asks the run to stop at the next step, the second stops it at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nstopping at the next step; once more to stop at once", file=sys.stderr)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Listen to Ctrl-C and to a polite kill while the body runs."""
    interrupt = Interrupt()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, interrupt._on_signal) for one in signals}
    try:
        yield interrupt
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
