"""`harness calibrate`: measure a suite, fit the learned advisor to evidence, validate, report."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path

import click

from harness.cli import STARTED
from harness.cli.where import Where, where_options


@click.command()
@click.option(
    "--suite",
    metavar="NAME",
    help="Measure this suite first: smoke, standard, large or a YAML file.",
)
@click.option(
    "--evidence-only", is_flag=True, help="Fit to the evidence there is; measure nothing new."
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="File or folder of evidence; may be repeated. By default what travels with the package, "
    "with --suite also your own.",
)
@click.option(
    "--artefact",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where artefact.json and nearest.json are written; by default the installed advisor.",
)
@click.option(
    "--reports",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    metavar="FOLDER",
    help="Where calibration.md, .json and .html are written, and the tables of the suite.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the suite's runs are kept; runs/suite-NAME by default. The same folder resumes.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder of evidence the scores join; your own by default.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where the suite's data sets lie; the current folder by default.",
)
@click.option("--only", metavar="TEXT", help="Only runs whose name holds this.")
@click.option(
    "--cells", type=click.IntRange(min=0), metavar="N", help="Start at most N runs this time."
)
@click.option("--time", metavar="TIME", help="Start no run after this: 50m, 3h.")
@click.option("--part", default="1/1", show_default=True, metavar="K/N", help="For N processes.")
@click.option("--no-fit", is_flag=True, help="Measure and add to the evidence; fit later.")
@click.option("--dry-run", is_flag=True, help="Print the suite's runs and cost; write nothing.")
@where_options
@click.pass_obj
def calibrate(
    given: str,
    suite: str | None,
    evidence_only: bool,
    evidence: tuple[Path, ...],
    artefact: Path | None,
    reports: Path,
    out: Path | None,
    to: Path | None,
    data_root: Path,
    only: str | None,
    cells: int | None,
    time: str | None,
    part: str,
    no_fit: bool,
    dry_run: bool,
    where: Where,
) -> int:
    """Measure a suite, fit the learned advisor and say how far it can be trusted.

    Every source, and every data set, is predicted by a model that has not seen it; the report
    tells how well. The fit takes minutes on one core; the same evidence always gives the same files.
    """
    from advisor.errors import SpecError

    if evidence_only == (suite is not None):
        raise SpecError(
            "harness calibrate needs one of --evidence-only, to fit to the evidence there is, and "
            "--suite smoke, standard or large, to measure more first."
        )
    if suite is None:
        _fit(evidence, artefact, reports)
        return 0
    from harness.studies.spec import cells as cells_of
    from harness.suites.spec import find_suite, read_suite

    file = find_suite(suite)
    asked = read_suite(file)
    folder = out or Path("runs") / f"suite-{file.stem}"
    if dry_run:
        from harness.suites.cost import describe

        click.echo(describe(cells_of(asked, data_root, folder), asked.title), nl=False)
        return 0
    from harness.cli.many_runs import carried_out, chosen
    from harness.cli.quiet import quiet
    from harness.cli.run import read_strategies
    from harness.evidence.places import everywhere, user_folder
    from harness.studies.findings import gather
    from harness.studies.spec import shifted_copies
    from harness.studies.table import write_findings
    from harness.suites.evidence import join_evidence

    quiet()
    for arm in asked.arms:
        read_strategies(",".join(arm.strategies))
    everything, place = cells_of(asked, data_root, folder), to or user_folder()
    mine = chosen(everything, only, part)
    for copy in shifted_copies(asked, data_root, folder):
        copy.make()
    problems = carried_out(mine, folder, given, where, _enough(cells, time))
    joined = join_evidence(file.stem, asked, everything, folder, place)
    click.echo(f"{joined.new} rows joined {place}, {joined.known} were there already", err=True)
    found = gather(asked, everything, folder, f"harness calibrate --suite {shlex.quote(suite)}")
    write_findings(found, reports, f"suite_{file.stem}")
    if not no_fit:
        known = evidence or (*everywhere(), *([to] if to else []))
        _fit(known, artefact, reports, brief=asked.validation == "brief")
    for problem in problems:
        click.echo(f"harness: {problem}", err=True)
    return 1 if problems else 0


def _enough(cells: int | None, time: str | None) -> Callable[[int], bool]:
    """Whether to stop after so many runs were started."""
    from time import monotonic

    from advisor.quantities import parse_duration

    until = math.inf if time is None else STARTED + parse_duration(time, "time")
    most = math.inf if cells is None else cells
    return lambda started: started >= most or monotonic() >= until


def _fit(
    evidence: tuple[Path, ...], artefact: Path | None, reports: Path, *, brief: bool = False
) -> None:
    from advisor.learned import artefact as installed
    from harness.evidence.load import load
    from harness.fit.calibrate import calibrate as fit

    target = Path(installed.PATH).parent if artefact is None else artefact
    for folder in (target, reports):
        folder.mkdir(parents=True, exist_ok=True)
    result = fit(
        load(evidence or None),
        target,
        reports,
        lambda said: click.echo(said, err=True),
        brief=brief,
    )
    scores = result["sources_out"]["model"]
    click.echo(
        f"regret on left-out sources {scores['regret']:.2f} plain, {scores['regret_balanced']:.2f} "
        f"source-balanced; {reports / 'calibration.md'} tells all"
    )
