"""Images with a box each, in a table beside them: boxes.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import DataError
from harness.datasets import tables
from harness.datasets.assemble import assemble
from harness.datasets.base import DataRequest, Dataset, Finding
from harness.datasets.image_parts import FILE, existing, in_parts
from harness.datasets.images import image_rows, upright_size
from harness.datasets.rows import Reading

BOXES = "boxes.csv"
LOCALIZATION = "localization"
EDGES = ("x_min", "y_min", "x_max", "y_max")
_SIZE = ("width", "height")
_PARTS = ("train", "test", "val", "valid", "validation", "dev")
_DESCRIPTION = "Where in the image is it?"


@dataclass(frozen=True)
class Box:
    """A row of the table.

    Attributes:
        edges: x_min, y_min, x_max, y_max as shares of the image's width and height.
    """

    name: str
    file: Path
    edges: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        left, upper, right, lower = self.edges
        return (right - left) * (lower - upper)


class BoxSource:
    """A folder of images with boxes.csv, or such a table of any name.

    Folders of classes with boxes.csv beside them are for classification unless the task is named.
    """

    def accepts(self, request: DataRequest) -> bool:
        location = Path(request.data).expanduser()
        if request.task == LOCALIZATION:
            return location.is_dir() or (location.is_file() and tables.is_table(location))
        there = request.task is None and (location / BOXES).is_file()
        return there and not _class_folders(location)

    def load(self, request: DataRequest) -> Dataset:
        if request.group_column is not None:
            raise DataError(
                f"--group-column {request.group_column}: images with boxes have no groups; split "
                "them yourself into train/ and test/."
            )
        location = Path(request.data).expanduser()
        return assemble(
            replace(request, task=LOCALIZATION, output="numbers"),
            read(location),
            name=location.resolve().stem,
            modality="image",
            description=_DESCRIPTION,
            read=read,
        )


def read(location: Path) -> Reading:
    """Rows of images whose labels are the four edges; of several boxes in an image the largest.

    Raises:
        DataError: If there is no table, or with the line that does not tell of a box inside an
            image that is there.
    """
    table = location / BOXES if location.is_dir() else location
    if not table.is_file():
        raise DataError(
            f"{location} holds no {BOXES}; write one with the columns {FILE}, {', '.join(EDGES)} "
            "(pixels), a box a line."
        )
    largest: dict[str, Box] = {}
    crowded, boxes = set(), 0
    for box in _boxes(table):
        boxes += 1
        if box.name in largest:
            crowded.add(box.name)
        if box.name not in largest or box.area > largest[box.name].area:
            largest[box.name] = box
    if not largest:
        raise DataError(f"{table} holds no rows; it needs a box a line.")
    kept = list(largest.values())
    labels = [" ".join(map(repr, box.edges)) for box in kept]
    rows, findings = image_rows([box.file for box in kept], labels, list(largest), table)
    findings += _several(len(crowded), len(largest), boxes - len(largest))
    findings += _without(location, [box.file for box in kept])
    return in_parts(rows, rows.ids, findings)


def _boxes(table: Path) -> list[Box]:
    """Every row of the table."""
    found: list[Box] = []
    sizes: dict[Path, tuple[float, float]] = {}
    columns: dict[str, str] = {}
    for line, cells in tables.records(table):
        columns = columns or _columns(table, list(cells))
        name = cells.get(columns[FILE], "").strip()
        file = existing(table, line, name)
        if file not in sizes or all(cells.get(side) for side in _SIZE):
            sizes[file] = _size(table, line, cells, file)
        pixels = [_number(table, line, cells, columns[edge]) for edge in EDGES]
        found.append(Box(name, file, _edges(table, line, pixels, sizes[file])))
    return found


def _columns(table: Path, found: Sequence[str]) -> dict[str, str]:
    """Edge (and file) -> its column, written x_min or xmin, in either case of letters."""
    plain = {name.lower().replace("_", ""): name for name in reversed(found)}
    wanted = {one: plain.get(one.replace("_", "")) for one in (FILE, *EDGES)}
    if missing := [one for one, column in wanted.items() if column is None]:
        raise DataError(
            f"{table} has no column {missing[0]!r}. Columns: {', '.join(found)}. It needs "
            f"{FILE}, {', '.join(EDGES)}; width and height are optional."
        )
    return {one: column for one, column in wanted.items() if column is not None}


def _size(table: Path, line: int, cells: Mapping[str, str], file: Path) -> tuple[float, float]:
    """Width and height that the edges are pixels of: the table's, else the image's own."""
    if all(cells.get(side) for side in _SIZE):
        width, height = (_number(table, line, cells, side) for side in _SIZE)
        if min(width, height) <= 0:
            raise DataError(f"{table}, line {line}: width and height must be above 0.")
        return width, height
    return upright_size(file)


def _number(table: Path, line: int, cells: Mapping[str, str], column: str) -> float:
    try:
        return float(cells.get(column, ""))
    except ValueError:
        raise DataError(
            f"{table}, line {line}: {column} is {cells.get(column, '')!r}; write a number of pixels."
        ) from None


def _edges(
    table: Path, line: int, pixels: Sequence[float], size: tuple[float, float]
) -> tuple[float, float, float, float]:
    """A box as shares of its image, after making sure that it is one."""
    left, upper, right, lower = pixels
    width, height = size
    for axis, low, high in (("x", left, right), ("y", upper, lower)):
        if not low < high:
            raise DataError(
                f"{table}, line {line}: {axis}_max {high:g} is not above {axis}_min {low:g}; a box "
                "is x_min, y_min, x_max, y_max in pixels from the upper left corner."
            )
    if left < 0 or upper < 0 or right > width or lower > height:
        raise DataError(
            f"{table}, line {line}: the box {left:g} {upper:g} {right:g} {lower:g} reaches outside "
            f"the image of {width:g} x {height:g} pixels; cut it at the edge."
        )
    return left / width, upper / height, right / width, lower / height


def _several(images: int, total: int, left_out: int) -> tuple[Finding, ...]:
    if not images:
        return ()
    text = (
        f"{images:,} of {total:,} images have several boxes: the largest of each was kept, "
        f"{left_out:,} left out. One box an image is predicted."
    )
    return (Finding("several_boxes", "warning", text, images),)


def _without(location: Path, files: Sequence[Path]) -> tuple[Finding, ...]:
    """What of the folder the table does not name."""
    if not location.is_dir():
        return ()
    kinds = {file.suffix for file in files}
    on_disk = {file for file in location.rglob("*") if file.suffix in kinds and file.is_file()}
    if not (count := len(on_disk - set(files))):
        return ()
    text = f"{count:,} images of {location.name} have no box in {BOXES} and were left out."
    return (Finding("without_box", "note", text, count),)


def _class_folders(location: Path) -> bool:
    """Whether images lie in one folder per class, inside train/ and test/ or without."""
    folders = [child for child in location.iterdir() if child.is_dir()]
    parts = [folder for folder in folders if folder.name.lower() in _PARTS]
    inside = [child for part in parts for child in part.iterdir() if child.is_dir()]
    return bool(inside) if parts else len(folders) > 1
