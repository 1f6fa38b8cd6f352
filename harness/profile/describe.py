"""The profile of a model and data: one reading, one sample, one pass for each measurement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from advisor.errors import SpecError
from harness.backbones.base import Backbone, ModelFacts, TokenCounter, View
from harness.datasets.base import DataRequest
from harness.features import cached_features
from harness.models import load_backbone, resolve_model
from harness.profile.inputs import Inputs, class_counts, read_inputs
from harness.profile.lengths import ImageSizes, TextLengths, image_sizes, text_lengths
from harness.profile.measurement import Measurement, not_measured
from harness.profile.separability import Separability, separability
from harness.profile.shift import measured_shift

ROWS = 64
ROWS_OF_DECODERS = 16  # each text and its reference cost a pass with all logits
_MEASURED = 2000  # lengths and sizes are of so many inputs at most
_LEAST_ROWS = 2


@dataclass(frozen=True)
class Profile:
    """What was found.

    Attributes:
        counts: Class name -> rows left after the checks, the largest first.
        lengths: Of texts; sizes: of images; None for the other.
        shift: Distance from the pretraining data. Separability is a field of its own: neither
            enters the other.
        separability: None without labels, or where nothing can be computed.
    """

    model: ModelFacts
    data: Inputs
    counts: dict[str, int]
    lengths: TextLengths | None
    sizes: ImageSizes | None
    shift: Measurement
    separability: Separability | None

    @property
    def imbalance(self) -> float | None:
        """Rows of the largest class over those of the smallest."""
        return max(self.counts.values()) / min(self.counts.values()) if self.counts else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        data = self.data
        return {
            "schema_version": 1,
            "model": asdict(self.model),
            "data": {
                "name": data.name,
                "modality": data.modality,
                "task": data.task,
                "rows": len(data),
                "labelled": data.targets is not None,
                "held_rows": data.held,
                "classes": self.counts,
                "imbalance": self.imbalance,
                "findings": [asdict(found) for found in data.findings],
            },
            "lengths": None if self.lengths is None else asdict(self.lengths),
            "sizes": None if self.sizes is None else asdict(self.sizes),
            "shift": {
                "kind": "measured",
                "statistic": self.shift.statistic or None,
                "value": self.shift.value,
                "standard_error": self.shift.error,
                "shift": self.shift.shift,
                "word": self.shift.word,
                "method": self.shift.method,
                "details": dict(self.shift.details),
                "rows": self.shift.rows,
            },
            "separability": None if self.separability is None else asdict(self.separability),
        }


def make_profile(
    model: str,
    request: DataRequest,
    *,
    label_column: str | None = None,
    rows: int | None = None,
    max_tokens: int | None = None,
    device: str | None = None,
) -> Profile:
    """Read, check and measure.

    Args:
        label_column: As `read_inputs`.
        rows: Inputs the model reads; None for the family's default.

    Raises:
        AdviceError: If model or data cannot be used, or do not go together.
    """
    if rows is not None and rows < _LEAST_ROWS:
        raise SpecError(f"rows must be at least {_LEAST_ROWS}; got {rows}. Write --rows {ROWS}.")
    facts = resolve_model(model)
    data = read_inputs(request, label_column=label_column)
    if facts.modality != data.modality:
        raise SpecError(
            f"model {model!r} reads {facts.modality}s, data {request.data!r} are "
            f"{data.modality}s. Give a model and data that go together."
        )
    seed = request.seed
    chosen = data.sample(rows or (ROWS_OF_DECODERS if facts.family == "decoder" else ROWS), seed)
    measured = [data.inputs[row] for row in chosen]
    some = [data.inputs[row] for row in data.sample(_MEASURED, seed)]
    images = data.modality == "image"
    sizes = image_sizes(some, facts.image_size) if images else None
    counts = class_counts(data)
    if facts.access != "weights":
        nothing = not_measured("only texts can be had of a model behind an endpoint")
        return Profile(facts, data, counts, None, sizes, nothing, None)
    backbone = load_backbone(facts, device, max_tokens)
    counter = backbone if isinstance(backbone, TokenCounter) else None
    return Profile(
        model=facts,
        data=data,
        counts=counts,
        lengths=None if images or counter is None else text_lengths(counter, some, facts.window),
        sizes=sizes,
        shift=measured_shift(backbone, measured, seed=seed),
        separability=None
        if data.targets is None
        else separability(_features(backbone, measured), data.targets[chosen]),
    )


def _features(backbone: Backbone, inputs: list[Any]) -> Any:
    """What a probe would read first, from the cache it shares with runs."""
    features, _ = cached_features(backbone, inputs, views=[View(backbone.poolings[0])])
    return features
