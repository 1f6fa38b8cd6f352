"""Many situations at once: a CSV in, the same CSV with the answers beside each row out."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from advisor.errors import AdviceError, DataError, OutputError, SpecError, UnknownName
from advisor.recommend import Recommendation, advise
from advisor.situation import KEYS, Situation
from advisor.traits import CORE, STRATEGIES

ANSWERS = ("score", "p_best", "expected", "feasible")
_KEYS = frozenset(key.name for key in KEYS)
_HARDWARE = ("gpu_memory", "gpus")


def advise_batch(source: str, target: str) -> int:
    """Answer every row of a file.

    A row is one situation; columns are named like the situation keys, and an empty cell is
    unknown. Other columns are carried along. Each row is repeated with `best` and, for every
    strategy that is a candidate in some row, `score_ID p_best_ID expected_ID feasible_ID`; cells of
    strategies that are no candidate of a row, and probabilities nobody has validated, stay empty. A row that
    names its candidates and no hardware is ranked without the usual assumption of a node.

    The file is read twice and never held in memory. The target appears only when it is complete.

    Returns:
        Number of rows.

    Raises:
        DataError: If the file cannot be read or has no usable columns.
        UnknownName: For a column that is almost a key.
        SpecError: For a value that cannot be read; the message names file and line.
        OutputError: If the target cannot be written.
    """
    if os.path.abspath(source) == os.path.abspath(target):
        raise OutputError(f"--out {target} is the file to read. Give another name.")
    with _opened(source) as file:
        reader = csv.DictReader(file)
        columns = _checked_columns(reader.fieldnames, source)
        strategies = _candidates(reader, source)
    answers = ("best", *(f"{answer}_{strategy}" for strategy in strategies for answer in ANSWERS))
    taken = [name for name in columns if name in answers]
    if taken:
        raise DataError(
            f"{source}: column {taken[0]!r} is one of the answers. Rename or remove it."
        )
    with _opened(source) as file, _written(target) as out:
        writer = csv.DictWriter(out, [*columns, *answers], lineterminator="\n")
        writer.writeheader()
        rows = 0
        for row, where in _rows(csv.DictReader(file), source):
            writer.writerow(row | _answer(row, where))
            rows += 1
    return rows


def _answer(row: dict[str, str], where: str) -> dict[str, object]:
    given = {
        _key(name): value for name, value in row.items() if _key(name) in _KEYS and value.strip()
    }
    hardware_said = any(name in given for name in _HARDWARE)
    try:
        answer = advise(
            Situation.from_mapping(given),
            assume_hardware=hardware_said or "candidates" not in given,
        )
    except AdviceError as error:
        raise SpecError(f"{where}: {error}") from None
    return _cells(answer)


def _cells(answer: Recommendation) -> dict[str, object]:
    cells: dict[str, object] = {"best": answer.best.strategy if answer.best else ""}
    for each in answer.recommendations:
        values = (each.score, each.p_best, each.expected_score, int(each.feasible))
        for name, value in zip(ANSWERS, values, strict=True):
            cells[f"{name}_{each.strategy}"] = "" if value is None else value
    return cells


def _candidates(reader: csv.DictReader[str], source: str) -> list[str]:
    """Every strategy that is a candidate in some row, in the usual order."""
    asked: set[str] = set()
    seen: set[str] = set()
    for row, where in _rows(reader, source):
        text = next(
            (value for name, value in row.items() if _key(name) == "candidates"), ""
        ).strip()
        if text in seen:
            continue
        seen.add(text)
        try:
            named = Situation.from_mapping({"candidates": text}).candidates if text else CORE
        except AdviceError as error:
            raise SpecError(f"{where}: {error}") from None
        asked.update(named or ())
    return [strategy for strategy in STRATEGIES if strategy in (asked or CORE)]


def _rows(reader: csv.DictReader[str], source: str) -> Iterator[tuple[dict[str, str], str]]:
    """Each row with the place it came from."""
    try:
        for row in reader:
            where = f"{source}, line {reader.line_num}"
            if None in row or None in row.values():
                width = len(reader.fieldnames or ())
                raise DataError(
                    f"{where}: has not the {width} cells of the header. Quote cells with commas."
                )
            yield row, where
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{source}, line {reader.line_num}: is no CSV in UTF-8 ({error})."
        ) from None


def _checked_columns(names: object, source: str) -> list[str]:
    if not isinstance(names, list) or not any(_key(name) in _KEYS for name in names):
        raise DataError(
            f"{source}: no column is a situation key. Name columns like {', '.join(sorted(_KEYS)[:4])}, ..."
        )
    keys = [_key(name) for name in names]
    for name, key in zip(names, keys, strict=True):
        if keys.count(key) > 1:
            raise DataError(f"{source}: column {name!r} occurs twice. Keep one.")
        if key not in _KEYS and _is_slip(key):
            raise UnknownName("key", name, _KEYS)
    return names


def _is_slip(name: str) -> bool:
    """Whether a column looks like a misspelt key instead of something carried along."""
    import difflib

    return bool(difflib.get_close_matches(name, _KEYS, n=1, cutoff=0.8))


def _key(column: str) -> str:
    return column.strip().lower().replace("-", "_").replace(" ", "_")


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    try:
        file = open(path, encoding="utf-8-sig", newline="")  # noqa: SIM115  closed below
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give a CSV file.") from None
    with file:
        yield file


@contextmanager
def _written(target: str) -> Iterator[TextIO]:
    """A file that gets its name only when everything went well."""
    unfinished = f"{target}.{os.getpid()}.tmp"
    try:
        file = open(unfinished, "x", encoding="utf-8", newline="")  # noqa: SIM115  closed below
    except OSError as error:
        raise OutputError(
            f"--out {target}: cannot be written ({error.strerror}). Give another place."
        ) from None
    try:
        with file:
            yield file
        os.replace(unfinished, target)
    except BaseException:
        os.unlink(unfinished)
        raise
