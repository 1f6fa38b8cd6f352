"""The calibration report: the same tables as Markdown, JSON and one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files import write_text
from harness.fit.chart import Chart, chart_of
from harness.fit.model import Hyper
from harness.fit.tune import CANDIDATES, START
from harness.fit.validate import REFERENCE, UNREAD

NAME = "calibration"


@dataclass(frozen=True)
class Sheet:
    """One table, cells as text."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclass(frozen=True)
class Page:
    """The report as values; what writes it adds nothing."""

    lead: list[str]
    tables: list[Sheet] = field(default_factory=list)


def publish(folder: Path, result: dict[str, Any]) -> None:
    """Write calibration.md, .json and .html."""
    page = build(result)
    write_text(folder / f"{NAME}.json", json.dumps(result, indent=1, allow_nan=False))
    write_text(folder / f"{NAME}.md", to_markdown(page))
    write_text(folder / f"{NAME}.html", to_html(page, chart_of(result)))


def build(result: dict[str, Any]) -> Page:
    """The report of a calibration."""
    sources = result["sources_out"]
    parts = {"sources left out": sources}
    if "data_out" in result:
        parts["data sets left out"] = result["data_out"]
    return Page(
        list(_lead(result)),
        [
            _choices("Choosing, whole sources left out", sources),
            _paired("Ours minus theirs, whole sources left out", sources),
            *(_choices(f"Choosing, whole {one}", parts[one]) for one in list(parts)[1:]),
            *([_orientation(result["orientation"])] if "orientation" in result else []),
            _probabilities(parts),
            _reliability(sources),
            *_savings(sources),
            *([_ablations(result)] if "ablations" in result else []),
            *(
                _parts(f"By {title}", sources[f"by_{name}"])
                for name, title in (
                    ("metric_group", "group of metrics"), ("strategies", "strategies compared"),
                    ("examples", "number of examples"), ("source", "source group"),
                )
            ),
            _compared(result),
            _settings(result),
        ],
    )  # fmt: skip


def _lead(result: dict[str, Any]) -> Iterator[str]:
    s, evidence = result["sources_out"], result["evidence"]
    ours, full = s["model"], s["rivals"][REFERENCE]
    yield (
        f"Made by `harness calibrate --evidence-only` from evidence {evidence['digest']}: "
        f"{evidence['contexts']} contexts of {evidence['sources']} source groups, of which "
        f"{s['cases']} compare two or more of the four core strategies (a bounded metric and a "
        "stated number of examples). Every figure is of predictions for sources, or data sets, that "
        "neither fitting nor tuning has seen; rules had been stated before, see below. Regret is in "
        "points of the metric, of 100."
    )
    yield (
        f"Sources left out: regret {ours['regret']:.2f} plain and {ours['regret_balanced']:.2f} "
        f"source-balanced, against {full['regret']:.2f} and {full['regret_balanced']:.2f} for always "
        "full fine-tuning (where it was not measured: what trains most)."
    )
    some = s["published"]
    yield (
        f"On published sources alone: {some['model']['regret']:.2f} and "
        f"{some['model']['regret_balanced']:.2f}, against {some[REFERENCE]['regret']:.2f} and "
        f"{some[REFERENCE]['regret_balanced']:.2f}."
    )
    yield " ".join(_unfinished(result))
    yield " ".join(_read(result))
    verdict = "may" if result["validation"]["passed"] else "must not"
    yield f"By these scores `advise` {verdict} show probabilities: {result['validation']['why']}."
    yield from result.get("remarks", ())


def _read(result: dict[str, Any]) -> Iterator[str]:
    yield (
        "Stated sizes of rules and the variances of the model were chosen by people who know this "
        "evidence, and some rules were read from tables that are part of it: regret with sources left "
        "out is that much too good."
    )
    if "ablations" in result:
        blind = result["ablations"][UNREAD]
        yield (
            f"With the sizes unknown that were read from the source left out: {blind['regret']:.2f} and "
            f"{blind['regret_balanced']:.2f}."
        )
    some = result["sources_out"]["unread"]
    yield (
        f"On the {some['cases']} cases of groups that no rule was read from: "
        f"{some['model']['regret']:.2f} and {some['model']['regret_balanced']:.2f}, against "
        f"{some[REFERENCE]['regret']:.2f} and {some[REFERENCE]['regret_balanced']:.2f}."
    )


def _unfinished(result: dict[str, Any]) -> Iterator[str]:
    yield (
        "Strategies of ours that ran out of time are neither learned from nor judged by "
        "(docs/decisions/0009-unfinished-runs-are-no-evidence.md)."
    )
    if "with_unfinished" not in result:
        return
    whole = result["with_unfinished"]
    theirs = whole["rivals"][REFERENCE]
    yield (
        f"Judged as they scored under their caps, {whole['cases']} cases: "
        f"{whole['model']['regret']:.2f} and {whole['model']['regret_balanced']:.2f}, against "
        f"{theirs['regret']:.2f} and {theirs['regret_balanced']:.2f}."
    )


