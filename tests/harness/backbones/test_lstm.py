"""The LSTM encoder-decoder: recognised, loaded, and each row as if it were alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from advisor.errors import ModelError, SpecError
from harness.backbones.base import PromptSpec
from harness.catalog import STRATEGIES
from harness.models import load_backbone, resolve_model
from harness.strategies.base import DataFacts
from harness.tasks.classification import Classification
from harness.tasks.open_text import OpenText
from tests.harness.tiny_lstm import save_tiny_lstm, tiny_lstm

TEXTS = ["the film was good", "a very dull story and a truly bad actor at all", ""]


class Saying(OpenText):
    metrics = ("accuracy",)


TASK = Saying(description="Say it again.", id="translation")


def test_a_folder_is_recognised_and_loaded(tmp_path):
    folder = save_tiny_lstm(tmp_path / "lstm")
    (folder / "pretraining.json").write_text(json.dumps({"objective": "denoising_autoencoder"}))
    facts = resolve_model(str(folder))
    expected = ("lstm", 1, 32, "denoising_autoencoder")
    assert (facts.family, facts.layers, facts.width, facts.objective) == expected
    loaded = load_backbone(facts, "cpu")
    assert facts.params == sum(p.numel() for p in loaded.model.parameters())
    answers = []
    for model in (loaded, tiny_lstm()):
        trainee = model.trainee(TASK).eval()
        answers.append(trainee.answers(trainee.encode(TEXTS)))
    assert answers[0] == answers[1]


def test_a_damaged_folder_is_refused(tmp_path):
    folder = save_tiny_lstm(tmp_path / "lstm")
    file = folder / "config.json"
    file.write_text(file.read_text().replace('"hidden_size": 32', '"hidden_size": 48'))
    with pytest.raises(ModelError, match="holds no LSTM encoder-decoder"):
        load_backbone(resolve_model(str(folder)), "cpu")


def test_rows_do_not_depend_on_each_other():
    trainee = tiny_lstm().trainee(TASK).eval()
    targets = np.array(["good", "a very bad film", "not at all"])
    with torch.no_grad():
        together = trainee.answers(trainee.encode(TEXTS))
        assert together == [trainee.answers(trainee.encode([text]))[0] for text in TEXTS]
        loss = trainee.loss(trainee.encode(TEXTS), targets)
        alone = [
            trainee.loss(trainee.encode([text]), targets[[row]]) for row, text in enumerate(TEXTS)
        ]
    torch.testing.assert_close(loss, torch.stack(alone).mean(), atol=1e-5, rtol=0)


def test_fresh_weights_are_others_of_the_same_kind():
    model = tiny_lstm()
    fresh = model.trainee(TASK, pretrained=False).body
    for name, value in model.model.state_dict().items():
        assert value.shape == fresh.state_dict()[name].shape
    assert not torch.equal(model.model.embedding.weight, fresh.embedding.weight)
    assert float(fresh.embedding.weight.detach().abs().max()) <= 0.1


@pytest.mark.parametrize(
    "wanted", [{"form": "head"}, {"prompt": PromptSpec()}, {"pooling": "mean"}]
)
def test_it_is_trained_whole_and_writes(wanted):
    with pytest.raises(SpecError, match="writes texts and is trained whole"):
        tiny_lstm().trainee(TASK, **wanted)
    with pytest.raises(SpecError, match="writes texts"):
        tiny_lstm().trainee(Classification(("a", "b")))


def test_only_training_the_whole_network_works_and_the_rest_is_refused_with_a_reason():
    data = DataFacts(20, 1, "text", named_labels=False, description=True, mean_tokens=6.0)
    facts = tiny_lstm().facts
    verdicts = {n: STRATEGIES.load(n).feasible(facts, TASK, data) for n in STRATEGIES.names()}
    works = {name for name, verdict in verdicts.items() if verdict.feasible}
    assert works == {"full_finetune", "from_scratch"}
    for name, verdict in verdicts.items():
        said = "LSTM" in verdict.reason or "pooled vector" in verdict.reason
        assert verdict.feasible or said, name
