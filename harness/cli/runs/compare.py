"""`harness runs compare`: two runs, strategy by strategy."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare the test scores of two finished runs, A minus B.

    Where both scored the same test rows the difference has a 95 % interval, paired over seeds and
    rows.
    """
    from harness.runs import compare_runs

    found = compare_runs(a, b)
    if as_json:
        told = [
            {
                "strategy": one.strategy,
                "a": one.a,
                "b": one.b,
                "difference": one.a - one.b,
                "interval": one.difference and [one.difference.low, one.difference.high],
            }
            for one in found
        ]
        click.echo(json.dumps(told, indent=2))
        return
    for one in found:
        interval = (
            "other test rows, no interval"
            if one.difference is None
            else f"[{one.difference.low:+.3f}, {one.difference.high:+.3f}]"
        )
        click.echo(f"{one.strategy}  {one.a:.3f}  {one.b:.3f}  {one.a - one.b:+.3f}  {interval}")
    if not found:
        click.echo("no strategy was scored in both runs")
