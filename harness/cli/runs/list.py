"""`harness runs list`: the runs below a folder."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("list")
@click.argument("root", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_runs(root: Path, as_json: bool) -> None:
    """List the runs below ROOT (the folder runs by default)."""
    from dataclasses import asdict

    from harness.runs import find_runs, summary

    found = [summary(folder) for folder in find_runs(root)]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        size = "all" if one.examples is None else one.examples
        if not one.finished:
            told = "not finished"
        elif one.winner is None or one.score is None:
            told = "no winner"
        else:
            told = f"{one.winner} {one.metric} {one.score:.3f}"
        click.echo(f"{one.folder}  {one.model}  {one.data}  n {size}  {one.trials} records  {told}")
    click.echo(f"{len(found)} runs below {root}", err=True)
