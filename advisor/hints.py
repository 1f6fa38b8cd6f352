"""What a description gives away: the kind of task, the modality, the distance from pretraining.

Only beginnings of words are looked for; whoever states task, modality or shift is never second-
guessed, and every inference is said with the word it rests on.
"""

from __future__ import annotations

from functools import lru_cache

from advisor.situation import Situation

# Word beginnings in a description, and what they say; first match counts.
_TASK_HINTS = (
    ("translation", ("translat",)),
    ("localization", ("locali", "bounding box", "locate ", "detect where")),
    ("pair_classification", ("entail", "paraphras", "contradict", "natural language inference")),
    ("token_labelling", ("named entit", "part of speech", "tag each", "tag every")),
    ("qa", ("question", "answer the", "reading comprehension")),
    ("generation", ("summar", "generat", "write a ", "rewrite")),
    ("regression", ("regress", "predict the price", "estimate the")),
)
_WITHOUT_CLASSES = ("translation", "qa", "generation", "regression")
"""Tasks that a situation with classes is not: "spam or a question?" asks for a class."""
_IMAGE_HINTS = (
    "image", "photo", "picture", "x ray", "xray", "radiograph", "histolog", "microscop", "mri ",
    "ct scan", "satellite", "aerial", "radar", "ultrasound",
)  # fmt: skip
_FAR_HINTS = (
    "x ray", "xray", "radiograph", "histolog", "microscop", "mri ", "ct scan", "ultrasound", "radar",
)  # fmt: skip
_SPECIALIST_HINTS = ("legal", "contract clause", "biomedical", "clinical", "chemical", "medical")
_MODERATE_HINTS = ("satellite", "aerial", "species", "fine grained")
_SMALL_MODEL = 1_000_000_000
"""Below this many parameters a language model has seen little of legal or medical text."""


class Hints:
    """The words of a description.

    Each method returns what follows and the word it follows from, or None.
    """

    def __init__(self, situation: Situation) -> None:
        said = situation.description
        self._text = _plain(said) if isinstance(said, str) else ""
        self._has_classes = bool(situation.label_names or situation.classes)

    def task(self, modality: str) -> tuple[str, str] | None:
        for task, beginnings in _TASK_HINTS:
            word = _first(beginnings, self._text)
            fits = (modality == "text") == (task != "localization")
            if word and fits and not (self._has_classes and task in _WITHOUT_CLASSES):
                return task, word
        return None

    def image(self) -> str | None:
        """The word that speaks of images."""
        return _first(_IMAGE_HINTS, self._text)

    def shift(self, params: int) -> tuple[str, str] | None:
        """ "far" or "moderate"; specialist text is farther for a small model."""
        specialist = "far" if params < _SMALL_MODEL else "moderate"
        for distance, beginnings in (
            ("far", _FAR_HINTS), (specialist, _SPECIALIST_HINTS), ("moderate", _MODERATE_HINTS),
        ):  # fmt: skip
            if word := _first(beginnings, self._text):
                return distance, word
        return None


@lru_cache(maxsize=64)
def _plain(description: str) -> str:
    """Words in lower case with one blank around each, without marks."""
    for mark in "-_/.,;:()?!\"'":
        description = description.replace(mark, " ")
    return f" {' '.join(description.lower().split())} "


@lru_cache(maxsize=256)
def _first(beginnings: tuple[str, ...], text: str) -> str | None:
    """Remembered: who asks what would change the answer asks with the same description."""
    found = (word for word in beginnings if f" {word}" in text)
    return next((word.strip() for word in found), None)
