"""What commands that carry out many runs share: choosing among them, and showing them at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from harness.cli import STARTED
from harness.cli.where import Where
from harness.studies.spec import Cell


def carried_out(
    cells: list[Cell],
    folder: Path,
    command: str,
    where: Where,
    enough: Callable[[int], bool] = lambda started: False,
) -> list[str]:
    """Measure what has no result yet; returns what could not be run, one line each.

    Raises:
        Stopped: After an interruption.
    """
    from harness.cli.display import shown
    from harness.cli.interrupt import interruptible
    from harness.studies.carry_out import carry_out

    def announce(number: int, cell: Cell) -> None:
        click.echo(f"[{number}/{len(cells)}] {cell.name}", err=True)

    with interruptible() as interrupt, shown(STARTED) as listen:
        return carry_out(
            cells,
            folder,
            command=command,
            announce=announce,
            listen=listen,
            cancelled=interrupt,
            enough=enough,
            where=where.conditions(),
        )


def chosen(cells: list[Cell], only: str | None, part: str) -> list[Cell]:
    """Raises SpecError for a part that is not K/N."""
    from advisor.errors import SpecError

    number, _, of = part.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise SpecError(f"part must be K/N with K from 1 to N; got {part!r}. Write --part 1/2.")
    named = [cell for cell in cells if only is None or only in cell.name]
    return named[int(number) - 1 :: int(of)]
