"""Peak memory of a piece of work."""

from __future__ import annotations

import gc
import threading
from types import TracebackType
from typing import Self

import psutil
import torch

from harness.allocator import release_freed_memory

_INTERVAL_SECONDS = 0.02


class PeakMemory:
    """Context manager that watches how much memory is in use while its body runs.

    On a GPU: the highest amount torch had allocated on it. Elsewhere: the highest resident
    memory of the process, sampled every 20 ms, so a shorter spike can be missed.

    Attributes:
        start_bytes: In use before the body ran.
        peak_bytes: Highest amount seen; at least `start_bytes`.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.start_bytes = self.peak_bytes = 0

    def __enter__(self) -> Self:
        gc.collect()  # what an earlier trial left behind is not this one's
        release_freed_memory()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
        self.start_bytes = self.peak_bytes = self._now()
        if self._device.type != "cuda":
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self.peak_bytes = max(self.peak_bytes, self._now())
        else:
            self.peak_bytes = int(torch.cuda.max_memory_allocated(self._device))

    def _now(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.memory_allocated(self._device))
        return int(self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._now())
