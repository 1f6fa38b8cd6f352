"""How time and memory grow: the probe's path over rows and classes; features over texts, words and
the size of the model; hard prompting over demonstrations and labels; `predict` over a table's rows.

    python -m benchmarks.growth [--quick]

Memory is what the work adds to the process at rest. It is compared with a bound:

    path      rows x width x (4 or 8) x 2 bytes, as standardised and while principal axes are taken;
              strengths x classes x (72 x (width + 1) + 4 x 2,048) x 8 bytes, for the 10 steps remembered
              (places and slopes, and two copies of them while a step is taken) and one block of rows
    features  rows x width x 4 bytes, and the activations of one batch
    prompt    keys and values of the prefix, layers x 2 x key heads x head size x 4 bytes a token, and
              the activations and logits of one batch
    predict   one part of 4,096 rows: its features and its activations; none of it grows with the table

What does not depend on the size (activations, libraries' buffers) is taken from the smallest size.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Chart, Result, Series, Table
from benchmarks.sides import Contender, Outcome, Work, race, resident_bytes

if TYPE_CHECKING:
    from harness.backbones.encoder import EncoderBackbone

WIDTH = 384
SLACK = 64e6
"""Bytes by which allocators differ from run to run."""


@dataclass(frozen=True)
class Growth:
    """One quantity varied.

    Args:
        make: Makes the work of a size, from `arguments` and `{vary: size}`.
        grows: Bytes that the bound adds for a size; None where memory is only shown.
    """

    title: str
    x: str
    make: Callable[..., Work]
    vary: str
    sizes: Sequence[int]
    arguments: Mapping[str, Any]
    grows: Callable[[int], float] | None = None
    note: str = ""


def path_of(n: int, classes: int) -> Work:
    import numpy as np

    from harness.strategies.probe_path import regularization_path

    draw = np.random.default_rng(0)
    x = draw.standard_normal((n, WIDTH)).astype(np.float32)
    said = (x[:, :classes] + draw.gumbel(size=(n, classes))).argmax(axis=1)

    def work() -> Outcome:
        list(regularization_path(x, said, classes))
        return Outcome()

    return resting(work)


def path_bytes(n: int, classes: int) -> float:
    """The bound of the path."""
    from harness.strategies.probe_descent import MEMORY
    from harness.strategies.probe_loss import BLOCK, SINGLE_ABOVE
    from harness.strategies.probe_path import STRENGTHS

    number = 4 if n * WIDTH > SINGLE_ABOVE else 8
    remembered = (3 * 2 * MEMORY + 12) * (WIDTH + 1) + 4 * BLOCK
    return 2.0 * n * WIDTH * number + len(STRENGTHS) * classes * remembered * 8


def features_of(n: int, words: int) -> Work:
    from harness.backbones.base import View
    from harness.models import load_backbone, resolve_model

    backbone = load_backbone(resolve_model("minilm"), "cpu", 512)
    texts = [" ".join(f"word{(row + at) % 97}" for at in range(words)) for row in range(n)]

    def work() -> Outcome:
        backbone.views(texts, [View("mean")])
        return Outcome()

    return resting(work)


def sized_encoder(width: int, blocks: int) -> EncoderBackbone:
    """A BERT of a width with weights drawn at random, reading MiniLM's tokens."""
    from dataclasses import replace

    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from harness.backbones.encoder import EncoderBackbone
    from harness.models import resolve_model

    facts = resolve_model("minilm")
    tokenizer = AutoTokenizer.from_pretrained(facts.location)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
    )
    torch.manual_seed(0)
    model = BertModel(config, add_pooling_layer=False)
    sized = replace(facts, width=width, layers=blocks)
    return EncoderBackbone(sized, model, tokenizer, device=torch.device("cpu"), max_tokens=64)


