"""Shows a run while it works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from advisor.quantities import format_duration
from advisor.traits import STRATEGIES
from harness.progress import (
    Event,
    Listener,
    Planned,
    Resuming,
    Stage,
    StrategyEnded,
    StrategyStarted,
    TrialEnded,
    TrialMoved,
    TrialStarted,
)
from harness.records import RunRecord


@contextmanager
def shown(started: float) -> Iterator[Listener]:
    """A listener for the run of the body; writes to stderr.

    Args:
        started: `time.monotonic()` when the command began.
    """
    console = Console(stderr=True, highlight=False)
    display = Display(console, started)
    if not console.is_terminal:
        yield display.plain
        return
    with display.bar:
        yield display.live


class Display:
    """Turns events into lines, and on a terminal into a bar with the time that is left."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started
        self._cap: float | None = None
        self._total = 1
        self._done = 0
        self._within = 0.0  # finished share of the current strategy
        self._now, self._of = 0, 0
        self._numbers: dict[str, int] = {}  # strategies may run side by side
        self._held: list[str] = []
        self._accepted = False
        self._strategy_started = started
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("about"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
        )
        self._task: TaskID = self.bar.add_task("starting", total=1.0)

    def plain(self, event: Event) -> None:
        """Print lines; none until the question is accepted, so that a refusal stands alone."""
        elapsed = time.monotonic() - self._started
        lines = [event.text] if isinstance(event, Stage) else self._lines(event)
        self._held += [f"[{elapsed:6.0f} s] {line}" for line in lines]
        self._accepted = self._accepted or isinstance(event, Planned | Resuming)
        while self._accepted and self._held:
            self._console.print(self._held.pop(0), markup=False, soft_wrap=True)

    def live(self, event: Event) -> None:
        """Print lines above a bar that says what is being done and how much is left."""
        for line in self._lines(event):
            self.bar.console.print(line, markup=False)
        self._follow(event)
        share = min((self._done + self._within) / self._total, 1.0)
        self.bar.update(self._task, completed=share, description=self._doing(event))

    def _follow(self, event: Event) -> None:
        """Keep the finished share: by time where there is a cap, else by trials."""
        if isinstance(event, Planned):
            self._cap = event.cap_seconds
            self._total = max(sum(not reason for reason in event.strategies.values()), 1)
        elif isinstance(event, StrategyStarted):
            self._strategy_started, self._within = time.monotonic(), 0.0
        elif isinstance(event, StrategyEnded):
            self._done, self._within = self._done + 1, 0.0
        elif isinstance(event, TrialStarted):
            self._now, self._of = event.number, event.of or 0
        if self._cap and self._done < self._total:
            used = (time.monotonic() - self._strategy_started) / self._cap
            self._within = min(used, 0.99) if not isinstance(event, StrategyEnded) else 0.0
        elif isinstance(event, TrialMoved) and self._of:
            self._within = min((self._now - 1 + event.share) / self._of, 0.99)

    def _doing(self, event: Event) -> str | None:
        if isinstance(event, TrialStarted):
            return f"{_name(event.strategy)}, {_trial(event)}"
        return event.text if isinstance(event, Stage) else None

    def _lines(self, event: Event) -> list[str]:
        """What is worth keeping on the screen."""
        if isinstance(event, Resuming):
            state = "is finished already" if event.finished else "is taken up where it ended"
            return [f"{event.folder} holds this run; it {state}"]
        if isinstance(event, Planned):
            return _plan_lines(event)
        if isinstance(event, TrialStarted):
            self._now, self._of = event.number, event.of or 0
            self._numbers[event.strategy] = event.number
            return []
        if isinstance(event, TrialEnded):
            number = self._numbers.get(event.record.asked.strategy, 0)
            return [_ended(event.record, number, event.resumed)]
        if isinstance(event, StrategyEnded):
            took = format_duration(event.seconds) if event.seconds else "no time"
            return [f"{_name(event.strategy)}: {event.status}, {took} of its cap used"]
        return []


def _plan_lines(event: Planned) -> list[str]:
    lines = [f"{found.level}: {found.text}" for found in event.findings]
    lines += [f"{_name(id)} is left out: {why}" for id, why in event.strategies.items() if why]
    if event.cap_seconds is not None:
        lines.append(
            _allowance(event.cap_seconds, "the search" if event.shared else "every strategy")
        )
    return lines


def _allowance(seconds: float, whose: str) -> str:
    if seconds <= 0:
        return "nothing of the budget is left after loading: no trial can be paid for"
    return f"{whose} may take {format_duration(seconds)}"


def _ended(record: RunRecord, number: int, resumed: bool) -> str:
    asked, happened = record.asked, record.happened
    what = f"seed {asked.seed}" if asked.stage == "final" else f"trial {number}"
    scores = ", ".join(
        f"{split} {values[asked.metric]:.3f}"
        for split, values in happened.scores.items()
        if asked.metric in values
    )
    told = scores or happened.error or "no score"
    took = "found in the store" if resumed else format_duration(max(happened.own_seconds, 0.001))
    status = "" if happened.status == "done" else f" ({happened.status})"
    return f"{_name(asked.strategy)}, {what}: {told}, {took}{status}"


def _trial(event: TrialStarted) -> str:
    if event.stage == "final":
        return f"seed {event.number} of {event.of}"
    return f"trial {event.number}" + (f" of up to {event.of}" if event.of else "")


def _name(strategy: str) -> str:
    return STRATEGIES[strategy].name if strategy in STRATEGIES else strategy
