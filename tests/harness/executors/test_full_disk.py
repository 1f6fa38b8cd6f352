"""Disks that are really full or read-only: file systems of their own, in memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.executors.small_disk import STEPS

ROOT = Path(__file__).parents[3]


def permitted(disk: Path) -> bool:
    """Whether this user may mount a file system that only one process sees."""
    if shutil.which("unshare") is None:
        return False
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_real_disk_full_or_read_only_is_one_line_and_loses_nothing(
    tmp_path: Path, jobs: int
) -> None:
    disk, work = tmp_path / "disk", tmp_path / "work"
    disk.mkdir()
    work.mkdir()
    if not permitted(disk):
        pytest.skip("file systems cannot be mounted here (unshare -rm mount)")
    told = subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", "tests.harness.executors.small_disk",
         str(disk), str(work), str(jobs)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    full, read_only = found["full"], found["read_only"]
    assert [one["kilobytes"] for one in full] == list(STEPS)
    assert full[0]["said"]
    assert not full[-1]["said"], "the largest disk was meant to hold the run"
    assert any(one["kept"] > 0 for one in full if one["said"])
    for one in [*full, read_only]:
        assert (one["same_result"], one["same_records"], one["lost"]) == (True, True, 0), one
        assert "\n" not in one["said"]
        assert not one["said"] or "cannot be written" in one["said"], one
        assert not one["said"] or "give the same command again" in one["said"], one
    assert "read-only" in read_only["said"].lower() or "readonly" in read_only["said"]
    assert read_only["kept"] >= 3
