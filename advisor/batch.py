"""Many situations at once: a CSV in, the same CSV with the answers beside each row out."""

from __future__ import annotations

import csv
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import chain, islice
from typing import Any, TextIO

from advisor.errors import AdviceError, DataError, OutputError, SpecError, UnknownName
from advisor.inference import resolve
from advisor.learned.artefact import Artefact
from advisor.learned.expect import expected
from advisor.prospects import reference, standings, trusted
from advisor.scoring import Case, Scored, ranked_in
from advisor.situation import KEYS, Situation
from advisor.traits import CORE, STRATEGIES

ANSWERS = ("score", "p_best", "expected", "feasible")
_KEYS = frozenset(key.name for key in KEYS)
_HARDWARE = ("gpu_memory", "gpus")
_AT_ONCE = 1_000
"""Rows that are answered together."""
_Row = tuple[list[str], str]
"""The cells of a row and where it stands."""


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
    if os.path.realpath(source) == os.path.realpath(target):
        raise OutputError(f"--out {target} is the file to read. Give another name.")
    with _opened(source) as file:
        columns, rows = _read(file, source)
        _refuse_columns(columns, source)
        strategies = _candidates(columns, rows)
    answers = ["best", *(f"{answer}_{strategy}" for strategy in strategies for answer in ANSWERS)]
    taken = [name for name in columns if name in answers]
    if taken:
        raise DataError(
            f"{source}: column {taken[0]!r} is one of the answers. Rename or remove it."
        )
    answer = partial(_answers, [_key(name) for name in columns], strategies)
    with _opened(source) as file, _written(target) as out:
        _, rows = _read(file, source)
        out.write(_lines([[*columns, *answers]]))
        written = 0
        for some, lines in _shared(answer, rows):
            out.write(lines)
            written += some
    return written


def _shared(answer: Callable[[list[_Row]], str], rows: Iterator[_Row]) -> Iterator[tuple[int, str]]:
    """How many rows, and the lines that answer them: some at a time and in their order.

    Where there are many, every core works, and only a few parts are under way at once.
    """
    first, second = (list(islice(rows, _AT_ONCE)) for _ in range(2))
    parts = chain(filter(None, [first, second]), _parts(rows))
    workers = os.cpu_count() or 1
    if not second or workers == 1:
        for some in parts:
            yield len(some), answer(some)
        return
    from concurrent.futures import Future, ProcessPoolExecutor

    under_way: deque[tuple[int, Future[str]]] = deque()
    with ProcessPoolExecutor(workers) as pool:
        for some in parts:
            under_way.append((len(some), pool.submit(answer, some)))
            if len(under_way) > 2 * workers:
                done, lines = under_way.popleft()
                yield done, lines.result()
        for done, lines in under_way:
            yield done, lines.result()


