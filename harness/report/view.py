"""The report as plain values: everything a page or a terminal shows, nothing of how."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report import details, facts, points, tables, wording
from harness.report.advice import AdviceView, advice_view
from harness.report.parts import Block, Curve, Fact, Notice, Point, Table
from harness.report.result import Result
from harness.report.searched import SearchView, search_view
from harness.report.verdict import Verdict, verdict


@dataclass(frozen=True)
class Report:
    """Everything the report says.

    Attributes:
        overview: Scores and costs in few columns, for a terminal.
        points: What the two charts of scores draw.
        scores_said, costs_said: The plain sentences above those charts.
        curves: What the learning curves draw; `losses` holds their numbers.
        search: What a budgeted search did; None for another protocol.
        notices: What the check of the data found.
        fairness: The protocol.
    """

    title: str
    started: str
    metric: str
    target: float | None
    verdict: Verdict
    asked: tuple[Fact, ...]
    advice: AdviceView
    overview: Table
    quality: Table
    costs: Table
    beside: Table | None
    settings: Table | None
    points: tuple[Point, ...]
    scores_said: str
    costs_said: str
    curves: tuple[Curve, ...]
    losses: Block | None
    recalls: Block | None
    estimates: Block | None
    search: SearchView | None
    notices: tuple[Notice, ...]
    fairness: tuple[Fact, ...]
    command: str
    reproduce: tuple[Fact, ...]


def build(result: Result) -> Report:
    """The report of a finished run."""
    return Report(
        title=_title(result),
        started=_moment(result.started),
        metric=result.metric,
        target=result.wanted,
        verdict=verdict(result),
        asked=facts.asked(result),
        advice=advice_view(result),
        overview=tables.overview(result),
        quality=tables.quality(result),
        costs=tables.costs(result),
        beside=tables.beside(result),
        settings=tables.settings(result),
        points=points.points(result),
        scores_said=points.scores_said(result),
        costs_said=points.costs_said(result),
        curves=details.curves(result),
        losses=details.losses(result),
        recalls=details.recalls(result),
        estimates=details.estimates(result),
        search=search_view(result),
        notices=_notices(result),
        fairness=facts.fairness(result),
        command=result.command or "",
        reproduce=facts.reproduce(result),
    )


def _title(result: Result) -> str:
    model, data = result.question.model.name, result.question.data.name
    if not model and not data:
        return "Which adaptation strategy fits?"
    return f"Which adaptation of {model or 'the model'} fits {data or 'the data'}?"


def _moment(started: str | None) -> str:
    """Date and minute of an ISO 8601 time; anything else as it is."""
    return (started or "")[:16].replace("T", " ")


def _notices(result: Result) -> tuple[Notice, ...]:
    """What was found in the data, warnings first."""
    found = sorted(result.question.data.findings, key=lambda one: one.level != "warning")
    return tuple(Notice(one.level, wording.sentence(one.text or one.code)) for one in found)
