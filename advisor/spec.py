"""A situation from a file: YAML or JSON, one mapping of situation keys."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache

from advisor.errors import SpecError

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


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


@cache
def _plain_yaml() -> Any:
    """A loader that leaves scalars as they are written: what they mean the keys know, and YAML 1.1 would
    read `no` as false, `1:30` as 90 and `0100` as 64. A key that occurs twice is refused."""
    import yaml

    class Plain(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = [str(key.value).replace("-", "_") for key, _ in node.value]
            for (key, _), name in zip(node.value, names, strict=True):
                if names.count(name) > 1:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{name} occurs twice", key.start_mark
                    )
            return super().construct_mapping(node, deep)

    tags = ("bool", "int", "float", "timestamp")
    Plain.yaml_implicit_resolvers = {
        first: [one for one in several if one[0].rpartition(":")[2] not in tags]
        for first, several in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag in tags:
        Plain.add_constructor(f"tag:yaml.org,2002:{tag}", _as_written)
    return Plain


def _as_written(loader: Any, node: Any) -> object:
    return loader.construct_scalar(node)


def _parse(text: str, where: str) -> object:
    if text.lstrip().startswith("{"):
        import json

        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            problem, line = error.msg, error.lineno
        except (ValueError, RecursionError):
            problem, line = "a number or a nesting beyond all bounds", 1
    else:
        import yaml

        try:
            return yaml.load(text, Loader=_plain_yaml())
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not YAML"
            line = mark.line + 1 if mark else 1
        except RecursionError:
            problem, line = "a nesting beyond all bounds", 1
    raise SpecError(f"--spec {where}, line {line}: {problem}. Write `key: value` lines, or JSON.")
