"""What follows from what was said: unknown keys filled in, each with a sentence that says so."""

from typing import NamedTuple

from advisor.errors import SpecError
from advisor.hints import Hints
from advisor.quantities import SHIFT_WORDS, format_count
from advisor.situation import TEXT_TASKS, Situation, refuse_contradictions, trained_by
from advisor.traits import CORE

ASSUMED_GPUS = 8
ASSUMED_GPU_MEMORY = 80e9
ASSUMED_MAIN_MEMORY = 64e9
"""Bytes of main memory of a machine without GPU, where nothing was said."""


class Resolved(NamedTuple):
    """A situation without unknowns where the rules and the cost model need a value.

    Fields are those of `Situation`; None is left only where it means "no limit" (`gpu_memory`, `window`,
    `budget_hours`, `latency_ms`), "not asked" (`demonstrations`, `target`) or "not known and not
    guessed" (`model`, `objective`, `licence`, `label_names`, `requests_per_month`).
    `description` says whether the task can be described in words. Immutable.

    Attributes:
        gpus: 0 for a machine without GPU; `gpu_memory` is its main memory then.
        stated: The situation as it was given.
        assumptions: One sentence for each thing that was inferred or assumed.
    """

    model: str | None
    params: int
    family: str
    objective: str | None
    window: int | None
    positions: str
    licence: str | None
    task: str
    modality: str
    classes: int
    label_names: tuple[str, ...] | None
    tokens: float
    description: bool
    target: float | None
    examples: int
    unlabeled: int
    shift: float
    access: str
    privacy: str
    gpu_memory: float | None
    gpus: int
    budget_hours: float | None
    latency_ms: float | None
    requests_per_month: int | None
    tasks_served: int
    robust: bool
    demonstrations: int | None
    candidates: tuple[str, ...]
    stated: Situation
    assumptions: tuple[str, ...] = ()

    @property
    def memory(self) -> float | None:
        """Bytes of all devices together; None for no limit."""
        return None if self.gpu_memory is None else self.gpu_memory * max(self.gpus, 1)

    def without_question(self) -> "Resolved":
        """Asking about a prompt full of examples does not make hard prompting that expensive."""
        return self if self.demonstrations is None else self._replace(demonstrations=None)

    def to_dict(self) -> dict[str, object]:
        """Every value in force, given or inferred, as plain JSON; `Situation` reads it back."""
        values = {}
        for name in Situation._fields:
            value = getattr(self, name)
            if name == "description" and isinstance(self.stated.description, str):
                value = self.stated.description
            values[name] = list(value) if isinstance(value, tuple) else value
        return values


class _Usual(NamedTuple):
    """What is usual for a family where nothing better is known."""

    params: int
    window: int | None
    positions: str


_USUAL = {
    "encoder": _Usual(110_000_000, 512, "learned"),
    "decoder": _Usual(7_000_000_000, 8192, "rotary"),
    "encoder_decoder": _Usual(220_000_000, 512, "relative"),
    "lstm": _Usual(50_000_000, None, "none"),
    "convnet": _Usual(25_000_000, None, "none"),
    "vit": _Usual(86_000_000, 197, "learned"),
    "clip": _Usual(150_000_000, 77, "learned"),
}
_USUAL_TOKENS = {
    "classification": 100,
    "pair_classification": 80,
    "qa": 300,
    "generation": 300,
    "translation": 40,
    "token_labelling": 30,
    "regression": 100,
}
IMAGE_TOKENS = 197
"""An image of 224 pixels in patches of 16, and one token for the class."""
_USUAL_EXAMPLES = 1000
_SMALLEST_DECODER = 1_000_000_000
_LARGEST_CONVNET = 60_000_000
"""Sizes at which an unnamed model is more likely one of the other family."""
_MODALITY_OF_FAMILY = {
    "convnet": "image", "vit": "image", "clip": "image",
    "encoder": "text", "decoder": "text", "encoder_decoder": "text", "lstm": "text",
}  # fmt: skip


