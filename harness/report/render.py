"""From the folder of a finished run to one HTML page that needs nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from advisor.errors import OutputError
from harness.files import write_text
from harness.folder import RESULT_FILE
from harness.report import charts
from harness.report.result import read
from harness.report.view import Report, build

REPORT_FILE = "report.html"


def render(out: Path) -> Path:
    """Write the report of a finished run beside its result.

    Args:
        out: Folder of the run; holds `result.json`.

    Returns:
        The path of `report.html`; it appears whole or not at all.

    Raises:
        DataError: If the result is missing, cannot be read or was written by a newer version.
        OutputError: If the page cannot be written.
    """
    # JSON can carry half a surrogate pair, which no file can: it becomes a question mark
    page = to_html(build(read(out / RESULT_FILE))).encode("utf-8", "replace").decode("utf-8")
    target = out / REPORT_FILE
    try:
        write_text(target, page)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror}). Make room or permit writing, then give "
            "the same command again."
        ) from None
    return target


def to_html(report: Report) -> str:
    """The page; the same report always gives the same characters."""
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            report=report,
            score_chart=charts.score_chart(report.points, report.metric, report.target),
            cost_chart=charts.cost_chart(report.points, report.metric),
            panels=charts.curve_panels(report.curves),
            bands=charts.band_panels(report.search.bands if report.search else (), report.metric),
        )
    )


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,  # for every file, whatever its ending: all of them make HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
