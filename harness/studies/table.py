"""What a study found, as a table for people, JSON for programs and CSV of its curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from advisor.errors import SpecError
from harness.files import write_json, write_text
from harness.studies.findings import CurvePoint, Findings, Row, Verdict


def write_findings(found: Findings, folder: Path, name: str) -> None:
    """Write NAME.md, NAME.json and, where something was trained by steps, NAME_curves.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.md", as_markdown(found).rstrip("\n"))
    write_json(folder / f"{name}.json", as_json(found))
    if found.curves:
        write_text(folder / f"{name}_curves.csv", as_csv(found.curves).rstrip("\n"))


def as_markdown(found: Findings) -> str:
    """The report of a study."""
    parts = [
        f"# {found.study.title}",
        found.study.question,
        f"Made by `{found.command}`. Test scores, mean over seeds, 95 % interval over seeds and "
        "test examples in brackets.",
    ]
    parts += _by_data(found.rows)
    if found.verdicts:
        parts += ["## Claims", _verdict_table(found.verdicts)]
    if found.missing:
        parts.append(f"Not measured yet: {', '.join(found.missing)}.")
    return "\n\n".join(parts) + "\n"


def put_into(page: Path, name: str, found: Findings) -> None:
    """Replace what stands between the marks of a study in a page by its tables.

    Raises:
        SpecError: If the page has no such marks.
    """
    begin, end = f"<!-- study {name} -->", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text.partition(begin)[2]:
        raise SpecError(
            f"{page} has no place for the tables; write {begin} and {end} where they go."
        )
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    tables = "\n\n".join(_by_data(found.rows))
    write_text(page, f"{before}{begin}\n{tables}\n{end}{after}".removesuffix("\n"))


def _by_data(rows: Sequence[Row]) -> list[str]:
    """A heading, the metric and the scores of each data set."""
    parts = []
    for data in dict.fromkeys(row.data for row in rows):
        mine = [row for row in rows if row.data == data]
        metrics = ", ".join(dict.fromkeys(row.metric.replace("_", " ") for row in mine))
        parts += [f"## {data}", f"Metric: {metrics}.", _score_table(mine)]
    return parts


def as_json(found: Findings) -> dict[str, Any]:
    """The same numbers for programs."""
    return {
        "title": found.study.title,
        "rows": [asdict(row) for row in found.rows],
        "claims": [asdict(one) | {"holds": one.says} for one in found.verdicts],
        "missing": list(found.missing),
    }


def as_csv(curves: Sequence[CurvePoint]) -> str:
    """One line per evaluation; what was not evaluated is empty."""
    written = io.StringIO()
    names = [field.name for field in fields(CurvePoint)]
    table = csv.DictWriter(written, names, lineterminator="\n")
    table.writeheader()
    for point in curves:
        table.writerow({k: _rounded(v) for k, v in asdict(point).items()})
    return written.getvalue()


def _rounded(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, float) else value


def _score_table(rows: Sequence[Row]) -> str:
    """Arms down, sizes across."""
    sizes = sorted({row.examples for row in rows})
    several = len({row.arm for row in rows}) > 1
    lines = ["| strategy | " + " | ".join(f"n = {size:,}" for size in sizes) + " |"]
    lines.append("| --- |" + " ---: |" * len(sizes))
    for arm, strategy in dict.fromkeys((row.arm, row.strategy) for row in rows):
        label = f"{strategy} ({arm})" if several else strategy
        found = {row.examples: row for row in rows if (row.arm, row.strategy) == (arm, strategy)}
        lines.append(f"| {label} | " + " | ".join(_cell(found.get(size)) for size in sizes) + " |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    if row.mean is None or row.low is None or row.high is None:
        return row.status
    text = f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
    text += "" if row.ood is None else f"; shifted {row.ood:.3f}"
    return text if row.status == "done" else f"{text} ({row.status})"


def _verdict_table(verdicts: Sequence[Verdict]) -> str:
    lines = [
        "| claim | data | n | split | difference | 95 % interval | holds |",
        "| --- | --- | ---: | --- | ---: | --- | --- |",
    ]
    for one in verdicts:
        size = "all" if one.examples is None else f"{one.examples:,}"
        lines.append(
            f"| {one.claim} | {one.data} | {size} | {one.split} | {one.difference:+.3f} | "
            f"[{one.low:+.3f}, {one.high:+.3f}] | {one.says} |"
        )
    return "\n".join(lines)
