"""`harness models`: the pretrained models that need no network, or the facts of any one model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.backbones.base import ModelFacts
    from harness.models import PackagedModel


@click.command()
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(model: str | None, as_json: bool) -> None:
    """List the packaged models, or tell what is known of MODEL without its weights.

    MODEL is written as for `harness run`.
    """
    from harness.models import facts_of, packaged_models

    if model is not None:
        _tell(facts_of(model), as_json)
        return

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


def _tell(facts: ModelFacts, as_json: bool) -> None:
    known = {key: value for key, value in asdict(facts).items() if value not in (None, "")}
    if as_json:
        click.echo(json.dumps(known, indent=2))
        return
    for key, value in known.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        click.echo(f"{key}: {value:,}" if whole else f"{key}: {value}")


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
