"""Reads folders of images, one folder per class, into rows; looks into every file once."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from advisor.errors import DataError
from harness.datasets.base import Finding
from harness.datasets.rows import Reading, Rows, Signature

TEST_NAMES = ("test",)
VALIDATION_NAMES = ("val", "valid", "validation", "dev")
MOST_UNREADABLE = 0.05
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
_SIDE = 16
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF: width and height change places
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def read(location: Path) -> Reading:
    """A folder of class folders, or of train/ and test/ (or val/) that hold class folders.

    Without test/, a validation folder is the test set; beside test/ it joins the pool.

    Raises:
        DataError: If there are no class folders or images, or too many files are unreadable.
    """
    folders = {folder.name.lower(): folder for folder in _visible(location) if folder.is_dir()}
    if "train" not in folders:
        pool, findings = _read_classes(location, location)
        return Reading(pool, findings=findings)
    pool, findings = _read_classes(folders["train"], location)
    test_folder = next((folders[name] for name in TEST_NAMES if name in folders), None)
    other = next((folders[name] for name in VALIDATION_NAMES if name in folders), None)
    test = None
    if test_folder is not None:
        test, noticed = _read_classes(test_folder, location)
        findings += noticed
    if other is not None:
        more, noticed = _read_classes(other, location)
        findings += noticed
        if test is None:
            test = more
            note = f"There is no test/ folder; the {len(more):,} images of {other.name}/ are the test set."
        else:
            pool += more
            note = f"The {len(more):,} images of {other.name}/ joined the pool; validation rows are drawn from it."
        findings += (Finding("validation_part", "note", note, len(more)),)
    return Reading(pool, test, findings)


def _read_classes(folder: Path, root: Path) -> tuple[Rows, tuple[Finding, ...]]:
    classes = [child for child in _visible(folder) if child.is_dir()]
    if not classes:
        state = "is empty" if not _visible(folder) else "holds no class folders"
        raise DataError(
            f"{folder} {state}; it needs one folder of images per class, inside train/ and test/ "
            "if there are such, or the files train.csv and test.csv."
        )
    files, labels, empty = [], [], []
    for child in classes:
        found = sorted(
            file for file in child.rglob("*") if file.is_file() and not _hidden(file, folder)
        )
        files += found
        labels += [child.name] * len(found)
        if not found:
            empty.append(child.name)
    if not files:
        raise DataError(f"{folder} holds no images; its folders {', '.join(empty[:5])} are empty.")
    rows, findings = image_rows(files, labels, [_id(file, root) for file in files], folder)
    if empty:
        note = f"Without images in {folder.name}/ and left out: {', '.join(empty)}."
        findings += (Finding("empty_class", "warning", note, len(empty)),)
    return rows, findings


def image_rows(
    files: Sequence[Path],
    labels: Sequence[str],
    ids: Sequence[str],
    place: Path,
    groups: Sequence[str] | None = None,
) -> tuple[Rows, tuple[Finding, ...]]:
    """Rows of the images that can be read, and what is to be said of the others.

    Args:
        labels: One a file; ids and groups likewise.
        place: What was read, for messages.

    Raises:
        DataError: If too many files are unreadable.
    """
    with ThreadPoolExecutor() as threads:  # decoding releases the interpreter lock
        signatures = list(threads.map(signature, files))
    good = [row for row, known in enumerate(signatures) if known is not None]
    bad = [id for id, known in zip(ids, signatures, strict=True) if known is None]
    rows = Rows(
        inputs=tuple(files[row] for row in good),
        labels=tuple(labels[row] for row in good),
        ids=tuple(ids[row] for row in good),
        signatures=tuple(known for known in signatures if known is not None),
        groups=None if groups is None else tuple(groups[row] for row in good),
    )
    return rows, _unreadable(place, bad, len(files))


def _id(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def signature(path: Path) -> Signature | None:
    """sha256 of the file and a thumbnail of it; None if it is not a readable image.

    The thumbnail is a perceptual hash kept as numbers: 16 x 16 greys, zero mean, unit length,
    so that the dot product of two is their correlation.
    """
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("L", (8 * _SIDE, 8 * _SIDE))  # JPEG: decode no larger than is needed
            small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    except _UNREADABLE:
        return None
    grey = np.asarray(small, dtype=np.float32).ravel()
    grey = grey - grey.mean()
    length = float(np.linalg.norm(grey))
    return Signature(hashlib.sha256(data).hexdigest(), grey / length if length else grey)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is looked at; its pixels are not decoded.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            lies = image.getexif().get(_ORIENTATION, 1) in _TURNED
            return (image.height, image.width) if lies else image.size
    except _UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}). Repair or remove it."
        ) from None


def _unreadable(folder: Path, bad: list[str], total: int) -> tuple[Finding, ...]:
    if not bad:
        return ()
    names = ", ".join(bad[:3]) + (", …" if len(bad) > 3 else "")
    if len(bad) > MOST_UNREADABLE * total:
        raise DataError(
            f"{folder}: {len(bad):,} of {total:,} files cannot be read as images ({names}); "
            f"at most {MOST_UNREADABLE:.0%} may be unreadable. Repair or remove them."
        )
    note = f"{len(bad):,} of {total:,} files in {folder.name} cannot be read as images and were skipped: {names}."
    return (Finding("corrupt_images", "warning", note, len(bad)),)


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not _hidden(child, folder))


def _hidden(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return path.name.lower() in _SYSTEM_FILES or any(
        name.startswith(".") or name == "__MACOSX" for name in parts
    )