def _choices(title: str, part: dict[str, Any]) -> Sheet:
    head = ["", "regret", "balanced", "median variant", "balanced", "top-1", "balanced"]
    rows = [["model", *_choice(part["model"])]]
    rows += [[name, *_choice(scores)] for name, scores in part["rivals"].items()]
    note = f"{part['cases']} cases, {part['sources']} sources, {part['data_sets']} data sets."
    return Sheet(title, head, rows, note)


def _choice(scores: dict[str, float]) -> list[str]:
    names = ("regret", "regret_balanced", "regret_median", "regret_median_balanced")
    return [f"{scores[name]:.2f}" for name in names] + [
        f"{scores[name]:.2f}" for name in ("top1", "top1_balanced")
    ]


def _paired(title: str, part: dict[str, Any]) -> Sheet:
    rows = [[name, *_gap(scores["difference"])] for name, scores in part["rivals"].items()]
    head = ["regret beside", "plain", "90% interval", "balanced", "90% interval"]
    return Sheet(title, head, rows, "Below zero is better than theirs. Sources are resampled.")


def _gap(gap: dict[str, Any]) -> list[str]:
    found = []
    for name in ("plain", "balanced"):
        low, high = gap[f"{name}_interval"]
        found += [f"{gap[name]:+.2f}", f"{low:+.2f} to {high:+.2f}"]
    return found


def _orientation(parts: dict[str, Any]) -> Sheet:
    title = "On the contexts as counted in the README of the evidence"
    head = ["", "cases", "sources", "regret", "balanced", "top-1", "balanced", "ours minus theirs",
            "90% interval", "balanced", "90% interval"]  # fmt: skip
    rows = []
    for counting, part in parts.items():
        size = [str(part["cases"]), str(part["sources"])]
        rows.append([f"{counting}: model", *size, *_short_choice(part["model"]), *[""] * 4])
        for name in _ORIENTING:
            scores = part["rivals"][name]
            rows.append([name, *size, *_short_choice(scores), *_gap(scores["difference"])])
    note = (
        "Published rows alone; zero-shot and in-context scores join every number of labels of the "
        "same model and data set. Whole sources left out, settings as above."
    )
    return Sheet(title, head, rows, note)


_ORIENTING = (REFERENCE, "random forest", "course rules alone")


def _short_choice(scores: dict[str, float]) -> list[str]:
    return [
        f"{scores[name]:.2f}" for name in ("regret", "regret_balanced", "top1", "top1_balanced")
    ]


def _probabilities(parts: dict[str, dict[str, Any]]) -> Sheet:
    rows = []
    several = parts.values()
    for title, name in (
        ("log loss", "log_loss"), ("log loss, balanced", "log_loss_balanced"),
        ("log loss of an even guess", "log_loss_uniform"),
        ("log loss of base rates", "log_loss_base_rate"), ("Brier score", "brier"),
        ("expected calibration error", "ece"),
    ):  # fmt: skip
        rows.append([title, *(f"{part['probability'][name]:.3f}" for part in several)])
    for title, name in (("even guess", "against_uniform"), ("base rates", "against_base_rate")):
        gaps = [_gap(part["probability"][name]) for part in several]
        rows.append([f"log loss minus that of {title}", *(f"{gap[0]} ({gap[1]})" for gap in gaps)])
        rows.append(["the same, balanced", *(f"{gap[2]} ({gap[3]})" for gap in gaps)])
    for title, name in (
        ("80% intervals that hold", "coverage"), ("the same, balanced", "coverage_balanced"),
    ):  # fmt: skip
        rows.append([title, *(f"{part['coverage'][name]:.2f}" for part in several)])
    widths = [f"{part['coverage']['median_width']:.1f}" for part in several]
    rows.append(["median width of an interval, points", *widths])
    return Sheet("Probabilities and intervals", ["", *parts], rows)


def _reliability(part: dict[str, Any]) -> Sheet:
    rows = [
        [f"{row['from']:.1f} to {row['to']:.1f}", str(row["candidates"]), f"{row['said']:.2f}",
         f"{row['came']:.2f}"]
        for row in part["probability"]["reliability"]
    ]  # fmt: skip
    return Sheet("Reliability, sources left out", ["P(best)", "candidates", "said", "came"], rows)


def _savings(part: dict[str, Any]) -> Iterator[Sheet]:
    usual, even, seconds = part["savings"], part["savings_even"], part["soft_seconds"]
    yield _saved(
        "The cheapest within a tolerance",
        usual,
        f"Always full fine-tuning: regret {usual['full']:.2f} plain, {usual['full_balanced']:.2f} "
        "balanced. Compute is estimated by the cost model with the epochs that are usual for each "
        "strategy: 10 for prompt vectors, 3 for full fine-tuning; so soft prompting is the dearer. "
        "The mean averages shares over cases, the total compares sums, which the largest cases decide.",
    )
    yield _saved(
        "The cheapest within a tolerance, equal epochs",
        even,
        "The configurations of Visual Prompt Tuning (github.com/KMnP/vpt: base-finetune, base-linear "
        "and base-prompt.yaml), whose baselines vtab_1k_baselines prints, train each strategy for 100 "
        "epochs; other sources were not checked. "
        + _lighter(part["soft_work_even"])
        + _timed(seconds)
        + "Here picks and savings go by equal epochs; `advise` goes by the usual ones.",
    )


