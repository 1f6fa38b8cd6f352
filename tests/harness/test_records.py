from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.records import SCORED, SETTLED, Asked, Happened, ModelAsked, RunRecord
from tests.harness.test_store import record

SETTINGS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(
        st.integers(-(10**9), 10**9),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.booleans(),
        st.none(),
        st.lists(st.integers(0, 30), max_size=3).map(tuple),
    ),
    max_size=5,
)


def asked(settings: dict, **changes) -> Asked:
    return record().asked.model_copy(update={"hyperparameters": settings, **changes})


@given(SETTINGS)
def test_the_order_of_keys_does_not_change_the_content_id(settings: dict) -> None:
    assert asked(settings).content_id == asked(dict(reversed(settings.items()))).content_id


@given(SETTINGS)
def test_a_record_read_back_is_the_one_written(settings: dict) -> None:
    values = record().asked.model_dump() | {"hyperparameters": settings}
    kept = record().model_copy(update={"asked": Asked(**values)})
    again = RunRecord.model_validate_json(kept.model_dump_json())
    assert again == kept
    assert again.content_id == kept.content_id
    assert again.record_id == kept.record_id


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"stage": "final"}, {"examples": 9}, {"metric": "macro_f1"}, {"max_tokens": 64},
     {"budget_seconds": 60.0}, {"data_digest": "f"}, {"hyperparameters": {"c": 2.0}}],
    ids=str,
)  # fmt: skip
def test_whatever_is_asked_differently_is_another_trial(change: dict) -> None:
    assert record().asked.model_copy(update=change).content_id != record().content_id


def test_what_happened_does_not_change_the_content_id() -> None:
    assert record(seconds=1.0).content_id == record(status="failed").content_id
    assert record(seconds=1.0).record_id != record(seconds=2.0).record_id


def test_a_record_cannot_be_edited() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record().happened.status = "failed"


def test_numbers_of_numpy_become_plain_ones() -> None:
    happened = Happened(
        status="done",
        curve=({"step": np.int64(3), "train_loss": np.float32(0.5)},),
        chosen={"layers": (np.int64(1), 2), "c": np.float64(0.1)},
    )
    assert happened.curve == ({"step": 3.0, "train_loss": 0.5},)
    assert happened.chosen == {"layers": [1, 2], "c": 0.1}
    assert Happened.model_validate_json(happened.model_dump_json()) == happened


def test_a_change_is_checked() -> None:
    assert record().happened.replacing(seconds=2).seconds == 2.0
    with pytest.raises(ValidationError):
        record().happened.replacing(status="lost")


def test_a_model_without_digest_is_known_by_its_location() -> None:
    from harness.backbones.base import ModelFacts

    facts = ModelFacts("m", "encoder", 1, 1, 1, "text", location="org/model")
    assert ModelAsked.from_facts(facts).digest == "org/model"


def test_what_is_scored_is_settled_and_a_stopped_trial_is_not() -> None:
    assert SCORED < SETTLED
    assert "stopped" not in SETTLED