def sized_features_of(width: int, blocks: int, n: int) -> Work:
    from harness.backbones.base import View

    backbone = sized_encoder(width, blocks)
    texts = [" ".join(f"word{(row + at) % 97}" for at in range(20)) for row in range(n)]

    def work() -> Outcome:
        backbone.views(texts, [View("mean")])
        return Outcome()

    return resting(work)


def prompted(texts: int, demonstrations: int, labels: int) -> Work:
    """News and so many labels of two tokens scored behind so many demonstrations."""
    from benchmarks.news import bbc_news, drawn, gemma

    backbone = gemma()
    data = bbc_news()
    shown = drawn(data.train, demonstrations)
    names = [f" topic {chr(65 + at // 26)}{chr(65 + at % 26)}" for at in range(labels)]
    blocks = [
        f"{text}\nTopic:{names[target % labels]}\n\n"
        for text, target in zip(backbone.truncate(shown.inputs, 64), shown.targets, strict=True)
    ]
    asked = [f"{text}\nTopic:" for text in backbone.truncate(drawn(data.test, texts).inputs, 64)]

    def work() -> Outcome:
        backbone.label_logprobs(asked, names, prefix="".join(blocks))
        return Outcome()

    return resting(work)


def table_of(n: int, folder: str) -> Work:
    """`predict` of a table of so many rows, by the probe of a small run made before."""
    from harness.files import write_parts
    from harness.prediction import predicted_parts

    out = Path(folder)
    given = out / f"in{n}.csv"
    with given.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text"])
        table.writerows([f"row {row} is {'good' if row % 2 else 'bad'}"] for row in range(n))

    def work() -> Outcome:
        started = time.perf_counter()
        write_parts(out / f"out{n}.csv", predicted_parts(out / "run", given))
        return Outcome(seconds=time.perf_counter() - started)

    return resting(work)


def small_run(folder: Path) -> None:
    """The winner that predicts: a probe on a small encoder, fitted on 40 short texts."""
    from harness.question import Question
    from harness.runner import Conditions
    from harness.runner import run as measured_run

    backbone = sized_encoder(64, 1)
    model = folder / "model"
    backbone.model.save_pretrained(model)
    backbone.tokenizer.save_pretrained(model)
    data = folder / "data.csv"
    lines = [f"row {row} is {'good' if row % 2 else 'bad'},{row % 2}" for row in range(120)]
    data.write_text("text,label\n" + "\n".join(lines) + "\n")
    asked = Question(model=str(model), data=str(data), examples=40, strategies=("linear_probe",))
    measured_run(asked, folder / "run", Conditions(command="benchmarks.growth"))


def resting(work: Work) -> Work:
    """The work, which also tells how much memory its process held before it first began."""
    rest = resident_bytes()

    def told() -> Outcome:
        done = work()
        return Outcome({**done.values, "resting": rest}, done.seconds, done.flops)

    return told


def measured(growth: Growth, asked: Asked) -> tuple[list[Chart], list[tuple[str, ...]]]:
    """Charts of seconds and memory over what is varied, and the lines of the bound; the quick ones
    show the smallest and the largest size."""
    sizes = (growth.sizes[0], growth.sizes[-1]) if asked.quick else growth.sizes
    sides = [
        Contender(growth.title, growth.make, {**growth.arguments, growth.vary: size})
        for size in sizes
    ]
    found = dict(zip(sizes, race(sides, rounds=asked.rounds, threads=asked.threads), strict=True))
    seconds = tuple((float(size), one.median) for size, one in found.items())
    added = {size: one.peak_bytes - one.outcome.values["resting"] for size, one in found.items()}
    memory = tuple((float(size), max(extra, 1) / 1e6) for size, extra in added.items())
    charts = [
        Chart(f"{growth.title}: time", growth.x, "seconds", (Series("seconds", seconds),), growth.note),
        Chart(f"{growth.title}: memory", growth.x, "MB", (Series("added by the work", memory),)),
    ]  # fmt: skip
    return charts, bound_lines(growth, added)


