"""The small JSON file in which a fitted strategy keeps its hyperparameters."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import ModelError
from harness.strategies.base import Strategy

SCHEMA_VERSION = 1

Fitted = TypeVar("Fitted", bound=Strategy)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    strategy: str
    hyperparameters: dict[str, str | int | float | bool | None]


def write_settings(file: Path, strategy: Strategy) -> None:
    """Write the keywords a strategy was constructed with."""
    content = _File(
        schema_version=SCHEMA_VERSION,
        strategy=strategy.id,
        hyperparameters={
            name: getattr(strategy, name) for name in inspect.signature(type(strategy)).parameters
        },
    )
    file.write_text(json.dumps(content.model_dump(), indent=1) + "\n", encoding="utf-8")


def read_settings(file: Path, kind: type[Fitted]) -> Fitted:
    """A strategy constructed with the keywords that `write_settings` wrote, not fitted yet.

    Raises:
        ModelError: If the file is missing, damaged, or of another strategy or version.
    """
    try:
        content = _File.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{file} is not a saved strategy: {reason}; run the harness again"
        ) from error
    if (content.schema_version, content.strategy) != (SCHEMA_VERSION, kind.id):
        raise ModelError(
            f"{file} holds {content.strategy!r} in schema {content.schema_version}; expected "
            f"{kind.id!r} in schema {SCHEMA_VERSION}"
        )
    known = set(inspect.signature(kind).parameters)
    if set(content.hyperparameters) != known:
        raise ModelError(
            f"{file} has the hyperparameters {', '.join(content.hyperparameters)}; expected "
            f"{', '.join(sorted(known))}"
        )
    return kind(**content.hyperparameters)
