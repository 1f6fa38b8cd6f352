"""Every strategy on tasks of numbers: a bright square is found, words are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.backbones.base import Backbone
from harness.catalog import BACKBONES, STRATEGIES
from harness.datasets.base import Dataset, Split
from harness.strategies.base import DataFacts, Strategy, TrialBudget
from harness.tasks.base import Task
from harness.tasks.localization import Localization
from harness.tasks.regression import Regression
from tests.harness import tiny_clip
from tests.harness.backbones.test_vit import loaded
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import WORDS, tiny_convnet, tiny_encoder

IMAGES = ("convnet", "vit", "clip")
SIDE = 32


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


def squares(folder: Path, count: int, seed: int) -> Split:
    """A bright square of random size on dark ground, in images of 40 x 32 pixels."""
    folder.mkdir()
    draw = np.random.default_rng(seed)
    files, boxes = [], []
    for index in range(count):
        pixels = draw.integers(0, 60, (SIDE, SIDE + 8, 3), dtype=np.uint8)
        side = int(draw.integers(8, 16))
        x, y = int(draw.integers(0, SIDE + 9 - side)), int(draw.integers(0, SIDE + 1 - side))
        pixels[y : y + side, x : x + side] = 230
        files.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(files[-1])
        boxes.append([x / (SIDE + 8), y / SIDE, (x + side) / (SIDE + 8), (y + side) / SIDE])
    return Split(tuple(files), np.array(boxes), tuple(map(str, files)))


def greys(folder: Path, count: int, seed: int) -> Split:
    """How bright a noisy image is, in greys."""
    folder.mkdir()
    draw = np.random.default_rng(seed)
    files, values = [], []
    for index in range(count):
        level = float(draw.uniform(40, 200))
        pixels = np.clip(draw.normal(level, 20, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        files.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(files[-1])
        values.append([level])
    return Split(tuple(files), np.array(values), tuple(map(str, files)))


def counted(count: int, seed: int) -> Split:
    """How many more words of a text are good than bad, times 100."""
    draw = np.random.default_rng(seed)
    texts, values = [], []
    for _ in range(count):
        good, bad = draw.integers(0, 5, size=2)
        words = ["good"] * good + ["bad"] * bad + list(draw.choice(WORDS[:3], 3))
        texts.append(" ".join(draw.permutation(words)))
        values.append([100.0 * (good - bad)])
    return Split(tuple(texts), np.array(values), tuple(map(str, range(count))))


def task_of(kind: type[Task], train: Split, test: Split, modality: str) -> Task:
    return kind.of(Dataset("made", modality, (), train, test, task=kind.id), None)


def backbone_of(family: str, folder: Path) -> Backbone:
    if family == "vit":
        return loaded("vit", folder)
    if family == "clip":
        return tiny_clip.loaded("clip", folder)
    made = {"convnet": tiny_convnet, "encoder": tiny_encoder, "decoder": tiny_decoder}
    return made[family]()


def check(
    strategy: str,
    settings: dict,
    backbone: Backbone,
    again: Backbone,
    task: Task,
    parts,
    kept: Path,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of the strategy and of the baselines; what was saved predicts the same."""
    train, validation, test = parts
    kind = STRATEGIES.load(strategy)
    facts = DataFacts(len(train), 1, backbone.facts.modality, True, False)
    assert kind.feasible(backbone.facts, task, facts).feasible
    space = kind.space(backbone.facts, task, facts)
    fitted: Strategy = kind(**{**space.first[0], **settings}).fit(
        backbone, task, train, validation, seed=0, budget=TrialBudget()
    )
    said = fitted.predict(test.inputs)
    kept.mkdir()
    fitted.save(kept)
    other = kind.load(kept, again, task).predict(test.inputs)
    np.testing.assert_array_equal(other, said)
    assert fitted.predict([]).shape == (0, task.n_outputs)
    return task.scores(said, test.targets), task.baselines(train, test, seed=0)


QUICK = ("linear_probe", "lp_ft")


def tiered(cases: list[tuple[str, str, dict]]) -> list:
    """Training takes up to a minute a case: those are slow tests. That each of them fits, predicts
    and reloads is in the default suite all the same (tests/contracts/test_matrix.py)."""
    return [
        case if case[1] in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in cases
    ]


FOUND = [
    ("convnet", "linear_probe", {}),
    ("convnet", "full_finetune", {"epochs": 12, "learning_rate": 3e-3}),
    ("convnet", "lp_ft", {"epochs": 3}),
    ("convnet", "from_scratch", {"epochs": 12}),
    ("vit", "linear_probe", {}),
    ("vit", "full_finetune", {"epochs": 12, "learning_rate": 3e-3}),
    ("vit", "lp_ft", {"epochs": 3}),
    ("vit", "from_scratch", {"epochs": 20, "learning_rate": 3e-3}),
    ("vit", "lora", {"epochs": 12, "learning_rate": 1e-2}),
    ("vit", "ia3", {"epochs": 12, "learning_rate": 1e-2}),
    ("vit", "soft_prompt", {"epochs": 12}),
    ("clip", "linear_probe", {}),
    ("clip", "full_finetune", {"epochs": 12, "learning_rate": 3e-3}),
    ("clip", "lp_ft", {"epochs": 3}),
    ("clip", "from_scratch", {"epochs": 20, "learning_rate": 3e-3}),
    ("clip", "lora", {"epochs": 12, "learning_rate": 1e-2}),
    ("clip", "ia3", {"epochs": 12, "learning_rate": 1e-2}),
    ("clip", "soft_prompt", {"epochs": 12}),
]


