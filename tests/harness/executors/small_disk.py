"""A toy run on a disk that is really full, then read-only. Run in a mount namespace of its own:
`unshare -rm python -m tests.harness.executors.small_disk DISK WORK JOBS`.

It prints one JSON object; the test that starts it compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.errors import OutputError
from harness.executors.base import Resources
from harness.progress import TrialEnded
from harness.runner import Conditions
from harness.store import Store
from harness.tuning import Stopped
from tests.harness.executors.forked import Forked
from tests.harness.fair_toys import install
from tests.harness.test_runner import measured, without_times
from tests.harness.test_tuning import settled

ASKED = {"strategies": ("linear_probe", "full_finetune", "soft_prompt"), "trials": 3}
ROOM = 4096  # kilobytes: plenty
STEPS = (16, 80, 112, 128, 144, 160, 180, 200, 220, 400)  # kilobytes left for a run


def mount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)


def kept(out: Path) -> tuple:
    if not (out / "store.sqlite").exists():
        return ()
    with Store(out / "store.sqlite") as store:
        return store.query()


def ids(out: Path) -> set[str]:
    return {one.record_id for one in kept(out) if one.happened.status != "stopped"}


def attempt(out: Path, jobs: int) -> str:
    """What is said where the run cannot go on; empty where it ends."""
    try:
        measured(out, Conditions(resources=Resources(jobs=jobs)), **ASKED)
    except OutputError as error:
        return str(error)
    return ""


def compared(out: Path, whole: Path, jobs: int, before: set[str]) -> dict:
    """The run is given room and ended, then held beside the undisturbed one."""
    result = measured(out, Conditions(resources=Resources(jobs=jobs)), **ASKED)
    expected = json.loads((whole / "result.json").read_text())
    return {
        "same_result": without_times(result) == without_times(expected),
        "same_records": settled(kept(out)) == settled(kept(whole)),
        "lost": len(before - ids(out)),
        "kept": len(before),
    }


def filled(disk: Path, whole: Path, kilobytes: int, jobs: int) -> dict:
    """A run with so much room, taken up again with plenty of it."""
    mount(disk, f"size={kilobytes}k")
    said = attempt(disk / "run", jobs)
    mount(disk, f"remount,size={ROOM}k")
    before = ids(disk / "run")
    found = {"kilobytes": kilobytes, "said": said} | compared(disk / "run", whole, jobs, before)
    subprocess.run(["umount", str(disk)], check=True)
    return found


def read_only(disk: Path, whole: Path, jobs: int) -> dict:
    """A run stopped half-way, whose disk is then only read, and later written again."""
    mount(disk, f"size={ROOM}k")
    ended: list[TrialEnded] = []

    def listen(event: object) -> None:
        ended.extend([event] if isinstance(event, TrialEnded) else [])

    half = Conditions(
        on_event=listen, cancelled=lambda: len(ended) >= 3, resources=Resources(jobs=jobs)
    )
    with pytest.raises(Stopped):
        measured(disk / "run", half, **ASKED)
    before = ids(disk / "run")
    mount(disk, "remount,ro")
    said = attempt(disk / "run", jobs)
    mount(disk, f"remount,rw,size={ROOM}k")
    return {"said": said} | compared(disk / "run", whole, jobs, before)


def main(disk: Path, work: Path, jobs: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        patch.setattr("harness.executors.local.LocalExecutor.open", Forked.open)
        measured(work / "whole", **ASKED)
        found = {
            "full": [filled(disk, work / "whole", size, jobs) for size in STEPS],
            "read_only": read_only(disk, work / "whole", jobs),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
