"""Which outputs of a frozen model a probe reads: all of them come from one pass.

The cache keeps the views of an input together, so every strategy that reads frozen features asks
for the same ones and pays for one extraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.backbones.base import Backbone, View
from harness.tasks.base import Task

MIX = 0
"""Instead of a number of layers: a learned mixture of all of them."""
GRID = "grid"
"""The pooling of tasks whose heads read places: of whole images, apart from all other views."""
_JOINED = {"cls_mean": ("cls", "mean")}


def recommended(backbone: Backbone, task: Task) -> str:
    """The pooling that suits a task's head."""
    return GRID if task.head == GRID else backbone.poolings[0]


def bundle(backbone: Backbone, pooling: str = "") -> tuple[View, ...]:
    """Every pooling of the last layer, and the recommended one of each layer before it; of a grid
    the last layer and the one before.
    """
    if pooling == GRID:
        return tuple(View(GRID, layer) for layer in (*backbone.earlier_layers()[-1:], -1))
    simple = [one for one in backbone.poolings if one not in _JOINED]
    earlier = [View(backbone.poolings[0], layer) for layer in backbone.earlier_layers()]
    return (*(View(pooling) for pooling in simple), *earlier)


def wanted(backbone: Backbone, pooling: str, layers: int) -> list[View]:
    """The views of a probe, the last layer's last.

    Args:
        layers: So many of the last layers; `MIX` for all. Earlier layers have the recommended
            pooling only.
    """
    if pooling == GRID:
        return list(bundle(backbone, GRID)[-layers:])
    last = [View(part) for part in _JOINED.get(pooling, (pooling,))]
    earlier = backbone.earlier_layers()
    count = len(earlier) if layers == MIX else layers - 1
    return [View(backbone.poolings[0], one) for one in earlier[len(earlier) - count :]] + last


def columns(backbone: Backbone, views: Sequence[View]) -> np.ndarray[Any, Any]:
    """Where these views stand in the bundle, int64."""
    starts, start = {}, 0
    for view in bundle(backbone, views[0].pooling):
        starts[view] = start
        start += backbone.view_width(view)
    return np.concatenate(
        [np.arange(starts[view], starts[view] + backbone.view_width(view)) for view in views]
    )
