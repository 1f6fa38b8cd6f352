"""From what a source has read to a checked data set: the same steps for every source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from advisor.errors import DataError
from harness.datasets import answers, images, tables, tagged
from harness.datasets.base import DataRequest, Dataset, Finding, Split
from harness.datasets.checks import examine
from harness.datasets.digest import content_digest
from harness.datasets.labels import Classes, drop_unseen, find_classes, refuse_unseen
from harness.datasets.rows import Reading, Rows
from harness.datasets.targets import NumberTargets, TextTargets
from harness.splits import hold_out
from harness.text_pair import TextPair


def assemble(
    request: DataRequest,
    reading: Reading,
    *,
    name: str,
    modality: str,
    description: str | None = None,
    read: Callable[[Path], Reading] | None = None,
) -> Dataset:
    """Name the classes, remove duplicates and leakage, hold out a test set where there is none.

    Args:
        description: What the task is, where the source knows it and the user did not say.
        read: How another set of the same form is read; None for tables and folders of classes.

    Raises:
        DataError: If the data cannot be used as it is.
        SpecError: If the test fraction is out of range.
    """
    findings = list(reading.findings)
    pool, test, ood = reading.pool, reading.test, None
    if request.test_data is not None:
        test = _extra(request.test_data, "--test-data", request, modality, findings, read)
    if request.ood_data is not None:
        ood = _extra(request.ood_data, "--ood-data", request, modality, findings, read)
    if request.task == "qa":
        parts = [part for part in (pool, test, ood) if part is not None]
        if answers.are_yes_no(label for part in parts for label in part.labels):
            request = answers.as_pairs(request)
            findings.append(answers.yes_no_finding(pool))
            pool = answers.named(pool)
            test, ood = test and answers.named(test), ood and answers.named(ood)
        else:
            findings += answers.elsewhere(sum(parts[1:], parts[0]))
    given = pool
    classes = _targets(request, pool)
    findings += classes.findings
    if isinstance(classes, Classes):
        if test is not None:
            refuse_unseen(test, classes)
        if ood is not None:
            ood, found = drop_unseen(ood, classes)
            findings += found
    pool, checked = examine(pool, test, ood, classes=isinstance(classes, Classes))
    findings += checked
    _refuse_emptied(given, pool, classes)
    if test is None:
        pool, test, note = _held_out(pool, classes, request)
        findings.append(note)
    train, test_split = classes.split(pool), classes.split(test)
    ood_split = None if ood is None else classes.split(ood)
    return Dataset(
        name=name,
        modality=modality,
        label_names=classes.names,
        train=train,
        test=test_split,
        ood=ood_split,
        description=request.description or description,
        named_labels=classes.named,
        findings=tuple(findings),
        digest=content_digest(classes.names, (train, test_split, ood_split)),
        task=request.task or _natural_task(train),
        columns=dict(reading.columns),
    )


def _targets(request: DataRequest, pool: Rows) -> Classes | TextTargets | NumberTargets:
    """How labels as written become targets."""
    if request.output == "texts":
        return TextTargets()
    if request.output == "numbers":
        return NumberTargets()
    return find_classes(pool.labels, request.label_names)


def _natural_task(train: Split) -> str:
    """What is asked of inputs with classes where the user did not say."""
    pairs = isinstance(train.inputs[0], TextPair)
    return "pair_classification" if pairs else "classification"


def _extra(
    given: str,
    flag: str,
    request: DataRequest,
    modality: str,
    findings: list[Finding],
    read: Callable[[Path], Reading] | None,
) -> Rows:
    """The test part of what a flag names, or all of it where it has no parts."""
    location = Path(given).expanduser()
    if not location.exists():
        raise DataError(f"no such file or folder: {given} (given as {flag}).")
    if read is not None:
        reading = read(location)
    elif modality == "image" and location.is_dir():
        reading = images.read(location)
    elif modality == "text" and tagged.is_conll(location):
        reading = tagged.read(location)
    elif modality == "text" and (location.is_dir() or tables.is_table(location)):
        reading = tables.read(location, request)
    else:
        wanted = (
            "a folder of images per class" if modality == "image" else "a CSV, TSV or JSONL file"
        )
        raise DataError(f"{flag} {given}: the data are {modality}s, so this must be {wanted}.")
    findings += [replace(found, text=f"{flag}: {found.text}") for found in reading.findings]
    return reading.pool if reading.test is None else reading.test


def _refuse_emptied(before: Rows, after: Rows, classes: object) -> None:
    if not len(after):
        raise DataError(
            "no training row is left: all of them repeat rows of the test or shifted set. Give "
            "training rows that are not in the test set."
        )
    if not isinstance(classes, Classes):
        return
    if gone := sorted(set(before.labels) - set(after.labels)):
        raise DataError(
            f"no training row is left of {', '.join(map(repr, gone[:5]))}: all of them repeat rows of "
            "the test or shifted set, or other rows. Give training rows that are not in the test set."
        )


def _held_out(
    pool: Rows, classes: Classes | TextTargets | NumberTargets, request: DataRequest
) -> tuple[Rows, Rows, Finding]:
    kept, held = hold_out(
        classes.split(pool).strata, pool.groups, fraction=request.test_fraction, seed=request.seed
    )
    test = pool.take(held)
    note = (
        f"No test set was given: {len(held):,} of {len(pool):,} rows were held out "
        f"({_way(pool, classes)}seed {request.seed})."
    )
    if (missing := len(classes.names) - len(Counter(test.labels))) > 0:
        note += f" {missing} of {len(classes.names)} classes are too small to be in it."
    return pool.take(kept), test, Finding("held_out", "note", note, len(held))


def _way(pool: Rows, classes: object) -> str:
    """How a test set was drawn, in words."""
    stratified = "stratified, " if isinstance(classes, Classes) else ""
    return stratified + ("by group, " if pool.groups else "")
