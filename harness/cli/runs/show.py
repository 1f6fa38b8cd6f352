"""`harness runs show`: every record of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--json", "as_json", is_flag=True, help="Print the records as they are kept, as JSON."
)
def show(folder: Path, as_json: bool) -> None:
    """Show every trial of a run: what was asked, what came of it, how long it took."""
    from harness.folder import read_run
    from harness.runs import read_result, records

    run, kept = read_run(folder), records(folder)
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in kept], indent=2))
        return
    click.echo(f"{run.command}\nstarted {run.terms.started}")
    for one in kept:
        asked, happened = one.asked, one.happened
        scores = "  ".join(
            f"{split} {values[asked.metric]:.3f}"
            for split, values in happened.scores.items()
            if asked.metric in values
        )
        settings = " ".join(f"{key}={value}" for key, value in asked.hyperparameters.items())
        click.echo(
            f"{one.content_id[:12]}  {asked.strategy}  {asked.stage}  seed {asked.seed}  "
            f"{happened.status}  {scores or happened.error or '-'}  {happened.seconds:.1f} s  {settings}"
        )
    result = read_result(folder)
    click.echo("not finished" if result is None else result["verdict"])
