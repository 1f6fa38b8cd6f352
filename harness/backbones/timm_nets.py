"""What timm's networks have in common beyond being modules, in types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

import timm
from timm.models import group_parameters
from torch import nn


class TimmNet(Protocol):
    """The attributes this project reads of a network that timm built.

    Attributes:
        pretrained_cfg: Architecture, tag, input size, mean, std… of its weights.
        head_hidden_size: Size of the features before the classifier.
    """

    pretrained_cfg: Mapping[str, object]
    head_hidden_size: int

    def group_matcher(self, coarse: bool) -> Mapping[str, object]: ...

    def reset_classifier(self, num_classes: int) -> None: ...


def as_net(module: nn.Module) -> TimmNet:
    """The same object, for the type checker."""
    return cast(TimmNet, module)


def depth_groups(module: nn.Module, *, coarse: bool) -> list[list[str]]:
    """Names of the parameters from input to output: stem, blocks (coarse: stages), last layers."""
    groups = group_parameters(module, as_net(module).group_matcher(coarse=coarse))
    return [names for _, names in sorted(groups.items())]


def source_of(location: str) -> str:
    """What `timm.create_model` calls a location: "timm:NAME" or a folder that timm saved."""
    if location.startswith("timm:"):
        return location.removeprefix("timm:")
    return f"local-dir:{location}"


def suggestions(name: str) -> list[str]:
    """Networks of timm with a similar name, the nearest first."""
    from difflib import get_close_matches

    return get_close_matches(name, timm.list_models(), n=2)
