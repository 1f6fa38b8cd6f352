"""Exported networks: the same numbers as torch, kept by content, and said when it is not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from timm.data import resolve_model_data_config

from advisor.errors import ModelError, SpecError
from harness.backbones import convnet, onnx_runtime
from harness.backbones.convnet import ConvNetBackbone
from harness.backbones.encoder import EncoderBackbone, LastStates
from harness.backbones.images import ImageReader
from harness.backbones.openvino_runtime import OpenVinoModel
from tests.harness.tiny_models import save_images, tiny_convnet, tiny_encoder


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return save_images(tmp_path, 5)


def exported(cache: Path) -> list[Path]:
    return sorted((cache / "onnx").glob("*"))


def test_conv_nets_use_openvino_and_export_once(files, empty_cache, monkeypatch):
    model = tiny_convnet()
    first = model.features(files, pooling="mean")
    assert model.backend == "openvino"
    assert model.backend_note.startswith("equal to torch up to ")
    (file,) = exported(empty_cache)
    monkeypatch.setattr(onnx_runtime, "export", lambda *_: pytest.fail("exported twice"))
    again = tiny_convnet()
    np.testing.assert_array_equal(again.features(files, pooling="mean"), first)
    assert again.backend == "openvino"
    assert exported(empty_cache) == [file]


def test_other_weights_are_another_file(files, empty_cache):
    tiny_convnet().features(files, pooling="mean")
    other = tiny_convnet()
    with torch.no_grad():
        next(other.model.parameters()).mul_(2)
    other.features(files, pooling="mean")
    assert other.backend == "openvino"
    assert len(exported(empty_cache)) == 2


def test_another_image_size_is_another_file(files, empty_cache):
    for side in (64, 96):
        model = tiny_convnet()
        model.reader = ImageReader(
            {**resolve_model_data_config(model.model), "input_size": (3, side, side)}
        )
        model.features(files, pooling="mean")
        assert model.backend == "openvino", model.backend_note
    assert len(exported(empty_cache)) == 2


def test_a_failing_export_falls_back_to_torch_and_says_so(files, empty_cache, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no such operator\nwith details")

    monkeypatch.setattr(onnx_runtime, "export", fail)
    model = tiny_convnet()
    features = model.features(files, pooling="mean")
    assert model.backend == "torch"
    assert model.backend_note == "ONNX export failed (RuntimeError: no such operator)"
    np.testing.assert_array_equal(features, torch_features(model, files))
    assert exported(empty_cache) == []


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.integers(0, 4), min_size=1, max_size=9), size=st.integers(1, 5))
def test_the_fast_path_equals_torch_whatever_the_batches(
    files, empty_cache, rows: list[int], size: int
):
    chosen = [files[row] for row in rows]
    model = tiny_convnet()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convnet, "BATCH", size)
        fast = model.features(chosen, pooling="mean")
    assert model.backend == "openvino"
    assert onnx_runtime.difference(torch_features(model, chosen), fast) < 1e-4


def test_a_fall_back_is_told(files, empty_cache, monkeypatch):
    model = tiny_convnet()
    model.features(files, pooling="mean")
    assert (model.backend, model.plain_path) == ("openvino", "")
    whole = OpenVinoModel.__call__
    monkeypatch.setattr(OpenVinoModel, "__call__", lambda self, x: whole(self, x) * 1.01)
    other = tiny_convnet()
    other.features(files, pooling="mean")
    assert other.plain_path == other.backend_note != ""


def test_openvino_is_loaded_without_what_tells_its_maker(tmp_path):
    """Its conversion tools send an event for every import."""
    code = (
        "import sys; from harness.backbones.openvino_runtime import _openvino; _openvino();"
        "print([name for name in sys.modules if 'telemetry' in name or 'tools.ovc' in name])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_difference_falls_back_to_torch_and_says_so(files, empty_cache, monkeypatch):
    whole = OpenVinoModel.__call__
    monkeypatch.setattr(OpenVinoModel, "__call__", lambda self, x: whole(self, x) * 1.01)
    model = tiny_convnet()
    features = model.features(files, pooling="mean")
    assert model.backend == "torch"
    assert model.backend_note == "OpenVINO differs from torch by 1.0e-02 of the largest output"
    np.testing.assert_array_equal(features, torch_features(model, files))


def test_a_damaged_file_falls_back_to_torch(files, empty_cache):
    expected = tiny_convnet().features(files, pooling="mean")
    exported(empty_cache)[0].write_bytes(b"damaged")
    model = tiny_convnet()
    np.testing.assert_allclose(model.features(files, pooling="mean"), expected, rtol=1e-3)
    assert model.backend == "torch"
    assert model.backend_note.startswith("ONNX export failed")


def test_8_bit_features_are_near_and_a_model_of_their_own(empty_cache):
    model = tiny_encoder("bert")
    quantised = model.quantised()
    texts = ["a good film", "bad", "the story was very dull and not good at all"]
    exact, near = (m.features(texts, pooling="mean") for m in (model, quantised))
    assert 0 < onnx_runtime.difference(exact, near) < 0.2
    assert (model.int8, quantised.int8) == (False, True)
    assert quantised.facts.digest == f"{model.facts.digest}-int8"
    with pytest.raises(SpecError, match=r"last layer, -1; got \(0,\)"):
        quantised.features(texts, pooling="mean", layers=(0,))


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_encoders_export_with_their_mask(family, empty_cache):
    """Padding stays without effect, and the encoder itself is what it was: no dropout."""
    model = tiny_encoder(family)
    before = model.features(["a good film"], pooling="mean")
    network = LastStates(model.model, model.tokenizer)
    padded = {"input_ids": torch.tensor([[0, 7, 8, 2], [0, 9, 2, 1]])}
    padded["attention_mask"] = (padded["input_ids"] != 1).long()
    longer = {"input_ids": torch.tensor([[0, 7, 8, 9, 6, 2], [0, 9, 2, 1, 1, 1]])}
    longer["attention_mask"] = (longer["input_ids"] != 1).long()
    assert onnx_runtime.exported(network, padded, longer).apart < 1e-4
    np.testing.assert_array_equal(model.features(["a good film"], pooling="mean"), before)


def test_quantising_says_why_it_cannot(empty_cache, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onnx_runtime, "export", fail)
    with pytest.raises(ModelError, match=r"'tiny-bert' cannot be quantised: ONNX export failed"):
        tiny_encoder("bert").quantised()


def test_8_bit_minilm_is_near_whatever_the_padding(minilm: EncoderBackbone, empty_cache):
    texts = ["The striker scored a goal.", "Shares fell.", "word " * 40]
    exact = minilm.features(texts, pooling="mean")
    near = minilm.quantised().features(texts, pooling="mean")
    cosines = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosines.min() > 0.9
    assert np.abs(exact - near).max() > 1e-4


def test_efficientnet_runs_on_openvino(efficientnet: ConvNetBackbone, files):
    features = efficientnet.features(files, pooling="mean")
    assert efficientnet.backend == "openvino", efficientnet.backend_note
    assert onnx_runtime.difference(torch_features(efficientnet, files), features) < 1e-4


def torch_features(model: ConvNetBackbone, files: list[Path]) -> np.ndarray:
    with torch.inference_mode():
        return model.model(model.reader.read(files)).numpy()
