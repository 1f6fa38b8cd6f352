"""Many situations at once: a CSV in, the same CSV with the answers beside each row out."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice
from typing import TextIO

from advisor.errors import AdviceError, DataError, OutputError, SpecError, UnknownName
from advisor.inference import resolve
from advisor.prospects import reference, standings, trusted
from advisor.scoring import Case, Scored, ranked_in
from advisor.situation import KEYS, Situation
from advisor.traits import CORE, STRATEGIES

ANSWERS = ("score", "p_best", "expected", "feasible")
_KEYS = frozenset(key.name for key in KEYS)
_HARDWARE = ("gpu_memory", "gpus")
_AT_ONCE = 1_000
"""Rows that are answered together."""
_Placed = tuple[dict[str, str], str]
"""A row and where it stands."""


def advise_batch(source: str, target: str) -> int:
    """Answer every row of a file.

    A row is one situation; columns are named like the situation keys, and an empty cell is
    unknown. Other columns are carried along. Each row is repeated with `best` and, for every
    strategy that is a candidate in some row, `score_ID p_best_ID expected_ID feasible_ID`; cells of
    strategies that are no candidate of a row, and probabilities nobody has validated, stay empty. A row that
    names its candidates and no hardware is ranked without the usual assumption of a node.

    The file is read twice and never held in memory whole. The target appears only when it is complete.

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
        for some, told in _answered(_rows(csv.DictReader(file), source)):
            for (row, _), cells in zip(some, told, strict=True):
                writer.writerow(row | cells)
            rows += len(some)
    return rows


def _answered(placed: Iterator[_Placed]) -> Iterator[tuple[list[_Placed], list[dict[str, object]]]]:
    """Rows with the cells of their answers, some at a time and in their order.

    Where there are many, every core works, and only a few parts are under way at once.
    """
    first, second = (list(islice(placed, _AT_ONCE)) for _ in range(2))
    workers = os.cpu_count() or 1
    if not second or workers == 1:
        for some in filter(None, chain([first, second], _parts(placed))):
            yield some, _answers(some)
        return
    from concurrent.futures import Future, ProcessPoolExecutor

    under_way: deque[tuple[list[_Placed], Future[list[dict[str, object]]]]] = deque()
    with ProcessPoolExecutor(workers) as pool:
        for some in chain([first, second], _parts(placed)):
            under_way.append((some, pool.submit(_answers, some)))
            if len(under_way) > 2 * workers:
                done, told = under_way.popleft()
                yield done, told.result()
        for done, told in under_way:
            yield done, told.result()


def _parts(placed: Iterator[_Placed]) -> Iterator[list[_Placed]]:
    while some := list(islice(placed, _AT_ONCE)):
        yield some


class _Answered:
    """A row's situation and its candidates in the order of the advice."""

    def __init__(self, case: Case, order: list[Scored]) -> None:
        self.case, self.order = case, order


def _answers(rows: list[_Placed]) -> list[dict[str, object]]:
    """The cells of the answers to some rows."""
    return list(_with_prospects([_answer(row, where) for row, where in rows]))


def _answer(row: dict[str, str], where: str) -> _Answered:
    named = ((_key(name), value) for name, value in row.items())
    given = {key: value for key, value in named if key in _KEYS and value.strip()}
    hardware_said = any(name in given for name in _HARDWARE)
    try:
        situation = Situation.from_mapping(given)
        s = resolve(situation, assume_hardware=hardware_said or "candidates" not in given)
    except AdviceError as error:
        raise SpecError(f"{where}: {error}") from None
    # asking about a prompt full of examples does not make hard prompting that expensive
    case = Case.of(s._replace(demonstrations=None))
    return _Answered(case, ranked_in(case, s.candidates))


def _with_prospects(answered: list[_Answered]) -> Iterator[dict[str, object]]:
    """The cells of each row; probabilities of all rows are worked out together."""
    model = trusted()
    found: dict[int, dict[str, tuple[float, float]]] = {}
    if model is not None:
        from advisor.learned.many import Asked, prospects_of

        by_size: dict[int, list[tuple[int, Asked]]] = {}
        for place, each in enumerate(answered):
            if feasible := standings(each.order):
                case, s = each.case, each.case.situation
                best = reference(s, each.order)
                asked = Asked(s, case.features, case.degrees, feasible, best)
                by_size.setdefault(len(feasible), []).append((place, asked))
        for several in by_size.values():
            places = [place for place, _ in several]
            told = prospects_of(model, [asked for _, asked in several])
            found.update(zip(places, told, strict=True))
    for place, each in enumerate(answered):
        yield _cells(each.order, found.get(place, {}))


def _cells(order: list[Scored], found: dict[str, tuple[float, float]]) -> dict[str, object]:
    cells: dict[str, object] = {"best": order[0].traits.id if order[0].score is not None else ""}
    for each in order:
        id = each.traits.id
        p_best, expected = found.get(id, (None, None))
        values = (each.score, p_best, expected, int(each.score is not None))
        for name, value in zip(ANSWERS, values, strict=True):
            cells[f"{name}_{id}"] = "" if value is None else value
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


@cache
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
