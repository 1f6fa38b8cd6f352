"""The benchmark of linear layers prints both ways of every layer."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks import linear_layers


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_each_layer_is_timed_with_both_gradients(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(linear_layers, "LAYERS", {"small": ((5, 4), (4, 5))})
    monkeypatch.setattr(linear_layers, "ROWS", {"small": (2, 3)})
    monkeypatch.setattr(sys, "argv", ["linear_layers", "--threads", str(torch.get_num_threads())])
    linear_layers.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line[:35].split(maxsplit=2) for line in lines] == [
        ["small", rows, way] for rows in ("2", "3") for way in linear_layers.PRODUCTS
    ]
    assert all(float(number) >= 0 for line in lines for number in line[35:].split())


def test_no_threads_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["linear_layers", "--threads", "0"])
    with pytest.raises(SystemExit) as stopped:
        linear_layers.main()
    assert stopped.value.code == 2
    assert "--threads must be at least 1; got 0" in capsys.readouterr().err
