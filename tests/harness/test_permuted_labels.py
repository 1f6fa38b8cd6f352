"""Labels that say nothing teach nothing: on real models every trained strategy falls to chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.catalog import STRATEGIES
from harness.datasets.base import DataRequest
from harness.datasets.load import load_dataset
from harness.device import pick_device
from harness.models import load_backbone, resolve_model
from harness.splits import draw_examples
from harness.strategies.base import TrialBudget
from harness.tasks.classification import Classification

pytestmark = pytest.mark.slow

# A fit of each: long enough to learn these data where the labels mean something.
CASES = [
    ("minilm", "bbc-news", "linear_probe", {}),
    ("minilm", "bbc-news", "full_finetune", {"epochs": 3}),
    ("minilm", "bbc-news", "soft_prompt", {"epochs": 4}),
    ("efficientnet-lite0", "textile", "linear_probe", {}),
    ("efficientnet-lite0", "textile", "full_finetune", {"epochs": 3}),
    ("gemma", "bbc-news", "linear_probe", {}),
    ("gemma", "bbc-news", "full_finetune", {"epochs": 1}),
    ("gemma", "bbc-news", "soft_prompt", {"epochs": 3}),
]
TEST_ROWS = 100
EXAMPLES = {"minilm": 100, "efficientnet-lite0": 100, "gemma": 48}


@pytest.mark.parametrize(("model", "data", "strategy", "settings"), CASES)
def test_permuted_labels_leave_a_real_model_at_chance(model, data, strategy, settings) -> None:
    dataset = load_dataset(DataRequest(data))
    task = Classification(dataset.label_names, dataset.description)
    train, validation = (
        replace(split, targets=np.random.default_rng(7).permutation(split.targets))
        for split in draw_examples(dataset.train, EXAMPLES[model], 0, task.n_classes)
    )
    test = dataset.test.take(np.random.default_rng(3).permutation(len(dataset.test))[:TEST_ROWS])
    backbone = load_backbone(resolve_model(model), pick_device(), 48)
    fitted = STRATEGIES.load(strategy)(**settings).fit(
        backbone, task, train, validation, seed=0, budget=TrialBudget()
    )
    predicted = fitted.predict(test.inputs).argmax(axis=1)
    # Chance: the same predictions, handed to the rows at random. The tenth on top is for luck of
    # the permutation itself, which may give most of a class its own label.
    draw = np.random.default_rng(0)
    chance = [(draw.permutation(predicted) == test.targets).mean() for _ in range(2000)]
    most = np.quantile(chance, 0.999) + 0.10
    if (model, strategy) == ("gemma", "soft_prompt"):
        # The frozen model sorts the news by the names of the classes; the prompt must not add to it.
        untrained = STRATEGIES.load(strategy)(learning_rate=1e-9, epochs=1).fit(
            backbone, task, train, validation, seed=0, budget=TrialBudget()
        )
        knows = (untrained.predict(test.inputs).argmax(axis=1) == test.targets).mean()
        most = max(most, knows + 0.05)
    assert (predicted == test.targets).mean() <= most
