"""What models were pretrained on, in kinds: the domain shift of a data set is counted from it."""

from __future__ import annotations

NOTHING = "none"
"""Kind of pretraining data of random weights."""
CORPORA = {
    "web_text": "web pages, books and their like, or texts drawn from them",
    "books_wikipedia": "books or Wikipedia alone",
    "prompted_tasks": "web text, then many tasks with instructions",
    "biomedical_text": "web text, then biomedical articles",
    "task_text": "texts of the task itself",
    "imagenet": "ImageNet photos, with or without their labels",
    "web_image_text": "photos of the web with their captions",
    "segment_anything": "photos with object masks (SA-1B)",
    "satellite": "satellite images",
    "kinetics": "videos of human actions (Kinetics)",
    NOTHING: "nothing: random weights",
}
"""Kinds of pretraining data, from which the domain shift is counted."""


def corpus_of(family: str, objective: str) -> str:
    """The usual kind of pretraining data of a model; "" where objective and family do not tell it.

    A guess by custom: image networks come from ImageNet, CLIP from captioned web photos, models
    of the next-sentence task from books and Wikipedia, other language models from web text.
    """
    if family == "clip":
        return "web_image_text"
    if not objective:
        return ""
    if family in ("convnet", "vit"):
        return "imagenet"
    return "books_wikipedia" if objective == "masked_tokens_next_sentence" else "web_text"
