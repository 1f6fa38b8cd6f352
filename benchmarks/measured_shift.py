"""Does a measured shift serve the learned advisor better than the rubric's?

    python -m benchmarks.measured_shift             writes reports/measured_shift.md and .json
    python -m benchmarks.measured_shift --measured  compares again with the shifts of the last report

The shift of every data set of the suite that lies on this machine is measured as `harness profile` does,
by the model our runs used (EfficientNet-Lite0, MiniLM). In the contexts on those sets the measured shift then
stands where the rubric's stood. Each data set is left out in turn, whatever source measured it, and
its cases are predicted from all others, under the settings of the installed artefact for all arms.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from advisor.learned import artefact as installed
from benchmarks.shift_order import DATA, ROOT
from harness.datasets import tables
from harness.datasets.base import DataRequest
from harness.datasets.controlled import copy_of
from harness.evidence.contexts import contexts
from harness.evidence.load import load
from harness.evidence.schema import Row
from harness.files import write_json, write_text
from harness.fit.cases import Case, cases
from harness.fit.model import Hyper, statistics
from harness.fit.observations import Compared, compared, table
from harness.fit.orientation import as_scored
from harness.fit.predict import Prediction, Setting, fit_level, fitted_to, predict
from harness.fit.scores import balanced, difference, log_losses, regrets
from harness.fit.validate import USUAL_SHIFT
from harness.models import load_backbone, resolve_model
from harness.profile.describe import ROWS
from harness.profile.shift import measured_shift

REPORT = ROOT / "reports" / "measured_shift"
SUITE = ROOT / "data" / "suites" / "standard.yaml"
IMAGES = (".jpg", ".jpeg", ".png")
MODELS = {"image": "efficientnet-lite0", "text": "minilm"}
_RUN_WITH = ("efficientnet-lite0@128px", "minilm")
"""The same models as our evidence names them."""
_TRAINED_ON = {"sst2_tweets": "sst2"}
"""Tested elsewhere -> the set it was trained on, whose shift counts."""
STAND_IN = {"AG News": "ag_news", "CIFAR-10": "cifar10", "SST-2": "sst2", "TREC-6": "trec6"}
"""Data sets of published rows that lie here, too; their models do not."""
ARMS = ("rubric", "measured", "none")


def measure() -> dict[str, dict[str, Any]]:
    """Data set of the suite -> its measured shift, by training inputs drawn with seed 0."""
    found = {}
    backbones = {
        kind: load_backbone(resolve_model(name), "cpu", 128) for kind, name in MODELS.items()
    }
    with TemporaryDirectory() as made:
        for name, said in yaml.safe_load(SUITE.read_text(encoding="utf-8"))["datasets"].items():
            copy = copy_of(said["data"], DATA, Path(made))
            if not (copy.source if copy else DATA / said["data"]).exists():
                continue
            print(f"measuring {name}", file=sys.stderr)
            if copy and copy.source.is_dir():
                copy = replace(copy, source=drawn(copy.source, Path(made) / f"{name}_plain"))
            if copy:
                copy.make()
            place = copy.target if copy else DATA / said["data"]
            kind = "image" if place.is_dir() else "text"
            shift = measured_shift(backbones[kind], inputs_of(place), seed=0)
            found[name] = {
                "model": MODELS[kind], "statistic": shift.statistic, "value": shift.value,
                "error": shift.error, "shift": shift.shift,
            }  # fmt: skip
    return found


def drawn(folder: Path, target: Path) -> Path:
    """A folder with the images that are read of another, so that no others are corrupted."""
    target.mkdir()
    for number, file in enumerate(inputs_of(folder)):
        shutil.copyfile(file, target / f"{number:03}{file.suffix}")
    return target


def inputs_of(place: Path) -> list[Any]:
    """As many inputs of a folder of images or of a table as a profile reads."""
    if place.is_dir():
        every: list[Any] = sorted(one for one in place.rglob("*") if one.suffix.lower() in IMAGES)
    else:
        every = list(tables.read(place, DataRequest(data=str(place))).pool.inputs)
    return [every[row] for row in np.sort(np.random.default_rng(0).permutation(len(every))[:ROWS])]


def is_own(one: Compared) -> bool:
    return one.context.protocol == "fair" and one.context.model in _RUN_WITH


def is_here(one: Compared) -> bool:
    return is_own(one) or one.context.data in STAND_IN


def measured_for(one: Compared, shifts: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The measured shift of the data a context trains on; None if it was not measured."""
    data = one.context.data
    known = shifts.get(_TRAINED_ON.get(data, STAND_IN.get(data, data)))
    return None if known is None else known["shift"]


