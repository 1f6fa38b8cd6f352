"""What the formulas need to know of a network, from the catalogue or from its size alone."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from advisor.inference import Resolved

_ASPECT = 100
"""Width / layers where neither is known; 64 to 128 in GPT-2 to GPT-3 (Kaplan et al. 2020, fig. 5)."""
_VOCABULARY = 50_257
"""Where it is not known: that of GPT-2 and GPT-3."""
_HEAD_WIDTH = 64
_PATCH, _IMAGE_SIZE = 16, 224
IMAGE_FAMILIES = ("convnet", "vit", "clip")


class Shape(NamedTuple):
    """Size and form of a pretrained network.

    Attributes:
        params: All parameters; embedding_params: those of the token embeddings (0 if not known).
        width, layers: Of one stack; need not be whole where they were derived from `params`.
        kv_width: Width of the keys of one layer; smaller than `width` with grouped queries.
        gmacs: 10^9 multiply-adds of a forward pass on an image of `image_size` pixels.
        saved_trained, saved_frozen: Numbers kept for the backward pass, per token and layer in
            units of `width`, where weights are trained, and where gradients only pass through.
        saved_per_image: The same for a conv net, per image of `image_size` pixels.
        known: Whether the catalogue or the caller knew the form.
    """

    params: float
    family: str
    width: float
    layers: float
    vocabulary: float = _VOCABULARY
    embedding_params: float = 0.0
    kv_width: float | None = None
    heads: float | None = None
    image_size: int = _IMAGE_SIZE
    patch: int = _PATCH
    gmacs: float | None = None
    image_params: float | None = None
    saved_trained: float | None = None
    saved_frozen: float | None = None
    saved_per_image: float | None = None
    known: bool = False

    @property
    def body_params(self) -> float:
        """Parameters every token (or patch) is multiplied with: all but the token embeddings."""
        if self.image_params is not None:
            return self.image_params
        return max(self.params - self.embedding_params, 0.1 * self.params)

    @property
    def attention_heads(self) -> float:
        return self.heads or self.width / _HEAD_WIDTH

    def image_tokens(self, image_size: int | None) -> float:
        """Patches of an image, and one token for the class."""
        return ((image_size or self.image_size) // self.patch) ** 2 + 1

    def pixels(self, image_size: int | None) -> float:
        """Area of an image relative to the one `gmacs` and `saved_per_image` are for."""
        return ((image_size or self.image_size) / self.image_size) ** 2


def shape_of(facts: Resolved) -> Shape:
    """The network of a situation: from the catalogue by name, else from family and size."""
    return usual_shape(facts.model, facts.params, facts.family)


@lru_cache(maxsize=64)
def usual_shape(model: str | None, params: int, family: str) -> Shape:
    """A known model of this size, or a usual one.

    Unknown width and layers follow from N = 12 * layers * width^2 (Kaplan et al. 2020, eq. 2.1).
    """
    if model is not None:
        from advisor.catalogue import find_model

        row = find_model(model)
        if row is not None and row["params"] == params:
            return _known(row)
    width = (params * _ASPECT / 12) ** (1 / 3)
    return Shape(params=params, family=family, width=width, layers=width / _ASPECT)


def _known(row: Mapping[str, Any]) -> Shape:
    facts = {name: row[name] for name in Shape._fields if name in row}
    if "vocabulary" in row:
        facts["embedding_params"] = row["vocabulary"] * row["width"]
    return Shape(**facts, known=True)
