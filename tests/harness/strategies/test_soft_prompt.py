"""Soft prompting on tiny real models: what is trained, what is written, what peft reads of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from advisor.errors import ModelError, SpecError
from harness.backbones.base import Backbone
from harness.strategies.base import TrialBudget
from harness.strategies.soft_prompt import SoftPrompting
from harness.tasks.classification import Classification
from harness.tasks.templates import DEFAULT, render_query
from tests.harness.strategies.test_full_finetune import TEST, TRAIN, VALIDATION, WORDS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import tiny_encoder
from tests.harness.toy import toy_data_facts, toy_facts, toy_task

TASK = Classification(WORDS)
QUICK = {"learning_rate": 0.1, "length": 4, "epochs": 2}


def fit(backbone: Backbone, **settings) -> SoftPrompting:
    return SoftPrompting(**(QUICK | settings)).fit(
        backbone, TASK, TRAIN, VALIDATION, seed=0, budget=TrialBudget()
    )


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (tiny_encoder, {}),
        (tiny_encoder, {"kind": "prompt"}),
        (tiny_decoder, {}),
        (tiny_decoder, {"kind": "prefix"}),
        (tiny_decoder, {"position": "around"}),
    ],
    ids=["encoder-prefix", "encoder-prompt", "decoder", "decoder-prefix", "decoder-around"],
)
def test_steers_a_frozen_model_and_predicts_the_same_once_loaded(
    make, settings: dict, tmp_path: Path
) -> None:
    """A random decoder cannot be steered far, but its loss must fall by the vectors alone."""
    backbone = make()
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    tuned = fit(backbone, epochs=10, **settings)
    curve = tuned.report_.curve
    assert curve[-1]["train_loss"] < curve[0]["train_loss"] - 0.2
    body = tuned.trainee_.body.state_dict()
    assert all((value == before[name]).all() for name, value in body.items() if name in before)
    tuned.save(tmp_path)
    loaded = SoftPrompting.load(tmp_path, make(), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), tuned.predict(TEST.inputs))


def test_an_encoder_learns_by_its_prefix() -> None:
    predicted = fit(tiny_encoder(), epochs=10).predict(TEST.inputs)
    assert (predicted.argmax(axis=1) == TEST.targets).mean() > 0.85


def test_encoders_get_a_prefix_and_decoders_a_prompt_unless_told_otherwise() -> None:
    assert fit(tiny_encoder()).report_.chosen["kind"] == "prefix"
    assert fit(tiny_decoder()).report_.chosen["kind"] == "prompt"
    assert fit(tiny_encoder(), kind="prompt").report_.chosen["kind"] == "prompt"


def test_an_encoder_that_takes_no_prefix_gets_a_prompt_and_says_so(tmp_path: Path) -> None:
    tuned = fit(tiny_encoder("modernbert"))
    assert tuned.report_.chosen["kind"] == "prompt"
    tuned.save(tmp_path)
    loaded = SoftPrompting.load(tmp_path, tiny_encoder("modernbert"), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), tuned.predict(TEST.inputs))
    with pytest.raises(SpecError, match="take no prefix vectors"):
        fit(tiny_encoder("modernbert"), kind="prefix")


def test_only_vectors_and_head_are_counted() -> None:
    assert fit(tiny_decoder()).report_.trained_parameters == 4 * 32
    assert fit(tiny_encoder(), kind="prompt").report_.trained_parameters == 4 * 32 + 2 * 32 + 2
    layers, keys_and_values = 2, 2
    prefix = fit(tiny_encoder()).report_.trained_parameters
    assert prefix == 4 * layers * keys_and_values * 32 + 2 * 32 + 2


def test_peft_reads_a_decoders_prompt_and_answers_the_same(tmp_path: Path) -> None:
    """GPT-2's tokenizer adds no start token, so both put the vectors first."""
    backbone = tiny_decoder("gpt2")
    tuned = fit(backbone)
    tuned.save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["peft_type"] == "PROMPT_TUNING"
    assert config["num_virtual_tokens"] == 4
    assert set(load_file(tmp_path / "adapter_model.safetensors")) == {"prompt_embeddings"}

    peft = PeftModel.from_pretrained(tiny_decoder("gpt2").model, tmp_path).eval()
    text = TEST.inputs[0]
    query = backbone.tokens.rows([render_query(DEFAULT, text)])[0]
    scores = []
    for label in backbone.tokens.labels([f" {word}" for word in WORDS]):
        row = torch.tensor([query + label])
        with torch.no_grad():
            logits = peft(input_ids=row, attention_mask=torch.ones_like(row)).logits[0]
        logs = logits.log_softmax(-1)[-len(label) - 1 : -1]
        scores.append(logs[torch.arange(len(label)), label].sum().item())
    expected = torch.tensor(scores, dtype=torch.float64).softmax(0).numpy()
    np.testing.assert_allclose(tuned.predict([text])[0], expected, atol=1e-4)


def test_peft_reads_an_encoders_prefix(tmp_path: Path) -> None:
    tuned = fit(tiny_encoder())
    tuned.save(tmp_path)
    peft = PeftModel.from_pretrained(tiny_encoder().model, tmp_path)
    vectors = peft.prompt_encoder["default"].embedding.weight
    assert torch.equal(vectors, tuned.trainee_.prompt.vectors.embedding.weight)


def test_what_peft_cannot_express_is_kept_without_its_configuration(tmp_path: Path) -> None:
    fit(tiny_decoder(), position="behind").save(tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
    assert set(load_file(tmp_path / "adapter_model.safetensors")) == {"vectors"}


def test_a_prompt_of_another_length_is_refused(tmp_path: Path) -> None:
    fit(tiny_decoder()).save(tmp_path)
    file = tmp_path / "strategy.json"
    file.write_text(file.read_text().replace('"length": 4', '"length": 5'))
    with pytest.raises(ModelError, match="does not hold the saved prompt"):
        SoftPrompting.load(tmp_path, tiny_decoder(), TASK)


def test_learning_rate_and_init_are_tried_first() -> None:
    space = SoftPrompting.space(toy_facts(), toy_task(), toy_data_facts())
    tried = {(point["learning_rate"], point["init"]) for point in space.first}
    assert len(tried) == len(space.first)
    assert len({rate for rate, _ in tried}) >= 3
    assert len({init for _, init in tried}) == 3
    others = [
        {k: v for k, v in p.items() if k not in ("learning_rate", "init")} for p in space.first
    ]
    assert all(other == others[0] for other in others)


def test_conv_nets_are_refused_in_words() -> None:
    verdict = SoftPrompting.feasible(toy_facts("convnet"), toy_task(), toy_data_facts())
    assert not verdict.feasible
    assert verdict.reason.startswith("conv nets cannot be prompted (yet)")
