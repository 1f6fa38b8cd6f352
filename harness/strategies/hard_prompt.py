"""Hard prompting: the task is put to a frozen language model in words.

An instruction, optionally some demonstrations, and the text are followed by each label's words
in turn; the likeliest label wins (Brown et al. 2020). Nothing is trained. What few-shot prompts
suffer from is label bias, so the likelihoods can be calibrated: by the model's answer to
content-free texts (Zhao et al. 2021, arXiv:2102.09690, section 4) or by its mean answer over
unlabelled texts (Zhou et al. 2023, arXiv:2309.17249, section 3).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, cast

import numpy as np
from optuna.distributions import CategoricalDistribution

from advisor.errors import SpecError
from advisor.traits import STRATEGIES
from harness.backbones.abilities import ImageTextMatcher, LabelScorer, TextGenerator
from harness.backbones.base import Backbone, ModelFacts, View
from harness.datasets.base import Split
from harness.features import cached_features
from harness.strategies import prompt_generation, prompt_images
from harness.strategies.base import (
    DataFacts,
    FitReport,
    Interrupted,
    NotFitted,
    Space,
    Strategy,
    TrialBudget,
    Verdict,
)
from harness.strategies.feasibility import NO_WORDS
from harness.strategies.probe_views import bundle, columns
from harness.strategies.prompt_choice import (
    CALIBRATIONS,
    NORMALIZATIONS,
    PROBE_ROWS,
    Scored,
    affordable,
    draw_rows,
    settled_choices,
)
from harness.strategies.prompt_file import Prompt
from harness.strategies.prompt_generation import WritingPrompt
from harness.strategies.prompt_images import ImagePrompt
from harness.tasks.base import Task
from harness.tasks.templates import (
    TEMPLATES,
    Template,
    as_input,
    frames,
    instruct,
    join,
    label_words,
    shown,
    template,
)

SELECTIONS = ("balanced", "random", "nearest")
CONTENT_FREE = ("N/A", "[MASK]", "")  # the three of Zhao et al. 2021, section 5
MOST_DEMONSTRATIONS = 32
TEMPLATE_WORDS = 12  # tokens a template adds to a demonstration, about


class HardPrompting(Strategy):
    """Zero-shot and few-shot prompting; of models that compare images with texts, see
    `prompt_images`, which takes template and calibration only.

    Args:
        n_demonstrations: Labelled examples shown in the prompt; fewer where training rows or
            the window do not allow so many.
        selection: "balanced" (classes in turn), "random", or "nearest": each query is shown the
            training rows nearest to it in the model's own features, the nearest last (Liu et al.
            2022, "What Makes Good In-Context Examples for GPT-3?", arXiv:2101.06804).
        template: A template id, or "auto" to choose on validation rows.
        calibration: "none", "contextual", "batch", or "auto" to choose on validation rows.
        length_normalization: "none", "tokens" (likelihood per token) or "auto".
        demonstration_tokens: Each demonstration's text is cut to so many tokens.

    Attributes:
        prompt_: The finished prompt.
    """

    prompt_: Prompt | WritingPrompt | ImagePrompt
    id = "hard_prompt"
    traits = STRATEGIES["hard_prompt"]

    def __init__(
        self,
        *,
        n_demonstrations: int = 0,
        selection: str = "balanced",
        template: str = "auto",
        calibration: str = "auto",
        length_normalization: str = "auto",
        demonstration_tokens: int = 64,
    ) -> None:
        self.n_demonstrations = n_demonstrations
        self.selection = selection
        self.template = template
        self.calibration = calibration
        self.length_normalization = length_normalization
        self.demonstration_tokens = demonstration_tokens

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        if task.output == "numbers":
            return Verdict(False, "a prompt is answered in words, not in numbers or coordinates")
        if prompt_images.compares(facts):
            return prompt_images.feasible(task, data)
        if task.output == "texts":
            return prompt_generation.feasible(facts, task, data)
        if facts.family not in ("decoder", "encoder_decoder") and not facts.masked_head:
            unknown = f"label words cannot be scored with a model of family {facts.family!r}"
            return Verdict(False, NO_WORDS.get(facts.family, unknown))
        if facts.family == "encoder" and task.head == "tokens":
            return Verdict(
                False,
                "a masked language model compares labels in a gap; it does not point at an answer "
                "or tag words without a trained head",
            )
        if data.modality != "text":
            return Verdict(
                False, f"a language model reads text, and the inputs are {data.modality}s"
            )
        if not data.named_labels and not data.description:
            return Verdict(
                False,
                "the labels are bare numbers and there is no description, so a prompt has "
                "nothing to say; give --label-names or --description",
            )
        return Verdict(True)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """Zero-shot first, then balanced few-shot; templates "auto" first, then each one."""
        if prompt_images.compares(facts):
            return prompt_images.space()
        if task.output == "texts":
            return prompt_generation.space(facts, task, data)
        each = min(data.mean_tokens or 64.0, 64.0) + TEMPLATE_WORDS
        fits = int((facts.window or 512) / 2 / each)
        most = min(MOST_DEMONSTRATIONS, data.n_examples, fits)
        wanted = {1, 4, 16, MOST_DEMONSTRATIONS, data.n_classes, 2 * data.n_classes}
        counts = [0, *sorted(count for count in wanted if count <= most)]
        twice = [count for count in counts[1:] if count in (data.n_classes, 2 * data.n_classes)]
        few = twice[-1:] or counts[1:][-1:]
        first = [
            {"n_demonstrations": count, "selection": "balanced", "template": "auto"}
            for count in (0, *few, *(counts[-1:] if counts[-1] not in (0, *few) else []))
        ]
        selections = SELECTIONS if facts.access == "weights" else SELECTIONS[:-1]
        if few and "nearest" in selections:
            first.append({**first[1], "selection": "nearest"})
        return Space(
            distributions={
                "n_demonstrations": CategoricalDistribution(counts),
                "selection": CategoricalDistribution(selections),
                "template": CategoricalDistribution(("auto", *TEMPLATES)),
            },
            first=tuple(first),
            exhaustive=data.n_examples == 0,
        )

    def fit(
        self,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        *,
        seed: int,
        budget: TrialBudget,
    ) -> Self:
        """Draw the demonstrations; settle template and calibration on validation rows.

        Without validation rows nothing can be chosen: what is "auto" becomes the template
        "label", contextual calibration and whole likelihoods, and `chosen` says so.

        Raises:
            Interrupted: If the budget's `cancelled` turned true.
            SpecError: If a hyperparameter has an unknown value or labels cannot be written.
        """
        self._check()
        self._backbone, self._scorer = backbone, cast(LabelScorer, backbone)
        self.charged_seconds_ = 0.0
        if isinstance(backbone, ImageTextMatcher):
            self.prompt_, self.report_, self.charged_seconds_ = prompt_images.choose(
                self, backbone, task, validation, budget=budget
            )
            return self
        if task.output == "texts":
            self.prompt_, self.report_ = prompt_generation.choose(
                self, backbone, task, train, validation, seed=seed, budget=budget
            )
            return self
        drawn = self._draw(train, seed)
        order = np.random.default_rng(seed).permutation(len(validation))
        sample = validation.take(order)
        candidates = self._templates() if len(validation) else self._templates()[:1]
        prompts = [self._prompt(task, candidate, drawn) for candidate in candidates]
        scored = list(self._score(prompts, sample, budget))
        settled = [
            one.settle(task, sample, self.calibration, self.length_normalization) for one in scored
        ]
        best = max(range(len(settled)), key=lambda index: settled[index][1])
        self.prompt_ = prompt = settled[best][0]
        self.report_ = FitReport(
            trained_parameters=0,
            chosen=settled_choices(
                prompt,
                {one.template.id: score[0] for one, score in settled},
                len(scored[best].texts),
            ),
        )
        return self

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        """Calibrated class probabilities, float64, shape (n, n_classes); or texts, shape (n,)."""
        if not hasattr(self, "prompt_"):
            raise NotFitted("hard prompting was not fitted; call fit or load first")
        if isinstance(self.prompt_, ImagePrompt):
            said, charged = self.prompt_.answers(cast(ImageTextMatcher, self._backbone), inputs)
            self.charged_seconds_ += charged
            return said
        if isinstance(self.prompt_, WritingPrompt):
            return self.prompt_.answers(cast(TextGenerator, self._backbone), inputs)
        return self.prompt_.probabilities(self._log_likelihoods(self.prompt_, inputs))

    def save(self, folder: Path) -> None:
        """The prompt as plain JSON (prompt.json)."""
        if not hasattr(self, "prompt_"):
            raise NotFitted("hard prompting was not fitted; call fit or load first")
        self.prompt_.save(folder)

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        if isinstance(backbone, ImageTextMatcher):
            kept = ImagePrompt.load(folder)
            self = cls(template=kept.template, calibration=kept.calibration)
            self._backbone, self.prompt_ = backbone, kept
            return self
        if task.output == "texts":
            said = WritingPrompt.load(folder)
            self = cls(n_demonstrations=len(said.demonstrations), template=said.template.id)
            self._backbone, self.prompt_ = backbone, said
            return self
        prompt = Prompt.load(folder)
        self = cls(
            n_demonstrations=len(prompt.demonstrations),
            template=prompt.template.id,
            calibration=prompt.calibration,
            length_normalization=prompt.length_normalization,
        )
        if prompt.neighbours:
            self.selection, self.n_demonstrations = "nearest", prompt.neighbours
        self._backbone, self._scorer = backbone, cast(LabelScorer, backbone)
        self.prompt_ = prompt
        return self

    def _check(self) -> None:
        if self.n_demonstrations < 0:
            raise SpecError(f"n_demonstrations must be 0 or more; got {self.n_demonstrations}")
        for name, given, known in (
            ("selection", self.selection, SELECTIONS),
            ("calibration", self.calibration, ("auto", *CALIBRATIONS)),
            ("length_normalization", self.length_normalization, ("auto", *NORMALIZATIONS)),
        ):
            if given not in known:
                raise SpecError(f"{name} must be one of {', '.join(known)}; got {given!r}")

    def _templates(self) -> list[Template]:
        """What may be tried, the default first."""
        return list(TEMPLATES.values()) if self.template == "auto" else [template(self.template)]

    def _draw(self, train: Split, seed: int) -> list[tuple[str, int]]:
        """What `draw_rows` draws, each text cut."""
        rows = draw_rows(train.targets, self.selection, self.n_demonstrations, seed)
        texts = self._scorer.truncate(
            [train.inputs[row] for row in rows], self.demonstration_tokens
        )
        return [(text, int(train.targets[row])) for text, row in zip(texts, rows, strict=True)]

    def _prompt(self, task: Task, template: Template, drawn: list[tuple[str, int]]) -> Prompt:
        """An uncalibrated prompt with as many demonstrations as the window has room for."""
        words = label_words(task.label_names)
        nearest = self.selection == "nearest" and self.n_demonstrations > 0
        demonstrated = tuple((shown(text), words[target]) for text, target in drawn)
        prompt = Prompt(
            template=template,
            instruction=instruct(template, task.description, words),
            demonstrations=() if nearest else demonstrated,
            pool=demonstrated if nearest else (),
            neighbours=min(self.n_demonstrations, len(demonstrated)) if nearest else 0,
            labels=words,
            label_tokens=(1,) * len(words),
            text_tokens=0,
            calibration="none",
            log_prior=(0.0,) * len(words),
            length_normalization="none",
        )
        lengths = self._scorer.token_counts(prompt.continuations)
        window = self._backbone.facts.window or 512
        empty = int(self._scorer.token_counts(frames(prompt.template)).max())
        frame = empty + int(lengths.max()) + 1
        text_tokens = min(self._backbone.max_tokens or window, window // 2)
        while prompt.demonstrations and self._taken(prompt) + frame + text_tokens > window:
            prompt = replace(prompt, demonstrations=prompt.demonstrations[:-1])
        while prompt.neighbours and self._taken(prompt) + frame + text_tokens > window:
            prompt = replace(prompt, neighbours=prompt.neighbours - 1)
        return replace(
            prompt,
            label_tokens=tuple(int(length) for length in lengths),
            text_tokens=max(1, min(text_tokens, window - frame - self._taken(prompt))),
        )

    def _taken(self, prompt: Prompt) -> int:
        """Tokens of the window that instruction and demonstrations take at most."""
        prefix = int(self._scorer.token_counts([prompt.prefix])[0])
        if not prompt.neighbours:
            return prefix
        whole = [join(prompt.template, "", [one]) for one in prompt.pool]
        longest = int(self._scorer.token_counts(whole).max())
        return prefix + prompt.neighbours * longest

    def _nearest(self, prompt: Prompt, texts: Sequence[str]) -> list[list[int]] | None:
        """For each text the members of the pool nearest to it, the nearest last."""
        if not prompt.neighbours:
            return None
        pool, query = (
            self._directions([as_input(text) for text, _ in prompt.pool]),
            self._directions(texts),
        )
        order = np.argsort(query @ pool.T, axis=1, kind="stable")
        return [[int(one) for one in row[-prompt.neighbours :]] for row in order]

    def _directions(self, texts: Sequence[str]) -> np.ndarray:
        """Features of unit length, of the recommended pooling."""
        features, charged = cached_features(self._backbone, texts, views=bundle(self._backbone))
        self.charged_seconds_ += charged
        read = columns(self._backbone, [View(self._backbone.poolings[0])])
        chosen = features[:, read]
        return chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)

    def _log_likelihoods(
        self,
        prompt: Prompt,
        texts: Sequence[str],
        progress: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        cut = self._scorer.truncate(texts, prompt.text_tokens)
        queries = prompt.queries(cut, self._nearest(prompt, cut))
        return self._scorer.label_logprobs(
            queries, prompt.continuations, prefix=prompt.prefix, progress=progress
        )

    def _score(self, prompts: list[Prompt], sample: Split, budget: TrialBudget) -> Iterator[Scored]:
        """Score the validation rows the budget affords, under the templates it affords.

        The time per row is measured on the first rows of the first template.
        """
        n_free, done, total = len(CONTENT_FREE), 0.0, float(len(prompts))

        def report(share: float) -> None:
            if budget.cancelled():
                raise Interrupted
            budget.progress(min(1.0, (done + share) / total))

        probe = [*CONTENT_FREE, *sample.inputs[:PROBE_ROWS]]
        started = time.monotonic()
        scores = self._log_likelihoods(prompts[0], probe)
        report(0.0)
        per_row = (time.monotonic() - started) / len(probe)
        n_rows, n_templates = affordable(len(sample), len(prompts), budget.remaining() / per_row)
        total = float(n_templates)
        for index, prompt in enumerate(prompts[:n_templates]):
            have = [scores] if index == 0 else []
            texts = [*CONTENT_FREE, *sample.inputs[:n_rows]][len(probe) if have else 0 :]
            if texts:
                have.append(self._log_likelihoods(prompt, texts, report))
            done = index + 1.0
            together = np.concatenate(have)
            yield Scored(prompt, together[:n_free], together[n_free:])
