"""Why a family cannot be asked a task at all, or should not be."""

from __future__ import annotations

_TEXT = ("encoder", "decoder", "encoder_decoder", "lstm")
_IMAGE = ("convnet", "vit", "clip")
_READS_TEXT = ("pair_classification", "qa", "generation", "translation", "token_labelling")

_REASONS: dict[tuple[str, str], tuple[bool, str]] = {
    ("encoder", "generation"): (True, "an encoder has no decoder that could write a text"),
    ("encoder", "translation"): (True, "an encoder has no decoder that could write a text"),
    ("decoder", "token_labelling"): (
        False,
        "a decoder reads from left to right: a word's state has not seen what follows; take an encoder",
    ),
    ("encoder_decoder", "token_labelling"): (
        False,
        "tags of words are read off an encoder's states; take an encoder",
    ),
    ("encoder_decoder", "regression"): (
        False,
        "numbers are read off a head on pooled states; take an encoder",
    ),
}
_LSTM = (False, "the small LSTM encoder-decoder is here to translate and rewrite; take an encoder")


def refusal(family: str, task: str) -> tuple[bool, str]:
    """Why a family does not do a task.

    Returns:
        Whether it is impossible (else it is only not sensible), and the reason.
    """
    if (family, task) in _REASONS:
        return _REASONS[family, task]
    if family in _IMAGE and task in _READS_TEXT:
        return True, "the model reads images, the task is about text"
    if family in _TEXT and task == "localization":
        return True, "the model reads text, boxes are found in images"
    if family == "lstm":
        return _LSTM
    return False, f"nobody taught models of family {family} this task here"
