"""Complete grids of trials, measured here, that `benchmarks.search` replays.

    python -m benchmarks.search_grids                measure what is missing of every grid
    python -m benchmarks.search_grids --only trec6   of one grid

A grid is every combination of strategy, setting, number of examples and seed on one model and one
data set. A cell trains on the training rows of a nested draw and validates on the validation rows
of the largest one, as `--protocol search` does; then it is scored on the test rows. Each grid is
one CSV file under benchmarks/grids; a cell is appended when it is finished, so that an interrupted
command goes on where it stopped.

Cost is CPU time of fitting and validating on one thread, not wall time, so that other work on the
machine changes it little. Features of the frozen model are extracted before and charged by the row.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "grids"
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "datasets"
TEST_ROWS = 200
_TEXT, _IMAGE = "minilm", "efficientnet-lite0@64px"


@dataclass(frozen=True)
class Grid:
    """One model and one data set.

    Attributes:
        data: Name of a packaged data set or of a folder under shared/datasets.
        group: The data set's name in the evidence, which is left out of the fit; several names of
            one source are parted by blanks.
        sizes: Examples in all, training and validation; the last is the full size.
        epochs: Of every training; tokens: where texts are cut; lora: whether it takes part.
    """

    name: str
    data: str
    group: str
    image: bool = False
    sizes: tuple[int, ...] = (16, 32, 48, 192)
    seeds: tuple[int, ...] = (0,)
    epochs: int = 3
    tokens: int = 16
    lora: bool = False


_WIDE = (16, 32, 64, 256)
_AMAZON = "amazon_reviews amazon_snippets"


GRIDS = (
    Grid("trec6", "trec6", "trec", False, _WIDE, epochs=4, tokens=24, lora=True),
    Grid("ants_bees", "images_ants_bees", "ants_bees", True, (15, 30, 60, 240)),
    Grid("sms_spam", "sms_spam", "sms_spam", False, _WIDE, tokens=24),
    Grid("textile", "textile", "textile", True, _WIDE),
    Grid("sst2", "sentiment_sst2", "sst_2", False, _WIDE, tokens=24),
    Grid("xray", "xray_bone_fracture", "xray", True, (12, 24, 34, 136)),
    Grid("bbc_news", "bbc-news", "bbc_news"),
    Grid("magnetic_tile", "defects_magnetic_tile", "magnetic_tile", True),
    Grid("tweets", "sentiment_tweets", "sst_2"),
    Grid("cifar10", "images_cifar10_sample", "cifar_10", True),
    Grid("ag_news", "ag_news", "ag_news"),
    Grid("clothing", "images_clothing_small", "clothing_small", True),
    Grid("amazon_cells", "sentiment_uci_amazon_cells", _AMAZON),
    Grid("imdb_sentences", "sentiment_uci_imdb", "imdb"),
    Grid("amazon_snippets", "sentiment_amazon_snippets", _AMAZON),
)


@dataclass(frozen=True)
class Cell:
    """One trial of a grid.

    Attributes:
        settings: Hyperparameters as JSON. size: Examples in all.
        seconds: CPU time of fitting and validating, without features of the frozen model.
        feature_seconds: CPU time of one row's features; feature_rows: how many it reads.
        flops: Of the fit; empty where the strategy does not count them.
    """

    strategy: str
    settings: str
    size: int
    seed: int
    validation: float
    validation_loss: float
    validation_rows: int
    test: float
    test_rows: int
    seconds: float
    feature_seconds: float
    feature_rows: int
    flops: float | None

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.strategy, self.settings, self.size, self.seed


def settings_of(grid: Grid, probe: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Every strategy and setting, cheap ones first.

    Args:
        probe: The listed points of the linear probe's space.
    """
    rates = (1e-4, 3e-4) if not grid.image else (3e-4, 1e-3)
    for point in probe:
        yield "linear_probe", _json(point)
    for rate in rates:
        yield "full_finetune", _json({"learning_rate": rate, "epochs": grid.epochs})
    yield "lp_ft", _json({"learning_rate": rates[0], "epochs": grid.epochs})
    if grid.lora:
        yield "lora", _json({"learning_rate": 2e-3, "rank": 8, "epochs": grid.epochs})


