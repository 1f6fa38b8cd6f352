from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from advisor.errors import OutputError, SpecError
from harness.prediction import predict_file
from harness.progress import Planned, Resuming, TrialEnded, TrialMoved
from harness.runner import Conditions, run
from harness.store import Store
from harness.tuning import Stopped
from harness.winner import read_manifest
from tests.harness.fair_toys import Threshold, install, toy_data, toy_question
from tests.harness.test_tuning import settled

ALL = ("linear_probe", "full_finetune", "soft_prompt", "hard_prompt")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def measured(out: Path, how: Conditions | None = None, **asked) -> dict:
    folder = run(toy_question(**asked), out, how or Conditions(command="harness run"))
    return json.loads((folder / "result.json").read_text())


def named(result: dict) -> dict[str, dict]:
    return {one["strategy"]: one for one in result["strategies"]}


def test_a_whole_run(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "toy"
    result = measured(out, strategies=ALL, target=0.8)
    found = named(result)
    assert result["winner"] == "linear_probe"
    assert {id: one["status"] for id, one in found.items()} == {
        "linear_probe": "done",
        "full_finetune": "done",
        "soft_prompt": "failed",
        "hard_prompt": "refused",
    }
    assert (
        found["linear_probe"]["test"]["mean"] > 0.9 > 0.6 > found["full_finetune"]["test"]["mean"]
    )
    assert found["linear_probe"]["test"]["seeds"] == 3
    assert found["hard_prompt"]["reason"] == "there is nothing to say"
    assert "no gradient today" in found["soft_prompt"]["reason"]
    assert result["runner_up"] == "full_finetune"
    assert result["win_rate"] > 0.99
    assert set(result["baselines"]) == {"majority", "tfidf"}
    assert result["protocol"] == "fair"
    assert result["agreement"]["winner"] == "linear_probe"
    assert result["advice"]["recommendations"]
    assert "linear probe" in result["verdict"].lower()
    assert (out / "report.html").stat().st_size > 1000
    assert not (out / "artefacts").exists()
    with Store(out / "store.sqlite") as store:
        assert {one.happened.status for one in store.query()} == {"done", "failed", "refused"}


def test_the_winner_predicts_its_recorded_test_accuracy(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    measured(out)
    rows = list(csv.DictReader(io.StringIO(predict_file(out, out / "test.csv"))))
    right = sum(row["prediction"] == row["label"] for row in rows)
    assert right / len(rows) == read_manifest(out).scores["test"]["accuracy"]
    assert float(rows[0]["probability_low"]) + float(rows[0]["probability_high"]) == pytest.approx(
        1, abs=1e-5
    )


def test_a_target_that_nothing_reaches_is_said(tmp_path: Path) -> None:
    result = measured(tmp_path / "toy", strategies=("full_finetune",), target=0.99)
    assert result["verdict"].startswith("No strategy reaches the target")


def test_permuted_labels_fall_to_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, dataset=toy_data(permuted=True))
    result = measured(tmp_path / "toy", examples=200)
    assert abs(named(result)["linear_probe"]["validation"]["mean"] - 0.5) < 0.15


def test_shifted_data_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, dataset=toy_data(ood=True))
    result = measured(tmp_path / "toy")
    assert named(result)["linear_probe"]["ood"]["mean"] > 0.9
    assert result["question"]["data"]["n_ood"] == 50


def without_times(value: object) -> object:
    """A result without what differs between two equal runs."""
    noisy = {"seconds", "spent", "started", "peak_memory_bytes", "trial_seconds", "latency_ms",
             "estimate", "command", "advice", "charged_seconds", "measuring_seconds"}  # fmt: skip
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in noisy}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("after", [2, 9])
def test_an_interrupted_run_resumes_to_the_same_result(tmp_path: Path, after: int) -> None:
    asked = {"strategies": ("linear_probe", "full_finetune"), "seeds": 2, "trials": 3}
    whole = measured(tmp_path / "whole", **asked)
    ended: list[TrialEnded] = []

    def listen(event: object) -> None:
        ended.extend([event] if isinstance(event, TrialEnded) else [])

    out = tmp_path / "broken"
    with pytest.raises(Stopped, match="--out"):
        measured(out, Conditions(on_event=listen, cancelled=lambda: len(ended) >= after), **asked)
    assert not (out / "result.json").exists()
    first = len(ended)
    resumed: list[bool] = []

    def count(event: object) -> None:
        resumed.extend([event.resumed] if isinstance(event, TrialEnded) else [])

    result = measured(out, Conditions(on_event=count), **asked)
    assert sum(resumed) == first
    assert without_times(result) == without_times(whole)
    with Store(out / "store.sqlite") as a, Store(tmp_path / "whole" / "store.sqlite") as b:
        assert settled(a.query()) == settled(b.query())


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first = measured(tmp_path / "toy")
    Threshold.fits = 0
    seen: list[object] = []
    again = measured(tmp_path / "toy", Conditions(on_event=seen.append))
    assert again == first
    assert Threshold.fits == 0
    assert any(isinstance(event, Resuming) and event.finished for event in seen)


