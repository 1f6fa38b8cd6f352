"""What is measured beside the score, on tiny real models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backbones.base import Backbone
from harness.bench import Bench, Draw
from harness.measures import linear_cka, measure
from harness.strategies.base import Strategy, TrialBudget
from harness.strategies.full_finetune import FullFineTuning
from harness.strategies.hard_prompt import HardPrompting
from harness.strategies.ia3 import Ia3
from harness.strategies.linear_probe import LinearProbe
from harness.strategies.soft_prompt import SoftPrompting
from harness.tasks.classification import Classification
from tests.harness.fair_toys import toy_data, toy_question
from tests.harness.strategies.test_full_finetune import TEST, TRAIN, VALIDATION, WORDS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import tiny_encoder

TASK = Classification(WORDS)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


def measured(backbone: Backbone, strategy: Strategy, folder: Path) -> dict[str, float]:
    dataset = replace(toy_data(), train=TRAIN, test=TEST, label_names=tuple(WORDS))
    bench = Bench(
        question=toy_question(seeds=1),
        backbone=backbone,
        task=TASK,
        dataset=dataset,
        draws={0: Draw(TRAIN, VALIDATION)},
        test=TEST,
        ood=None,
        folder=folder,
    )
    fitted = strategy.fit(backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget())
    return measure(bench, fitted)


def test_a_little_training_keeps_the_features_and_much_does_not(tmp_path: Path) -> None:
    still, moved = (
        measured(tiny_encoder(), FullFineTuning(learning_rate=rate, epochs=3), tmp_path)
        for rate in (1e-7, 3e-2)
    )
    assert still["feature_similarity"] > 0.999
    assert moved["feature_similarity"] < 0.9
    assert still["latency_ms"] > 0
    assert still["flops_per_query"] == moved["flops_per_query"] > 0


def test_a_language_model_forgets(tmp_path: Path) -> None:
    found = measured(tiny_decoder("gpt2"), FullFineTuning(learning_rate=0.03, epochs=4), tmp_path)
    assert found["text_loss_after"] > found["text_loss_before"] > 0
    still = measured(tiny_decoder("gpt2"), FullFineTuning(learning_rate=1e-8, epochs=1), tmp_path)
    assert still["text_loss_after"] == pytest.approx(still["text_loss_before"], rel=1e-3)
    assert still["text_loss_before"] == pytest.approx(found["text_loss_before"])


def test_an_adapter_changes_what_the_body_says(tmp_path: Path) -> None:
    found = measured(tiny_decoder("llama"), Ia3(learning_rate=0.1, epochs=4), tmp_path)
    assert found["text_loss_after"] != pytest.approx(found["text_loss_before"], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "strategy"),
    [
        (tiny_encoder, LinearProbe()),
        (lambda: tiny_decoder("gpt2"), SoftPrompting(epochs=1, length=2)),
        (lambda: tiny_decoder("gpt2"), HardPrompting()),
    ],
    ids=["probe", "soft", "hard"],
)
def test_a_body_that_stays_has_forgotten_nothing(make, strategy: Strategy, tmp_path: Path) -> None:
    found = measured(make(), strategy, tmp_path)
    assert set(found) <= {"latency_ms", "flops_per_query"}
    assert found["flops_per_query"] > 0


@given(st.integers(0, 100), st.floats(0.1, 10))
def test_cka_ignores_rotation_and_scale_and_is_symmetric(seed: int, factor: float) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(20, 6)), draw.normal(size=(20, 9))
    turn, _ = np.linalg.qr(draw.normal(size=(6, 6)))
    assert linear_cka(a, factor * a @ turn + 3) == pytest.approx(1.0)
    assert linear_cka(a, b) == pytest.approx(linear_cka(b, a))
    assert 0 <= linear_cka(a, b) < 1
    assert linear_cka(np.ones((20, 3)), a) == 1.0
