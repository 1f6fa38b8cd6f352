"""Frozen models compute by oneDNN what torch's own layers compute, forwards and backwards."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.backbones import frozen as module
from harness.backbones.frozen import frozen
from harness.backbones.onednn_linear import OneDnnLinear

CPU = torch.device("cpu")

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