def _lighter(share: float | None) -> str:
    if share is None:
        return ""
    return (
        f"Then a soft prompt costs {share:.0%} of full fine-tuning (median): the frozen body takes no "
        "gradients of its own. "
    )


def _timed(seconds: list[float]) -> str:
    if not seconds:
        return ""
    return (
        "In our own runs under equal caps one fit of a soft prompt took "
        f"{', '.join(f'{one:.1f}' for one in seconds)} times as long as one of full fine-tuning. "
    )


def _saved(title: str, saved: dict[str, Any], note: str) -> Sheet:
    traded, most, chosen = saved["one_price"], saved["hindsight"], saved["chosen"]
    used = sorted(chosen["tolerances"].values())
    rows = [_saving(f"{row['tolerance']:g}", row) for row in saved["table"]]
    rows.append(_saving(f"chosen on the other sources ({used[0]:g} to {used[-1]:g})", chosen))
    if traded["price"] is not None:
        rows.append(_saving(f"{1 / traded['price']:.2g} points for all the compute", traded))
    head = ["tolerance", "regret", "balanced", "compute saved, mean", "total"]
    hindsight = (
        " One row has, for each source, the tolerance that saves most in the other sources at a mean "
        "regret no worse than that of always full fine-tuning. The last row weighs expected points against compute at one price for all cases, the best of "
        "those whose regret is no worse than that of always full fine-tuning; the price was chosen on these very cases, which flatters it. Picks made in hindsight "
        f"by the same rule could save {most['saved']['mean']:.0%} (mean): in "
        f"{saved['none_cheaper']:.0%} of the cases nothing that was measured takes less compute than "
        "full fine-tuning."
    )
    return Sheet(title, head, rows, note + hindsight)


def _saving(name: str, row: dict[str, Any]) -> list[str]:
    return [
        name, f"{row['regret']:.2f}", f"{row['regret_balanced']:.2f}", f"{row['saved']['mean']:.0%}",
        f"{row['saved']['total']:.0%}",
    ]  # fmt: skip


def _ablations(result: dict[str, Any]) -> Sheet:
    rows = [
        [name, *_choice(scores), f"{scores['log_loss']:.3f}", f"{scores['log_loss_balanced']:.3f}"]
        for name, scores in result["ablations"].items()
    ]
    head = ["", "regret", "balanced", "median variant", "balanced", "top-1", "balanced", "log loss",
            "balanced"]  # fmt: skip
    return Sheet("Ablations, sources left out", head, rows)


def _parts(title: str, part: dict[str, dict[str, float]]) -> Sheet:
    rows = [
        [name, str(row["cases"]), f"{row['mean']:.2f}", f"{row[REFERENCE]:.2f}"]
        for name, row in part.items()
    ]
    return Sheet(title, ["", "cases", "regret", REFERENCE], rows)


def _compared(result: dict[str, Any]) -> Sheet:
    rows = [
        [name.replace(" ", " and "), str(row["contexts"]), str(row["sources"])]
        for name, row in result["pairs"].items()
    ]
    note = "With few comparisons an answer between the two rests on rules; `advise` then says so."
    return Sheet("Which pairs were ever compared", ["", "cases", "sources"], rows, note)


def _settings(result: dict[str, Any]) -> Sheet:
    names = list(result["settings"]["final"])
    rows = [
        [fold, *(f"{values[name]:.3g}" for name in names)]
        for fold, values in result["settings"].items()
    ]
    titles = [*(_candidate(one) for one in CANDIDATES), *names[len(CANDIDATES) :]]
    note = (
        "Nothing is picked: the posterior is averaged over the stated settings and over what moves one "
        "of them, weighted by the log score on left-out sources, one source one witness (pseudo-BMA, "
        "Yao et al. 2018). Picking the best jumps: one source more or less, and another wins by a hair. "
        "What else was tried and left out is told in docs/learned.md."
    )
    return Sheet("Weights of the settings, per fold", ["", *titles], rows, note)


def _candidate(hyper: Hyper) -> str:
    moved = [
        f"{name} {value:g}"
        for name, value in hyper._asdict().items()
        if value != getattr(START, name)
    ]
    return ", ".join(moved) or "as stated"


def to_markdown(page: Page) -> str:
    """The page as Markdown, ending without a line break."""
    blocks = ["# Calibration of the advisor", *page.lead]
    for sheet in page.tables:
        lines = [
            "| " + " | ".join(sheet.head) + " |",
            "|" + "---|" * len(sheet.head),
            *("| " + " | ".join(row) + " |" for row in sheet.rows),
        ]
        blocks += [f"## {sheet.title}", *([sheet.note] if sheet.note else []), "\n".join(lines)]
    return "\n\n".join(blocks)


def to_html(page: Page, chart: Chart) -> str:
    """One HTML page that needs nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness.fit"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("calibration.html.j2").render(page=page, chart=chart)
