"""`harness predict`: use the winner of a run."""

from __future__ import annotations

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
    from harness.files import write_text
    from harness.prediction import predict_file

    table = predict_file(run, given, device=device)
    if out is None:
        click.echo(table, nl=False)
    else:
        write_text(out, table.removesuffix("\n"))
        click.echo(out, err=True)
