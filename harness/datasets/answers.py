"""What is noticed of the answers to questions about passages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.datasets.base import DataRequest, Finding
from harness.datasets.rows import Rows
from harness.text_pair import TextPair

_YES, _NO = ("yes", "true"), ("no", "false")


def are_yes_no(answers: Iterable[str]) -> bool:
    """Whether all answers are yes or no (or true or false), and there are both."""
    said = {_bare(answer) for answer in answers}
    return said <= {*_YES, *_NO} and bool(said & set(_YES)) and bool(said & set(_NO))


def as_pairs(request: DataRequest) -> DataRequest:
    """The same request for a pair classification."""
    return replace(request, task="pair_classification", output="probabilities")


def named(rows: Rows) -> Rows:
    """The rows with "yes" and "no" for answers of `are_yes_no`."""
    return replace(rows, labels=tuple("yes" if _bare(one) in _YES else "no" for one in rows.labels))


def yes_no_finding(rows: Rows) -> Finding:
    """What is said where questions became classes."""
    text = (
        "All answers are yes or no: pairs of a question and a passage are classified "
        "(pair_classification) with the labels no and yes."
    )
    return Finding("yes_no", "note", text, len(rows))


def elsewhere(rows: Rows) -> list[Finding]:
    """A warning if answers are no words of their passages."""
    lost = sum(
        isinstance(given, TextPair) and answer not in given.second
        for given, answer in zip(rows.inputs, rows.labels, strict=True)
    )
    if not lost:
        return []
    text = (
        f"{lost:,} of {len(rows):,} answers are no words of their passages: a model that points at "
        "its answer can neither learn nor give them."
    )
    return [Finding("answers_elsewhere", "warning", text, lost)]


def _bare(answer: str) -> str:
    return answer.strip().rstrip(".!").lower()
