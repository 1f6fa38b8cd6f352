"""Rows of evidence made in code."""

from __future__ import annotations

from hypothesis import strategies as st

from advisor.situation import OBJECTIVES
from advisor.traits import FAMILIES, STRATEGIES, TASKS
from harness.evidence import Row
from harness.evidence.corpora import CORPORA
from harness.evidence.tags import PROTOCOLS, TAGS

# What CSV, blanks at the ends and other alphabets can trip over; line ends are no part of a cell.
TEXTS = st.text("ab,\";'= é→#0", max_size=8).map(str.strip)
COUNTS = st.none() | st.integers(0, 10**12)
AMOUNTS = st.none() | st.floats(0, 1e9, allow_nan=False)


def toy(**given: object) -> Row:
    """A published row without a fault."""
    values = {
        "source": "toy_paper",
        "place": "Table 1",
        "protocol": "published",
        "model": "toy-base",
        "family": "encoder",
        "params": 1000,
        "objective": "masked_tokens",
        "corpus": "web_text",
        "modality": "text",
        "task": "classification",
        "data": "SST-2",
        "n_train": 100,
        "classes": 2,
        "strategy": "linear_probe",
        "metric": "accuracy",
        "value": 0.8,
        "paper": "Toys",
        "year": 2026,
        "url": "https://example.org",
    }
    return Row(**{**values, **given})


def rows() -> st.SearchStrategy[Row]:
    """Any row that fits into the schema, sensible or not."""
    filled = TEXTS.filter(bool)
    return st.builds(
        Row,
        source=filled, source_group=TEXTS, place=TEXTS, protocol=st.sampled_from(list(PROTOCOLS)), model=filled,
        family=st.sampled_from(FAMILIES), params=COUNTS, pretraining=TEXTS,
        objective=st.sampled_from(["", *OBJECTIVES]), corpus=st.sampled_from(list(CORPORA)),
        modality=st.sampled_from(["text", "image"]), task=st.sampled_from(TASKS), data=filled,
        n_train=COUNTS, n_validation=COUNTS, shots_per_class=COUNTS, classes=COUNTS, tokens=AMOUNTS,
        strategy=st.sampled_from([*STRATEGIES, "other_adapter"]), variant=TEXTS, trained_parameters=COUNTS,
        metric=st.sampled_from(["accuracy", "rmse"]), value=st.floats(-1e9, 1e9, allow_nan=False),
        higher_is_better=st.booleans(), seed=COUNTS, seeds=COUNTS, spread=AMOUNTS, spread_kind=TEXTS,
        cap_seconds=AMOUNTS, seconds=AMOUNTS, device=TEXTS, commit=TEXTS,
        tags=st.lists(st.sampled_from(list(TAGS)), max_size=2).map(tuple),
        paper=TEXTS, year=COUNTS, url=TEXTS, shift=AMOUNTS, shift_reason=TEXTS,
    )  # fmt: skip
