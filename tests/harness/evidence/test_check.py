from __future__ import annotations

from dataclasses import replace

import pytest

from harness.evidence.check import check, faults_of
from harness.evidence.load import join, read_tables
from tests.harness.evidence.toys import toy

TABLES = read_tables()


def faults(**given: object) -> list[str]:
    row = join(toy(**given), TABLES)
    return [fault.partition("): ")[2] for fault in faults_of(row)]


def test_a_good_row_has_no_fault() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"value": 1.2}, "accuracy must be in [0, 1]; it is 1.2"),
        ({"value": 80.0}, "accuracy must be in [0, 1]; it is 80"),
        ({"metric": "pearson", "value": -1.5}, "pearson must be in [-1, 1]; it is -1.5"),
        ({"metric": "rmse", "higher_is_better": False, "value": -1.0}, "rmse must be in [0, inf]; it is -1"),
        ({"metric": "rmse"}, "higher_is_better is wrong for rmse"),
        ({"n_train": -1}, "n_train must be at least 0; it is -1"),
        ({"params": 0}, "params must be at least 1; it is 0"),
        ({"trained_parameters": 5000}, "trained_parameters 5000 is more than the model has (1000)"),
        ({"n_train": 1}, "trained on 1 labels, fewer than its 2 classes"),
        ({"n_train": 0}, "trained on no labels"),
        ({"shots_per_class": 4}, "100 labels are more than 4 in each of 2 classes"),
        ({"paper": "", "place": ""}, "no paper, place"),
        ({"protocol": "fair", "seed": None}, "no data_digest, seed, device"),
        ({"data": "my own"}, "no shift for data 'my own' and corpus 'web_text'"),
        ({"corpus": ""}, "no shift for data 'SST-2' and corpus ''"),
        ({"shift": 1.5, "shift_reason": "so it is"}, "shift must be in [0, 1]; it is 1.5"),
        ({"shift": 0.5}, "a shift without a reason"),
    ],
)  # fmt: skip
def test_every_fault_is_told(given: dict[str, object], fault: str) -> None:
    assert fault in faults(**given)


@pytest.mark.parametrize(
    ("column", "given"),
    [("family", "gpt"), ("strategy", "adapter"), ("task", "nli"), ("metric", "acc"), ("protocol", "mine"),
     ("objective", "MLM"), ("corpus", "internet"), ("modality", "sound"), ("split", "dev"), ("tags", ("bad",))],
)  # fmt: skip
def test_unknown_ids_are_told_with_the_known_ones(column: str, given: object) -> None:
    said = given[0] if isinstance(given, tuple) else given
    assert any(f"{said!r} is none of " in fault for fault in faults(**{column: given}))


def test_strategies_and_metrics_that_are_not_ours_may_stay_as_context() -> None:
    assert faults(strategy="other_adapter", metric="other_perplexity", value=12.0) == []


def test_an_unusable_row_may_have_fewer_labels_than_classes() -> None:
    assert faults(n_train=1, tags=("cross_model",)) == []


def test_the_same_measurement_twice_is_a_fault_and_says_whether_it_differs() -> None:
    row = join(toy(), TABLES)
    assert check([row, row]).faults[0].endswith("): is there twice")
    other = replace(row, value=0.7)
    assert check([row, other]).faults[0].endswith("): has several values: [0.7, 0.8]")


def test_reasons_and_missing_contrasts_are_counted() -> None:
    rows = [
        join(toy(**given), TABLES)
        for given in (
            {},
            {"strategy": "full_finetune", "tags": ("secondary",)},
            {"strategy": "lora", "tags": ("unconfirmed_strategy",)},
            {"data": "MNLI", "classes": 3, "n_train": None},
        )
    ]
    found = check(rows)
    assert found.faults == ()
    assert found.unusable == {"which weights were trained is not stated": 1}
    assert found.lowered == {"read in a transcription of the table": 1}
    assert (found.without_contrast, found.no_n) == (1, 1)
