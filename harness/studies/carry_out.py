"""Carries a study out, run by run; what is finished is not run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.errors import AdviceError
from harness.folder import RESULT_FILE
from harness.progress import Listener
from harness.runner import Conditions, run
from harness.studies.spec import Cell


def carry_out(
    cells: Sequence[Cell],
    out: Path,
    *,
    command: str,
    announce: Callable[[int, Cell], None],
    listen: Listener,
    cancelled: Callable[[], bool],
    enough: Callable[[int], bool] = lambda started: False,
    where: Mapping[str, Any] | None = None,
) -> list[str]:
    """Measure every cell that has no result yet, each in a folder of its own under `out`.

    Several processes may share a study when each is given its own cells.

    Args:
        enough: Told how many runs were started; True starts no further one.
        where: Further fields of `Conditions`: executor, resources, store.

    Returns:
        What could not be run, one line each.

    Raises:
        Stopped: After an interruption; everything finished is kept.
    """
    problems = []
    started = 0
    for number, cell in enumerate(cells, start=1):
        folder = out / cell.name
        if (folder / RESULT_FILE).exists():
            continue
        if enough(started):
            break
        started += 1
        announce(number, cell)
        how = Conditions(command=command, on_event=listen, cancelled=cancelled, **(where or {}))
        try:
            run(cell.question, folder, how)
        except AdviceError as error:
            problems.append(f"{cell.name}: {error}")
    return problems