def with_shifts(
    several: Sequence[Compared],
    shifts: Mapping[str, Mapping[str, Any]],
    arm: str,
    takes_part: Callable[[Compared], bool],
) -> list[Compared]:
    """The contexts with the shift of an arm in those that take part and were measured."""
    found = []
    for one in several:
        shift = measured_for(one, shifts) if takes_part(one) else None
        if shift is None or arm == "rubric":
            found.append(one)
        else:
            said = shift if arm == "measured" else USUAL_SHIFT
            found.append(replace(one, situation=one.situation._replace(shift=said)))
    return found


def setting() -> Setting:
    """That of the installed artefact."""
    raw = json.loads(Path(installed.PATH).read_text(encoding="utf-8"))
    averaged = tuple((Hyper(**one), weight) for one, weight in raw["averaged"])
    return Setting(Hyper(**raw["hyper"]), raw["noise"]["inflation"], raw["interval"], averaged)


def left_out(
    taught: Sequence[Compared], asked: Sequence[Compared], using: Setting
) -> list[Prediction]:
    """Each asked context predicted from what was taught on other data sets."""
    whole, known = statistics(table(taught), using.hyper), cases(taught)
    predicted: list[Prediction] = []
    for data in sorted({one.context.data_group for one in asked}):
        # only sources that measured the data set say something else without it
        touched = {one.group for one in taught if one.context.data_group == data}
        others = [one for one in taught if one.group in touched and one.context.data_group != data]
        anew = statistics(table(others), using.hyper) if others else {}
        rest = {name: one for name, one in whole.items() if name not in touched} | anew
        fitted = fitted_to([rest[name] for name in sorted(rest)], using)
        level = fit_level([case for case in known if case.data != data])
        mine = cases([one for one in asked if one.context.data_group == data])
        predicted += predict(fitted, using, level, mine)
    return predicted


