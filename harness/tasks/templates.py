"""Prompt templates for classification: how a question is put to a language model in words.

A prompt is `prefix + query`, and a label is scored as `" " + label words` after it. The prefix
(instruction, then demonstrations) ends with a line break and the query starts with the next
line, so the seam between them is the end of a line. Every text is written on one line: a line
break inside it would look like the start of the next demonstration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.errors import SpecError, UnknownName
from harness.tasks.base import Task
from harness.text_pair import TextPair

NO_DESCRIPTION = "Classify the text."

Shown = str | tuple[str, str]
"""A text as a prompt keeps it: itself, or the two of a pair."""


@dataclass(frozen=True)
class Template:
    """One way of writing a classification prompt.

    Attributes:
        id: Registered name.
        instruction: Opens the prompt; may hold "{description}" and "{labels}"; "" for none.
        query: Holds "{text}" and ends with a colon, after which the label follows. A
            demonstration is a query with its label.
        pair: The same for two texts: holds "{first}" and "{second}".
    """

    id: str
    instruction: str
    query: str
    pair: str = "Text 1: {first}\nText 2: {second}\nLabel:"


TEMPLATES: dict[str, Template] = {
    template.id: template
    for template in (
        Template("label", "{description} Possible labels: {labels}.", "Text: {text}\nLabel:"),
        Template(
            "category",
            "{description} Categories: {labels}.",
            "{text}\nCategory:",
            "{first}\n{second}\nCategory:",
        ),
        Template(
            "answer",
            "Question: {description} Choose one of: {labels}.",
            "Input: {text}\nAnswer:",
            "Premise: {first}\nHypothesis: {second}\nAnswer:",
        ),
        Template(
            "quote",
            "{description} Choices: {labels}.",
            '"{text}" is an example of:',
            '"{first}" and "{second}" are an example of:',
        ),
        Template("bare", "", "{text}\nLabel:", "{first}\n{second}\nLabel:"),
    )
}
DEFAULT = TEMPLATES["label"]

OPEN: dict[str, tuple[Template, ...]] = {
    "qa": (
        Template(
            "qa",
            "{description}",
            "{text}\nAnswer:",
            "Passage: {second}\nQuestion: {first}\nAnswer:",
        ),
    ),
    "translation": (Template("translation", "{description}", "Source: {text}\nTranslation:"),),
    "generation": (Template("generation", "{description}", "Input: {text}\nOutput:"),),
}
"""Task id -> templates of tasks whose answers are texts, the default first."""


def templates_for(task: Task) -> tuple[Template, ...]:
    """The templates a prompt for this task may have, the default first.

    Raises:
        SpecError: If there is no way of asking a language model this.
    """
    if task.output == "probabilities":
        return tuple(TEMPLATES.values())
    if task.id not in OPEN:
        raise SpecError(f"there is no prompt for the task {task.id}")
    return OPEN[task.id]


def template(id: str) -> Template:
    """A template by name.

    Raises:
        UnknownName: With the nearest names.
    """
    if id not in TEMPLATES:
        raise UnknownName("template", id, TEMPLATES)
    return TEMPLATES[id]


def label_words(label_names: Sequence[str]) -> tuple[str, ...]:
    """Label names as a person would say them: "Sci_Tech" becomes "Sci Tech".

    Raises:
        SpecError: If a name has no words, or two names become the same words.
    """
    words = tuple(" ".join(name.replace("_", " ").split()) for name in label_names)
    if not all(words):
        raise SpecError(
            f"label name {label_names[words.index('')]!r} has no words to score; "
            "give readable names with --label-names"
        )
    if len(set(words)) < len(words):
        raise SpecError(
            f"label names {', '.join(map(repr, label_names))} are not distinct when written as "
            "words; give distinct names with --label-names"
        )
    return words


def continuations(words: Sequence[str]) -> tuple[str, ...]:
    """What follows a query for each label.

    Where one label begins with another ("art", "art history"), the shorter could never be less
    likely than the longer; then every label is scored together with the line break after it.
    """
    nested = any(one != other and other.startswith(one) for one in words for other in words)
    return tuple(f" {word}\n" if nested else f" {word}" for word in words)


def instruct(template: Template, description: str | None, words: Sequence[str]) -> str:
    """The instruction on one line, without a line break at its end ("" if there is none)."""
    filled = template.instruction.format(
        description=one_line(description or NO_DESCRIPTION), labels=", ".join(words)
    )
    return filled.strip()


def join(template: Template, instruction: str, demonstrations: Sequence[tuple[Shown, str]]) -> str:
    """The prefix of a prompt from an instruction and (text, label words) demonstrations."""
    parts = [instruction] if instruction else []
    parts += [f"{render_query(template, text)} {label}" for text, label in demonstrations]
    return "".join(f"{part}\n" for part in parts)


def render(template: Template, task: Task, demonstrations: Sequence[tuple[str, int]] = ()) -> str:
    """The prefix of a prompt: instruction, then demonstrations as (text, class index)."""
    words = label_words(task.label_names)
    answered = [(text, words[target]) for text, target in demonstrations]
    return join(template, instruct(template, task.description, words), answered)


def render_query(template: Template, text: Shown) -> str:
    """The question about one text or pair of texts; a label follows it after one space."""
    parts = shown(text)
    if isinstance(parts, str):
        return template.query.format(text=one_line(parts))
    return template.pair.format(first=one_line(parts[0]), second=one_line(parts[1]))


def frames(template: Template) -> list[str]:
    """The questions about nothing, one text and a pair: what a template adds to either."""
    return [render_query(template, ""), render_query(template, ("", ""))]


def shown(text: Shown) -> Shown:
    """A text as a prompt keeps it."""
    return (text.first, text.second) if isinstance(text, TextPair) else text


def as_input(text: Shown) -> str:
    """What `shown` was given: a model's input."""
    return text if isinstance(text, str) else TextPair(*text)


def one_line(text: str) -> str:
    """The text with every run of whitespace as one space."""
    return " ".join(text.split())
