"""Every benchmark of the list and of docs/benchmarks.md is there and answers --help."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from benchmarks import run_all
from benchmarks.command import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"


@pytest.mark.parametrize("name", ["toy", *run_all.NAMES])
def test_every_benchmark_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.BENCHMARK.name == name
    with pytest.raises(SystemExit) as stopped:
        run(module.BENCHMARK, module.__doc__, ["--help"])
    assert stopped.value.code == 0
    assert "--quick" in capsys.readouterr().out


def test_the_table_names_every_benchmark_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "python -m benchmarks.run_all" in text
    named = set(re.findall(r"^\| `python -m benchmarks\.(\w+)", text, re.MULTILINE))
    assert named == set(run_all.NAMES)
    with pytest.raises(SystemExit) as stopped:
        run_all.main(["--help"])
    assert stopped.value.code == 0
