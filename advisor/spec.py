"""A situation from a file: YAML or JSON, one mapping of situation keys."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from advisor.errors import SpecError


def read_spec(path: str) -> dict[str, object]:
    """Keys and values of a file, or of stdin for "-".

    Raises:
        SpecError: If it cannot be read or is no mapping; the message names file and line.
    """
    where = "stdin" if path == "-" else path
    try:
        if path == "-":
            text = sys.stdin.read()
        else:
            with open(path, encoding="utf-8") as file:
                text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SpecError(
            f"--spec {where}: cannot be read ({why}). Give a YAML or JSON file, or - for stdin."
        ) from None
    value = _parse(text, where)
    if not isinstance(value, Mapping):
        raise SpecError(
            f"--spec {where}: must hold keys with values, such as `params: 7B`; got {str(value)[:40]!r}."
        )
    return {str(key).strip().replace("-", "_"): each for key, each in value.items()}


def replaced(
    spec: Mapping[str, object], flags: Mapping[str, object], where: str
) -> tuple[str, ...]:
    """One sentence for each flag that overrides a different value of the file."""
    return tuple(
        f"{name} {value} from the command line replaces {spec[name]} from {where}."
        for name, value in flags.items()
        if name in spec and str(spec[name]) != str(value)
    )


def _parse(text: str, where: str) -> object:
    if text.lstrip().startswith("{"):
        import json

        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            problem, line = error.msg, error.lineno
    else:
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not YAML"
            line = mark.line + 1 if mark else 1
    raise SpecError(f"--spec {where}, line {line}: {problem}. Write `key: value` lines, or JSON.")
