"""The situation somebody is in: model, task, data and constraints.

`KEYS` is the single source of truth: what each key means, which values it takes and in which
range. The command line, the batch columns and the published schema are built from it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Self

from advisor import quantities
from advisor.errors import SpecError, UnknownName
from advisor.traits import CORE, FAMILIES, STRATEGIES, TASKS

OBJECTIVES = (
    "masked_tokens",
    "masked_tokens_next_sentence",
    "span_corruption",
    "next_token",
    "masked_autoencoder",
    "contrastive",
    "supervised",
    "denoising_autoencoder",
)
MODALITIES = ("text", "image")
POSITIONS = ("learned", "sinusoidal", "rotary", "relative", "alibi", "none")
ACCESS = ("text", "embeddings", "weights")
PRIVACY = ("none", "local")

# What people also write; the names on the right are the ones the advisor uses.
_ALSO = {
    "family": {
        "cnn": "convnet", "conv_net": "convnet", "vision_transformer": "vit",
        "gpt": "decoder", "llm": "decoder", "decoder_only": "decoder",
        "bert": "encoder", "encoder_only": "encoder",
        "t5": "encoder_decoder", "seq2seq": "encoder_decoder",
    },
    "task": {"question_answering": "qa", "token_labeling": "token_labelling", "nli": "pair_classification"},
    "modality": {"images": "image", "vision": "image"},
    "access": {"api": "text", "full": "weights"},
    "privacy": {"no": "none", "yes": "local"},
}  # fmt: skip


class Key(NamedTuple):
    """One thing that can be said about a situation.

    Attributes:
        name: Field, YAML key, batch column and (with hyphens) flag.
        kind: "count" (whole), "number", "bytes", "shift", "hours", "milliseconds", "choice",
            "flag", "text", "text_or_flag" or "names".
        group: "model", "task", "data", "constraints" or "question".
        metavar: Placeholder in the help text.
        help: One sentence.
        low, high: Range in the key's unit, both ends allowed; None for kinds without one.
        choices: Accepted names; empty where any will do.
    """

    name: str
    kind: str
    group: str
    metavar: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def read(self, given: object) -> object:
        """The value in the advisor's own form.

        Raises:
            SpecError: If it cannot be read or is out of range.
            UnknownName: If it is none of the choices.
        """
        value = _READERS[self.kind](self, given)
        if self.low is not None and self.high is not None:
            assert isinstance(value, int | float)
            if not self.low <= value <= self.high:
                raise SpecError(
                    f"{self.name} must be from {quantities.format_count(self.low)} to "
                    f"{quantities.format_count(self.high)}; got {str(given)!r}."
                )
        return value


def _count(key: Key, given: object) -> int:
    value = quantities.parse_count(given, key.name)
    if not isinstance(value, int):
        raise SpecError(f"{key.name} must be a whole number; got {str(given)!r}.")
    return value


def _choice(key: Key, given: object) -> str:
    word = str(given).strip().lower().replace("-", "_").replace(" ", "_")
    if isinstance(given, bool):
        word = "yes" if given else "no"  # YAML reads a bare yes as true
    word = _ALSO.get(key.name, {}).get(word, word)
    if word not in key.choices:
        raise UnknownName(key.name, str(given), key.choices)
    return word


def _text(key: Key, given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise SpecError(f"{key.name} must be a text; got {str(given)!r}.")
    return given.strip()


def _text_or_flag(key: Key, given: object) -> str | bool:
    if isinstance(given, bool) or str(given).strip().lower() in ("yes", "no", "true", "false"):
        return quantities.parse_flag(given, key.name)
    return _text(key, given)


def _names(key: Key, given: object) -> tuple[str, ...]:
    """Names from a list, or from a text that separates them by commas or (for ids) spaces."""
    if isinstance(given, str):
        text = given if key.choices == () else given.replace(" ", ",")
        names = [part.strip() for part in text.split(",")]
    elif isinstance(given, list | tuple):
        names = [str(part).strip() for part in given]
    else:
        raise SpecError(f"{key.name} must be a list of names; got {str(given)!r}.")
    names = list(dict.fromkeys(name for name in names if name))
    if not names:
        raise SpecError(f"{key.name} must name at least one; got {str(given)!r}.")
    if key.choices == ():
        return tuple(names)
    words = [name.lower().replace("-", "_") for name in names]
    groups = {"core": CORE, "all": tuple(STRATEGIES)}
    if len(words) == 1 and words[0] in groups:
        return groups[words[0]]
    for name, word in zip(names, words, strict=True):
        if word not in STRATEGIES:
            raise UnknownName("strategy", name, (*STRATEGIES, *groups))
    return tuple(words)


_READERS: dict[str, Callable[[Key, object], object]] = {
    "count": _count,
    "number": lambda key, given: quantities.parse_count(given, key.name),
    "bytes": lambda key, given: quantities.parse_bytes(given, key.name),
    "shift": lambda key, given: quantities.parse_shift(given, key.name),
    "hours": lambda key, given: quantities.parse_duration(given, key.name, unit="h") / 3600,
    "milliseconds": lambda key, given: quantities.parse_duration(given, key.name, unit="ms") * 1000,
    "choice": _choice,
    "flag": lambda key, given: quantities.parse_flag(given, key.name),
    "text": _text,
    "text_or_flag": _text_or_flag,
    "names": _names,
}

KEYS: tuple[Key, ...] = (
    Key("model", "text", "model", "NAME", "Name of a known model; fills in what the catalogue knows of it."),
    Key("params", "count", "model", "N", "Parameters of the pretrained model, such as 350M or 175B.", 1, 1e15),
    Key("family", "choice", "model", "NAME", "Kind of network.", choices=FAMILIES),
    Key("objective", "choice", "model", "NAME", "What the model was pretrained to do.", choices=OBJECTIVES),
    Key("window", "count", "model", "TOKENS", "Longest input the model was trained on.", 1, 1e9),
    Key("positions", "choice", "model", "NAME", "How the model encodes positions.", choices=POSITIONS),
    Key("licence", "text", "model", "NAME", "Licence of the model, such as apache-2.0 or cc-by-nc-4.0."),
    Key("task", "choice", "task", "NAME", "Kind of task.", choices=TASKS),
    Key("modality", "choice", "task", "NAME", "What the inputs are.", choices=MODALITIES),
    Key("classes", "count", "task", "N", "Number of classes.", 2, 1e7),
    Key("label_names", "names", "task", "A,B,...", "Names of the classes, separated by commas."),
    Key("tokens", "number", "task", "N", "Mean tokens of one input.", 1, 1e9),
    Key("description", "text_or_flag", "task", "TEXT", "The task in words, or yes or no: whether it can be described."),
    Key("target", "number", "task", "SCORE", "Test score in [0, 1] that would be good enough.", 0, 1),
    Key("examples", "count", "data", "N", "Labelled examples, training and validation together.", 0, 1e12),
    Key("unlabeled", "count", "data", "N", "Unlabelled inputs from the same domain.", 0, 1e15),
    Key("shift", "shift", "data", "S", "Distance from the pretraining data: 0 to 1, or none, low, medium, high.", 0, 1),
    Key("access", "choice", "constraints", "LEVEL", "Most that can be had of the model: text (an API), embeddings or weights.", choices=ACCESS),
    Key("privacy", "choice", "constraints", "LEVEL", "local: the data must not leave your own machines.", choices=PRIVACY),
    Key("gpu_memory", "bytes", "constraints", "SIZE", "Memory of one GPU, such as 24GB.", 1e6, 1e15),
    Key("gpus", "count", "constraints", "N", "Number of GPUs; 0 for a machine without.", 0, 1e6),
    Key("budget_hours", "hours", "constraints", "HOURS", "Hours that training may take; units work, too (90m).", 0, 1e6),
    Key("latency_ms", "milliseconds", "constraints", "MS", "Longest time one answer may take, in milliseconds.", 0.001, 1e9),
    Key("requests_per_month", "count", "constraints", "N", "Requests to serve in a month.", 0, 1e15),
    Key("tasks_served", "count", "constraints", "N", "Tasks to serve from the same model.", 1, 1e9),
    Key("robust", "flag", "constraints", "YES|NO", "Whether inputs in use will differ from the training data."),
    Key("demonstrations", "count", "question", "N", "Ask about putting this many examples in the prompt.", 0, 1e12),
    Key("candidates", "names", "question", "core|all|ID...", "Strategies to compare.", choices=(*STRATEGIES, "core", "all")),
)  # fmt: skip
_KEY = {key.name: key for key in KEYS}


def _key(name: str) -> Key:
    if name not in _KEY:
        raise UnknownName("key", name, _KEY)
    return _KEY[name]


class _Known(NamedTuple):
    """The fields of a situation, in the order of `KEYS`."""

    model: str | None = None
    params: int | None = None
    family: str | None = None
    objective: str | None = None
    window: int | None = None
    positions: str | None = None
    licence: str | None = None
    task: str | None = None
    modality: str | None = None
    classes: int | None = None
    label_names: tuple[str, ...] | None = None
    tokens: float | None = None
    description: str | bool | None = None
    target: float | None = None
    examples: int | None = None
    unlabeled: int | None = None
    shift: float | None = None
    access: str | None = None
    privacy: str | None = None
    gpu_memory: float | None = None
    gpus: int | None = None
    budget_hours: float | None = None
    latency_ms: float | None = None
    requests_per_month: int | None = None
    tasks_served: int | None = None
    robust: bool | None = None
    demonstrations: int | None = None
    candidates: tuple[str, ...] | None = None


class Situation(_Known):
    """What somebody knows about their situation; None is unknown. Immutable.

    Every value is checked against `KEYS` when the object is made; text as people write it
    (`"175B"`) is read by `from_mapping`. Units: `gpu_memory` in bytes of one GPU,
    `budget_hours` in hours, `latency_ms` in milliseconds, `shift` and `target` in [0, 1].

    Raises:
        SpecError: If a value is unreadable, out of range or contradicts another.
        UnknownName: If a family, task, strategy or other name is not known.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers see the constructor that the fields give

        def __new__(cls, **values: object) -> Self:
            known = {
                name: _key(name).read(value) for name, value in values.items() if value is not None
            }
            return refuse_contradictions(super().__new__(cls, **known))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], where: str = "") -> Self:
        """Read the keys of a YAML or JSON file, a batch row or the flags, in any order.

        Args:
            mapping: Key -> value, as text or as a number; None and "" are unknown.
            where: Where it was written ("row 3 of cases.csv"); put before every error.

        Raises:
            UnknownName: For a key or name that does not exist, with the nearest.
            SpecError: For a value that is unreadable, out of range or contradictory.
        """
        try:
            if not isinstance(mapping, Mapping):
                raise SpecError(f"a situation is keys with values; got {str(mapping)[:60]!r}.")
            known: dict[str, object] = {}
            for given, value in mapping.items():
                name = _key(str(given).strip().replace("-", "_")).name
                if value is not None and value != "":
                    known[name] = value
            return cls(**known)  # type: ignore[arg-type]  # __post_init__ reads every value
        except (SpecError, UnknownName) as error:
            if where:
                error.args = (f"{where}: {error}",)
            raise

    def to_dict(self) -> dict[str, object]:
        """Every known key with a plain JSON value; `from_mapping` reads it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._asdict().items()
            if value is not None
        }

    def replacing(self, name: str, value: object) -> Self:
        """A copy in which one key has another value, already in the advisor's own form.

        Nothing is checked: this is the inner step of searches over many situations.
        """
        return self._replace(**{name: value})  # type: ignore[arg-type]


# Families that can work on a modality, and those an objective can have trained, the usual one first.
_IMAGE_FAMILIES = ("convnet", "vit", "clip")
_TEXT_FAMILIES = ("encoder", "decoder", "encoder_decoder", "lstm", "clip")
TEXT_TASKS = ("pair_classification", "qa", "generation", "translation", "token_labelling")
_OBJECTIVE_FAMILIES = {
    "masked_tokens": ("encoder", "encoder_decoder", "vit"),
    "masked_tokens_next_sentence": ("encoder",),
    "span_corruption": ("encoder_decoder",),
    "next_token": ("decoder", "lstm"),
    "masked_autoencoder": ("vit", "convnet"),
    "denoising_autoencoder": ("encoder_decoder", "lstm"),
}


def trained_by(objective: str | None, modality: str | None = None) -> tuple[str, ...]:
    """Families that an objective can have trained and that work on a modality, the usual one first;
    empty where the objective tells nothing."""
    families = _OBJECTIVE_FAMILIES.get(objective or "", ())
    able = {"image": _IMAGE_FAMILIES, "text": _TEXT_FAMILIES}.get(modality or "", families)
    return tuple(family for family in families if family in able)


def refuse_contradictions(s: Situation) -> Situation:
    """The situation itself.

    Raises:
        SpecError: Where two keys cannot both be true; the message names both.
    """
    if s.task in TEXT_TASKS and s.family in ("convnet", "vit"):
        raise _contradiction(f"family {s.family} reads images, task {s.task} is about text")
    if s.task in TEXT_TASKS and s.family == "clip":
        raise _contradiction(f"family clip compares images with names, task {s.task} is about text")
    if s.task == "localization" and s.family in ("encoder", "decoder", "encoder_decoder", "lstm"):
        raise _contradiction(f"family {s.family} reads text, task localization is about images")
    if s.modality == "image" and s.family is not None and s.family not in _IMAGE_FAMILIES:
        raise _contradiction(f"family {s.family} reads text, modality says image")
    if s.modality == "text" and s.family is not None and s.family not in _TEXT_FAMILIES:
        raise _contradiction(f"family {s.family} reads images, modality says text")
    if s.modality == "image" and s.task in TEXT_TASKS:
        raise _contradiction(f"task {s.task} is about text, modality says image")
    if s.modality == "text" and s.task == "localization":
        raise _contradiction("task localization is about images, modality says text")
    trained = _OBJECTIVE_FAMILIES.get(s.objective or "")
    if trained is not None and s.family is not None and s.family not in trained:
        raise _contradiction(
            f"objective {s.objective} trains {' or '.join(trained)}, family says {s.family}"
        )
    if s.label_names is not None and len(s.label_names) < 2:
        raise SpecError(
            f"label_names must name at least 2 classes; got {s.label_names[0]!r}. "
            "Separate names by commas."
        )
    if s.label_names is not None and s.classes not in (None, len(s.label_names)):
        raise _contradiction(f"classes is {s.classes}, label_names has {len(s.label_names)} names")
    if s.demonstrations is not None and s.examples is not None and s.demonstrations > s.examples:
        raise _contradiction(f"demonstrations is {s.demonstrations}, examples only {s.examples}")
    return s


def _contradiction(what: str) -> SpecError:
    return SpecError(f"{what}: both cannot hold. Correct one or leave it out.")
