"""A study as it is written: which runs, and which of them are compared. The schema is this file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import SpecError, UnknownName
from harness.datasets.controlled import Copy, copy_of
from harness.fixed_settings import read_fixed
from harness.question import Question
from harness.shipped import shipped

_SHIFTED = "shifted"
_PATHS = ("data", "test_data", "ood_data")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Part):
    """Runs that differ in data and size alone.

    Attributes:
        name: What the arm is called in tables.
        strategies: Ids, compared inside each run.
        data: Names of `datasets`. examples: Sizes; None for all there are.
        fixed: Hyperparameters held at one value, written as for `--set`.
        settings: Further fields of `Question`, over those of the study.
    """

    name: str
    strategies: tuple[str, ...]
    data: tuple[str, ...]
    examples: tuple[int | None, ...]
    fixed: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class Comparison(_Part):
    """A claim about two strategies, each written ARM/STRATEGY, on equal data and size."""

    claim: str
    a: str
    b: str


class Study(_Part):
    """One question and the runs that answer it.

    Attributes:
        datasets: Name -> fields of `Question` that say where the data lie; paths are relative to
            the data root unless the name is packaged data; `corrupt:FOLDER` and its like stand
            for a copy with a shift (`harness.datasets.controlled`).
        settings: Fields of `Question` that all runs share.
    """

    title: str
    question: str
    datasets: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    arms: tuple[Arm, ...]
    compare: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One run of a study; `name` is its folder."""

    arm: Arm
    data: str
    examples: int | None
    question: Question

    @property
    def name(self) -> str:
        size = "all" if self.examples is None else self.examples
        return "-".join([self.arm.name.replace(" ", "_").replace("/", "_"), self.data, str(size)])


Kind = TypeVar("Kind", bound=Study)


def located(named: Path, kind: str = "study", folder: str = "studies") -> Path:
    """A file as it is given, or the study (or suite) of that name in the package.

    Raises:
        UnknownName: If there is neither.
    """
    if named.exists():
        return named
    known = {file.stem: file for file in sorted(shipped(folder).glob("*.yaml"))}
    if str(named) not in known:
        raise UnknownName(kind, str(named), [*known, "FILE.yaml"])
    return known[str(named)]


def read_study(path: Path) -> Study:
    """Raises SpecError with the file and the first thing that is wrong in it."""
    return read_as(Study, path)


def read_as(kind: type[Kind], path: Path) -> Kind:
    """A study of a kind. Raises SpecError with the file and the first thing that is wrong in it."""
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{path}: {place}: {first['msg']}.") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SpecError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from None


def cells(study: Study, data_root: Path, out: Path, model_root: Path = Path()) -> list[Cell]:
    """Every run, in the order of the arms.

    Args:
        data_root, model_root: Where data sets and model folders that are named lie.

    Raises:
        SpecError: For data or a setting that cannot be.
    """
    return list(_cells(study, data_root, out, model_root))


def shifted_copies(study: Study, data_root: Path, out: Path) -> list[Copy]:
    """The data sets that are made rather than given."""
    named = (
        str(fields[one]) for fields in study.datasets.values() for one in _PATHS if one in fields
    )
    found = (copy_of(name, data_root, out / _SHIFTED) for name in named)
    return [one for one in found if one is not None]


def _cells(study: Study, data_root: Path, out: Path, model_root: Path) -> Iterator[Cell]:
    for arm in study.arms:
        for data, examples in itertools.product(arm.data, arm.examples):
            if data not in study.datasets:
                known = ", ".join(study.datasets)
                raise SpecError(f"arm {arm.name!r} names data {data!r}; the study has {known}.")
            fields = {
                **study.settings,
                **_located(study.datasets[data], data_root, out),
                **arm.settings,
                "strategies": arm.strategies,
                "examples": examples,
                "fixed": read_fixed(arm.fixed, arm.strategies),
            }
            if (folder := model_root / str(fields.get("model", ""))).is_dir():
                fields["model"] = str(folder)
            try:
                question = Question.model_validate(fields)
            except ValidationError as error:
                first = error.errors()[0]
                raise SpecError(f"arm {arm.name!r}: {first['loc'][0]}: {first['msg']}.") from None
            yield Cell(arm, data, examples, question)


def _located(fields: Mapping[str, Any], data_root: Path, out: Path) -> dict[str, Any]:
    """Paths under the data root where there is such a file; packaged names as they are."""

    def where(name: str, value: Any) -> Any:
        if name not in _PATHS:
            return value
        if (made := copy_of(str(value), data_root, out / _SHIFTED)) is not None:
            return str(made.target)
        return str(data_root / value) if (data_root / str(value)).exists() else value

    return {name: where(name, value) for name, value in fields.items()}
