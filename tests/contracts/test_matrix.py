"""Every combination that `harness matrix` calls working is tried on a tiny model of the family."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, ViTConfig, ViTModel

from harness.backbones.base import Backbone
from harness.catalog import STRATEGIES, TASKS
from harness.datasets.base import Dataset, Split
from harness.matrix import IMAGE_FAMILIES, WORKS, combinations
from harness.models import load_backbone, resolve_model
from harness.strategies.base import DataFacts, TrialBudget
from harness.tasks.base import Task
from harness.text_pair import TextPair
from tests.harness.backbones.test_cloze import tokenizer as words_with_a_mask
from tests.harness.tiny_clip import loaded as tiny_clip
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_lstm import tiny_lstm
from tests.harness.tiny_models import CPU, save_images, tiny_convnet
from tests.harness.tiny_seq2seq import tiny_seq2seq

ALL = [one for one in combinations() if one.status == WORKS]
PROMPTS = {"length": 2, "epochs": 1}
QUICK: dict[str, dict[str, Any]] = {
    "full_finetune": {"epochs": 1},
    "lp_ft": {"epochs": 1},
    "from_scratch": {"epochs": 1},
    "lora": {"epochs": 1, "rank": 2},
    "ia3": {"epochs": 1},
    "soft_prompt": PROMPTS,
}
LABELS = ("sport", "news")
N = 8


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@cache
def tiny(family: str, folder: Path) -> Backbone:
    """A backbone of a family, as small as can be."""
    where = folder / family
    if family == "encoder":
        words = words_with_a_mask()
        torch.manual_seed(0)
        size = {"hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 64}
        config = BertConfig(
            vocab_size=len(words), num_hidden_layers=2, num_attention_heads=4, **size
        )
        BertForMaskedLM(config).save_pretrained(where)
        words.save_pretrained(where)
    elif family == "vit":
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            image_size=32, patch_size=8,
        )  # fmt: skip
        ViTModel(config, add_pooling_layer=False).save_pretrained(where)
    elif family == "clip":
        return tiny_clip("clip", where)
    elif family == "convnet":
        return tiny_convnet()
    elif family == "decoder":
        return tiny_decoder("gpt2")
    elif family == "encoder_decoder":
        return tiny_seq2seq("t5", max_tokens=24)
    elif family == "lstm":
        return tiny_lstm()
    return load_backbone(resolve_model(str(where)), CPU, 24)


@cache
def images(folder: Path) -> list[Path]:
    (folder / "images").mkdir()
    return save_images(folder / "images", N, side=40)


def rows(family: str, task: str, folder: Path) -> Split:
    """Eight rows of what the task reads, with targets of its kind."""
    turn = np.arange(N)
    texts = [
        f"{'good story' if i % 2 else 'bad film'} news {'sport ' * (i % 3)}".strip() for i in turn
    ]
    inputs: list[Any] = list(texts)
    if family in IMAGE_FAMILIES:
        inputs = list(images(folder))
    elif "text_b" in TASKS.load(task).columns:
        inputs = [TextPair("good film", text) for text in texts]
    kind = TASKS.load(task)
    if kind.output == "probabilities":
        targets: np.ndarray = turn % 2
    elif kind.output == "numbers":
        corner = (turn / (2 * N))[:, None]
        targets = np.hstack([corner, corner, corner + 0.4, corner + 0.3])
        targets = targets if task == "localization" else targets[:, :1]
    elif task == "token_labelling":
        tags = [
            " ".join("B-X" if word == "sport" else "O" for word in text.split()) for text in texts
        ]
        targets = np.array(tags)
    else:
        targets = np.array([text.split()[-1] for text in texts])
    return Split(tuple(inputs), targets, tuple(str(i) for i in turn))


def asked(task: str, split: Split) -> Task:
    kind = TASKS.load(task)
    names = LABELS if kind.output == "probabilities" else ()
    data = Dataset("tiny", "text", names, split, split, description="Say it.", task=task)
    return kind.of(data, None)


@pytest.mark.parametrize(
    ("family", "strategy", "task"),
    [(one.family, one.strategy, one.task) for one in ALL],
    ids=lambda part: part,
)
def test_it_works(family: str, strategy: str, task: str, folder: Path, tmp_path: Path) -> None:
    """Fitted in a moment, it gives answers the task accepts, and the same ones once reloaded."""
    backbone, split = tiny(family, folder), rows(family, task, folder)
    question, kind = asked(task, split), STRATEGIES.load(strategy)
    data = DataFacts(N, question.n_classes, backbone.facts.modality, True, True, 6.0)
    assert kind.feasible(backbone.facts, question, data).feasible
    space = kind.space(backbone.facts, question, data)
    assert space.first, "something is tried first"
    accepted = kind(**space.first[0])  # what is tried first are keywords of the constructor
    assert accepted.id == strategy
    fitted = kind(**QUICK.get(strategy, {})).fit(
        backbone, question, split, split.take(range(4)), seed=0, budget=TrialBudget()
    )
    answers = fitted.predict(split.inputs)
    scores = question.scores(answers, split.targets)
    assert np.isfinite(scores[question.metric])
    fitted.save(tmp_path)
    again = kind.load(tmp_path, backbone, question).predict(split.inputs)
    if answers.dtype.kind == "U":
        assert answers.tolist() == again.tolist()
    else:
        np.testing.assert_allclose(again, answers, atol=1e-5)
