"""Baselines: they learn what is there, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from harness.baselines import C_GRID, choose_c, colour_histograms, fit_baselines
from harness.datasets.base import Split

TOPICS = (("goal", "match", "team"), ("bank", "profit", "share"), ("film", "actor", "music"))


def split(inputs: list, targets: list[int]) -> Split:
    return Split(tuple(inputs), np.array(targets, dtype=np.int64), tuple(map(str, inputs)))


def texts(n: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=n)
    made = [
        " ".join([*rng.choice(TOPICS[target], 2), *rng.choice(["the", "a", "of", "and"], 6)])
        for target in targets
    ]
    return split(made, targets.tolist())


def accuracy(baseline, test: Split) -> float:
    probabilities = baseline.predict(test.inputs)
    assert probabilities.shape[0] == len(test)
    assert np.allclose(probabilities.sum(axis=1), 1)
    return float((probabilities.argmax(axis=1) == test.targets).mean())


def test_majority_answers_the_most_frequent_class_with_its_share() -> None:
    baseline = fit_baselines(split(["a", "b", "c", "d"], [1, 1, 1, 0]), 3, seed=0)["majority"]
    assert baseline.predict(["x", "y"]).tolist() == [[0.25, 0.75, 0.0]] * 2


def test_tfidf_learns_topics_and_permuted_labels_teach_it_nothing() -> None:
    train, test = texts(60, seed=1), texts(300, seed=2)
    assert accuracy(fit_baselines(train, 3, seed=0)["tfidf"], test) > 0.95
    shuffled = np.random.default_rng(0).permutation(train.targets)
    chance = fit_baselines(split(list(train.inputs), shuffled.tolist()), 3, seed=0)["tfidf"]
    assert accuracy(chance, test) < 0.55


def test_tfidf_reads_texts_of_one_sign_or_letter_and_unseen_ones() -> None:
    train = split(["?", "!", "a", "b", "?", "!"], [0, 1, 0, 1, 0, 1])
    baseline = fit_baselines(train, 2, seed=0)["tfidf"]
    assert baseline.predict(["?", "!", "日本"]).argmax(axis=1).tolist()[:2] == [0, 1]


def test_a_class_without_examples_gets_no_probability() -> None:
    baseline = fit_baselines(split(["a b", "c d", "a e", "c f"], [0, 2, 0, 2]), 3, seed=0)["tfidf"]
    assert baseline.predict(["a", "c"])[:, 1].tolist() == [0, 0]


def test_one_class_only_leaves_the_majority_alone() -> None:
    assert set(fit_baselines(split(["a", "b"], [1, 1]), 2, seed=0)) == {"majority"}


def test_without_examples_only_a_guess_is_left() -> None:
    fitted = fit_baselines(split([], []), 4, seed=0)
    assert set(fitted) == {"guess"}
    probabilities = fitted["guess"].predict(["x"] * 4000)
    assert np.allclose(probabilities, 0.25)
    assert np.bincount(probabilities.argmax(axis=1)) / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_c_is_the_best_of_the_grid_by_cross_validation() -> None:
    rng = np.random.default_rng(0)
    targets = np.tile([0, 1], 40)
    matrix = rng.normal(size=(80, 6)) + 0.4 * targets[:, None]
    scores = {
        c: cross_val_score(
            LogisticRegression(C=c, max_iter=1000),
            matrix,
            targets,
            scoring="neg_log_loss",
            # choose_c draws the rows in a random order first
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
        ).mean()
        for c in C_GRID
    }
    assert choose_c(matrix, targets, seed=0) == max(scores, key=scores.__getitem__)
    assert choose_c(csr_array(matrix), targets, seed=0) in C_GRID


def test_single_rows_take_no_part_in_choosing_c() -> None:
    matrix = np.random.default_rng(0).normal(size=(9, 2))
    assert choose_c(matrix[:3], np.array([0, 1, 2]), seed=0) == 1
    assert choose_c(matrix, np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]), seed=0) in C_GRID


def coloured(folder: Path, n: int, seed: int) -> Split:
    """Reddish or bluish noise; the two overlap in grey."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    files, targets = [], []
    for number in range(n):
        pixels = rng.integers(0, 200, (40, 50, 3))
        pixels[..., 0 if number % 2 else 2] += 55
        files.append(folder / f"{number}.png")
        targets.append(number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(files[-1])
    return split(files, targets)


def test_colours_are_learned(tmp_path: Path) -> None:
    fitted = fit_baselines(coloured(tmp_path / "a", 20, 0), 2, seed=0)
    assert set(fitted) == {"majority", "colour_histogram"}
    assert accuracy(fitted["colour_histogram"], coloured(tmp_path / "b", 20, 1)) == 1


def test_a_histogram_holds_shares_of_colours(tmp_path: Path) -> None:
    Image.new("RGB", (30, 10), (255, 0, 128)).save(tmp_path / "flat.png")
    Image.new("L", (30, 10), 7).save(tmp_path / "grey.png")
    flat, grey = colour_histograms([tmp_path / "flat.png", tmp_path / "grey.png"])
    assert flat.shape == (112,)
    assert np.flatnonzero(flat).tolist() == [15, 16, 32 + 8, 48 + 3 * 16 + 0 * 4 + 2]
    assert np.flatnonzero(grey).tolist() == [0, 16, 32, 48]
    assert (flat**2).sum() == pytest.approx(4)


def test_the_same_seed_gives_the_same_answers() -> None:
    train, test = texts(40, seed=1), texts(20, seed=2)
    first, second = (
        fit_baselines(train, 3, seed=0)["tfidf"].predict(test.inputs) for _ in range(2)
    )
    assert (first == second).all()