def resolve(situation: Situation, *, assume_hardware: bool = True) -> Resolved:
    """Fill in what was not said.

    Args:
        situation: What is known.
        assume_hardware: Where no hardware is stated, assume 8 GPUs of 80 GB; False: no limit.

    Raises:
        SpecError: If what follows from the model's name contradicts what was said.
    """
    said: list[str] = []
    s = _with_catalogue_facts(situation, said) if situation.model else situation
    hints = Hints(s)
    modality = _modality(s, hints, said)
    task = s.task or _task(modality, hints, said)
    family = s.family or _family(s, modality, task, said)
    usual = _USUAL[family]
    params = s.params or _assumed(usual.params, f"{format_count(usual.params)} parameters", said)
    examples = _examples(s, family, said) if s.examples is None else s.examples
    shift = _shift(params, hints, said) if s.shift is None else s.shift
    gpus, gpu_memory = _hardware(s, assume_hardware, said)
    description = _description(s, family, examples, said)
    classes = s.classes or (len(s.label_names) if s.label_names else 2)
    tokens = s.tokens or (IMAGE_TOKENS if modality == "image" else _USUAL_TOKENS[task])
    window = s.window or usual.window
    _say_usual_sizes(s, family, tokens, window, classes, said)
    _say_no_limits(s, said)
    return Resolved(
        model=s.model,
        params=params,
        family=family,
        objective=s.objective,
        window=window,
        positions=s.positions or usual.positions,
        licence=s.licence,
        task=task,
        modality=modality,
        classes=classes,
        label_names=s.label_names,
        tokens=tokens,
        description=description,
        target=s.target,
        examples=examples,
        unlabeled=s.unlabeled or 0,
        shift=shift,
        access=s.access or "weights",
        privacy=s.privacy or "none",
        gpu_memory=gpu_memory,
        gpus=gpus,
        budget_hours=s.budget_hours,
        latency_ms=s.latency_ms,
        requests_per_month=s.requests_per_month,
        tasks_served=s.tasks_served or 1,
        robust=s.robust or False,
        demonstrations=s.demonstrations,
        candidates=s.candidates or CORE,
        stated=situation,
        assumptions=tuple(said),
    )


def _with_catalogue_facts(s: Situation, said: list[str]) -> Situation:
    """What the catalogue knows of the named model, where the situation leaves it open."""
    from advisor.catalogue import find_model

    assert s.model is not None
    facts = find_model(s.model)
    if facts is None:
        said.append(f"Model {s.model}: not in the catalogue, so its name says nothing here.")
        return s
    if s.family not in (None, facts["family"]):
        raise SpecError(
            f"model {s.model} is of family {facts['family']}, family says {s.family}: both cannot "
            "hold. Correct one or leave it out."
        )
    taken = []
    for name in ("params", "family", "objective", "modality", "window", "positions", "licence"):
        value = facts.get(name)
        if value is not None and getattr(s, name) is None:
            s = s.replacing(name, value)
            shown = format_count(value) if isinstance(value, int) else str(value)
            taken.append(f"{name} {shown.replace('_', ' ')}")
    if taken:
        said.append(f"Model {s.model}: {', '.join(taken)} (from the catalogue).")
    refuse_contradictions(s)
    return s


def _modality(s: Situation, hints: Hints, said: list[str]) -> str:
    if s.modality:
        return s.modality
    if s.family:
        modality, why = _MODALITY_OF_FAMILY[s.family], f"family {s.family}"
    elif s.task == "localization":
        modality, why = "image", "task localization"
    elif s.task in TEXT_TASKS:
        modality, why = "text", f"task {s.task}"
    elif only := _only_modality(s.objective):
        modality, why = only, f"objective {s.objective}"
    elif word := hints.image():
        modality, why = "image", f"the description says {word!r}"
    else:
        modality, why = "text", "nothing was said about the inputs"
    said.append(f"Modality {modality}: {why}.")
    return modality


def _only_modality(objective: str | None) -> str | None:
    """What all models read that an objective can have trained; None where that is not one thing."""
    read = {_MODALITY_OF_FAMILY[family] for family in trained_by(objective)}
    return read.pop() if len(read) == 1 else None


def _task(modality: str, hints: Hints, said: list[str]) -> str:
    task, word = hints.task(modality) or ("classification", None)
    why = "nothing says otherwise" if word is None else f"the description says {word!r}"
    said.append(f"Task {task}: {why}.")
    return task


