"""`harness matrix`: which strategy works on which family for which task."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--family", metavar="ID", help="Only this family.")
@click.option("--task", metavar="ID", help="Only this task.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def matrix(family: str | None, task: str | None, as_json: bool) -> None:
    """Print families x strategies x tasks: what works, what is impossible or not sensible, and why."""
    from advisor.errors import UnknownName
    from harness.catalog import TASKS
    from harness.matrix import as_rows, combinations, families, table

    family, task = (one and one.lower().replace("-", "_") for one in (family, task))
    for kind, given, known in (("family", family, families()), ("task", task, TASKS.names())):
        if given is not None and given not in known:
            raise UnknownName(kind, given, known)
    found = [
        one for one in combinations() if family in (None, one.family) and task in (None, one.task)
    ]
    if as_json:
        click.echo(json.dumps(as_rows(found), indent=2))
        return
    for line in table(found):
        click.echo(line)
