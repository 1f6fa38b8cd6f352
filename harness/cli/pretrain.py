"""`harness pretrain`: make a small pretrained model from text or images without labels."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from harness.cli import STARTED

Moved = Callable[[int, int], None]
Evaluated = Callable[[dict[str, float]], None]


@click.command()
@click.option(
    "--objective",
    required=True,
    metavar="ID",
    help="masked_tokens, span_corruption, next_token, masked_autoencoder or denoising.",
)
@click.option(
    "--data",
    "data",
    required=True,
    multiple=True,
    metavar="PATH",
    help="Text file, table, folder of them or of images, packaged name; may be repeated.",
)
@click.option("--text-column", default="text", show_default=True, metavar="NAME", help="Of tables.")
@click.option(
    "--preset", default="small", show_default=True, metavar="NAME", help="tiny, small or gpu-base."
)
@click.option("--steps", type=int, metavar="N", help="Train for so many steps.")
@click.option("--budget", metavar="TIME", help="Train for so long, loading included: 90s, 8m, 2h.")
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Use this tokenizer; without it, one is trained on the text.",
)
@click.option(
    "--tokenizer-data",
    multiple=True,
    metavar="PATH",
    help="More text for the tokenizer alone; may be repeated.",
)
@click.option(
    "--vocabulary", default="8000", show_default=True, metavar="N", help="Tokens at most."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Where to write the model. The same command resumes.",
)
@click.pass_obj
def pretrain(
    given: str,
    objective: str,
    data: tuple[str, ...],
    text_column: str,
    preset: str,
    steps: int | None,
    budget: str | None,
    tokenizer: Path | None,
    tokenizer_data: tuple[str, ...],
    vocabulary: str,
    seed: int,
    device: str,
    out: Path,
) -> int:
    """Make a small pretrained model that `harness run --model FOLDER` takes."""
    from advisor.errors import SpecError
    from advisor.quantities import parse_count, parse_duration
    from harness.cli.interrupt import interruptible
    from harness.cli.quiet import quiet

    quiet()
    from harness.pretrain.loop import Limits, Watch
    from harness.pretrain.record import summary
    from harness.pretrain.runner import Order, make
    from harness.strategies.base import Interrupted

    size = parse_count(vocabulary, "vocabulary")
    if not isinstance(size, int):
        raise SpecError(f"vocabulary must be a whole number; got {vocabulary!r}.")
    order = Order(
        objective=objective.lower().replace("-", "_"),
        data=data,
        preset=preset,
        limits=Limits(steps, None if budget is None else parse_duration(budget, "budget")),
        tokenizer=tokenizer,
        tokenizer_data=tokenizer_data,
        vocabulary=size,
        text_column=text_column,
        seed=seed,
        device=device,
    )
    with interruptible() as interrupt, _shown() as (moved, evaluated):
        watch = Watch(lambda: time.monotonic() - STARTED, interrupt, moved, evaluated)
        try:
            done = make(order, out, command=given, watch=watch)
        except Interrupted:
            click.echo("harness: interrupted; the same command goes on from here.", err=True)
            return 130
    click.echo(f"{summary(done)}\nmodel:   {out}")
    return 0


@contextmanager
def _shown() -> Iterator[tuple[Moved, Evaluated]]:
    """A bar with the time that is left on a terminal, and the losses as lines; on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f}% about"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task("reading", total=None)

    def moved(step: int, total: int) -> None:
        bar.update(task, completed=step, total=total, description=f"step {step:,} of {total:,}")

    def evaluated(point: dict[str, float]) -> None:
        train = f"training loss {point['train_loss']:.3f}, " if "train_loss" in point else ""
        elapsed = time.monotonic() - STARTED
        console.print(
            f"[{elapsed:6.0f} s] step {point['step']:,}: {train}"
            f"held-out loss {point['held_out_loss']:.3f}",
            markup=False,
            soft_wrap=True,
        )

    with bar:
        yield moved, evaluated
