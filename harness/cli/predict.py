"""`harness predict`: use the winner of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "given",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="CSV file with the run's text column, or a folder of images.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Where to write; standard output by default.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda."
)
@click.option("--verbose", is_flag=True, help="Let libraries print their notes and warnings.")
def predict(run: Path, given: Path, out: Path | None, device: str, verbose: bool) -> None:
    """Predict with the winner of RUN: the input's columns, the prediction, the probabilities."""
    if not verbose:
        from harness.cli.quiet import quiet

        quiet()
    from harness.files import write_parts
    from harness.prediction import predicted_parts

    parts = predicted_parts(run, given, device=device, told=_told)
    if out is None:
        for part in parts:
            click.echo(part, nl=False)
        return
    try:
        write_parts(out, parts)
    except OSError as error:
        from advisor.errors import OutputError

        raise OutputError(f"cannot write {out} ({error.strerror}). Give another --out.") from None
    click.echo(out, err=True)


def _told(done: int, of: int) -> None:
    """How far it is, where somebody looks on and there is more than one part."""
    if sys.stderr.isatty() and not (done == of and done < 5000):
        click.echo(f"\r{done:,} of {of:,} rows", err=True, nl=done == of)
