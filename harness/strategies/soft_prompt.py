"""Soft prompting: trained vectors steer a frozen model.

They stand among the input embeddings (prompt tuning; Lester et al. 2021, arXiv:2104.08691) or are
keys and values in every layer (prefix tuning; Li and Liang 2021, arXiv:2101.00190; on encoders:
P-tuning v2, Liu et al. 2022, arXiv:2110.07602).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from advisor.errors import SpecError
from advisor.traits import STRATEGIES
from harness.backbones.base import Backbone, ModelFacts, PromptSpec, Trainee
from harness.datasets.base import Split
from harness.strategies.base import DataFacts, Space, TrialBudget, Verdict
from harness.strategies.prompt_adapter import load_prompt, save_prompt
from harness.strategies.trained import TrainedStrategy, enough_epochs
from harness.tasks.base import Task
from harness.train_settings import TrainSettings

_VISUAL = ("deep", "shallow")
_KINDS = {"encoder": ("prefix", "prompt"), "vit": _VISUAL, "clip": _VISUAL}
_INITS = ("vocabulary", "text", "random")
_RATES = (3e-3, 0.3)
_TRIED = ((0.03, "vocabulary"), (0.01, "text"), (0.1, "vocabulary"), (0.03, "random"))
# T5's embeddings are large, and 0.3 was best for it (Lester et al. 2021, section 3.2).
_RATE_SCALE = {"encoder_decoder": 10}
_FORMS = {"labels": "labels", "vocabulary": "default"}
_ANSWERS_IN_WORDS = ("decoder", "encoder_decoder")
_EVALUATIONS = 10
_EPOCHS, _BATCH = 30, 8


class SoftPrompting(TrainedStrategy):
    """Train prompt vectors, and a head where the family needs one; the body never changes.

    Args:
        learning_rate: Of the vectors. Together with `init` it decides whether a prompt learns at
            all, so these two are tried first.
        init: "vocabulary" (embeddings of random tokens), "text" (of description and labels) or
            "random".
        length: Number of vectors.
        kind: "prompt" or "prefix", for vision transformers "deep" or "shallow"; None for what
            suits the model: deep visual prompts; a prefix for encoders, whose
            heads read what every layer makes of the input, unless their attention takes no
            given keys; a prompt elsewhere. `chosen` says which.
        position: "before", "behind" or "around" the input; kind "prompt" only.
        epochs: Most passes over the training rows. batch_size: Examples per step.
        objective: Of models that answer in words: "labels" compares the likelihoods of the label
            words alone, as prediction does (Schick and Schütze 2021, arXiv:2001.07676, section
            3.1); "vocabulary" is the likelihood of the answer among all words, as in Lester et
            al. 2021, which needs many more steps because it must first be made likely to
            answer at all (docs/decisions/0007).
    """

    id = "soft_prompt"
    traits = STRATEGIES["soft_prompt"]

    def __init__(
        self,
        *,
        learning_rate: float = 0.03,
        init: str = "vocabulary",
        length: int = 20,
        kind: str | None = None,
        position: str = "before",
        epochs: int = _EPOCHS,
        batch_size: int = _BATCH,
        objective: str = "labels",
    ) -> None:
        self.learning_rate = learning_rate
        self.init = init
        self.length = length
        self.kind = kind
        self.position = position
        self.epochs = epochs
        self.batch_size = batch_size
        self.objective = objective

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        if task.output == "numbers" and facts.family in _ANSWERS_IN_WORDS:
            return Verdict(
                False,
                "a prompted language model answers in words, not in numbers; the head that says "
                "numbers takes no prompt vectors",
            )
        return super().feasible(facts, task, data)

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """Learning rate and init first, then length and position."""
        distributions: dict[str, BaseDistribution] = {
            "init": CategoricalDistribution(_INITS),
            "length": CategoricalDistribution((5, 10, 20, 50)),
        }
        epochs = enough_epochs(_EPOCHS, data, _BATCH)
        if _KINDS.get(facts.family) == _VISUAL:
            return _visual_space(epochs)
        point: dict[str, Any] = {"length": 20, "epochs": epochs}
        distributions["epochs"] = CategoricalDistribution((epochs,))
        if _KINDS.get(facts.family, ("prompt",)) == ("prompt",):
            distributions["position"] = CategoricalDistribution(("before", "behind", "around"))
            point["position"] = "before"
        scale = _RATE_SCALE.get(facts.family, 1)
        low, high = (scale * rate for rate in _RATES)
        distributions["learning_rate"] = FloatDistribution(low, high, log=True)
        first = tuple(
            point | {"learning_rate": scale * rate, "init": init} for rate, init in _TRIED
        )
        return Space(distributions, first)

    def _settings(self) -> TrainSettings:
        """No early stop: the loss of a prompt may rise for long before it falls. Weights are not
        decayed: towards 0 is no simpler for a vector among embeddings."""
        return TrainSettings(
            learning_rate=self.learning_rate,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            weight_decay=0.0,
            evaluations=_EVALUATIONS,
            patience=_EVALUATIONS,
        )

    def _prepare(
        self,
        trainee: Trainee,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        budget: TrialBudget,
    ) -> Mapping[str, Any]:
        return {"kind": self._prompt.kind}

    def _save(self, trainee: Trainee, folder: Path) -> None:
        """The vectors; see `prompt_adapter`."""
        assert trainee.prompt is not None
        save_prompt(folder, trainee.prompt, self._prompt, self._facts)

    def _load(self, trainee: Trainee, folder: Path) -> None:
        assert trainee.prompt is not None
        load_prompt(folder, trainee.prompt)

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        """A trainee with vectors of the kind asked for, else of the first that the model takes.

        Raises:
            SpecError: What is wrong with the last kind tried, or an unknown objective.
        """
        if self.objective not in _FORMS:
            raise SpecError(f"objective must be one of {', '.join(_FORMS)}; got {self.objective!r}")
        spec = PromptSpec(length=self.length, position=self.position, init=self.init, seed=seed)
        kinds = (self.kind,) if self.kind else _KINDS.get(backbone.facts.family, ("prompt",))
        self._facts = backbone.facts
        for kind in kinds:
            self._prompt = replace(spec, kind=kind)
            with suppress(SpecError) if kind != kinds[-1] else nullcontext():
                return backbone.trainee(task, prompt=self._prompt, form=_FORMS[self.objective])
        raise AssertionError("the last kind returns or raises")


def _visual_space(epochs: int) -> Space:
    """Deep before shallow prompts, learning rate by learning rate.

    Deep prompts won on 20 of 24 tasks, and 1 to 200 vectors were searched (Jia et al. 2022, table
    1 and section 4.1).
    """
    distributions: dict[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(1e-3, 0.3, log=True),
        "kind": CategoricalDistribution(("deep", "shallow")),
        "length": CategoricalDistribution((1, 5, 10, 50, 100)),
        "epochs": CategoricalDistribution((epochs,)),
    }
    tried = ((0.01, "deep"), (0.03, "shallow"), (0.03, "deep"), (0.003, "deep"))
    first = tuple(
        {"learning_rate": rate, "kind": kind, "length": 10, "epochs": epochs}
        for rate, kind in tried
    )
    return Space(distributions, first)
