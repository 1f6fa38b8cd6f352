"""`harness data`: the data sets that need neither file nor network."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def data(as_json: bool) -> None:
    """List the packaged data sets."""
    from harness.datasets.load import available_data

    listed = available_data()
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    for one in listed:
        size = f"{one['rows']:,} {one['modality']}s in {one['classes']} classes"
        click.echo(f"{one['name']}: {size if one['installed'] else 'not installed'}")
        click.echo(f"  {one['description']}")
        click.echo(f"  {one['origin']}")
    if not all(one["installed"] for one in listed):
        click.echo("Install them with pip install 'adaptation-advisor[datasets]'.")
