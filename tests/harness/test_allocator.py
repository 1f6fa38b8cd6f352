"""Freed memory is kept: page faults are counted, not seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNT = """
import resource, sys
import numpy as np
from harness.allocator import keep_freed_memory, release_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def faults(rounds=50):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        blocks = [np.ones(4 * 2**20 // 8) for _ in range(12)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if not keep_freed_memory():
    sys.exit(3)
faults(1)
later = faults()
kept = resident()
release_freed_memory()
print(later, kept - resident())
"""


def test_freed_memory_is_used_again_and_can_be_given_back() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _COUNT], capture_output=True, text=True, check=False
    )
    if found.returncode == 3:
        pytest.skip("the C library is not glibc")
    assert found.returncode == 0, found.stderr
    faults, given_back = map(int, found.stdout.split())
    # 50 rounds of 12 blocks of 1,024 pages each
    assert faults < 50 * 12 * 1024 / 100
    assert given_back > 20 * 2**20
