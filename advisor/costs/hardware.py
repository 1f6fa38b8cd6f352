"""What the work runs on: how much it holds, how fast it is, what an hour of it costs."""

from functools import lru_cache
from typing import NamedTuple

from advisor.inference import Resolved

UTILIZATION = 0.4
"""Share of peak speed that training reaches: 0.3 to 0.5 (Chowdhery et al. 2022, table 3)."""
GPU_OVERHEAD = 1e9
"""Bytes the driver, library kernels and communication buffers take on each GPU; a guess."""
SECONDS_PER_LAYER = 1e-4
"""To launch the kernels of one layer on a GPU, 10 to 20 of 5 to 10 microseconds; a guess."""
CPU_OVERHEAD = 0.7e9
"""Bytes a Python process with torch and transformers takes before any model is loaded."""


class Hardware(NamedTuple):
    """One node.

    Attributes:
        memory_bytes: Of one device; None for no limit.
        flops_per_second: Peak of one device in the precision used.
        bandwidth: Bytes a second one device reads from its memory.
        usd_per_hour: Price of one device for an hour; None where no price is known.
        utilization: Share of the peak that is reached; 1 for a measured speed.
        weight_bytes, activation_bytes: Of one number: 2 (bf16), or 4 (fp32).
        fused_attention: Whether attention keeps no tokens x tokens matrix for the backward pass.
        overhead_bytes: Taken on each device before anything is loaded.
        seconds_per_layer: Least time one layer takes in one pass, however small.
        price_note: Where and when the price was read.
    """

    name: str
    devices: int
    memory_bytes: float | None
    flops_per_second: float
    bandwidth: float
    usd_per_hour: float | None = None
    utilization: float = UTILIZATION
    weight_bytes: int = 2
    activation_bytes: int = 2
    fused_attention: bool = True
    overhead_bytes: float = GPU_OVERHEAD
    seconds_per_layer: float = SECONDS_PER_LAYER
    price_note: str = ""

    @classmethod
    def cpu(
        cls,
        flops_per_second: float,
        memory_bytes: float | None,
        *,
        bandwidth: float = 20e9,
        usd_per_hour: float | None = None,
        name: str = "this machine",
    ) -> "Hardware":
        """A machine without GPU whose speed was measured: fp32, nothing left to utilize.

        Args:
            flops_per_second: Reached by the model in question, or by matrix products, in fp32.
            memory_bytes: Of main memory; None for no limit.
        """
        return cls(
            name, 1, memory_bytes, flops_per_second, bandwidth, usd_per_hour, 1.0,
            weight_bytes=4, activation_bytes=4, fused_attention=False,
            overhead_bytes=CPU_OVERHEAD, seconds_per_layer=0.0,
        )  # fmt: skip

    @property
    def memory(self) -> float:
        """Bytes of all devices together; infinite without a limit."""
        return float("inf") if self.memory_bytes is None else self.devices * self.memory_bytes

    @property
    def room(self) -> float:
        """Bytes of one device that are left for the work; infinite without a limit."""
        if self.memory_bytes is None:
            return float("inf")
        return max(self.memory_bytes - self.overhead_bytes, 0.0)

    def devices_for(self, held: float) -> int:
        """Devices that hold so many bytes, at least one; all where one has no room at all."""
        room = self.room
        if held <= room:
            return 1
        return int(-(-held // room)) if room else self.devices

    def overhead(self, held: float) -> float:
        """Bytes taken besides, on as many devices as hold so many."""
        return self.overhead_bytes * self.devices_for(held)

    @property
    def speed(self) -> float:
        """Operations a second that all devices reach together."""
        return self.devices * self.flops_per_second * self.utilization

    def usd(self, device_seconds: float) -> float | None:
        return None if self.usd_per_hour is None else device_seconds / 3600 * self.usd_per_hour


def hardware_of(facts: Resolved) -> Hardware:
    """The node of a situation."""
    return usual_node(facts.gpus, facts.gpu_memory)


@lru_cache(maxsize=64)
def usual_node(gpus: int, gpu_memory: float | None) -> Hardware:
    """What a number of GPUs of this size usually is; 0 of them is a machine without.

    GPUs are known by their memory alone; the speed assumed is that of the largest usual data
    centre GPU that has no more memory (T4, A10, A100 40GB, A100 80GB, H200, B200), so more memory
    never means a slower device. Without a memory limit the speed is that of an A100 80GB.
    """
    from advisor.catalogue import accelerators

    rows = accelerators()
    if gpus == 0:
        return _cpu_row(rows, gpu_memory)
    row = next(row for row in rows if row.get("typical"))
    for other in rows:
        if other.get("typical") and _number(other, "memory_bytes") <= (gpu_memory or 80e9):
            row = max(row, other, key=lambda each: _number(each, "memory_bytes"))
    return Hardware(
        name=str(row["name"]),
        devices=gpus,
        memory_bytes=gpu_memory,
        flops_per_second=_number(row, "flops_per_second"),
        bandwidth=_number(row, "bandwidth"),
        usd_per_hour=_number(row, "usd_per_hour"),
        price_note=_price(row),
    )


def _cpu_row(rows: list[dict[str, object]], memory: float | None) -> Hardware:
    row = next(row for row in rows if row["precision"] == "fp32")
    return Hardware(
        name=str(row["name"]),
        devices=1,
        memory_bytes=memory,
        flops_per_second=_number(row, "flops_per_second"),
        bandwidth=_number(row, "bandwidth"),
        usd_per_hour=_number(row, "usd_per_hour"),
        weight_bytes=4,
        activation_bytes=4,
        fused_attention=False,
        overhead_bytes=CPU_OVERHEAD,
        seconds_per_layer=0.0,
        price_note=_price(row),
    )


def _price(row: dict[str, object]) -> str:
    usd = _number(row, "usd_per_hour")
    return f"${usd:.2f} an hour each ({row['price_note']}, {row['price_date']})"


def _number(row: dict[str, object], key: str) -> float:
    value = row[key]
    assert isinstance(value, int | float)
    return value