def _family(s: Situation, modality: str, task: str, said: list[str]) -> str:
    if trained := trained_by(s.objective, modality):
        said.append(f"Family {trained[0]}: objective {s.objective}.")
        return trained[0]
    size = f"{format_count(s.params)} parameters" if s.params else "a size not stated"
    if modality == "image":
        family = "convnet" if s.params and s.params < _LARGEST_CONVNET else "vit"
    elif s.params is None or s.params >= _SMALLEST_DECODER:
        family = "decoder"
    else:
        family = "encoder_decoder" if task in ("generation", "translation") else "encoder"
    said.append(f"Family {family}: usual for {modality}, task {task} and {size}.")
    return family


def _assumed(value: int, words: str, said: list[str]) -> int:
    said.append(f"Model size unknown: {words} assumed.")
    return value


def _examples(s: Situation, family: str, said: list[str]) -> int:
    if s.demonstrations is not None:
        said.append("Examples: as many as the demonstrations you ask about.")
        return s.demonstrations
    if s.description and family in ("decoder", "encoder_decoder", "clip"):
        said.append("Examples: none, since you gave a description and no examples.")
        return 0
    said.append(f"Number of examples unknown: {format_count(_USUAL_EXAMPLES)} assumed.")
    return _USUAL_EXAMPLES


def _shift(params: int, hints: Hints, said: list[str]) -> float:
    distance, word = hints.shift(params) or ("near", None)
    shift = SHIFT_WORDS[distance]
    said.append(
        f"Domain shift unknown: {shift:g} (near the pretraining data) assumed."
        if word is None
        else f"Domain shift {shift:g} ({distance}): the description says {word!r}."
    )
    return shift


def _hardware(s: Situation, assume: bool, said: list[str]) -> tuple[int, float | None]:
    """Devices, and bytes of each."""
    if s.gpus == 0:
        if s.gpu_memory is None:
            said.append("No GPU: a machine with 64 GB of main memory assumed.")
        return 0, s.gpu_memory or ASSUMED_MAIN_MEMORY
    if s.gpu_memory is not None:
        if s.gpus is None:
            said.append("Number of GPUs unknown: 1 assumed.")
        return s.gpus or 1, s.gpu_memory
    if s.gpus is not None:
        said.append("Memory of a GPU unknown: 80 GB assumed.")
        return s.gpus, ASSUMED_GPU_MEMORY
    if assume:
        said.append("Hardware unknown: one node of 8 GPUs with 80 GB each assumed.")
        return ASSUMED_GPUS, ASSUMED_GPU_MEMORY
    return ASSUMED_GPUS, None


def _description(s: Situation, family: str, examples: int, said: list[str]) -> bool:
    """Whether the task can be put in words; assumed only where nothing denies it."""
    if s.description is None and not s.label_names and examples == 0 and family != "convnet":
        said.append("Description unknown: it is assumed that you can put the task in words.")
    return s.description is None or bool(s.description)


def _say_usual_sizes(
    s: Situation, family: str, tokens: float, window: int | None, classes: int, said: list[str]
) -> None:
    usual = []
    if s.tokens is None and family != "convnet":
        usual.append(f"{format_count(tokens)} tokens an input")
    if s.window is None and window is not None:
        usual.append(f"a window of {window:,} tokens")
    if s.positions is None and _USUAL[family].positions != "none":
        usual.append(f"{_USUAL[family].positions} positions")
    if s.classes is None and not s.label_names:
        usual.append(f"{classes} classes")
    if usual:
        said.append(f"Usual for a model of this family and task: {', '.join(usual)}.")


def _say_no_limits(s: Situation, said: list[str]) -> None:
    open_limits = [
        words
        for value, words in (
            (s.access, "the weights can be had"),
            (s.privacy, "the data may leave your machines"),
            (s.budget_hours, "hours are not limited"),
            (s.latency_ms, "latency is not limited"),
            (s.tasks_served, "one task is served"),
            (s.robust, "inputs in use look like the training data"),
        )
        if value is None
    ]
    if open_limits:
        said.append(f"Nothing said otherwise: {', '.join(open_limits)}.")
