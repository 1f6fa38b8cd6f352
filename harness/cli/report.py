"""`harness report`: render the page of a finished run again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write RUN/report.html again from RUN/result.json."""
    from harness.report import render

    click.echo(render(run))
