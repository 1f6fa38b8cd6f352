import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import wording


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.42, "0.42 s"),
        (38.4, "38 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (3599.7, "1 h"),
        (3900, "1 h 5 min"),
    ],
)
def test_duration_uses_the_unit_that_suits(seconds, said):
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (1925, "1,925"), (94_085, "94.1k"), (22_713_216, "22.7M"), (175e9, "175B")],
)
def test_many_shortens_large_counts(number, said):
    assert wording.many(number) == said


@pytest.mark.parametrize(
    ("bytes", "said"),
    [(0, "0 B"), (384, "384 B"), (999.7, "1 kB"), (8912, "8.9 kB"), (90_900_000, "90.9 MB")],
)
def test_size_is_decimal(bytes, said):
    assert wording.size(bytes) == said


def test_shares_read_as_percentages_and_other_metrics_as_they_are():
    assert wording.score("accuracy", 0.951) == "95.1%"
    assert wording.score("log_loss", 0.1857) == "0.186"
    assert wording.score_range("macro_f1", 0.937, 0.965) == "93.7–96.5%"
    assert wording.score_range("log_loss", 0.1, 0.2) == "0.100 to 0.200"


def test_differences_are_points_with_a_true_minus_sign():
    assert wording.gap("accuracy", -0.01) == "1.0 point"
    assert wording.gap("accuracy", 0.021) == "2.1 points"
    assert wording.signed("accuracy", -0.004) == "−0.4"
    assert wording.signed("r2", 1.5) == "+1.500"


def test_listed():
    assert [wording.listed(list(names)) for names in ("", "a", "ab", "abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_names_come_from_the_record_then_from_the_traits_then_from_the_id():
    assert wording.strategy_name("lora", "LoRA r8") == "LoRA r8"
    assert wording.strategy_name("full_finetune") == "full fine-tuning"
    assert wording.strategy_name("my_own") == "my own"
    assert wording.baseline_name("tfidf") == "TF-IDF"


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_a_longer_time_never_reads_as_fewer_of_the_same_unit(one, other):
    """Durations that read alike are alike: within a hundredth, or half a unit shown."""
    if wording.duration(one) == wording.duration(other):
        assert abs(one - other) <= max(0.06 * max(one, other), 1.0)


@given(st.text())
def test_a_sentence_keeps_its_words(text):
    said = wording.sentence(text)
    assert said.casefold().startswith(text.strip()[:1].casefold())
    assert not text.strip() or said[-1] in ".!?…"