def _parts(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    while some := list(islice(rows, _AT_ONCE)):
        yield some


class _Answered:
    """What the cells of a row need; the costs behind the scores, which take memory, are let go.

    Attributes:
        scores: Of the candidates, in the order of the advice; None for the infeasible ones.
        reference: As `prospects.reference`; None where nothing is feasible.
    """

    def __init__(self, case: Case, order: list[Scored]) -> None:
        self.case = case
        self.scores = {each.traits.id: each.score for each in order}
        self.feasible = standings(order)
        self.reference = reference(case.situation, order) if self.feasible else None


def _answers(keys: list[str], strategies: list[str], rows: list[_Row]) -> str:
    """Rows with the cells of their answers, as lines of CSV.

    Args:
        keys: What each column is; strategies: those that have columns.
    """
    answered = [_answer(keys, cells, where) for cells, where in rows]
    told = _with_prospects(answered, strategies)
    return _lines([*cells, *answers] for (cells, _), answers in zip(rows, told, strict=True))


def _answer(keys: list[str], cells: list[str], where: str) -> _Answered:
    given = {
        key: cell for key, cell in zip(keys, cells, strict=True) if key in _KEYS and cell.strip()
    }
    hardware_said = any(name in given for name in _HARDWARE)
    try:
        situation = Situation(**given)  # type: ignore[arg-type]  # it reads texts, too
        s = resolve(situation, assume_hardware=hardware_said or "candidates" not in given)
    except AdviceError as error:
        raise SpecError(f"{where}: {error}") from None
    case = Case.of(s.without_question())
    return _Answered(case, ranked_in(case, s.candidates))


def _with_prospects(answered: list[_Answered], strategies: list[str]) -> Iterator[list[object]]:
    """The cells of each row; probabilities of all rows are worked out together."""
    model = trusted()
    found = {} if model is None else _prospects(model, answered)
    for place, each in enumerate(answered):
        yield _cells(each.scores, found.get(place, {}), strategies)


def _prospects(
    model: Artefact, answered: list[_Answered]
) -> dict[int, dict[str, tuple[float, float]]]:
    """Place of a row -> probability and expected score of each feasible candidate."""
    try:
        from advisor.learned.many import Asked, prospects_of
    except ModuleNotFoundError:  # numpy makes it fast and is no dependency
        return {place: _alone(model, each) for place, each in enumerate(answered)}
    by_size: dict[int, list[tuple[int, Asked]]] = {}
    for place, each in enumerate(answered):
        if each.reference is not None:
            case = each.case
            asked = Asked(
                case.situation, case.strengths, case.degrees, each.feasible, each.reference
            )
            by_size.setdefault(len(each.feasible), []).append((place, asked))
    found: dict[int, dict[str, tuple[float, float]]] = {}
    for several in by_size.values():
        places = [place for place, _ in several]
        told = prospects_of(model, [asked for _, asked in several])
        found.update(zip(places, told, strict=True))
    return found


def _alone(model: Artefact, each: _Answered) -> dict[str, tuple[float, float]]:
    """Of one row, as `advise` works it out."""
    if each.reference is None:
        return {}
    told = expected(model, each.case.situation, each.feasible, each.reference)
    return {
        one.strategy: (what.p_best, what.score)
        for one, what in zip(each.feasible, told, strict=True)
    }


def _cells(
    scores: dict[str, float | None],
    found: dict[str, tuple[float, float]],
    strategies: list[str],
) -> list[object]:
    """`best`, then the answers about each strategy; None is an empty cell."""
    first = next(iter(scores))
    cells: list[object] = [first if scores[first] is not None else None]
    for strategy in strategies:
        if strategy in scores:
            score = scores[strategy]
            cells += (score, *found.get(strategy, (None, None)), int(score is not None))
        else:
            cells += [None] * len(ANSWERS)
    return cells


def _lines(rows: Iterable[list[object]]) -> str:
    """Rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _candidates(columns: list[str], rows: Iterator[_Row]) -> list[str]:
    """Every strategy that is a candidate in some row, in the usual order."""
    place = next((i for i, name in enumerate(columns) if _key(name) == "candidates"), None)
    asked: set[str] = set()
    seen: set[str] = set()
    for cells, where in rows:
        text = "" if place is None else cells[place].strip()
        if text in seen:
            continue
        seen.add(text)
        try:
            named = Situation.from_mapping({"candidates": text}).candidates if text else CORE
        except AdviceError as error:
            raise SpecError(f"{where}: {error}") from None
        asked.update(named or ())
    return [strategy for strategy in STRATEGIES if strategy in (asked or CORE)]


def _read(file: TextIO, source: str) -> tuple[list[str], Iterator[_Row]]:
    """The names of the columns, and the rows below them; blank lines are none."""
    reader = csv.reader(file, strict=True)
    with _readable(reader, source):
        columns = next(reader, [])

    def rows() -> Iterator[_Row]:
        with _readable(reader, source):
            for cells in filter(None, reader):
                where = f"{source}, line {reader.line_num}"
                if len(cells) != len(columns):
                    raise DataError(
                        f"{where}: has not the {len(columns)} cells of the header. "
                        "Quote cells with commas."
                    )
                yield cells, where

    return columns, rows()


@contextmanager
def _readable(reader: Any, source: str) -> Iterator[None]:
    """Raises DataError for what inside cannot be read as CSV."""
    try:
        yield
    except (csv.Error, UnicodeDecodeError) as error:
        line = max(reader.line_num, 1)
        raise DataError(f"{source}, line {line}: is no CSV in UTF-8 ({error}).") from None


def _refuse_columns(names: list[str], source: str) -> None:
    if not any(_key(name) in _KEYS for name in names):
        raise DataError(
            f"{source}: no column is a situation key. Name columns like {', '.join(sorted(_KEYS)[:4])}, ..."
        )
    keys = [_key(name) for name in names]
    for name, key in zip(names, keys, strict=True):
        if keys.count(key) > 1:
            raise DataError(f"{source}: column {name!r} occurs twice. Keep one.")
        if key not in _KEYS and _is_slip(key):
            raise UnknownName("key", name, _KEYS)


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
        if not file.seekable():  # it is read twice
            raise DataError(f"{path}: is a pipe, which can be read once. Give a CSV file.")
        yield file


@contextmanager
def _written(target: str) -> Iterator[TextIO]:
    """A file that gets its name only when everything went well."""
    place = os.path.realpath(target)
    is_else = os.path.exists(place) and not os.path.isfile(place)
    if is_else or not os.path.basename(target):
        raise OutputError(f"--out {target!r}: is no file. Give the name of a CSV file.")
    unfinished = f"{place}.{os.getpid()}.tmp"
    try:
        with open(unfinished, "x", encoding="utf-8", newline="") as file:
            yield file
        os.replace(unfinished, place)
    except OSError as error:
        _remove(unfinished)
        raise OutputError(
            f"--out {target}: cannot be written ({error.strerror}). Give another place."
        ) from None
    except BaseException:
        _remove(unfinished)
        raise


def _remove(unfinished: str) -> None:
    with suppress(OSError):
        os.unlink(unfinished)