def test_another_question_may_not_enter_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    measured(out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=r"another run \(examples was 80, now 60\)"):
        measured(out, examples=60)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no run"):
        measured(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_bad_questions_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    with pytest.raises(SpecError, match="2 classes need at least 2"):
        measured(out, examples=1)
    with pytest.raises(SpecError, match="nothing to say"):
        measured(out, strategies=("hard_prompt",))
    assert not out.exists()


def test_the_default_folder_names_date_model_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = run(toy_question(), None, Conditions())
    assert first.parent.name == "runs"
    assert first.name.endswith("-toy-numbers")
    assert run(toy_question(), None, Conditions()) == first
    assert run(toy_question(examples=60), None, Conditions()).name == f"{first.name}-2"


class Ticking:
    """A clock on which every fit takes the same time."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds, self.caps = 0.0, seconds, []

    def __call__(self) -> float:
        return self.now

    def listen(self, event: object) -> None:
        if isinstance(event, TrialMoved):
            self.now += self.seconds
        if isinstance(event, Planned):
            self.caps.append(event.cap_seconds)


def budgeted(out: Path, seconds: float, budget: float, **asked) -> tuple[dict, Ticking]:
    clock = Ticking(seconds)
    how = Conditions(on_event=clock.listen, clock=clock, started=0.0)
    return measured(out, how, budget_seconds=budget, **asked), clock


def test_a_budget_is_kept_with_equal_caps_and_the_minimum_of_trials(tmp_path: Path) -> None:
    result, clock = budgeted(
        tmp_path / "toy", 4.0, 120.0, strategies=("linear_probe", "full_finetune", "hard_prompt")
    )
    cap = (120 - 6) / 2
    assert result["budget"]["cap_per_strategy"] == clock.caps[0] == pytest.approx(cap)
    assert clock.now <= 120 * 1.2
    running = [one for one in result["strategies"] if one["status"] != "refused"]
    assert all(one["status"] == "done" for one in running)
    assert all(one["trials"] >= 3 for one in running)
    assert all(one["seconds"] <= cap for one in running)


def test_a_budget_that_is_too_small_is_marked_and_kept(tmp_path: Path) -> None:
    result, clock = budgeted(
        tmp_path / "toy", 40.0, 120.0, strategies=("linear_probe", "full_finetune")
    )
    assert {one["status"] for one in result["strategies"]} == {"underfunded"}
    assert result["winner"] is not None
    assert clock.now <= 120 * 1.4


def test_an_interrupted_budget_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out, clock = tmp_path / "toy", Ticking(4.0)
    asked = {"budget_seconds": 120.0, "strategies": ("linear_probe", "full_finetune")}
    stop = Conditions(
        on_event=clock.listen, clock=clock, started=0.0, cancelled=lambda: clock.now > 30
    )
    with pytest.raises(Stopped):
        measured(out, stop, **asked)
    later = Ticking(4.0)
    result = measured(out, Conditions(on_event=later.listen, clock=later, started=0.0), **asked)
    assert later.caps == clock.caps
    assert result["budget"]["cap_per_strategy"] == clock.caps[0]
    assert clock.now + later.now <= 120 * 1.2 + 4


def test_few_test_rows_are_scored_if_more_are_not_wanted(tmp_path: Path) -> None:
    result = measured(tmp_path / "toy", test_examples=40)
    assert result["question"]["data"]["n_test"] == 40
    assert any(one["code"] == "test_subset" for one in result["question"]["data"]["findings"])
    assert sum(1 for _ in (tmp_path / "toy" / "test.csv").open()) == 41
