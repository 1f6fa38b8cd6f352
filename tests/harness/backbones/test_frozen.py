"""Frozen models compute by oneDNN what torch's own layers compute, forwards and backwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import ViTConfig, ViTModel

from harness.backbones import frozen as module
from harness.backbones.base import Backbone
from harness.backbones.frozen import frozen
from harness.backbones.onednn_linear import OneDnnLinear
from harness.models import load_backbone, resolve_model
from harness.tasks.classification import Classification
from tests.harness.tiny_decoder import FAMILIES as DECODERS
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import CPU, ENCODERS, save_images, tiny_encoder
from tests.harness.tiny_seq2seq import tiny_seq2seq

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN"
)


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processor", lambda: "AMD EPYC 9R14")


def pair(ins: int, outs: int, *, bias: bool, trained: bool) -> tuple[nn.Linear, OneDnnLinear]:
    """The same layer by torch and by oneDNN."""
    plain = nn.Linear(ins, outs, bias=bias).requires_grad_(trained)
    fast = copy.deepcopy(plain)
    fast.__class__ = OneDnnLinear
    return plain, fast


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(0, 7), min_size=0, max_size=3),
    ins=st.integers(1, 70),
    outs=st.integers(1, 70),
    bias=st.booleans(),
    trained=st.booleans(),
    wanted=st.booleans(),
    turned=st.booleans(),
)
def test_values_and_gradients_are_those_of_torch(
    shape: list[int], ins: int, outs: int, bias: bool, trained: bool, wanted: bool, turned: bool
) -> None:
    torch.manual_seed(0)
    plain, fast = pair(ins, outs, bias=bias, trained=trained)
    given_rows = torch.randn(*shape, ins)
    if turned and len(shape) > 1:
        given_rows = given_rows.transpose(0, 1)
    found = []
    for layer in (plain, fast):
        rows = given_rows.detach().requires_grad_(wanted)
        said = layer(rows)
        assert said.requires_grad == (wanted or trained)
        if said.requires_grad:
            (said * torch.linspace(-1, 1, said.numel()).view_as(said)).sum().backward()
        found.append([said, rows.grad, *(p.grad for p in layer.parameters())])
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def test_nothing_is_kept_for_gradients_nobody_wants() -> None:
    _, fast = pair(4, 3, bias=True, trained=False)
    rows = torch.randn(5, 4, requires_grad=True)
    kept = [tensor for tensor in fast(rows).grad_fn.saved_tensors if tensor is not None]
    assert [tuple(tensor.shape) for tensor in kept] == [(3, 4)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_number_formats_stay_with_torch(dtype: torch.dtype) -> None:
    plain, fast = pair(4, 3, bias=True, trained=False)
    rows = torch.randn(5, 4, dtype=dtype)
    torch.testing.assert_close(fast.to(dtype)(rows), plain.to(dtype)(rows), rtol=0, atol=0)


def test_as_many_operations_are_counted() -> None:
    counts = []
    for layer in pair(6, 5, bias=True, trained=True):
        with FlopCounterMode(display=False) as counter:
            layer(torch.randn(2, 3, 6, requires_grad=True)).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] == 3 * 2 * 6 * 6 * 5


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:FutureWarning")
def test_a_traced_network_consists_of_torchs_operations() -> None:
    _, fast = pair(6, 5, bias=True, trained=False)
    traced = torch.jit.trace(fast, torch.randn(2, 6))
    assert "mkldnn" not in str(traced.graph)


@pytest.mark.usefixtures("amd")
def test_a_frozen_model_keeps_its_names_and_copies_itself() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).train()
    before = dict(net.state_dict())
    assert frozen(net, CPU) is net
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert [type(layer) for layer in net] == [OneDnnLinear, nn.ReLU, OneDnnLinear]
    assert net.state_dict().keys() == before.keys()
    assert isinstance(copy.deepcopy(net)[0], OneDnnLinear)


@pytest.mark.usefixtures("amd")
def test_kinds_of_linear_layers_with_a_way_of_their_own_are_left_alone() -> None:
    net = nn.MultiheadAttention(8, 2)
    assert type(frozen(net, CPU).out_proj) is not OneDnnLinear


def test_another_makers_processor_keeps_torchs_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processor", lambda: "Intel(R) Xeon(R)")
    assert type(frozen(nn.Sequential(nn.Linear(2, 2)), CPU)[0]) is nn.Linear


TEXT_FAMILIES: dict[str, Callable[[], Backbone]] = {
    **{f"encoder {one}": partial(tiny_encoder, one) for one in ENCODERS},
    **{f"decoder {one}": partial(tiny_decoder, one) for one in DECODERS},
    **{f"encoder-decoder {one}": partial(tiny_seq2seq, one) for one in ("t5", "bart")},
}


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_features_losses_and_gradients_of_text_models_are_those_of_torch(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of mixed length, so that rows are padded."""
    texts = ["a b", "a b c d e f g", "c", "b a d c"]
    task = Classification(("red", "blue"))
    targets = torch.tensor([0, 1, 1, 0])
    found = []
    for maker in ("Intel(R) Xeon(R)", "AMD EPYC"):
        monkeypatch.setattr(module, "processor", lambda maker=maker: maker)
        torch.manual_seed(0)
        backbone = TEXT_FAMILIES[family]()
        fast = any(isinstance(layer, OneDnnLinear) for layer in backbone.model.modules())
        assert fast is maker.startswith("AMD")
        torch.manual_seed(0)
        trainee = backbone.trainee(task).eval()
        loss = trainee.loss(trainee.encode(texts), targets)
        loss.backward()
        gradients = {n: p.grad for n, p in trainee.named_parameters() if p.grad is not None}
        assert gradients
        found.append((backbone.features(texts, pooling="mean"), loss, gradients))
    (plain, loss, slopes), (fast_features, fast_loss, fast_slopes) = found
    np.testing.assert_allclose(fast_features, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fast_loss, loss)
    torch.testing.assert_close(fast_slopes, slopes, rtol=1e-3, atol=1e-5)


def test_features_of_vision_transformers_are_those_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    torch.manual_seed(0)
    ViTModel(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            image_size=32,
            patch_size=8,
        ),
        add_pooling_layer=False,
    ).save_pretrained(tmp_path / "vit")
    images = save_images(tmp_path / "images", 3)
    found = []
    for maker in ("Intel(R) Xeon(R)", "AMD EPYC"):
        monkeypatch.setattr(module, "processor", lambda maker=maker: maker)
        backbone = load_backbone(resolve_model(str(tmp_path / "vit")), CPU)
        fast = any(isinstance(layer, OneDnnLinear) for layer in backbone.model.modules())
        assert fast is maker.startswith("AMD")
        found.append(backbone.features(images, pooling="mean"))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
