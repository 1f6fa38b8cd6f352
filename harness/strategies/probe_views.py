"""Which outputs of a frozen model a probe reads: all of them come from one pass.

The cache keeps the views of an input together, so every strategy that reads frozen features asks
for the same ones and pays for one extraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.backbones.base import Backbone, View

MIX = 0
"""Instead of a number of layers: a learned mixture of all of them."""
_JOINED = {"cls_mean": ("cls", "mean")}


def bundle(backbone: Backbone) -> tuple[View, ...]:
    """Every pooling of the last layer, and the recommended one of each layer before it."""
    simple = [one for one in backbone.poolings if one not in _JOINED]
    earlier = [View(backbone.poolings[0], layer) for layer in backbone.earlier_layers()]
    return (*(View(pooling) for pooling in simple), *earlier)


def wanted(backbone: Backbone, pooling: str, layers: int) -> list[View]:
    """The views of a probe, the last layer's last.

    Args:
        layers: So many of the last layers; `MIX` for all. Earlier layers have the recommended
            pooling only.
    """
    last = [View(part) for part in _JOINED.get(pooling, (pooling,))]
    earlier = backbone.earlier_layers()
    count = len(earlier) if layers == MIX else layers - 1
    return [View(backbone.poolings[0], one) for one in earlier[len(earlier) - count :]] + last


def columns(backbone: Backbone, views: Sequence[View]) -> np.ndarray[Any, Any]:
    """Where these views stand in the bundle, int64."""
    starts, start = {}, 0
    for view in bundle(backbone):
        starts[view] = start
        start += backbone.view_width(view)
    return np.concatenate(
        [np.arange(starts[view], starts[view] + backbone.view_width(view)) for view in views]
    )
