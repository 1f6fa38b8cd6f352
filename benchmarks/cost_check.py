"""Cost estimates against measurements: three packaged models, every core strategy.

    python benchmarks/cost_check.py [--models minilm …] [--strategies linear_probe …]

Each pair runs once in a process of its own, so that its peak memory is its own: the model is
loaded, the strategy fitted on 64 examples with fixed settings (two epochs where it trains), and
64 rows are scored. The estimate is what `harness run --dry-run` would say of the same work, with
the machine's speed measured in the same process. Features are extracted anew every time.

Writes advisor/catalogue/cost_check.json, which `advise` quotes beside its estimates, and
reports/cost_check.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ROOT / "advisor" / "catalogue" / "cost_check.json"
MODELS = {"minilm": "bbc-news", "efficientnet-lite0": "textile", "gemma": "bbc-news"}
STRATEGIES = ("linear_probe", "full_finetune", "hard_prompt", "soft_prompt")
EXAMPLES, TEST_ROWS, EPOCHS, BATCH, MAX_TOKENS, DEMONSTRATIONS = 64, 64, 2, 8, 128, 16
SETTINGS: dict[str, dict[str, object]] = {
    "linear_probe": {},
    "full_finetune": {"learning_rate": 1e-4, "epochs": EPOCHS, "batch_size": BATCH},
    "soft_prompt": {"epochs": EPOCHS, "batch_size": BATCH},
    "hard_prompt": {
        "n_demonstrations": DEMONSTRATIONS,
        "template": "label",
        "calibration": "none",
        "length_normalization": "none",
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(*asked.one)))
        return 0
    rows = []
    for model in asked.models:
        for strategy in asked.strategies:
            row = in_own_process(model, strategy)
            print(describe(row), flush=True)
            rows.append(row)
            write([*kept(rows), *rows])
    return 0


def kept(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows of earlier calls for pairs that are not measured anew: a long check can be done in parts."""
    new = {(row["model"], row["strategy"]) for row in rows}
    if not CHECKED.is_file():
        return []
    before = json.loads(CHECKED.read_text(encoding="utf-8"))["rows"]
    return [row for row in before if (row["model"], row["strategy"]) not in new]


def in_own_process(model: str, strategy: str) -> dict[str, object]:
    """One pair, measured in a fresh process with a feature cache of its own."""
    from harness.device import cache_dir

    with tempfile.TemporaryDirectory() as folder:
        for made in cache_dir().iterdir() if cache_dir().is_dir() else ():
            if made.name != "features":  # converted and exported models are made once
                (Path(folder) / made.name).symlink_to(made)
        done = subprocess.run(
            [sys.executable, __file__, "--one", model, strategy],
            env={**os.environ, "ADAPTATION_ADVISOR_CACHE": folder, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def measure(model: str, strategy: str) -> dict[str, object]:
    """Estimate and measurement of one pair; the reason where it is refused."""
    import torch

    from harness.advice import LocalCosts
    from harness.device import pick_device
    from harness.memory import PeakMemory
    from harness.models import load_backbone
    from harness.plan import make_plan
    from harness.question import Question
    from harness.strategies.base import TrialBudget

    device = pick_device()
    question = Question(
        model=model,
        data=MODELS[model],
        strategies=STRATEGIES,
        examples=EXAMPLES,
        seeds=1,
        max_tokens=MAX_TOKENS,
    )
    plan = make_plan(question)
    if strategy in plan.refused:
        return {"model": model, "strategy": strategy, "refused": plan.refused[strategy]}
    kind, draw = plan.strategies[strategy], plan.draws[0]
    test = plan.dataset.test.take(range(TEST_ROWS))
    costs = LocalCosts(plan, device)
    expected = costs.expect(
        kind, costs.usual._replace(epochs=EPOCHS, batch_size=BATCH, test_rows=TEST_ROWS)
    )
    torch.manual_seed(0)
    with PeakMemory(device) as memory:
        started = time.perf_counter()
        backbone = load_backbone(plan.facts, device, MAX_TOKENS)
        fitted = kind(**SETTINGS[strategy]).fit(
            backbone, plan.task, draw.train, draw.validation, seed=0, budget=TrialBudget()
        )
        fitted.predict(test.inputs)
        seconds = time.perf_counter() - started
    return {
        "model": model,
        "strategy": strategy,
        "estimated_seconds": expected.seconds,
        "measured_seconds": seconds,
        "estimated_bytes": expected.peak_memory_bytes,
        "measured_bytes": memory.peak_bytes,
    }


def describe(row: dict[str, object]) -> str:
    name = f"{row['model']:20} {row['strategy']:14}"
    if "refused" in row:
        return f"{name} refused: {row['refused']}"
    return (
        f"{name} estimated {row['estimated_seconds']:7.1f} s, measured {row['measured_seconds']:7.1f} s; "
        f"estimated {row['estimated_bytes'] / 1e9:5.2f} GB, measured {row['measured_bytes'] / 1e9:5.2f} GB"
    )


def factors(rows: list[dict[str, object]], what: str) -> list[float]:
    """How many times too high or too low each estimate is, at least 1."""
    ratios = [float(row[f"estimated_{what}"]) / float(row[f"measured_{what}"]) for row in rows]  # type: ignore[arg-type]
    return [max(ratio, 1 / ratio) for ratio in ratios]


def ninth_decile(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]


def write(rows: list[dict[str, object]]) -> None:
    import torch

    from harness.environment import device_name
    from harness.files import write_text

    measured = [row for row in rows if "refused" not in row]
    memory, seconds = factors(measured, "bytes"), factors(measured, "seconds")
    checked = {
        "measured_on": f"{device_name(torch.device('cpu'))}, {os.cpu_count()} cores",
        "work": f"{EXAMPLES} examples, {EPOCHS} epochs, {TEST_ROWS} rows scored, texts cut to {MAX_TOKENS} tokens",
        "command": "python benchmarks/cost_check.py",
        "rows": rows,
        "summary": {
            "memory_factor_p90": ninth_decile(memory),
            "seconds_factor_p90": ninth_decile(seconds),
            "memory_factor_median": statistics.median(memory),
            "seconds_factor_median": statistics.median(seconds),
        },
    }
    write_text(CHECKED, json.dumps(checked, indent=2))
    lines = [
        "# Cost estimates against measurements",
        "",
        f"`{checked['command']}` on {checked['measured_on']}: {checked['work']}; loading included.",
        "",
        "| model | strategy | seconds estimated | measured | peak memory estimated | measured |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        name = f"| {row['model']} | {row['strategy']} |"
        if "refused" in row:
            lines.append(f"{name} refused: {row['refused']} ||||")
        else:
            lines.append(
                f"{name} {row['estimated_seconds']:.1f} | {row['measured_seconds']:.1f} | "
                f"{row['estimated_bytes'] / 1e9:.2f} GB | {row['measured_bytes'] / 1e9:.2f} GB |"
            )
    lines += [
        "",
        f"Factor between estimate and measurement, median and the one nine in ten stay below: "
        f"time {statistics.median(seconds):.2f} and {ninth_decile(seconds):.2f}, "
        f"memory {statistics.median(memory):.2f} and {ninth_decile(memory):.2f}.",
    ]
    write_text(ROOT / "reports" / "cost_check.md", "\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
