"""Near and far data sets in the order in which `harness profile` puts them, model by model.

    python -m benchmarks.shift_order              writes reports/shift_order.md and .json
    python -m benchmarks.shift_order --only gemma measures one model anew and keeps the others

Each set is profiled as the command does it, at its defaults, once per draw of the inputs. Every
situation it would write is put to `advise`. Sets that are not packaged lie under $ADVISOR_DATASETS,
else shared/datasets beside the checkout; noise and plain text files are made here.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from advisor import Situation, advise
from advisor.spec import read_spec
from harness.datasets.base import DataRequest
from harness.files import write_json, write_text
from harness.profile.describe import Profile, make_profile
from harness.profile.situation_file import write_situation

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "reports" / "shift_order"
DATA = Path(os.environ.get("ADVISOR_DATASETS") or ROOT.parent / "shared" / "datasets")
NOISE_IMAGES = 64


@dataclass(frozen=True)
class Chosen:
    """One data set of the table.

    Attributes:
        data: What `--data` names; a name below DATA, a packaged one, or one that `made` makes.
        column: Of the texts.
    """

    name: str
    data: str
    column: str = "text"


_NEWS = (Chosen("BBC news", "bbc-news"), Chosen("news (AG)", "ag_news/test.csv"))
_TEXTS = (
    *_NEWS,
    Chosen("encyclopedia, English", "xquad_en.txt"),
    Chosen("encyclopedia, Spanish", "xquad_es.txt"),
    Chosen("sentences, Spanish", "tatoeba_es.txt"),
    Chosen("chemistry abstracts", "far_chemprot/test.csv"),
)
SETS: dict[str, tuple[Chosen, ...]] = {
    "efficientnet-lite0": (
        Chosen("ants and bees", "images_ants_bees"),
        Chosen("photographs of 32 px", "images_cifar10_sample"),
        Chosen("aerial", "images_satellite_ucmerced"),
        Chosen("X-ray", "xray_bone_fracture"),
        Chosen("noise", "noise"),
    ),
    "minilm": _TEXTS,
    "gemma": _TEXTS,
}
DRAWS = {"efficientnet-lite0": (0, 1, 2), "minilm": (0, 1), "gemma": (0,)}
"""Seeds of the inputs; texts cost more than images, and most with the decoder."""
_FAR_IN_ENGLISH = ("encyclopedia, Spanish", "sentences, Spanish", "chemistry abstracts")
ORDER: dict[str, tuple[tuple[str, str], ...]] = {
    "efficientnet-lite0": tuple(
        (near.name, far.name)
        for near, far in zip(
            SETS["efficientnet-lite0"], SETS["efficientnet-lite0"][1:], strict=False
        )
    ),
    "minilm": tuple((near.name, far) for near in _NEWS for far in _FAR_IN_ENGLISH),
    "gemma": (
        *((near.name, "chemistry abstracts") for near in _NEWS),
        ("encyclopedia, English", "encyclopedia, Spanish"),
        ("encyclopedia, Spanish", "chemistry abstracts"),
        ("sentences, Spanish", "chemistry abstracts"),
    ),
}
"""(near, far) as the rubric has them. Gemma reads many languages: Spanish is not far from it, but
no nearer than the same passages in English."""


def made(folder: Path) -> None:
    """Uniform noise, and texts that are not in a table, one a line."""
    draws = np.random.default_rng(11)
    (folder / "noise").mkdir()
    for index in range(NOISE_IMAGES):
        pixels = draws.integers(0, 256, (224, 224, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "noise" / f"{index:03}.png")
    for language in ("en", "es"):
        lines = (
            (DATA / f"qa_xquad_{language}" / "test.jsonl").read_text(encoding="utf-8").splitlines()
        )
        _texts(folder / f"xquad_{language}.txt", [json.loads(line)["context"] for line in lines])
    with (DATA / "enes_tatoeba" / "test.csv").open(encoding="utf-8", newline="") as table:
        _texts(folder / "tatoeba_es.txt", [row["target"] for row in csv.DictReader(table)])


def _texts(file: Path, texts: Sequence[str]) -> None:
    lines = dict.fromkeys(" ".join(text.replace("\ufeff", "").split()) for text in texts)
    write_text(file, "\n".join(lines))


def profiled(model: str, chosen: Chosen, folder: Path, seed: int) -> Profile:
    """What `harness profile --model MODEL --data SET --seed SEED` finds."""
    places = (folder / chosen.data, DATA / chosen.data)
    data = next((str(one) for one in places if one.exists()), chosen.data)
    request = DataRequest(data=data, text_column=chosen.column, seed=seed)
    return make_profile(model, request, max_tokens=128, device="cpu")


def advised(profile: Profile, file: Path) -> str:
    """The strategy that `advise --spec` ranks first for the situation file of a profile."""
    write_situation(profile, file)
    best = advise(Situation.from_mapping(read_spec(str(file)))).best
    return "nothing feasible" if best is None else best.strategy


def measure(model: str, folder: Path, draws: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Set -> what each draw of its inputs gave."""
    found: dict[str, list[dict[str, Any]]] = {}
    for chosen in SETS[model]:
        for seed in draws:
            print(f"{model}: {chosen.name}, draw {seed}", file=sys.stderr)
            profile = profiled(model, chosen, folder, seed)
            shift, apart = profile.shift, profile.separability
            found.setdefault(chosen.name, []).append(
                {
                    "seed": seed,
                    "statistic": shift.statistic,
                    "value": shift.value,
                    "error": shift.error,
                    "shift": shift.shift,
                    "word": shift.word,
                    "rows": shift.rows,
                    "neighbours": None if apart is None else apart.neighbours,
                    "majority": None if apart is None else apart.majority,
                    "advised": advised(profile, folder / "situation.yaml"),
                }
            )
    return found


