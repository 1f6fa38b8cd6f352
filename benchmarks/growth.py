"""How time and memory grow: features over texts and tokens, the probe's path over rows and classes,
`predict` over the rows of a table.

    python -m benchmarks.growth [--quick]

Memory of the path is bounded by its rows, twice (as given and standardised, 4 bytes a number), and
by what the descent remembers: strengths x 2 x 10 steps x (width + 1) x classes x 8 bytes. Memory of
`predict` is that of the model and of one part of 4,096 rows.
"""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Chart, Result, Series
from benchmarks.sides import Contender, Outcome, Work, race

WIDTH = 384


def path_of(n: int, classes: int) -> Work:
    import numpy as np

    from harness.strategies.probe_path import regularization_path

    draw = np.random.default_rng(0)
    x = draw.standard_normal((n, WIDTH)).astype(np.float32)
    said = x[:, :classes] + draw.gumbel(size=(n, classes))

    def work() -> Outcome:
        list(regularization_path(x, said.argmax(axis=1), classes))
        return Outcome()

    return work


def features_of(n: int, words: int) -> Work:
    from harness.backbones.base import View
    from harness.models import load_backbone, resolve_model

    backbone = load_backbone(resolve_model("minilm"), "cpu", 512)
    texts = [" ".join(f"word{(row + at) % 97}" for at in range(words)) for row in range(n)]

    def work() -> Outcome:
        backbone.views(texts, [View("mean")])
        return Outcome()

    return work


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

    return work


def small_run(folder: Path) -> None:
    """The winner that predicts: a probe on MiniLM, fitted on 40 short texts."""
    from harness.question import Question
    from harness.runner import Conditions
    from harness.runner import run as measured_run

    data = folder / "data.csv"
    lines = [f"row {row} is {'good' if row % 2 else 'bad'},{row % 2}" for row in range(120)]
    data.write_text("text,label\n" + "\n".join(lines) + "\n")
    asked = Question(model="minilm", data=str(data), examples=40, strategies=("linear_probe",))
    measured_run(asked, folder / "run", Conditions(command="benchmarks.growth"))


def chart(title: str, x: str, asked: Asked, sides: dict[float, Contender], note: str = "") -> list[Chart]:  # fmt: skip
    """Seconds and memory over what is varied; one process at a time."""
    seconds, memory = [], []
    for at, side in sides.items():
        (found,) = race([side], rounds=asked.rounds, threads=asked.threads)
        seconds.append((at, found.median))
        memory.append((at, found.peak_bytes / 1e9))
    return [
        Chart(f"{title}: time", x, "seconds", (Series("seconds", tuple(seconds)),), note),
        Chart(f"{title}: memory", x, "GB", (Series("peak memory", tuple(memory)),)),
    ]


def measure(asked: Asked) -> Result:
    some = 1 if asked.quick else 10
    charts = chart(
        f"path of the probe, {WIDTH} wide, 10 classes", "rows", asked,
        {float(n): Contender("path", path_of, {"n": n, "classes": 10}) for n in (500 * some, 2000 * some, 8000 * some)},
    )  # fmt: skip
    charts += chart(
        f"path of the probe, {2000 * some:,} rows", "classes", asked,
        {float(k): Contender("path", path_of, {"n": 2000 * some, "classes": k}) for k in (2, 8, 32)},
    )  # fmt: skip
    charts += chart(
        "features of MiniLM, 20 words a text", "texts", asked,
        {float(n): Contender("features", features_of, {"n": n, "words": 20}) for n in (12 * some, 48 * some, 192 * some)},
    )  # fmt: skip
    charts += chart(
        f"features of MiniLM, {12 * some} texts", "words", asked,
        {float(w): Contender("features", features_of, {"n": 12 * some, "words": w}) for w in (8, 32, 128)},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        small_run(Path(folder))
        charts += chart(
            "harness predict of a CSV file", "rows", asked,
            {float(n): Contender("predict", table_of, {"n": n, "folder": folder}) for n in ((500, 2000) if asked.quick else (25_000, 100_000))},
            "Above 20,000 rows no features are kept.",
        )  # fmt: skip
    return result(charts=tuple(charts))


BENCHMARK = Benchmark("growth", measure, rounds=(1, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
