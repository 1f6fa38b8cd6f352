"""LoRA and IA3 on tiny real models: what is trained, what is written, what peft reads of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel

from advisor.errors import ModelError, SpecError
from harness.backbones.base import Backbone
from harness.strategies.adapters import AdapterStrategy, block_layers
from harness.strategies.base import TrialBudget
from harness.strategies.ia3 import Ia3
from harness.strategies.lora import Lora
from harness.tasks.classification import Classification
from tests.harness.strategies.test_full_finetune import TEST, TRAIN, VALIDATION, WORDS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import tiny_convnet, tiny_encoder

TASK = Classification(WORDS)
KINDS = (Lora, Ia3)
MODELS = {
    "bert": lambda: tiny_encoder("bert"),
    "gpt2": lambda: tiny_decoder("gpt2"),
    "llama": lambda: tiny_decoder("llama"),
    "gemma3": lambda: tiny_decoder("gemma3"),
}


def fit(kind: type[AdapterStrategy], backbone: Backbone) -> AdapterStrategy:
    strategy = kind(learning_rate=0.02, epochs=2)
    return strategy.fit(backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_trains_little_of_a_body_that_stays_and_peft_reads_it(
    kind: type[AdapterStrategy], name: str, tmp_path: Path
) -> None:
    backbone = MODELS[name]()
    before = {key: value.clone() for key, value in backbone.model.state_dict().items()}
    tuned = fit(kind, backbone)
    for key, value in backbone.model.state_dict().items():
        assert torch.equal(value, before[key]), key
    body = sum(p.numel() for p in backbone.model.parameters())
    assert 0 < tuned.report_.trained_parameters < body
    losses = [point["validation_loss"] for point in tuned.report_.curve]
    assert min(losses) < losses[0]

    tuned.save(tmp_path)
    loaded = kind.load(tmp_path, MODELS[name](), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), tuned.predict(TEST.inputs))

    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["peft_type"] == kind.id.upper()
    batch = tuned.trainee_.encode(TEST.inputs[:2])
    row = {key: batch[key] for key in ("input_ids", "attention_mask")}
    wrapped = PeftModel.from_pretrained(MODELS[name]().model, tmp_path).eval()
    with torch.no_grad():
        mine = tuned.trainee_.eval().body(**row)[0]
        assert torch.equal(mine, wrapped(**row)[0])
        assert not torch.equal(mine, backbone.model(**row)[0])


def test_an_untrained_adapter_changes_nothing() -> None:
    backbone = tiny_decoder("llama")
    plain = backbone.trainee(TASK).eval()
    batch = plain.encode(TEST.inputs[:4])
    for kind in KINDS:
        adapted = kind()._make(backbone, TASK, seed=0).eval()
        with torch.no_grad():
            torch.testing.assert_close(adapted.answers(batch), plain.answers(batch))


def test_the_output_layer_is_not_adapted() -> None:
    layers = block_layers(tiny_decoder("gpt2").trainee(TASK, frozen=True))
    assert layers
    assert not any("lm_head" in name for name in layers)


def test_an_adapter_of_another_model_is_named(tmp_path: Path) -> None:
    fit(Lora, tiny_decoder("gpt2")).save(tmp_path)
    with pytest.raises(ModelError, match="does not hold the saved adapter"):
        Lora.load(tmp_path, tiny_decoder("llama"), TASK)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(SpecError, match="adapters need a transformer's blocks"):
        block_layers(tiny_convnet().trainee(TASK))
