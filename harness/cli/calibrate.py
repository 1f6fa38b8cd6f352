"""`harness calibrate`: fit the learned advisor to evidence, validate it, write artefact and report."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--evidence-only",
    is_flag=True,
    help="Fit to the evidence there is; measure nothing new. So far the only way.",
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="File or folder of evidence; may be repeated. By default what travels with the package.",
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
    help="Where calibration.md, .json and .html are written.",
)
def calibrate(
    evidence_only: bool, evidence: tuple[Path, ...], artefact: Path | None, reports: Path
) -> None:
    """Fit the learned advisor and say how far it can be trusted.

    Every source, and every data set, is predicted by a model that has not seen it; the report
    tells how well. Minutes on one core; the same evidence always gives the same files.
    """
    from advisor.errors import SpecError
    from advisor.learned import artefact as installed
    from harness.evidence.load import load
    from harness.fit.calibrate import calibrate as fit

    if not evidence_only:
        raise SpecError(
            "harness calibrate needs --evidence-only: it fits to the evidence there is. Measure more "
            "with `harness study` and add it with `harness evidence add`."
        )
    target = Path(installed.PATH).parent if artefact is None else artefact
    for folder in (target, reports):
        folder.mkdir(parents=True, exist_ok=True)
    rows = load(evidence or None)
    result = fit(rows, target, reports, lambda said: click.echo(said, err=True))
    scores = result["sources_out"]["model"]
    click.echo(
        f"regret on left-out sources {scores['regret']:.2f} plain, {scores['regret_balanced']:.2f} "
        f"source-balanced; {reports / 'calibration.md'} tells all"
    )
