"""How many examples fit into a prompt, and why all of them should not.

Source: course text (EECS 182, Spring 2023, Review: Fine-tuning), question 2(b).
"""

from math import ceil
from typing import NamedTuple

from advisor.inference import Resolved
from advisor.quantities import format_bytes, format_count

VALIDATION_SHARE = 0.2
"""Share of the examples set aside for validation before any is put into a prompt."""
INSTRUCTION_TOKENS = 40
"""Description of the task, label names and the words around them."""
ENOUGH_DEMONSTRATIONS = 32
"""Beyond this number more demonstrations hardly help (Brown et al. 2020, section 2: 10 to 100)."""
_ANSWER_TOKENS = {"generation": 100, "translation": 40, "qa": 20, "token_labelling": 30}
_LABEL_TOKENS = 4
_SEPARATOR_TOKENS = 4
_BYTES_PER_VALUE = 2
_DEMONSTRATED = ("decoder", "encoder_decoder")
"""Families that learn from demonstrations in their prompt."""


def answer_tokens(s: Resolved) -> int:
    """Tokens of one answer."""
    return _ANSWER_TOKENS.get(s.task, _LABEL_TOKENS)


def tokens_of_demonstration(s: Resolved) -> float:
    """Tokens one demonstration takes: input, answer and what separates them."""
    return s.tokens + answer_tokens(s) + _SEPARATOR_TOKENS


def demonstrations_that_fit(s: Resolved) -> int:
    """Demonstrations that fit the window beside instruction, query and answer; 0 where the family
    does not learn from demonstrations."""
    if s.family not in _DEMONSTRATED or s.window is None:
        return 0
    room = s.window - INSTRUCTION_TOKENS - tokens_of_demonstration(s)
    return max(0, int(room // tokens_of_demonstration(s)))


def reserved_for_validation(examples: int) -> int:
    """Examples held out before any becomes a demonstration."""
    return ceil(round(examples * VALIDATION_SHARE, 6))  # 35 x 0.2 is a little above 7 in binary


def usable_demonstrations(s: Resolved, examples: int) -> int:
    """Of so many examples, how many fit the prompt once the validation rows are set aside."""
    return min(examples - reserved_for_validation(examples), demonstrations_that_fit(s))


class Demonstrations(NamedTuple):
    """Answer to "should all these examples go into the prompt?".

    Attributes:
        asked: Examples the question is about; reserved: of these, held out for validation.
        tokens_each: Tokens of one demonstration.
        prompt_tokens: Tokens of the whole input with all that are left, query and answer included.
        window: Longest input the model was trained on; None where it has none.
        fits: How many of those left do fit beside instruction, query and answer.
        useful: How many to try: those that fit, and not more than still help.
        advisable: Whether all that are left should go into the prompt.
        reasons: On window and positions, on diminishing returns, on cost and memory; for a family
            that cannot be shown examples, that.
    """

    asked: int
    reserved: int
    tokens_each: float
    prompt_tokens: float
    window: int | None
    fits: int
    useful: int
    advisable: bool
    reasons: tuple[str, ...]
    source: str = "course text, question 2(b)"

    def to_dict(self) -> dict[str, object]:
        return self._asdict() | {"reasons": list(self.reasons)}


def answer_demonstrations(s: Resolved) -> Demonstrations | None:
    """Whether the examples asked about should all be demonstrations; None if nothing was asked."""
    asked = s.demonstrations
    if asked is None:
        return None
    reserved = reserved_for_validation(asked)
    left, each = asked - reserved, tokens_of_demonstration(s)
    fits = usable_demonstrations(s, asked)
    useful = min(fits, ENOUGH_DEMONSTRATIONS)
    shows = s.family in _DEMONSTRATED
    total = INSTRUCTION_TOKENS + (left + 1) * each
    reasons = (
        (_window_reason(s, left, total, fits), _returns_reason(left), _cost_reason(s, left, total))
        if shows
        else (
            f"Models of this family ({s.family.replace('_', '-')}) cannot be shown examples in a prompt.",
        )
    )
    return Demonstrations(
        asked=asked,
        reserved=reserved,
        tokens_each=each,
        prompt_tokens=total,
        window=s.window,
        fits=fits,
        useful=useful,
        advisable=shows and left <= useful,
        reasons=reasons,
    )


def _window_reason(s: Resolved, left: int, total: float, fits: int) -> str:
    assert s.window is not None
    size = f"{format_count(left)} demonstrations make an input of {format_count(total)} tokens"
    window = f"the window of {s.window:,} the model was trained on"
    if total <= s.window:
        return f"{size}, which fits {window}."
    limit = (
        "with learned positional encodings it cannot run on longer sequences at all"
        if s.positions == "learned"
        else f"with {s.positions} positional encodings it can run on longer sequences, but gets "
        "worse far beyond the length it was trained on"
    )
    return f"{size}, longer than {window}: {limit}. {format_count(fits)} fit."


def _returns_reason(left: int) -> str:
    """Diminishing returns."""
    if left <= ENOUGH_DEMONSTRATIONS:
        return f"{format_count(left)} demonstrations are few enough that each may still help."
    return (
        f"Past some point more demonstrations are unlikely to help: beyond about "
        f"{ENOUGH_DEMONSTRATIONS} the gain is small."
    )


def _cost_reason(s: Resolved, left: int, total: float) -> str:
    """Compute and memory of each request, against the same request without demonstrations."""
    from advisor.costs.shape import shape_of  # the cost model counts demonstrations with this file

    shape = shape_of(s)
    bare = total - left * tokens_of_demonstration(s)
    cache = total * 2 * shape.layers * (shape.kv_width or shape.width) * _BYTES_PER_VALUE
    text = (
        f"The longer the prompt, the slower and dearer each request: {total / bare:,.0f} times the "
        f"tokens of a prompt without demonstrations, and {format_bytes(cache)} of memory for keys "
        f"and values"
    )
    if s.memory is not None and cache + shape.params * _BYTES_PER_VALUE > s.memory:
        return f"{text}: beside the model more than the {format_bytes(s.memory)} there are."
    return f"{text}."
