"""`harness runs`: look at what was measured; one file per subcommand."""

from __future__ import annotations

import click

from harness.cli.runs.compare import compare
from harness.cli.runs.export import export
from harness.cli.runs.list import list_runs
from harness.cli.runs.show import show


@click.group()
def runs() -> None:
    """List, show, compare and export finished and unfinished runs."""


for command in (list_runs, show, compare, export):
    runs.add_command(command)
