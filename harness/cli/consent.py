"""Before anything is sent to an endpoint: what leaves the machine, how often, and for how much."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from harness.plan import Plan

_DEMONSTRATIONS = 16  # a middling number of those that may be shown
_FRAME = 60  # tokens of template and instruction, about


def ask(plan: Plan, *, privacy: str, max_calls: int | None, yes: bool) -> int:
    """Say what a run would send and ask whether it may; the ceiling of calls.

    Raises:
        SpecError: If privacy forbids it, or nobody can be asked.
    """
    from advisor.errors import SpecError
    from harness.backbones.endpoint import is_local

    url = plan.facts.location
    local = is_local(url)
    if privacy == "local" and not local:
        raise SpecError(
            f"--privacy local forbids sending texts to {urlsplit(url).hostname}; "
            "use an endpoint on this machine or --privacy any."
        )
    calls = most_calls(plan)
    ceiling = calls if max_calls is None else max_calls
    leaves = "stay on this machine" if local else f"leave this machine for {urlsplit(url).hostname}"
    click.echo(
        f"Texts, label names, description and demonstrations {leaves}.\n"
        f"At most {calls:,} calls without what was asked before (ceiling {ceiling:,}), "
        f"{_price(plan, min(calls, ceiling))}.",
        err=True,
    )
    if yes:
        return ceiling
    if not sys.stdin.isatty():
        raise SpecError("nothing was sent; add --yes to agree.")
    click.confirm("Send them?", abort=True, err=True)
    return ceiling


def most_calls(plan: Plan) -> int:
    """Validation rows under every template in every trial and seed, and the unseen rows."""
    from harness.strategies.hard_prompt import CONTENT_FREE
    from harness.tasks.templates import TEMPLATES

    schedule, question = plan.schedule("hard_prompt"), plan.question
    fits = schedule.maximum + schedule.seeds - 1
    validation = len(plan.draws[0].validation)
    unseen = min(len(plan.dataset.test), question.test_examples or len(plan.dataset.test))
    if plan.dataset.ood is not None:
        unseen += min(len(plan.dataset.ood), question.test_examples or len(plan.dataset.ood))
    return fits * len(TEMPLATES) * (validation + len(CONTENT_FREE)) + schedule.seeds * unseen


def _price(plan: Plan, calls: int) -> str:
    from advisor.catalogue import api_prices

    model = plan.facts.name.removeprefix("api:").rpartition("@")[0]
    row = next((one for one in api_prices() if one["name"] == model), None)
    if row is None:
        return "price not known"
    each = (plan.data_facts.mean_tokens or 0.0) * (1 + _DEMONSTRATIONS) + _FRAME
    usd = calls * each * float(str(row["usd_per_million_input"])) / 1e6
    return f"about {usd:,.2f} USD at the list price of {row['date']}"
