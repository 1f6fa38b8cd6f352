"""One budget for the whole search, in seconds, floating-point operations or trials."""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple

from advisor.errors import SpecError
from advisor.quantities import parse_count, parse_duration

Unit = Literal["seconds", "flops", "trials"]

_AMOUNT = re.compile(
    r"^(?P<amount>[0-9][0-9_.,]*(?:e[+-]?[0-9]+)?\s*[kmbgt]?)\s*(?P<unit>flops?|trials?)$"
)


class SearchBudget(NamedTuple):
    """What a search may spend.

    Attributes:
        unit: "seconds" of wall clock, "flops" of fitting, or "trials".
        amount: Above 0.
    """

    unit: Unit
    amount: float

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"


def parse_budget(given: str) -> SearchBudget:
    """Read `20m`, `1h30m`, `1e15flop` or `200trials`.

    Raises:
        SpecError: If it is none of these, or not above 0.
    """
    text = given.strip().lower()
    found = _AMOUNT.match(text)
    if found is None:
        if text.endswith(("flop", "flops", "trial", "trials")):
            raise SpecError(f"budget must be like 20m, 1e15flop or 200trials; got {given!r}.")
        return SearchBudget("seconds", _above_zero(parse_duration(given, "budget"), given))
    amount = parse_count(found["amount"].strip(), "budget")
    if found["unit"].startswith("flop"):
        return SearchBudget("flops", _above_zero(float(amount), given))
    if not isinstance(amount, int):
        raise SpecError(f"budget in trials must be a whole number; got {given!r}. Write 200trials.")
    return SearchBudget("trials", _above_zero(float(amount), given))


def _above_zero(amount: float, given: str) -> float:
    if not 0 < amount < math.inf:
        raise SpecError(f"budget must be above 0; got {given!r}. Write 20m, 1e15flop or 200trials.")
    return amount
