"""Reasons for refusing that several strategies share."""

from __future__ import annotations

from advisor.traits import Traits
from harness.backbones.base import ModelFacts
from harness.strategies.base import DataFacts, Verdict
from harness.tasks.base import Task

_WHY_NOT = {
    "convnet": (
        "conv nets cannot be prompted (yet): they read pixels through filters, not a sequence "
        "among which trained vectors could stand"
    ),
    "lstm": "an LSTM has no attention through which trained vectors could act on the input",
}
NO_WORDS = {
    "convnet": "conv nets cannot be prompted (yet): no token sequence to put words into",
    "vit": "a vision transformer reads no words; only trained (soft) prompts apply",
    "encoder": (
        "an encoder without a language-model head has nothing to score label words with; cloze "
        "prompting would need the masked-language-model head it was pretrained with"
    ),
}
"""Family -> why it cannot be asked in words."""

_LSTM_IS_WHOLE = (
    "an LSTM encoder-decoder is trained whole: it has no transformer blocks for adapters to stand "
    "in, and its head is the one that writes"
)


def common_refusal(traits: Traits, facts: ModelFacts, data: DataFacts) -> Verdict | None:
    """The refusal if family, modality or number of labels rule a strategy out; else None.

    Args:
        traits: Of a strategy that learns from labels.
    """
    if facts.access == "text" and traits.access != "text":
        return Verdict(
            False,
            f"{traits.name} needs the model's {traits.access}, and an endpoint gives text only",
        )
    if facts.family not in traits.families:
        reason = _WHY_NOT.get(facts.family) if traits.virtual_tokens else None
        if reason is None and facts.family == "lstm":
            reason = _LSTM_IS_WHOLE
        return Verdict(
            False, reason or f"{traits.name} does not work on models of family {facts.family!r}"
        )
    if facts.modality != data.modality:
        return Verdict(
            False, f"the model reads {facts.modality}s, and the inputs are {data.modality}s"
        )
    if data.n_examples == 0:
        return Verdict(
            False, f"{traits.name} learns from labels, and there are no labelled examples"
        )
    if data.n_examples < data.n_classes:
        return Verdict(
            False,
            f"{data.n_classes} classes need at least one labelled example each; there are "
            f"{data.n_examples}",
        )
    return None


def probe_refusal(task: Task) -> Verdict | None:
    """The refusal of a probe, which reads one vector of each input or word; None if it can."""
    if task.head != "tokens" or task.id == "token_labelling":
        return None
    if task.id == "qa":
        return Verdict(False, "one pooled vector does not point at a span")
    return Verdict(False, "one pooled vector does not write a text token by token")
