"""Frozen image features and a probe: ours against timm and scikit-learn.

    python -m benchmarks.frozen_images [--quick]

EfficientNet-Lite0 at 224 pixels on the textile images of conformal-clip-data: 1,000 images (800 fit
and choose, 200 test), with --quick 32. The peer is what timm's documentation shows: its own
transform, batches of 32 from a torch DataLoader, the network in eager mode, then
LogisticRegressionCV. Files are read and decoded by both sides every round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import probes
from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.results import Agreement, Result, Row, Table, figures
from benchmarks.sides import Contender, Measured, Work, race

WANTED = 3.5
POINTS = 0.5
"""Of accuracy that may be lost; each side's probe chooses by itself."""
CLOSE = 1e-3
DATA = "textile"


def ours(n: int, test: int) -> Work:
    from harness.backbones.base import View
    from harness.models import load_backbone, resolve_model

    given = probes.rows(DATA, n, test=test)
    backbone = load_backbone(resolve_model("efficientnet-lite0"), "cpu", None)
    backbone.views(given.inputs[:1], [View("mean")])  # exports the network once
    if backbone.plain_path:
        raise RuntimeError(f"the fast path is not taken: {backbone.plain_path}")

    def extract(files: Sequence[Path]) -> np.ndarray:
        return backbone.views(files, [View("mean")])

    return probes.extracts_and_probes(
        extract, probes.our_probe, given, beside=lambda: alone(backbone, given.inputs)
    )


def alone(backbone: Any, files: Sequence[Path]) -> dict[str, float]:
    """Seconds of reading all files, and of the network on as many pixels that are ready: as we run
    it, from the same file by ONNX Runtime, and by torch."""
    from harness.backbones.convnet import BATCH
    from harness.backbones.onnx_runtime import exported

    started = time.perf_counter()
    for _ in backbone.reader.batches(files, BATCH):
        pass
    read = time.perf_counter()
    pixels = backbone.reader.read(files[:BATCH]).contiguous()
    inputs = {"pixels": pixels}
    onnx = exported(backbone._network, inputs, inputs).engine
    ways = {
        "network": lambda: backbone._compute(pixels),
        "by ONNX Runtime": lambda: onnx({"pixels": pixels.numpy()}),
        "by torch": lambda: backbone._torch_features(pixels),
    }
    repeats = max(1, min(8, len(files) // len(pixels)))
    batches = len(files) / len(pixels)
    found = {name: batches * _each(way, repeats) for name, way in ways.items()}
    return {"reading": read - started, **found}


def _each(work: Callable[[], object], repeats: int) -> float:
    """Seconds of one call."""
    work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def why(one: Measured, other: Measured, ratio: float) -> str:
    """What holds a row back."""
    if ratio >= WANTED:
        return ""
    reading, network = (one.outcome.values[part] for part in ("reading", "network"))
    return (
        f"alone, the exported network takes {network:.1f} s on pixels that are ready and reading the "
        f"files {reading:.1f} s of the same cores: with nothing but the network the ratio would be "
        f"{other.median / network:.2f}, with reading {other.median / (network + reading):.2f}"
    )


def peer(n: int, test: int) -> Work:
    import torch
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config
    from torch.utils.data import DataLoader

    from harness.backbones import efficientnet_lite0

    given = probes.rows(DATA, n, test=test)
    model = efficientnet_lite0.load(efficientnet_lite0.packaged_file()).eval()
    transform = create_transform(**resolve_model_data_config(model), is_training=False)

    class Images(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(given.inputs)

        def __getitem__(self, index: int) -> torch.Tensor:
            return transform(Image.open(given.inputs[index]).convert("RGB"))

    @torch.inference_mode()
    def extract(files: Sequence[Path]) -> np.ndarray:
        return torch.cat([model(batch) for batch in DataLoader(Images(), batch_size=32)]).numpy()

    return probes.extracts_and_probes(extract, probes.peer_probe, given)


def measure(asked: Asked) -> Result:
    n, test = (20, 12) if asked.quick else (800, 200)
    size = {"n": n, "test": test}
    sides = (Contender("harness", ours, size), Contender("timm + scikit-learn", peer, size))
    one, other = race(sides, rounds=asked.rounds, threads=asked.threads)
    a, b = one.outcome.values, other.outcome.values
    distance = probes.apart(a["features"], b["features"])
    lost = 100 * (b["accuracy"] - a["accuracy"])
    return result(
        rows=(
            Row(
                title=f"frozen image features + probe, EfficientNet-Lite0, {n + test:,} images",
                ours=figures(one),
                peer=figures(other),
                wanted=WANTED,
                agreement=Agreement(
                    f"accuracy {a['accuracy']:.3f} and {b['accuracy']:.3f}, features within {distance:.0e}",
                    lost <= POINTS and distance <= CLOSE,
                ),
                amount=n + test,
                unit="images",
                why=why(one, other, other.median / one.median),
            ),
        ),
        tables=(parts_of(a, b), engines(a)),
    )


def parts_of(ours: dict[str, float], peer: dict[str, float]) -> Table:
    """Where the seconds of the last round went."""
    rows = [
        (part, f"{ours[part]:.2f}", f"{peer[part]:.2f}", f"{peer[part] / ours[part]:.2f}")
        for part in ("extraction", "probe")
    ]
    return Table("Seconds of the last round", ("part", "ours", "peer", "ratio"), tuple(rows))


def engines(ours: dict[str, float]) -> Table:
    """What computes the exported network, and how fast."""
    names = {
        "network": "the exported file by OpenVINO, as used",
        "by ONNX Runtime": "the exported file by ONNX Runtime",
        "by torch": "torch, eager",
    }
    rows = [
        (name, f"{ours[key]:.2f}", f"{ours['by torch'] / ours[key]:.2f}")
        for key, name in names.items()
    ]
    return Table(
        "The network alone, on pixels that are ready", ("by", "seconds", "times torch"), tuple(rows)
    )


BENCHMARK = Benchmark("frozen_images", measure, ("timm", "sklearn"), rounds=(3, 3))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