@pytest.mark.parametrize(("family", "strategy", "settings"), tiered(FOUND))
def test_a_square_is_found_far_better_than_by_the_mean_box(
    family: str, strategy: str, settings: dict, tmp_path: Path
) -> None:
    sizes = {"train": 160, "validation": 40, "test": 40}
    parts = [squares(tmp_path / part, n, i) for i, (part, n) in enumerate(sizes.items())]
    task = task_of(Localization, parts[0], parts[2], "image")
    backbone, again = (backbone_of(family, tmp_path / f"model{i}") for i in (0, 1))
    scores, known = check(strategy, settings, backbone, again, task, parts, tmp_path / "kept")
    assert scores["mean_iou"] > known["mean_box"]["mean_iou"] + 0.1


SEEN = [
    (family, strategy, settings)
    for family in IMAGES
    for strategy, settings in (
        ("linear_probe", {}),
        ("full_finetune", {"epochs": 10, "learning_rate": 3e-3}),
        ("lp_ft", {"epochs": 3}),
        ("from_scratch", {"epochs": 10, "learning_rate": 3e-3}),
        ("lora", {"epochs": 10, "learning_rate": 1e-2}),
        ("ia3", {"epochs": 10, "learning_rate": 1e-2}),
        ("soft_prompt", {"epochs": 10}),
    )
    if family != "convnet" or strategy not in ("lora", "ia3", "soft_prompt")
]


@pytest.mark.parametrize(("family", "strategy", "settings"), tiered(SEEN))
def test_brightness_is_told_better_than_by_the_mean(
    family: str, strategy: str, settings: dict, tmp_path: Path
) -> None:
    sizes = {"train": 64, "validation": 24, "test": 24}
    parts = [greys(tmp_path / part, n, i) for i, (part, n) in enumerate(sizes.items())]
    task = task_of(Regression, parts[0], parts[2], "image")
    backbone, again = (backbone_of(family, tmp_path / f"model{i}") for i in (0, 1))
    scores, known = check(strategy, settings, backbone, again, task, parts, tmp_path / "kept")
    assert scores["r2"] > known["mean"]["r2"] + 0.1


COUNTED = [
    ("encoder", "linear_probe", {}),
    ("encoder", "full_finetune", {"epochs": 6, "learning_rate": 1e-3}),
    ("encoder", "lp_ft", {"epochs": 3}),
    ("encoder", "from_scratch", {"epochs": 12, "learning_rate": 3e-3}),
    ("encoder", "lora", {"epochs": 8, "learning_rate": 1e-2}),
    ("encoder", "ia3", {"epochs": 8, "learning_rate": 1e-2}),
    ("encoder", "soft_prompt", {"epochs": 8}),
    ("decoder", "linear_probe", {}),
    ("decoder", "full_finetune", {"epochs": 8, "learning_rate": 3e-3}),
    ("decoder", "lora", {"epochs": 8, "learning_rate": 1e-2}),
    ("decoder", "ia3", {"epochs": 8, "learning_rate": 1e-2}),
    ("decoder", "lp_ft", {"epochs": 3}),
    ("decoder", "from_scratch", {"epochs": 12, "learning_rate": 3e-3}),
]


@pytest.mark.parametrize(("family", "strategy", "settings"), tiered(COUNTED))
def test_words_are_counted_better_than_by_the_mean(
    family: str, strategy: str, settings: dict, tmp_path: Path
) -> None:
    parts = [counted(n, seed) for seed, n in enumerate((160, 40, 40))]
    task = task_of(Regression, parts[0], parts[2], "text")
    backbone, again = (backbone_of(family, tmp_path) for _ in range(2))
    scores, known = check(strategy, settings, backbone, again, task, parts, tmp_path / "kept")
    assert scores["r2"] > known["mean"]["r2"] + 0.1
    assert scores["mae"] < known["mean"]["mae"]


@pytest.mark.parametrize(
    ("family", "strategy", "reason"),
    [
        ("decoder", "hard_prompt", "answered in words, not in numbers"),
        ("encoder", "hard_prompt", "answered in words, not in numbers"),
        ("vit", "hard_prompt", "answered in words, not in numbers"),
        ("clip", "hard_prompt", "answered in words, not in numbers"),
        ("decoder", "soft_prompt", "the head that says numbers takes no prompt vectors"),
        ("convnet", "soft_prompt", "conv nets cannot be prompted"),
    ],
)
def test_prompts_say_no_numbers(family: str, strategy: str, reason: str, tmp_path: Path) -> None:
    backbone = backbone_of(family, tmp_path / "model")
    facts = DataFacts(100, 1, backbone.facts.modality, True, True)
    task = Regression(center=(0.0,), scale=(1.0,))
    verdict = STRATEGIES.load(strategy).feasible(backbone.facts, task, facts)
    assert not verdict.feasible
    assert reason in verdict.reason


def test_families_say_which_tasks_of_numbers_they_do() -> None:
    able = {family: BACKBONES.load(family).tasks for family in ("encoder", "decoder", *IMAGES)}
    assert all("regression" in tasks for tasks in able.values())
    assert {family for family, tasks in able.items() if "localization" in tasks} == set(IMAGES)
