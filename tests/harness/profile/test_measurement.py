from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.quantities import parse_shift
from harness.profile import batch_norms, texts
from harness.profile.measurement import Measurement, Scale, not_measured

SCALES = (batch_norms.SCALE, texts.LOSS_SCALE, texts.FERTILITY_SCALE)


@pytest.mark.parametrize("scale", SCALES)
@given(a=st.floats(-10, 10), b=st.floats(-10, 10))
def test_a_larger_statistic_is_never_nearer(scale: Scale, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= scale.shift(low) <= scale.shift(high) <= 1


@pytest.mark.parametrize("scale", SCALES)
def test_anchors_ascend_and_are_met(scale: Scale) -> None:
    raw = [value for value, _ in scale.anchors]
    assert raw == sorted(set(raw))
    for value, shift in scale.anchors:
        assert scale.shift(value) == pytest.approx(shift, abs=1e-3)


@pytest.mark.parametrize("word", ["none", "low", "medium", "high"])
def test_words_are_those_of_the_advisor(word: str) -> None:
    assert Measurement("x", 1.0, None, parse_shift(word), "").word == word


def test_what_is_not_measured_has_no_number() -> None:
    found = not_measured("there is nothing")
    assert (found.value, found.shift, found.word) == (None, None, None)
    assert found.method == "not measured: there is nothing"
