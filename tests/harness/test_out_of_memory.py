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
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import tiny_encoder
from tests.harness.tiny_seq2seq import tiny_seq2seq


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried 9 bytes"),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"),
        RuntimeError(
            "Exception from src/inference/src/cpp/infer_request.cpp:224:\n"
            "Check 'ptr' failed at src/plugins/intel_cpu/src/cpu_memory.cpp:257:\n"
            "Failed to allocate 361267200 bytes of memory"
        ),
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
    assert happened.chosen == {"rows_in_memory": 2}  # "one" and "five" are the same unknown word
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


TEXTS = ["one", "two words", "three words here", "and four words here", "five"]
LABELS = ["good", "bad news"]


def _calls(kind: str):  # type: ignore[no-untyped-def]
    """A backbone, the module whose memory runs out, and what is asked of the backbone."""
    if kind == "decoder":
        decoder = tiny_decoder()
        asked = (
            lambda: decoder.views(TEXTS, [View("last"), View("mean", 0)]),
            lambda: decoder.label_logprobs(TEXTS, LABELS, prefix="say: "),
            lambda: decoder.generate(TEXTS, max_new_tokens=3),
        )
        return decoder.model.base_model, asked
    seq2seq = tiny_seq2seq()
    asked = (
        lambda: seq2seq.views(TEXTS, [View("mean"), View("mean", 0)]),
        lambda: seq2seq.label_logprobs(TEXTS, LABELS),
        lambda: seq2seq.generate(TEXTS, max_new_tokens=3),
    )
    return seq2seq.model.get_encoder(), asked


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder"])
def test_every_way_of_asking_a_text_model_survives(kind: str) -> None:
    body, asked = _calls(kind)
    expected = [call() for call in asked]

    def narrow(module, args, kwargs):
        read = kwargs.get("input_ids")
        if len(kwargs["inputs_embeds"] if read is None else read) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB")

    body.register_forward_pre_hook(narrow, with_kwargs=True)
    for call, whole in zip(asked, expected, strict=True):
        with noting_halves() as noted:
            found = call()
        assert noted["rows_in_memory"] <= 2
        if isinstance(whole, list):
            assert found == whole
        else:
            np.testing.assert_allclose(found, whole, atol=1e-4)
