"""From evidence to what `advise` reads and the report that says how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.evidence.contexts import contexts
from harness.evidence.schema import Row
from harness.fit.artefact import model_of, nearest_of, pairs, write
from harness.fit.cases import cases
from harness.fit.observations import compared, table
from harness.fit.orientation import orientation, scored, with_unfinished
from harness.fit.predict import Folds, Setting
from harness.fit.report import publish
from harness.fit.tune import tuned
from harness.fit.validate import (
    ablations,
    leave_data_out,
    leave_sources_out,
    summary,
    with_rivals,
)

MOST_ECE = 0.08
"""Expected calibration error above which no probability is shown."""
_BRIEF = (
    "A brief validation: sources were left out, one by one, with tuning nested inside, and nothing "
    "else. `harness calibrate --evidence-only` also leaves out data sets, counts contexts in other "
    "ways, and takes parts of the model away."
)


def calibrate(
    rows: Sequence[Row],
    artefact: Path,
    reports: Path,
    say: Callable[[str], None],
    *,
    brief: bool = False,
) -> dict[str, Any]:
    """Validate, fit, and write artefact and report. The same rows give the same files.

    Args:
        rows: Evidence.
        artefact, reports: Folders to write to.
        say: Told what is being done.
        brief: Leave out sources alone, on which the verdict rests, and skip what is only told.

    Returns:
        What the report says.

    Raises:
        OutputError: If the artefact cannot be written.
    """
    usable = [row for row in rows if row.usable]
    several = compared(contexts(usable))
    lines, asked = table(several), cases(several)
    say(f"{len(asked)} cases in {len(several)} contexts")
    folds = Folds(lines)
    left = leave_sources_out(folds, asked, say)
    say("rivals")
    result: dict[str, Any] = {
        "sources_out": summary(left, with_rivals(left, asked)),
        "pairs": pairs(several),
    }
    if brief:
        result["remarks"] = [_BRIEF]
    else:
        result["orientation"] = orientation(rows, asked, folds, left)
        result["with_unfinished"] = scored(with_unfinished(rows), asked, folds, left)
        data_left = leave_data_out(several, say)
        result["data_out"] = summary(data_left, with_rivals(data_left, asked, by_data=True))
        result["ablations"] = ablations(several, left, say)
    say("the fit to everything")
    setting = tuned(folds, asked)
    result["settings"] = {
        name: _told(one) for name, one in {"final": setting, **left.settings}.items()
    }
    result["validation"] = verdict(result["sources_out"])
    model = model_of(folds, asked, setting, usable, result["validation"])
    result["evidence"] = model["evidence"]
    write(artefact, model, nearest_of(several))
    publish(reports, result)
    return result


def verdict(part: dict[str, Any]) -> dict[str, Any]:
    """Whether probabilities may be shown, why, and the scores that say so."""
    known = part["probability"]
    even = known["against_uniform"]["plain_interval"][1]
    rate = known["against_base_rate"]["plain_interval"][1]
    passed = even < 0 and rate < 0 and known["ece"] <= MOST_ECE
    return {
        "passed": passed,
        "why": (
            "on sources that were left out the log loss minus that of an even guess and of base "
            f"rates is at most {even:+.3f} and {rate:+.3f} (90%), and the expected calibration "
            f"error is {known['ece']:.3f} (at most {MOST_ECE:g} is asked for)"
        ),
        "regret": round(part["model"]["regret"], 4),
        "regret_balanced": round(part["model"]["regret_balanced"], 4),
        "log_loss": round(known["log_loss"], 4),
        "brier": round(known["brier"], 4),
        "ece": round(known["ece"], 4),
        "coverage": round(part["coverage"]["coverage"], 4),
        "cases": part["cases"],
        "sources": part["sources"],
    }


def _told(setting: Setting) -> dict[str, float]:
    return {
        **{f"weight {place}": weight for place, (_, weight) in enumerate(setting.averaged)},
        "inflation": setting.inflation,
        "interval": round(setting.interval, 3),
    }
