"""Convolutional nets (EfficientNet, ResNet, ConvNeXt…), built and loaded by timm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.data import resolve_model_data_config
from timm.models import save_for_hf
from torch import nn

from advisor.errors import ModelError, SpecError
from harness.backbones import efficientnet_lite0
from harness.backbones.base import FrozenModel, ModelFacts, Progress, PromptSpec, View, check_form
from harness.backbones.heads import GRID, HeadTrainee, grid_of, on_grid, own_copy
from harness.backbones.images import ImageReader, read_pixels
from harness.backbones.onnx_runtime import Engine, ExportFailed, exported
from harness.backbones.openvino_runtime import OpenVinoModel
from harness.backbones.timm_nets import depth_groups, source_of
from harness.out_of_memory import in_halves
from harness.tasks.base import Task

BATCH = 32
PARITY_IMAGES = 4
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
NO_PROMPT = "conv nets have no token sequence a prompt could join"


class ConvNetBackbone(FrozenModel):
    """A conv net without its classifier; implements `Backbone`.

    Attributes:
        backend: What computes features: "openvino" or "torch"; known after the first call.
        backend_note: Why, in one sentence.
    """

    tasks = frozenset({"classification", "regression", "localization"})
    poolings = ("mean", "max")
    max_tokens: int | None = None

    def __init__(self, facts: ModelFacts, model: nn.Module, *, device: torch.device) -> None:
        self.facts = facts
        self.device = device
        self.model = model.eval().requires_grad_(False).to(device)
        config = resolve_model_data_config(model)
        side = facts.image_size or config["input_size"][-1]
        self.reader = ImageReader({**config, "input_size": (3, side, side)})
        self.backend = "torch"
        self.backend_note = "no features were computed yet"
        self._network = ConvViews(self.model)
        self._exported: Engine | None = None
        self._chosen = False

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> ConvNetBackbone:
        """Load a folder that timm saved, "timm:NAME" (from the hub) or the packaged file.

        Raises:
            ModelError: If the weights cannot be found or read.
        """
        location = facts.location
        if location.endswith(".pth"):
            return cls(facts, efficientnet_lite0.load(Path(location)), device=device)
        try:
            model = timm.create_model(source_of(location), pretrained=True, num_classes=0)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"conv net {facts.name!r} cannot be loaded from {location!r}: {reason}"
            ) from error
        return cls(facts, model, device=device)

    def views(
        self, inputs: Sequence[Path], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        """What the classifier would read ("mean"), the last map's maximum, and the mean of each
        earlier stage; layer i is stage i. "grid" is of the last two stages of whole images, and
        stands with no other pooling.

        Raises:
            SpecError: For another pooling or layer.
            DataError: With the file that cannot be read.
        """
        self._check(views)
        places = [self._network.places[view] for view in views]
        features = np.zeros((len(inputs), sum(map(self.view_width, views))), dtype=np.float32)
        for rows, pixels in self.reader.batches(inputs, BATCH, whole=on_grid(views)):
            if not self._chosen:
                self._choose_backend(pixels[:PARITY_IMAGES])
            computed = in_halves(partial(self._part, pixels), np.arange(len(pixels)))
            features[rows] = np.concatenate([computed[:, place] for place in places], axis=1)
            if progress is not None:
                progress(min(1.0, rows.stop / len(inputs)))
        return features

    def view_width(self, view: View) -> int:
        place = self._network.places[view]
        return place.stop - place.start

    def earlier_layers(self) -> tuple[int, ...]:
        means = [view for view in self._network.places if view.pooling != GRID]
        return tuple(view.layer for view in means if view.layer != -1)

    def _check(self, views: Sequence[View]) -> None:
        for view in views:
            if view.pooling not in (*self.poolings, GRID):
                raise SpecError(
                    f"pooling of a conv net must be 'mean', 'max' or 'grid'; got {view.pooling!r}"
                )
            if view not in self._network.places:
                stages = ", ".join(map(str, self.earlier_layers()))
                raise SpecError(
                    f"a conv net gives the mean of stages {stages} and of the last layer, -1; "
                    f"got {view.pooling!r} of {view.layer}"
                )

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> ConvNetTrainee:
        """A head on the globally pooled features, or on those of 4 x 4 places of the last stage.

        Raises:
            SpecError: For a prompt, or an unknown form or pooling.
        """
        if prompt is not None:
            raise SpecError(NO_PROMPT)
        check_form(form)
        reads = GRID if task.head == GRID else "mean"
        if pooling not in (None, reads):
            raise SpecError(f"the head of a conv net reads the {reads}; got pooling {pooling!r}")
        return ConvNetTrainee(
            self.model,
            self.reader,
            task,
            self.view_width(View(reads)),
            self.device,
            frozen=frozen,
            pretrained=pretrained,
        )

    @torch.inference_mode()
    def _torch_features(self, pixels: torch.Tensor) -> np.ndarray:
        return self._network(pixels.to(self.device)).float().cpu().numpy()

    def _part(self, pixels: torch.Tensor, rows: np.ndarray) -> np.ndarray:
        return self._compute(pixels[rows[0] : rows[-1] + 1])

    def _compute(self, pixels: torch.Tensor) -> np.ndarray:
        if self._exported is None:
            return self._torch_features(pixels)
        return self._exported({"pixels": pixels.contiguous().numpy()})

    @property
    def plain_path(self) -> str:
        plain = self._chosen and self.backend == "torch" and self.device.type == "cpu"
        return self.backend_note if plain else ""

    def _choose_backend(self, pixels: torch.Tensor) -> None:
        """OpenVINO on a CPU where it computes the same as torch; says so when it does not."""
        self._chosen = True
        if self.device.type != "cpu":
            self.backend_note = "OpenVINO is used on the CPU only"
            return
        inputs = {"pixels": pixels.contiguous()}
        try:
            _, self._exported, apart = exported(self._network, inputs, inputs, OpenVinoModel)
        except ExportFailed as error:
            self.backend_note = str(error)
            return
        self.backend = "openvino"
        self.backend_note = f"equal to torch up to {apart:.1e} of the largest feature"


class ConvViews(nn.Module):
    """A conv net whose one output holds every view side by side.

    The stages are computed on the way to the last layer anyway; only their means are new.

    Attributes:
        places: View -> its columns in the output.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.places: dict[View, slice] = {}
        start = 0
        with torch.no_grad():
            example = torch.zeros(1, 3, 64, 64, device=next(model.parameters()).device)
            parts = self._parts(example)
        for view, part in parts.items():
            self.places[view] = slice(start, start + part.shape[1])
            start += part.shape[1]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Shape (B, sum of widths)."""
        return torch.cat(list(self._parts(pixels).values()), dim=1)

    def _parts(self, pixels: torch.Tensor) -> dict[View, torch.Tensor]:
        model: Any = self.model  # timm gives its networks these methods, without a common type
        last, stages = model.forward_intermediates(pixels)
        parts = {View("mean"): model.forward_head(last), View("max"): last.amax((2, 3))}
        for index, stage in enumerate(stages[:-1]):
            parts[View("mean", index)] = stage.mean((2, 3))
        parts[View(GRID)] = grid_of(stages[-1])
        if len(stages) > 1:
            parts[View(GRID, len(stages) - 2)] = grid_of(stages[-2])
        return parts

    def extra_repr(self) -> str:
        """The views, so that a file exported of others is not taken for this."""
        return str(self.places)


def last_stage(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The map after the last stage, before what only a classifier reads."""
    _, stages = model.forward_intermediates(pixels)
    return stages[-1]


