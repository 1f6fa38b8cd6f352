"""On what a run happens: versions, device, threads, commit. Reads, changes nothing."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import torch

from harness.records import OnWhat

_LIBRARIES = (
    "torch", "torchvision", "transformers", "peft", "timm", "onnxruntime", "openvino", "optuna",
    "scikit-learn", "numpy", "pandas",
)  # fmt: skip


def package_version() -> str:
    """Version of this package; "unknown" when it runs without being installed."""
    return _version("adaptation-advisor") or "unknown"


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Name -> version of Python and of every library that can change a number."""
    found = {name: _version(name) for name in _LIBRARIES}
    return {"python": platform.python_version()} | {k: v for k, v in found.items() if v}


def device_name(device: torch.device) -> str:
    """The device in words: "NVIDIA H100", or the processor and its architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({processor()}, {platform.machine()})"


@lru_cache(maxsize=1)
def processor() -> str:
    """Name of the processor; Linux tells it in /proc/cpuinfo only."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


@lru_cache(maxsize=1)
def commit() -> tuple[str | None, bool | None]:
    """Commit of the repository the command was started in and whether it has changes."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None, None
    return head, bool(_git("status", "--porcelain"))


def on_what(device: torch.device) -> OnWhat:
    """Everything a record says about where it comes from, now."""
    head, dirty = commit()
    return OnWhat(
        package_version=package_version(),
        versions=library_versions(),
        device=device_name(device),
        threads=torch.get_num_threads(),
        commit=head,
        dirty=dirty,
        time=datetime.now(UTC).isoformat(),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", *arguments), capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
