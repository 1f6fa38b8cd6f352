"""`harness runs export`: records as CSV, Parquet or MLflow runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="FILE|URI",
    help="out.csv, out.parquet, or for MLflow its tracking URI.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["csv", "parquet", "mlflow"]),
    help="By default what the end of the name says.",
)
def export(root: Path, to: str, form: str | None) -> None:
    """Write every record of the runs at or below ROOT, one row (or MLflow run) each."""
    from advisor.errors import OutputError, SpecError
    from harness.export import export_records
    from harness.runs import find_runs, records

    form = form or {".csv": "csv", ".parquet": "parquet"}.get(Path(to).suffix.lower())
    if form is None:
        raise SpecError(f"the form of {to!r} is not known; write --as csv, parquet or mlflow.")
    folders = find_runs(root)
    if not folders:
        raise OutputError(f"{root} holds no runs. Give a folder `harness run` wrote, or one above.")
    kept = [(folder, one) for folder in folders for one in records(folder)]
    export_records(form, kept, to)
    click.echo(f"{len(kept)} records of {len(folders)} runs written to {to}")