def measure(grid: Grid) -> None:
    """Measure the missing cells of a grid and append each to its file."""
    from harness.features import cached_features  # noqa: F401  (the probe reads the cache)
    from harness.models import load_backbone
    from harness.plan import make_plan, subset
    from harness.question import Question
    from harness.splits import draw_examples

    place = DATA / grid.data
    strategies = ("linear_probe", "full_finetune", "lp_ft", "lora")
    question = Question(
        model=_IMAGE if grid.image else _TEXT,
        data=str(place) if place.exists() else grid.data,
        strategies=strategies if grid.lora else strategies[:3],
        examples=grid.sizes[-1],
        seeds=len(grid.seeds),
        max_tokens=grid.tokens,
        device="cpu",
    )
    plan = make_plan(question)
    pairs = list(settings_of(grid, plan.space("linear_probe").first))
    wanted = [(s, p, n, seed) for s, p in pairs for n in grid.sizes for seed in grid.seeds]
    done = {cell.key for cell in read(grid.name)}
    missing = [key for key in wanted if key not in done]
    if not missing:
        return
    backbone = load_backbone(plan.facts, plan.device, question.max_tokens)
    test = subset(plan.dataset.test, TEST_ROWS)
    each = _feature_seconds(plan, backbone, test)
    for strategy, settings, size, seed in missing:
        train, _ = draw_examples(plan.dataset.train, size, seed, plan.task.n_classes)
        validation = plan.draws[seed].validation
        kind = plan.strategies[strategy](**_tuples(json.loads(settings)))
        cell = _trial(plan, backbone, kind, train, validation, test, seed)
        cell |= {"strategy": strategy, "settings": settings, "size": size, "seed": seed}
        frozen = strategy in ("linear_probe", "lp_ft")
        cell |= {"feature_seconds": each, "feature_rows": len(train) + len(validation) if frozen else 0}  # fmt: skip
        append(grid.name, Cell(**cell))
        print(f"{grid.name} {strategy} {settings} {size} {cell['validation']:.3f} {cell['test']:.3f} {cell['seconds']:.1f} s", flush=True)  # fmt: skip


def _feature_seconds(plan: Any, backbone: Any, test: Any) -> float:
    """CPU seconds of one row through the frozen model, measured on validation rows; the cache
    is filled for all rows meanwhile."""
    from harness.features import uncached
    from harness.strategies.base import TrialBudget

    probe = plan.strategies["linear_probe"]
    draw, first = plan.draws[0], plan.space("linear_probe").first[0]
    with uncached():
        started = time.process_time()
        probe(**first).fit(backbone, plan.task, draw.validation, draw.validation, seed=0, budget=TrialBudget())  # fmt: skip
        taken = time.process_time() - started
    for point in plan.space("linear_probe").first:
        fitted = probe(**point).fit(backbone, plan.task, draw.train, draw.validation, seed=0, budget=TrialBudget())  # fmt: skip
        fitted.predict(test.inputs)
    return taken / (2 * len(draw.validation))


def _trial(
    plan: Any, backbone: Any, kind: Any, train: Any, validation: Any, test: Any, seed: int
) -> dict[str, Any]:
    from harness.strategies.base import TrialBudget

    started = time.process_time()
    kind.fit(backbone, plan.task, train, validation, seed=seed, budget=TrialBudget())
    scores = plan.task.scores(kind.predict(validation.inputs), validation.targets)
    seconds = time.process_time() - started
    metric = plan.task.metric
    tested = plan.task.scores(kind.predict(test.inputs), test.targets)
    return {
        "validation": scores[metric],
        "validation_loss": scores["log_loss"],
        "validation_rows": len(validation),
        "test": tested[metric],
        "test_rows": len(test),
        "seconds": seconds,
        "flops": kind.report_.flops,
    }


def read(name: str, folder: Path = FOLDER) -> list[Cell]:
    """The finished cells of a grid, in the order in which they were measured."""
    file = folder / f"{name}.csv"
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        return [_cell(row) for row in csv.DictReader(opened)]


def append(name: str, cell: Cell, folder: Path = FOLDER) -> None:
    """Add a cell; a new file gets its header first."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.csv"
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, [one.name for one in fields(Cell)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({key: _short(value) for key, value in asdict(cell).items()})


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _cell(row: Mapping[str, str]) -> Cell:
    whole = {"size", "seed", "validation_rows", "test_rows", "feature_rows"}
    words = {"strategy", "settings"}
    values: dict[str, Any] = {
        key: value
        if key in words
        else int(value)
        if key in whole
        else (float(value) if value else None)
        for key, value in row.items()
    }
    return Cell(**values)


def _json(point: Mapping[str, Any]) -> str:
    return json.dumps(dict(point), sort_keys=True)


def _tuples(point: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in point.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_grids",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [grid.name for grid in GRIDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="GRID")
    given = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)
    try:
        for grid in GRIDS:
            if grid.name in given.only:
                measure(grid)
    except KeyboardInterrupt:
        print("search_grids: stopped; finished cells are kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