def in_order(model: str, sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[int]]:
    """Pair -> draws in which the first lies nearer, and draws in all."""
    found = {}
    for near, far in ORDER[model]:
        pairs = list(zip(sets[near], sets[far], strict=True))
        held = sum(one["value"] < other["value"] for one, other in pairs)
        found[f"{near} before {far}"] = [held, len(pairs)]
    return found


def as_markdown(result: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    lines = [
        "# Near and far data sets",
        "",
        "Made by `python -m benchmarks.shift_order`: `harness profile` at its defaults, once per draw of "
        "the inputs (`--seed`). Values are means over draws, with the spread over draws; a set's own "
        "error is the bootstrap error of one draw. Each situation file was read by `advise`.",
    ]
    for model, sets in result.items():
        draws = len(next(iter(sets.values())))
        rows = next(iter(sets.values()))[0]["rows"]
        statistic = next(iter(sets.values()))[0]["statistic"]
        lines += [
            "",
            f"## {model}: `{statistic}`, {rows} inputs, {draws} draw{'s' if draws > 1 else ''}",
            "",
            "| set | value | least to most | error of one draw | shift | word | nearest neighbours (majority) | `advise` says |",
            "|---|---:|---:|---:|---:|---|---:|---|",
            *(_line(name, several) for name, several in sets.items()),
            "",
            "| order | draws in which it holds |",
            "|---|---:|",
            *(f"| {pair} | {held} of {of} |" for pair, (held, of) in in_order(model, sets).items()),
        ]
    return "\n".join(lines)


def _line(name: str, several: Sequence[Mapping[str, Any]]) -> str:
    values = [one["value"] for one in several]
    apart = [one for one in several if one["neighbours"] is not None]
    near = (
        f"{np.mean([one['neighbours'] for one in apart]):.2f} "
        f"({np.mean([one['majority'] for one in apart]):.2f})"
        if apart
        else "–"
    )
    cells = (
        name,
        f"{np.mean(values):.3f}",
        f"{min(values):.3f} to {max(values):.3f}",
        f"{np.mean([one['error'] for one in several]):.3f}",
        f"{np.mean([one['shift'] for one in several]):.2f}",
        ", ".join(dict.fromkeys(one["word"] for one in several)),
        near,
        ", ".join(dict.fromkeys(one["advised"] for one in several)),
    )
    return "| " + " | ".join(cells) + " |"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=SETS, help="measure one model and keep the others")
    only = parser.parse_args(argv).only
    kept = REPORT.with_suffix(".json")
    result = json.loads(kept.read_text(encoding="utf-8")) if only and kept.exists() else {}
    with TemporaryDirectory() as folder:
        made(Path(folder))
        for model in (only,) if only else SETS:
            result[model] = measure(model, Path(folder), DRAWS[model])
    result = {model: result[model] for model in SETS if model in result}
    write_json(kept, result)
    write_text(REPORT.with_suffix(".md"), as_markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