def bound_lines(growth: Growth, added: Mapping[int, float]) -> list[tuple[str, ...]]:
    """Size by size what was added, what the bound allows, and whether it holds."""
    if growth.grows is None:
        return []
    smallest = growth.sizes[0]
    base = max(0.0, added[smallest] - growth.grows(smallest))
    lines = []
    for size, extra in added.items():
        allowed = growth.grows(size) + base + SLACK
        lines.append(
            (
                growth.title,
                f"{size:,} {growth.x}",
                f"{extra / 1e6:,.0f} MB",
                f"{allowed / 1e6:,.0f} MB",
                "yes" if extra <= allowed else "no",
            )
        )
    return lines


def growths(folder: str, *, quick: bool) -> list[Growth]:
    """What is varied."""
    some = 1 if quick else 10
    texts = 12
    rows = 2000 * some
    key_bytes = 18 * 2 * 1 * 256 * 4  # a token of Gemma-3-270M: 18 layers, 1 key head of 256
    return [
        Growth(
            f"path of the probe, {WIDTH} wide, 10 classes", "rows", path_of, "n",
            (500 * some, 2000 * some, 8000 * some), {"classes": 10},
            lambda n: path_bytes(n, 10),
        ),
        Growth(
            f"path of the probe, {rows:,} rows", "classes", path_of, "classes",
            (2, 8, 32), {"n": rows}, lambda k: path_bytes(rows, k),
        ),
        Growth(
            "features of MiniLM, 20 words a text", "texts", features_of, "n",
            (96, 192, 384) if quick else (120, 480, 1920), {"words": 20}, lambda n: n * WIDTH * 4.0,
            "The smallest number fills a batch of two threads.",
        ),
        Growth(
            f"features of MiniLM, {texts * some} texts", "words", features_of, "words",
            (8, 32, 128), {"n": texts * some},
        ),
        Growth(
            f"features of a BERT of 4 blocks, {texts * some} texts", "wide", sized_features_of, "width",
            (128, 384, 1024), {"blocks": 4, "n": texts * some},
            note="Time grows with the square of the width, as the weights of the blocks do.",
        ),
        Growth(
            f"hard prompting of Gemma-3-270M, {texts} texts, 5 labels", "demonstrations", prompted, "demonstrations",
            (1, 4, 16) if quick else (1, 8, 64), {"texts": texts, "labels": 5},
            lambda shown: shown * 80.0 * key_bytes * 2,
            "80 tokens a demonstration; twice, as a batch reads a copy. They are read once, whatever the number of texts.",
        ),
        Growth(
            f"hard prompting of Gemma-3-270M, {texts} texts, 4 demonstrations", "labels", prompted, "labels",
            (2, 8, 32), {"texts": texts, "demonstrations": 4},
            note="All labels of a text are branches of one tree in one pass.",
        ),
        Growth(
            "harness predict of a CSV file", "rows", table_of, "n",
            (5_000, 20_000) if quick else (10_000, 100_000, 1_000_000), {"folder": folder},
            lambda n: 0.0,
            "The probe of a BERT of 1 block, 64 wide. Above 20,000 rows no features are kept.",
        ),
    ]  # fmt: skip


def measure(asked: Asked) -> Result:
    charts: list[Chart] = []
    lines: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        small_run(Path(folder))
        for growth in growths(folder, quick=asked.quick):
            drawn, told = measured(growth, asked)
            charts += drawn
            lines += told
    return result(
        charts=tuple(charts),
        tables=(
            Table(
                "Memory added by the work, and its bound",
                ("what", "size", "measured", "bound", "within"),
                tuple(lines),
                "The bound is the formula of `benchmarks/growth.py`, what the smallest size took "
                f"besides, and {SLACK / 1e6:.0f} MB.",
            ),
        ),
    )


BENCHMARK = Benchmark("growth", measure, rounds=(1, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
