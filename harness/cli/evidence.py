"""`harness evidence`: look at, check and add to the scores the advisor learns from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.evidence import Row
    from harness.evidence.coverage import Coverage

_PLACES = click.option(
    "--from",
    "places",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Read these files or folders instead of the evidence of the package and your own.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def evidence() -> None:
    """The measured scores the advisor learns from: ours and published ones."""


@evidence.command("list")
@_PLACES
@click.option("--source", metavar="TEXT", help="Only sources whose name holds this.")
@click.option("--strategy", metavar="ID", help="Only this strategy.")
@click.option("--data", metavar="TEXT", help="Only data sets whose name holds this.")
@click.option("--model", metavar="TEXT", help="Only models whose name holds this.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N rows.")
@_JSON
def list_rows(
    places: tuple[Path, ...],
    source: str | None,
    strategy: str | None,
    data: str | None,
    model: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List rows of evidence."""
    rows = _rows(places)
    if strategy is not None:
        _known_strategy(strategy, rows)
    wanted = [
        row
        for row in rows
        if _holds(row.source, source)
        and _holds(row.data, data)
        and _holds(row.model, model)
        and strategy in (None, row.strategy)
    ]
    shown = wanted[:limit]
    if as_json:
        click.echo(json.dumps([{"id": row.id, **asdict(row)} for row in shown], indent=2))
        return
    for row in shown:
        n = "n not stated" if row.n_train is None else f"n {row.n_train}"
        caution = "" if row.usable else "  [not used]"
        click.echo(
            f"{row.id}  {row.source}  {row.model}  {row.data}  {n}  {row.strategy}"
            f"  {row.metric} {row.value:g}{caution}"
        )
    click.echo(f"{len(shown)} of {len(rows)} rows", err=True)


@evidence.command()
@_PLACES
@_JSON
def check(places: tuple[Path, ...], as_json: bool) -> int:
    """Look for faults; exit code 2 if there are any, one line each."""
    from harness.evidence.check import check as examine

    found = examine(_rows(places))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return 2 if found.faults else 0
    for fault in found.faults:
        click.echo(f"harness: {fault}", err=True)
    if found.faults:
        return 2
    click.echo(
        f"{found.rows} rows from {found.sources} sources in {found.groups} groups; no faults."
    )
    click.echo(
        f"{found.rows - sum(found.unusable.values())} rows are used; {found.without_contrast} of "
        f"them stand in no contrast, {found.no_n} do not state the number of labels."
    )
    for title, reasons in (("Not used", found.unusable), ("Weighs less", found.lowered)):
        for why, count in reasons.items():
            click.echo(f"{title}: {count} rows, {why}")
    return 0


@evidence.command()
@click.argument("given", type=click.Path(path_type=Path), metavar="FILE_OR_RUN")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder or CSV file they join; your own folder of evidence by default.",
)
@click.option("--source", metavar="NAME", help="What to call the source.")
@click.option("--data", metavar="NAME", help="What to call the data set.")
@click.option("--corpus", metavar="ID", help="Kind of data the model was pretrained on.")
@click.option(
    "--shift",
    metavar="S",
    help="Distance from the pretraining data: 0 to 1, or none, low, medium, high.",
)
@click.option("--reason", metavar="TEXT", help="Why the shift is that, in one clause.")
def add(
    given: Path,
    to: Path | None,
    source: str | None,
    data: str | None,
    corpus: str | None,
    shift: str | None,
    reason: str | None,
) -> int:
    """Add a CSV file of evidence, or the scores of a finished run.

    Rows that are there already are left alone. A row with a fault stops everything.
    """
    from advisor.quantities import parse_shift
    from harness.evidence.add import Faulty, Named
    from harness.evidence.add import add as join
    from harness.evidence.places import user_folder

    value = None if shift is None else parse_shift(shift)
    named = Named(source, data, corpus, value, reason or (shift and "as stated by its user"))
    try:
        done = join(given, to or user_folder(), named)
    except Faulty as error:
        for fault in error.faults:
            click.echo(f"harness: {fault}", err=True)
        click.echo(f"harness: {error}", err=True)
        return 2
    click.echo(f"{done.new} rows added, {done.known} were there already.")
    for file in done.files:
        click.echo(f"  {file}")
    return 0


@evidence.command()
@_PLACES
@click.option(
    "--strategies",
    default="all",
    show_default=True,
    metavar="core|all|ID,...",
    help="Strategies whose contrasts count.",
)
@_JSON
def coverage(places: tuple[Path, ...], strategies: str, as_json: bool) -> None:
    """Show where there is evidence, and which strategies were ever compared.

    A context is one source, model, data set, metric and number of labels with two or more
    strategies.
    """
    from advisor.situation import KEYS
    from harness.evidence.coverage import coverage as covered

    key = next(one for one in KEYS if one.name == "candidates")
    names = key.read(strategies)
    assert isinstance(names, tuple)
    found = covered(_rows(places), names)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    _print_coverage(found)


def _print_coverage(found: Coverage) -> None:
    from advisor.traits import STRATEGIES
    from harness.evidence.coverage import thin_sentence

    click.echo(f"{found.contexts} contexts\n")
    click.echo(f"{'parameters':14}{'labels':13}{'shift':20}{'contexts':>9}{'rows':>7}{'groups':>8}")
    for one in found.corners:
        if one.contexts:
            click.echo(
                f"{one.params:14}{one.examples:13}{one.shift:20}{one.contexts:9}{one.rows:7}{one.groups:8}"
            )
    for one in found.corners:
        if not one.contexts:
            click.echo(f"{one.params:14}{one.examples:13}{one.shift:20}     none")
    click.echo(f"\n{'pair':48}{'contexts':>9}{'sources':>8}{'groups':>7}{'texts':>7}  better in")
    for pair in found.pairs:
        name = f"{STRATEGIES[pair.a].name} | {STRATEGIES[pair.b].name}"
        told = (
            f"{pair.a_wins} | {pair.b_wins}{'  thin' if pair.thin else ''}"
            if pair.contexts
            else "never compared"
        )
        click.echo(
            f"{name:48}{pair.contexts:9}{pair.sources:8}{pair.groups:7}{pair.text_contexts:7}  {told}"
        )
    click.echo("\n" + thin_sentence(found.pairs))


def _rows(places: tuple[Path, ...]) -> list[Row]:
    from harness.evidence import load
    from harness.evidence.places import everywhere

    return load(places or everywhere())


def _known_strategy(strategy: str, rows: list[Row]) -> None:
    from advisor.errors import UnknownName
    from advisor.traits import STRATEGIES

    known = {*STRATEGIES, *(row.strategy for row in rows)}
    if strategy not in known:
        raise UnknownName("strategy", strategy, known)


def _holds(text: str, wanted: str | None) -> bool:
    return wanted is None or wanted.lower() in text.lower()
