"""`harness study`: carry out the runs of a study and write its table."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.cli.where import Where, where_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where the study's data sets lie; the current folder by default.",
)
@click.option(
    "--model-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where the study's model folders lie; the current folder by default.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the runs are kept; runs/study-<file> by default. The same folder resumes.",
)
@click.option("--only", metavar="TEXT", help="Only runs whose name holds this.")
@click.option(
    "--part",
    default="1/1",
    show_default=True,
    metavar="K/N",
    help="Every Nth run, from the Kth: for N processes.",
)
@click.option(
    "--publish",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Also write table, page and curves here, under the name of the study.",
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every score as a row of evidence (CSV).",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Also put the tables into this page, between the marks of the study.",
)
@click.option("--no-runs", is_flag=True, help="Only write the table of what is finished.")
@where_options
@click.pass_obj
def study(
    given: str,
    file: Path,
    data_root: Path,
    model_root: Path,
    out: Path | None,
    only: str | None,
    part: str,
    publish: Path | None,
    evidence: Path | None,
    page: Path | None,
    no_runs: bool,
    where: Where,
) -> int:
    """Measure what a study asks, run by run, and compare.

    FILE is a YAML file or the name of a study that travels with the package.
    """
    from harness.cli.many_runs import carried_out
    from harness.cli.many_runs import chosen as chosen_of
    from harness.cli.quiet import quiet
    from harness.cli.run import read_strategies
    from harness.evidence.table import write_rows
    from harness.studies.findings import evidence_rows, gather
    from harness.studies.spec import cells as cells_of
    from harness.studies.spec import located, read_study, shifted_copies
    from harness.studies.table import as_markdown, put_into, write_findings

    quiet()
    name, file = str(file), located(file)
    asked = read_study(file)
    for arm in asked.arms:
        read_strategies(",".join(arm.strategies))
    folder = out or Path("runs") / f"study-{file.stem}"
    cells = cells_of(asked, data_root, folder, model_root)
    chosen = [] if no_runs else chosen_of(cells, only, part)
    if chosen:
        for copy in shifted_copies(asked, data_root, folder):
            copy.make()
    problems = carried_out(chosen, folder, given, where)
    findings = gather(asked, cells, folder, f"harness study {shlex.quote(name)}")
    write_findings(findings, folder, "study")
    if publish is not None:
        write_findings(findings, publish, file.stem)
    if evidence is not None:
        write_rows(evidence_rows(file.stem, cells, folder), evidence)
    if page is not None:
        put_into(page, file.stem, findings)
    click.echo(as_markdown(findings), nl=False)
    for problem in problems:
        click.echo(f"harness: {problem}", err=True)
    return 1 if problems else 0
