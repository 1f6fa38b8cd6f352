"""Hard prompting where answers are texts: the frozen model writes on after the prompt.

Zero-shot, or after some demonstrations (Brown et al. 2020, section 2); an answer is the likeliest
token at a time up to the end of the line. Nothing is trained or calibrated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from optuna.distributions import CategoricalDistribution
from pydantic import TypeAdapter

from advisor.errors import ModelError, SpecError, UnknownName
from harness.backbones.abilities import TextGenerator
from harness.backbones.base import Backbone, ModelFacts
from harness.datasets.base import Split
from harness.strategies.base import (
    DataFacts,
    FitReport,
    Interrupted,
    Space,
    TrialBudget,
    Verdict,
)
from harness.strategies.prompt_choice import PROBE_ROWS, affordable
from harness.strategies.prompt_file import FILE, SCHEMA_VERSION
from harness.tasks.base import Task
from harness.tasks.templates import (
    Shown,
    Template,
    frames,
    instruct,
    join,
    one_line,
    render_query,
    shown,
    templates_for,
)

WRITERS = ("decoder", "encoder_decoder")
_REFUSED = {
    "encoder": "an encoder has no decoder that could write a text",
    "lstm": (
        "an LSTM encoder-decoder writes again what it reads; it has never seen an instruction or "
        "a demonstration"
    ),
}
DEFAULT_ANSWER = 32
"""Longest answer in tokens where no example shows how long answers are."""
MOST_DEMONSTRATIONS = 16
_FRAME = 12  # tokens a template adds to a demonstration, about


@dataclass(frozen=True)
class WritingPrompt:
    """Everything a prediction needs besides the model.

    Attributes:
        instruction: As written in front, "" for none.
        demonstrations: (text, answer) in the order in which they are shown.
        text_tokens: Texts are cut to so many tokens.
        max_new_tokens: Longest answer.
    """

    template: Template
    instruction: str
    demonstrations: tuple[tuple[Shown, str], ...]
    text_tokens: int
    max_new_tokens: int

    @property
    def prefix(self) -> str:
        return join(self.template, self.instruction, self.demonstrations)

    def answers(
        self, generator: TextGenerator, texts: Sequence[str], budget: TrialBudget | None = None
    ) -> np.ndarray:
        """What the model writes for each text, numpy's str, shape (n,).

        Raises:
            Interrupted: If the budget's `cancelled` turned true.
        """

        def watch(share: float) -> None:
            if budget is not None and budget.cancelled():
                raise Interrupted

        cut = generator.truncate(texts, self.text_tokens)
        queries = [render_query(self.template, text) for text in cut]
        return np.array(
            generator.generate(
                queries, prefix=self.prefix, max_new_tokens=self.max_new_tokens, progress=watch
            ),
            dtype=np.str_,
        )

    def save(self, folder: Path) -> None:
        """Plain JSON (prompt.json)."""
        text = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> WritingPrompt:
        """What `save` wrote.

        Raises:
            ModelError: If the file is missing or not such a prompt.
        """
        file = folder / FILE
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            version = values.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ModelError(
                    f"{file} has schema {version}; this version reads {SCHEMA_VERSION}"
                )
            return TypeAdapter(cls).validate_python(values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{file} is not a saved prompt: {reason}; run the harness again"
            ) from error


def feasible(facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
    """Whether a model can be asked in words for a text."""
    if facts.family not in WRITERS:
        other = f"a model of family {facts.family!r} cannot write on after a prompt"
        return Verdict(False, _REFUSED.get(facts.family, other))
    if data.modality != "text":
        return Verdict(False, f"a language model reads text, and the inputs are {data.modality}s")
    return Verdict(True)


def space(facts: ModelFacts, task: Task, data: DataFacts) -> Space:
    """Zero-shot, then as many demonstrations as half of the window holds, then some between."""
    each = 2 * min(data.mean_tokens or 64.0, 64.0) + _FRAME
    fits = int((facts.window or 512) / 2 / each)
    most = min(MOST_DEMONSTRATIONS, data.n_examples, fits)
    counts = [0, *sorted({count for count in (1, 4, most) if 0 < count <= most})]
    order = [0, *reversed(counts[1:])]
    templates = ("auto", *(template.id for template in templates_for(task)))
    return Space(
        distributions={
            "n_demonstrations": CategoricalDistribution(counts),
            "template": CategoricalDistribution(templates),
        },
        first=tuple(
            {"n_demonstrations": count, "selection": "random", "template": "auto"}
            for count in order
        ),
        exhaustive=True,
    )


class Wanted(Protocol):
    """Hyperparameters of a prompt.

    Attributes:
        template: A template id of the task, or "auto".
        n_demonstrations: How many are shown at most.
        demonstration_tokens: Each demonstration's text is cut to so many tokens.
    """

    template: str
    n_demonstrations: int
    demonstration_tokens: int


def choose(
    wanted: Wanted,
    backbone: Backbone,
    task: Task,
    train: Split,
    validation: Split,
    *,
    seed: int,
    budget: TrialBudget,
) -> tuple[WritingPrompt, FitReport]:
    """Draw the demonstrations; settle the template on validation rows where there are several.

    Raises:
        Interrupted: If the budget's `cancelled` turned true.
        UnknownName: For a template the task does not have.
        SpecError: If the window has no room for an answer.
    """
    generator = cast(TextGenerator, backbone)
    drawn = _draw(generator, train, wanted.n_demonstrations, wanted.demonstration_tokens, seed)
    longest = _longest_answer(generator, train)
    prompts = [
        _fitted(backbone, _prompt(one, task, drawn, longest))
        for one in _templates(task, wanted.template)
    ]
    order = np.random.default_rng(seed).permutation(len(validation))
    scores, n_rows = _compare(generator, task, prompts, validation.take(order), budget)
    best = max(range(len(prompts)), key=lambda index: scores.get(index, -np.inf))
    prompt = prompts[best]
    budget.progress(1.0)
    chosen: dict[str, Any] = {
        "template": prompt.template.id,
        "demonstrations": len(prompt.demonstrations),
        "max_new_tokens": prompt.max_new_tokens,
        "validation_rows": n_rows,
    }
    if scores:
        chosen["scores_by_template"] = {prompts[i].template.id: s for i, s in scores.items()}
    return prompt, FitReport(trained_parameters=0, chosen=chosen)


def _templates(task: Task, wanted: str) -> list[Template]:
    known = {template.id: template for template in templates_for(task)}
    if wanted == "auto":
        return list(known.values())
    if wanted not in known:
        raise UnknownName("template", wanted, known)
    return [known[wanted]]


def _draw(
    generator: TextGenerator, train: Split, count: int, most_tokens: int, seed: int
) -> tuple[tuple[Shown, str], ...]:
    """Demonstrations in random order."""
    rows = np.random.default_rng(seed).permutation(len(train))[:count]
    texts = generator.truncate([train.inputs[row] for row in rows], most_tokens)
    return tuple(
        (shown(text), one_line(str(train.targets[row])))
        for text, row in zip(texts, rows, strict=True)
    )


def _longest_answer(generator: TextGenerator, train: Split) -> int:
    """Of the examples, in tokens, and one more for the end."""
    if not len(train):
        return DEFAULT_ANSWER
    return int(generator.token_counts(train.targets.tolist()).max()) + 1


def _prompt(
    template: Template, task: Task, drawn: tuple[tuple[Shown, str], ...], longest: int
) -> WritingPrompt:
    said = instruct(template, task.description, ()) if task.description else ""
    return WritingPrompt(template, said, drawn, text_tokens=0, max_new_tokens=longest)


def _fitted(backbone: Backbone, prompt: WritingPrompt) -> WritingPrompt:
    """With as many demonstrations and as long texts as the window has room for.

    Raises:
        SpecError: If it has none.
    """
    generator = cast(TextGenerator, backbone)
    window = backbone.facts.window or 512
    answer = min(prompt.max_new_tokens, window // 4)
    empty = max(generator.token_counts(frames(prompt.template)))
    text_tokens = min(backbone.max_tokens or window, window // 2)

    def left(one: WritingPrompt) -> int:
        return window - answer - int(empty) - 2 - int(generator.token_counts([one.prefix])[0])

    while prompt.demonstrations and left(prompt) < text_tokens:
        prompt = replace(prompt, demonstrations=prompt.demonstrations[:-1])
    if left(prompt) < 1:
        raise SpecError(
            f"the instruction and an answer of {answer} tokens leave no room for text in the "
            f"window of {window} tokens; give a shorter --description"
        )
    return replace(prompt, text_tokens=min(text_tokens, left(prompt)), max_new_tokens=answer)


def _compare(
    generator: TextGenerator,
    task: Task,
    prompts: list[WritingPrompt],
    sample: Split,
    budget: TrialBudget,
) -> tuple[dict[int, float], int]:
    """Score of each prompt on as many validation rows as there is time for, and how many.

    Nothing is compared where there is one prompt or no rows.
    """
    if len(prompts) < 2 or not len(sample):
        return {}, 0
    started = time.monotonic()
    probe = sample.take(range(min(PROBE_ROWS, len(sample))))
    prompts[0].answers(generator, probe.inputs, budget)
    per_row = (time.monotonic() - started) / len(probe)
    n_rows, n_prompts = affordable(len(sample), len(prompts), budget.remaining() / per_row)
    rows = sample.take(range(n_rows))
    scores = {}
    for index, prompt in enumerate(prompts[:n_prompts]):
        answers = prompt.answers(generator, rows.inputs, budget)
        scores[index] = task.scores(answers, rows.targets)[task.metric]
        budget.progress((index + 1) / n_prompts)
    return scores, n_rows