def compare(shifts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Counting -> arm -> scores, and measured minus rubric, paired by case."""
    rows, using = load(), setting()
    taught = compared(contexts([row for row in rows if row.usable]))
    scored = compared(contexts(as_scored(rows)))
    countings: dict[str, tuple[Sequence[Compared], Callable[[Compared], bool]]] = {
        "our runs": (taught, is_own),
        "our runs, those that ran out of time as they scored": (scored, is_own),
        "our runs and published rows on the same data sets": (taught, is_here),
    }
    found = {}
    for name, (judged, takes_part) in countings.items():
        print(f"comparing: {name}", file=sys.stderr)
        arms: dict[str, list[Prediction]] = {}
        for arm in ARMS:
            known = with_shifts(taught, shifts, arm, takes_part)
            asked = [
                one
                for one in with_shifts(judged, shifts, arm, takes_part)
                if takes_part(one) and measured_for(one, shifts) is not None
            ]
            arms[arm] = left_out(known, asked, using)
        found[name] = _scores(arms)
    return found


def _scores(arms: Mapping[str, Sequence[Prediction]]) -> dict[str, Any]:
    several: dict[str, list[Case]] = {arm: [each.case for each in p] for arm, p in arms.items()}
    data = np.array([case.data for case in several["rubric"]])
    lost = {arm: regrets(several[arm], [each.pick for each in p]) for arm, p in arms.items()}
    loss = {arm: log_losses(several[arm], [each.p for each in p]) for arm, p in arms.items()}
    pairs = list(zip(arms["rubric"], arms["measured"], strict=True))
    return {
        "cases": len(data),
        "data_sets": len(set(data)),
        "other_picks": sum(one.pick != other.pick for one, other in pairs),
        "arms": {
            arm: {
                "regret": float(lost[arm].mean()),
                "regret_balanced": balanced(lost[arm], data),
                "log_loss": float(loss[arm].mean()),
            }
            for arm in arms
        },
        "regret_difference": difference(lost["measured"], lost["rubric"], data),
        "log_loss_difference": difference(loss["measured"], loss["rubric"], data),
    }


def rubric_of(rows: Iterable[Row]) -> dict[str, float]:
    """Data set -> the rubric's shift for the models of our runs."""
    return {
        row.data: row.shift
        for row in rows
        if row.protocol == "fair" and row.model in _RUN_WITH and row.shift not in (None, 1.0)
    }


def as_markdown(result: Mapping[str, Any]) -> str:
    rubric = rubric_of(load())
    lines = [
        "# Measured shift in place of the rubric's",
        "",
        "Made by `python -m benchmarks.measured_shift`. Each data set is left out in turn, whatever source "
        "measured it; settings are those of the installed artefact. Regret in points, balanced over data "
        "sets; differences are measured minus rubric, paired by case, with 90% intervals over resampled data "
        "sets: below zero the measured shift is better.",
        "",
        "| counting | cases | data sets | other picks | regret: rubric | measured | no shift | difference | interval | balanced | interval |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---|",
        *(_compared(name, one, "regret", 2) for name, one in result["compared"].items()),
        "",
        "| counting | log loss: rubric | measured | no shift | difference | interval |",
        "|---|---:|---:|---:|---:|---|",
        *(_losses(name, one) for name, one in result["compared"].items()),
        "",
        verdict(result["compared"]),
        "",
        "## What was measured",
        "",
        "| data set | model | statistic | value ± error | measured shift | rubric |",
        "|---|---|---|---:|---:|---:|",
        *(
            f"| {name} | {one['model']} | `{one['statistic']}` | {one['value']:.3f} ± {one['error']:.3f} "
            f"| {one['shift']:.2f} | {rubric.get(name, float('nan')):g} |"
            for name, one in result["measured"].items()
        ),
    ]
    return "\n".join(lines)


def verdict(found: Mapping[str, Any]) -> str:
    """What the comparison says: better only if an interval of regret lies below zero."""
    better = [
        name for name, one in found.items() if one["regret_difference"]["plain_interval"][1] < 0
    ]
    worse = [
        name for name, one in found.items() if one["regret_difference"]["plain_interval"][0] > 0
    ]
    if better and not worse:
        return "The measured shift lowers regret in: " + "; ".join(better) + "."
    if worse:
        return "The measured shift raises regret in: " + "; ".join(worse) + ". It stays out."
    return (
        "No interval of regret lies on one side of zero: these data sets are too few to tell, and the "
        "measured shift stays out of the model."
    )


def _interval(several: Sequence[float], digits: int) -> str:
    return f"{several[0]:+.{digits}f} to {several[1]:+.{digits}f}"


def _compared(name: str, one: Mapping[str, Any], score: str, digits: int) -> str:
    gap = one[f"{score}_difference"]
    cells = (
        name, str(one["cases"]), str(one["data_sets"]), str(one["other_picks"]),
        *(f"{one['arms'][arm][score]:.{digits}f}" for arm in ARMS),
        f"{gap['plain']:+.{digits}f}", _interval(gap["plain_interval"], digits),
        f"{gap['balanced']:+.{digits}f}", _interval(gap["balanced_interval"], digits),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _losses(name: str, one: Mapping[str, Any]) -> str:
    gap = one["log_loss_difference"]
    cells = (
        name, *(f"{one['arms'][arm]['log_loss']:.3f}" for arm in ARMS), f"{gap['plain']:+.3f}",
        _interval(gap["plain_interval"], 3),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--measured", action="store_true", help="keep the shifts of the last report"
    )
    again = parser.parse_args(argv).measured
    kept = REPORT.with_suffix(".json")
    shifts = json.loads(kept.read_text(encoding="utf-8"))["measured"] if again else measure()
    result = {"measured": shifts, "compared": compare(shifts)}
    write_json(kept, result)
    write_text(REPORT.with_suffix(".md"), as_markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
