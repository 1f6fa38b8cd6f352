"""A suite as it is written: a study whose data sets say how they join the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from advisor.errors import SpecError
from harness.evidence.corpora import CORPORA
from harness.studies.spec import Study, located, read_as

FOLDER = "suites"


class Shift(BaseModel):
    """Domain shift in [0, 1] from one kind of pretraining data, and why it is that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shift: float = Field(ge=0, le=1)
    reason: str


class About(BaseModel):
    """What evidence says of a data set.

    Attributes:
        group: One id for all copies of a data set: they are left out together.
        subject: What the data are about.
        shifts: Kind of pretraining data -> shift; random weights need no entry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    subject: str
    shifts: dict[str, Shift]


class Suite(Study):
    """Runs under the fair protocol over models, data, sizes, shifts and strategies.

    Attributes:
        about: Name of a data set -> what evidence says of it; every data set has an entry.
        validation: What the fit afterwards is validated on: "full", or "brief", whole sources left
            out and nothing else.
    """

    about: dict[str, About]
    validation: Literal["full", "brief"] = "full"

    @model_validator(mode="after")
    def _complete(self) -> Suite:
        """Raises SpecError, which pydantic lets through as it is."""
        missing = sorted(set(self.datasets) - set(self.about))
        if missing:
            raise SpecError(f"about lacks {', '.join(missing)}: group, subject and shifts.")
        for name, about in self.about.items():
            strange = sorted(set(about.shifts) - set(CORPORA))
            if strange:
                known = ", ".join(CORPORA)
                raise SpecError(
                    f"about {name!r}: no kind of pretraining data {strange[0]!r}. Known: {known}."
                )
        return self


def find_suite(named: str) -> Path:
    """A YAML file, or the suite of that name in the package.

    Raises:
        UnknownName: If there is neither.
    """
    return located(Path(named), "suite", FOLDER)


def read_suite(path: Path) -> Suite:
    """Raises SpecError with the file and the first thing that is wrong in it."""
    return read_as(Suite, path)
