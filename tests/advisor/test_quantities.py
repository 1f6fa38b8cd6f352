from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor import quantities
from advisor.errors import SpecError


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("175B", 175_000_000_000),
        ("90B", 90_000_000_000),
        ("350M", 350_000_000),
        ("1.1B", 1_100_000_000),
        ("7e9", 7_000_000_000),
        ("175_000_000_000", 175_000_000_000),
        ("1,000", 1000),
        ("1,234,567", 1_234_567),
        ("100k", 100_000),
        ("100 k", 100_000),
        ("10 thousand", 10_000),
        ("100M", 100_000_000),
        ("0", 0),
        ("2.5", 2.5),
        (12, 12),
        (7e9, 7_000_000_000),
    ],
)
def test_counts_are_read_as_people_write_them(written, value):
    read = quantities.parse_count(written, "params")
    assert read == value
    assert type(read) is type(value if value == 2.5 else 1)


@pytest.mark.parametrize(
    "written",
    ["banana", "-5", -5, "nan", float("nan"), "inf", "1e400", float("inf"), "", "1,5", ",5", None,
     True, "10 parsecs", "1e30", "5 5"],
)  # fmt: skip
def test_what_is_no_count_is_refused_with_key_value_and_remedy(written):
    with pytest.raises(SpecError) as error:
        quantities.parse_count(written, "params")
    assert str(error.value) == (
        f"params must be a number of 0 or more such as 350M, 7e9 or 100k; got {str(written)!r}."
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [("80GB", 80e9), ("80 GiB", 80 * 2**30), ("24g", 24e9), ("512MB", 512e6), (8e10, 8e10)],
)
def test_sizes_are_read_in_decimal_and_binary_units(written, value):
    assert quantities.parse_bytes(written) == value


@pytest.mark.parametrize("written", ["80", 80, "GB", "-1GB", "80 gallons"])
def test_a_size_without_its_unit_is_refused(written):
    with pytest.raises(SpecError, match=r"gpu_memory must be a size with its unit such as 80GB"):
        quantities.parse_bytes(written, "gpu_memory")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10m", 600), ("5h", 18_000), ("90s", 90), ("1h30m", 5400), ("200ms", 0.2), ("2 days", 172_800), (7, 7)],
)  # fmt: skip
def test_durations_are_read_in_seconds(written, seconds):
    assert quantities.parse_duration(written) == pytest.approx(seconds)


def test_a_bare_duration_has_the_unit_of_its_key():
    assert quantities.parse_duration("2", unit="h") == 7200


@pytest.mark.parametrize("written", ["", "h", "10 parsecs", "-1h", "1h30", "nan", None])
def test_an_unreadable_duration_is_refused(written):
    with pytest.raises(SpecError, match="budget must be a duration such as 90s, 10m or 5h; got "):
        quantities.parse_duration(written, "budget")


@pytest.mark.parametrize(
    ("written", "shift"),
    [
        ("none", 0),
        ("low", 0.25),
        ("medium", 0.5),
        ("high", 0.8),
        ("High", 0.8),
        ("0.3", 0.3),
        (1, 1),
    ],
)
def test_shift_is_a_word_or_a_number(written, shift):
    assert quantities.parse_shift(written) == shift


@pytest.mark.parametrize("written", [7, "7", -0.1, "nan", "huge", 1.01])
def test_a_shift_outside_its_range_is_refused(written):
    with pytest.raises(SpecError, match=r"shift must be a number in \[0, 1\], or none, low"):
        quantities.parse_shift(written)


@pytest.mark.parametrize(
    ("written", "value"), [("yes", True), ("No", False), (True, True), (0, False), ("on", True)]
)
def test_flags(written, value):
    assert quantities.parse_flag(written) is value


def test_a_flag_is_yes_or_no():
    with pytest.raises(SpecError, match="robust must be yes or no; got 'maybe'"):
        quantities.parse_flag("maybe", "robust")


@given(st.integers(min_value=0, max_value=10**15))
def test_a_formatted_count_reads_back_to_three_digits(value):
    assert quantities.parse_count(quantities.format_count(value)) == pytest.approx(value, rel=5e-3)


@given(st.integers(min_value=10**6, max_value=10**15))
def test_a_formatted_size_reads_back_to_three_digits(value):
    assert quantities.parse_bytes(quantities.format_bytes(value)) == pytest.approx(value, rel=5e-3)


@given(st.floats(min_value=0.001, max_value=1e8))
def test_a_formatted_duration_reads_back_to_three_digits(value):
    written = quantities.format_duration(value)
    assert quantities.parse_duration(written) == pytest.approx(value, rel=1e-2)


@pytest.mark.parametrize(
    ("dollars", "shown"), [(0, "$0"), (0.0042, "$0.0042"), (12.5, "$12.50"), (1250, "$1,250")]
)
def test_money(dollars, shown):
    assert quantities.format_money(dollars) == shown
