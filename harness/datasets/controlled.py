"""Copies of data sets with a shift of known kind and strength: `corrupt@3:images/val`.

| written | makes |
|---|---|
| `corrupt:FOLDER`, `corrupt@S:FOLDER` | images with noise, blur, contrast, pixelation; strength 1 to 5, 3 if not given |
| `resolution@P:FOLDER` | images of P pixels on their short side |
| `vocabulary@S:TABLE` | texts with a share S of their words made up |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import SpecError
from harness.datasets.corruptions import coarse_folder, corrupt_folder
from harness.datasets.foreign_words import foreign_words
from harness.datasets.packaged import PACKAGED

_WRITTEN = re.compile(
    r"(?P<kind>corrupt|resolution|vocabulary)(@(?P<strength>[^:]+))?:(?P<source>.+)"
)


@dataclass(frozen=True)
class Copy:
    """A copy that is to be made.

    Attributes:
        kind: corrupt, resolution or vocabulary. strength: As written; "" for the usual one.
        source, target: Folder or file; the target is another of the same, tables being CSV.
    """

    kind: str
    strength: str
    source: Path
    target: Path

    def make(self) -> None:
        """Make it unless it is there.

        Raises:
            SpecError: If there is no such strength.
            DataError: If the source cannot be read.
        """
        _MAKERS[self.kind](self)


def copy_of(written: str, root: Path, made: Path) -> Copy | None:
    """What a name stands for; None for the name of ordinary data.

    Args:
        root: Folder below which sources lie that are no packaged data.
        made: Folder of the copies.
    """
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    kind, strength, source = found["kind"], found["strength"] or "", found["source"]
    parts = ([] if (kind, strength) == ("corrupt", "") else [kind, strength]) + [source]
    target = made / "_".join(part for part in parts if part).replace("/", "_")
    if kind == "vocabulary":
        target = target.with_name(target.name.removesuffix(".csv") + ".csv")
    packaged = PACKAGED[source].location() if source in PACKAGED else None
    return Copy(kind, strength, packaged or root / source, target)


def _number(copy: Copy, usual: float | None) -> float:
    try:
        return float(copy.strength) if copy.strength or usual is None else usual
    except ValueError:
        raise SpecError(
            f"{copy.kind}@{copy.strength} needs a number behind @; write corrupt@3, resolution@32 "
            "or vocabulary@0.5."
        ) from None


_MAKERS: dict[str, Callable[[Copy], object]] = {
    "corrupt": lambda one: corrupt_folder(
        one.source, one.target, severity=int(_number(one, usual=3))
    ),
    "resolution": lambda one: coarse_folder(
        one.source, one.target, side=int(_number(one, usual=None))
    ),
    "vocabulary": lambda one: foreign_words(one.source, one.target, _number(one, usual=None)),
}