class ConvNetTrainee(HeadTrainee):
    """A conv net with a head.

    Batch normalisation stays in evaluation mode: with few examples and small batches its
    running statistics would drift away from what the weights were trained with. Fresh weights
    have no such statistics and must learn them.
    """

    def __init__(
        self,
        model: nn.Module,
        reader: ImageReader,
        task: Task,
        width: int,
        device: torch.device,
        *,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__(
            own_copy(model, frozen=frozen, pretrained=pretrained),
            task,
            width=width,
            dropout=0.0,
            device=device,
        )
        self._reader = reader
        self.pooling = GRID if task.head == GRID else "mean"
        self._learns_statistics = not pretrained

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, BATCH_NORMS) and not self._learns_statistics:
                module.eval()
        return self

    def encode(self, inputs: Sequence[Path], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """ "pixels", shape (B, 3, height, width); channels last, which trains 1.6 times faster.

        Of tasks that read a grid, also "frames"; see `ImageReader.read_framed`.
        """
        return read_pixels(self._reader, inputs, self.task, self.head.weight.device, augment)

    def pooled(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.pooling == GRID:
            return grid_of(last_stage(self.body, batch["pixels"]))
        return self.body(batch["pixels"])

    def body_groups(self) -> list[list[nn.Parameter]]:
        """Stem, stages, last convolution: timm's coarse grouping."""
        parameters = dict(self.body.named_parameters())
        groups = depth_groups(self.body, coarse=True)
        return [[parameters[name] for name in names] for names in groups]

    def save_body(self, folder: Path) -> None:
        """A folder that `timm.create_model("local-dir:…")` loads: safetensors and config."""
        save_for_hf(self.body, str(folder), safe_serialization=True)

    def load_body(self, folder: Path) -> None:
        self.body.load_state_dict(load_file(folder / "model.safetensors"))
