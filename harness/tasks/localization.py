"""One box in each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from harness.datasets.base import Split
from harness.tasks.open_numbers import OpenNumbers

if TYPE_CHECKING:
    import torch

CENTRE_BOX = (0.25, 0.25, 0.75, 0.75)
"""Half of each side, in the middle of the image: what is said without looking or learning."""


@dataclass(frozen=True)
class Localization(OpenNumbers):
    """x_min, y_min, x_max, y_max as shares of the image's width and height, in [0, 1].

    Whole images are read, and features of 4 x 4 places of each: the mean over an image no longer
    tells where something is.
    """

    id: str = "localization"

    head: ClassVar[Literal["grid"]] = "grid"
    mirrors: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("mean_iou", "hit_rate")
    n_outputs: ClassVar[int] = 4

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Smooth L1 of the standardised numbers plus one minus the generalized overlap.

        The former pulls boxes that do not meet yet; the latter weighs an error by the size of the
        box, as the metric does, for which 0.05 is little of a large box and all of a small one
        (Rezatofighi et al. 2019, arXiv:1902.09630). Boxes without area, of which a crop shows
        nothing, count for nothing.
        """
        from torch.nn.functional import smooth_l1_loss
        from torchvision.ops import generalized_box_iou_loss

        seen = (targets[:, 2:] > targets[:, :2]).all(dim=1)
        near = smooth_l1_loss(scores.float(), self.standardised(targets), reduction="none").mean(
            dim=1
        )
        apart = generalized_box_iou_loss(_ordered(super().answer(scores)), targets.double())
        return ((near + apart.float()) * seen).sum() / seen.sum().clamp(min=1)

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        """Boxes inside the image, x_min <= x_max and y_min <= y_max, float64, shape (B, 4)."""
        return _ordered(super().answer(scores)).clamp(0, 1)

    def in_frame(self, targets: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Boxes as they are seen in crops of their images, perhaps mirrored; cut at the edge.

        Args:
            targets: Boxes, shape (B, 4).
            frames: Left, upper, right and lower edge as shares of the image, and 1 where the
                crop is mirrored, else 0; shape (B, 5).
        """
        import torch

        frames = frames.to(targets)
        low, size = frames[:, :2], frames[:, 2:4] - frames[:, :2]
        moved = ((targets - low.repeat(1, 2)) / size.repeat(1, 2)).clamp(0, 1)
        mirrored = torch.stack([1 - moved[:, 2], moved[:, 1], 1 - moved[:, 0], moved[:, 3]], dim=1)
        return torch.where(frames[:, 4:] > 0, mirrored, moved)

    def baselines(self, train: Split, test: Split, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores of always the mean box of the examples, and of the box in the centre."""
        said = {"centre_box": np.array(CENTRE_BOX)}
        if len(train):
            said["mean_box"] = train.targets.mean(axis=0)
        return {
            name: self.scores(np.tile(box, (len(test), 1)), test.targets)
            for name, box in said.items()
        }


def _ordered(boxes: torch.Tensor) -> torch.Tensor:
    """Corners swapped where they came in the wrong order."""
    import torch

    first, second = boxes[:, :2], boxes[:, 2:]
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], dim=1)
