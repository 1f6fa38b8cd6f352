"""Memory that runs out halves the batch; the result is the same and the record says so."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import trial
from harness.backbones.base import View
from harness.out_of_memory import OutOfMemory, in_halves, is_out_of_memory, noting_halves
from tests.harness.tiny_models import tiny_encoder


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried 9 bytes"),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_every_allocator_is_understood(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("not enough memory"))


@given(n=st.integers(1, 40), fits=st.integers(1, 40))
def test_halves_give_what_the_whole_gives(n: int, fits: int) -> None:
    def compute(rows: np.ndarray) -> np.ndarray:
        if len(rows) > fits:
            raise MemoryError
        return rows**2

    with noting_halves() as noted:
        np.testing.assert_array_equal(in_halves(compute, np.arange(n)), np.arange(n) ** 2)
    assert bool(noted) == (n > fits)
    assert noted.get("rows_in_memory", 1) <= fits


def test_other_errors_pass_and_one_row_too_much_is_said() -> None:
    def broken(rows: np.ndarray) -> np.ndarray:
        raise RuntimeError("shapes cannot be multiplied")

    def full(rows: np.ndarray) -> np.ndarray:
        raise MemoryError("9 GiB")

    with pytest.raises(RuntimeError, match="shapes"):
        in_halves(broken, np.arange(4))
    with pytest.raises(OutOfMemory, match="one example does not fit: 9 GiB"):
        in_halves(full, np.arange(4))


def test_extraction_goes_on_and_the_record_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_encoder()
    texts = ["one", "two words", "three words here", "and four words here", "five"]
    views = [View("mean"), View("cls", 0)]
    expected = backbone.views(texts, views)
    whole = type(backbone)._states

    def narrow(self, ids, mask, layers):
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB")
        return whole(self, ids, mask, layers)

    monkeypatch.setattr(type(backbone), "_states", narrow)
    found = []
    happened = trial._attempt(
        SimpleNamespace(backbone=backbone), lambda: found.append(backbone.views(texts, views))
    )
    assert happened.status == "done"
    assert happened.chosen == {"rows_in_memory": 1}
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
