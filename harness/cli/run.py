"""`harness run`: measure which strategy is best for a model and data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli import STARTED
from harness.cli.where import Where, where_options

if TYPE_CHECKING:
    from harness.question import Question

_TOKENS = 128


@click.command()
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    help="Packaged name (see `harness models`), folder, hub id, timm:NAME or api:NAME.",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Of the OpenAI-compatible endpoint that serves api:NAME; its key in OPENAI_API_KEY.",
)
@click.option("--max-calls", type=int, metavar="N", help="Most calls sent to an endpoint.")
@click.option(
    "--privacy",
    type=click.Choice(["any", "local"]),
    default="any",
    show_default=True,
    help="local forbids endpoints on other machines.",
)
@click.option("--yes", is_flag=True, help="Agree to what an endpoint would be sent.")
@click.option(
    "--data",
    required=True,
    metavar="NAME",
    help="Packaged name (see `harness data`), CSV file or folder of images per class.",
)
@click.option(
    "--strategies",
    default="core",
    show_default=True,
    metavar="core|all|ID,...",
    help="Strategies to compare.",
)
@click.option(
    "--examples",
    default="all",
    show_default=True,
    metavar="N|all",
    help="Labelled examples, training and validation together.",
)
@click.option(
    "--protocol",
    type=click.Choice(["fair", "search"]),
    default="fair",
    show_default=True,
    help="search lets strategies compete for one budget; its result is no evidence.",
)
@click.option(
    "--budget",
    metavar="AMOUNT",
    help="Wall clock of the whole run: 90s, 10m, 2h; for a search also 1e15flop or 200trials. "
    "Without it a fair run's budget is counted in trials.",
)
@click.option(
    "--tolerance",
    type=float,
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="Expected loss at which a search ends.",
)
@click.option("--trials", type=int, metavar="N", help="Most settings tried per strategy.")
@click.option(
    "--set",
    "fixed",
    multiple=True,
    metavar="STRATEGY.KEY=VALUE",
    help="Hold a hyperparameter at one value instead of searching it; may be repeated.",
)
@click.option(
    "--prompt-position",
    type=click.Choice(["before", "behind", "around"]),
    help="Where soft prompts stand; short for --set soft_prompt.position=...",
)
@click.option(
    "--seeds",
    type=int,
    metavar="N",
    help="Draws of the examples; the best setting is scored on each: 3 by default, 1 of a search.",
)
@click.option(
    "--metric", metavar="NAME", help="What selects; without it the task's own, of classes accuracy."
)
@click.option("--target", type=float, metavar="SCORE", help="Score that is needed, in [0, 1].")
@click.option(
    "--task",
    metavar="ID",
    help="A task id (`harness matrix` lists them); without it what the data look like.",
)
@click.option("--text-column", default="text", show_default=True, metavar="NAME")
@click.option(
    "--text-b-column",
    default="text_b",
    show_default=True,
    metavar="NAME",
    help="The second text of a pair.",
)
@click.option("--label-column", default="label", show_default=True, metavar="NAME")
@click.option(
    "--group-column",
    metavar="NAME",
    help="Rows with the same value stay on one side of every split.",
)
@click.option(
    "--label-names", metavar="A,B,...", help="Names of the labels in sorted order, for prompts."
)
@click.option("--description", metavar="TEXT", help="What the task is, for prompts.")
@click.option(
    "--test-data", metavar="PATH", help="Test set; without one, part of the data is held out."
)
@click.option("--ood-data", metavar="PATH", help="Shifted test set, scored beside the normal one.")
@click.option(
    "--test-examples",
    metavar="N",
    help="Test rows to score; without it, as many as the budget allows.",
)
@click.option(
    "--max-tokens",
    type=int,
    default=_TOKENS,
    show_default=True,
    metavar="N",
    help="Longer texts are cut.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to write; runs/<date>-<model>-<data> by default. The same question resumes.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print plan, feasibility and estimated cost, write nothing."
)
@click.option("--verbose", is_flag=True, help="Let libraries print their notes and warnings.")
@where_options
@click.pass_obj
def run(
    given: str,
    model: str,
    base_url: str | None,
    max_calls: int | None,
    privacy: str,
    yes: bool,
    data: str,
    strategies: str,
    examples: str,
    protocol: Literal["fair", "search"],
    budget: str | None,
    tolerance: float,
    trials: int | None,
    fixed: tuple[str, ...],
    prompt_position: str | None,
    seeds: int | None,
    metric: str | None,
    target: float | None,
    task: str | None,
    text_column: str,
    text_b_column: str,
    label_column: str,
    group_column: str | None,
    label_names: str | None,
    description: str | None,
    test_data: str | None,
    ood_data: str | None,
    test_examples: str | None,
    max_tokens: int,
    device: str,
    out: Path | None,
    dry_run: bool,
    verbose: bool,
    where: Where,
) -> int:
    """Tune and compare strategies under the same budget; write records, report and winner."""
    if not verbose:
        from harness.cli.quiet import quiet

        quiet()
    from harness.fixed_settings import read_fixed
    from harness.question import Question
    from harness.search.budget import parse_budget

    spends = None if budget is None else parse_budget(budget)
    named = read_strategies(strategies)
    if prompt_position is not None:
        fixed = (*fixed, f"soft_prompt.position={prompt_position}")
    if base_url is not None:
        from harness.backbones.api import api_name

        model = api_name(model, base_url)
    question = Question(
        model=model,
        data=data,
        strategies=named,
        fixed=read_fixed(fixed, named),
        examples=_whole(examples, "examples"),
        protocol=protocol,
        budget_seconds=spends.amount if spends and spends.unit == "seconds" else None,
        budget_flops=spends.amount if spends and spends.unit == "flops" else None,
        budget_trials=int(spends.amount) if spends and spends.unit == "trials" else None,
        tolerance=tolerance,
        seeds=(1 if protocol == "search" else 3) if seeds is None else seeds,
        metric=None if metric is None else _id(metric),
        target=target,
        text_column=text_column,
        text_b_column=text_b_column,
        task=None if task is None else _id(task),
        label_column=label_column,
        label_names=_names(label_names),
        description=description,
        test_data=test_data,
        ood_data=ood_data,
        group_column=group_column,
        test_examples=None if test_examples is None else _whole(test_examples, "test-examples"),
        max_tokens=max_tokens,
        device=device,
        trials=trials,
    )
    if dry_run:
        from harness.cli.dry_run import describe

        click.echo(describe(question), nl=False)
        return 0
    from harness.backbones.endpoint import at_most

    with at_most(_ceiling(question, privacy=privacy, max_calls=max_calls, yes=yes)):
        return _measure(question, out, given, where)


def _ceiling(question: Question, *, privacy: str, max_calls: int | None, yes: bool) -> int | None:
    """Calls an endpoint may be sent, after asking; None for models on this machine."""
    from harness.backbones.api import PREFIX

    if not question.model.startswith(PREFIX):
        return None
    from harness.cli.consent import ask
    from harness.plan import make_plan

    return ask(make_plan(question), privacy=privacy, max_calls=max_calls, yes=yes)


def _measure(question: Question, out: Path | None, command: str, where: Where) -> int:
    import json

    from harness.cli.display import shown
    from harness.cli.interrupt import interruptible
    from harness.report import summary_text
    from harness.runner import Conditions
    from harness.runner import run as measure
    from harness.tuning import Stopped

    with interruptible() as interrupt:
        try:
            with shown(STARTED) as listen:
                folder = measure(
                    question,
                    out,
                    Conditions(
                        command=command,
                        on_event=listen,
                        cancelled=interrupt,
                        started=STARTED,
                        **where.conditions(),
                    ),
                )
        except Stopped as stopped:
            click.echo(f"harness: {stopped}", err=True)
            return 130
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    click.echo(summary_text(result))
    click.echo(f"report:  {folder / 'report.html'}\nwinner:  {folder / 'winner'}")
    return 0


def read_strategies(given: str) -> tuple[str, ...]:
    """Strategy ids from `core`, `all` or a list of ids; hyphens and upper case are accepted.

    Raises:
        UnknownName: For an id that is not registered.
    """
    from advisor.errors import UnknownName
    from advisor.traits import CORE
    from harness.catalog import STRATEGIES

    known = STRATEGIES.names()
    groups = {"core": tuple(id for id in CORE if id in known), "all": known}
    if given.strip().lower() in groups:
        return groups[given.strip().lower()]
    ids = [part.strip() for part in given.split(",") if part.strip()]
    for name in ids:
        if _id(name) not in known:
            raise UnknownName("strategy", name, (*known, *groups))
    return tuple(dict.fromkeys(map(_id, ids)))


def _id(name: str) -> str:
    return name.lower().replace("-", "_")


def _whole(given: str, key: str) -> int | None:
    """A whole number as people write it; None for "all"."""
    from advisor.errors import SpecError
    from advisor.quantities import parse_count

    if given.strip().lower() == "all":
        return None
    count = parse_count(given, key)
    if not isinstance(count, int):
        raise SpecError(f"{key} must be a whole number or all; got {given!r}.")
    return count


def _names(given: str | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(part.strip() for part in given.split(","))
