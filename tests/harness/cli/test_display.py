from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.display import Display
from harness.datasets.base import Finding
from harness.progress import (
    Event,
    Planned,
    Resuming,
    Stage,
    StrategyEnded,
    StrategyStarted,
    TrialEnded,
    TrialMoved,
    TrialStarted,
)
from tests.harness.test_store import record

EVENTS: list[Event] = [
    Stage("loading the model"),
    Resuming(Path("runs/toy"), finished=False),
    Planned(
        {"linear_probe": "", "hard_prompt": "nothing to say"},
        cap_seconds=60.0,
        budget_seconds=120.0,
        findings=(Finding("duplicates", "warning", "3 rows [twice]."),),
    ),
    StrategyStarted("linear_probe"),
    TrialStarted("linear_probe", "search", 1, None),
    TrialMoved(0.5),
    TrialEnded(record(scores={"validation": {"accuracy": 0.925}}, seconds=3.0), resumed=False),
    TrialStarted("linear_probe", "search", 2, None),
    TrialEnded(record(status="failed", error="ValueError: no"), resumed=True),
    StrategyEnded("linear_probe", "done", 12.0),
]


def shown(listen: str, *, terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, color_system=None)
    display = Display(console, time.monotonic())
    if terminal:
        display.bar.start()
    for event in EVENTS:
        getattr(display, listen)(event)
    if terminal:
        display.bar.stop()
    return written.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_what_happens_is_told(terminal: bool) -> None:
    said = shown("live" if terminal else "plain", terminal=terminal)
    for line in (
        "runs/toy holds this run; it is taken up where it ended",
        "warning: 3 rows [twice].",
        "hard prompting is left out: nothing to say",
        "every strategy may take 60 s",
        "linear probe, trial 1: validation 0.925, 3 s",
        "linear probe, trial 2: ValueError: no, found in the store (failed)",
        "linear probe: done, 12 s of its cap used",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("seconds", "shared", "told"),
    [
        (60.0, True, "the search may take 60 s"),
        (0.0, False, "nothing of the budget is left after loading"),
    ],
)
def test_what_may_be_spent_is_told(seconds: float, shared: bool, told: str) -> None:
    written = io.StringIO()
    display = Display(Console(file=written, width=200), time.monotonic())
    display.plain(Planned({}, seconds, 60.0, (), shared))
    assert told in written.getvalue()


def test_plain_lines_hold_the_time_and_no_control_codes() -> None:
    lines = shown("plain", terminal=False).splitlines()
    assert all(line.startswith("[     0 s] ") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert lines[0].endswith("loading the model")


def test_nothing_is_printed_before_the_question_is_accepted() -> None:
    written = io.StringIO()
    display = Display(Console(file=written), time.monotonic())
    display.plain(Stage("loading the model"))
    assert written.getvalue() == ""


def test_a_terminal_sees_how_much_is_left() -> None:
    said = shown("live", terminal=True)
    assert "left" in said
    assert "linear probe, trial 2" in said
