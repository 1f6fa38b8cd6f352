"""What things are called in one run."""

from __future__ import annotations

from harness.report import wording
from harness.report.result import Result


def name_of(result: Result, strategy: str | None) -> str:
    """What a strategy is called in this run; "" for None."""
    one = result.named(strategy)
    return wording.strategy_name(strategy or "", one.name if one else None)


def interval_name(result: Result) -> str:
    """ "95% interval", or "interval" where its level was not recorded."""
    level = result.interval_level
    return "interval" if level is None else f"{wording.percent(level, 0)} interval"
