"""Names to lazily imported classes: what a new strategy, backbone, task or data set costs.

Only the runner and the command line read a registry; the things registered know their own
`base.py` and never each other. Nothing is imported until it is asked for, so listing is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from advisor.errors import UnknownName


class Registry:
    """Maps a name to `"module:attribute"`, imported on first use.

    Args:
        kind: What is registered, in the singular; used in error messages.
        entries: name -> "module:attribute".
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def register(self, name: str, target: str) -> None:
        """Add one line.

        Raises:
            ValueError: If the name is taken by another target.
        """
        if self._entries.get(name, target) != target:
            raise ValueError(f"{self.kind} {name!r} is already registered as {self._entries[name]}")
        self._entries[name] = target

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def targets(self) -> tuple[str, ...]:
        """The "module:attribute" of each name, in the order of `names`."""
        return tuple(self._entries.values())

    def load(self, name: str) -> Any:
        """The registered object.

        Raises:
            UnknownName: With the nearest names.
        """
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)
