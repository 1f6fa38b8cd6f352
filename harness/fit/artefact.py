"""What `advise` reads: the fitted model and the evidence to be shown, as two JSON files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from advisor.errors import OutputError
from advisor.learned.artefact import NAMES
from advisor.traits import STRATEGIES
from harness.evidence.contexts import Context
from harness.evidence.schema import Row
from harness.files import write_text
from harness.fit.cases import Case, nodes
from harness.fit.model import Posterior, prior
from harness.fit.observations import SLOPES, Array, Compared
from harness.fit.predict import LEVEL_DEGREES, Folds, Setting, fit_level, fitted_to

MODEL_FILE, NEAREST_FILE = "artefact.json", "nearest.tsv"
SCHEMA_VERSION = 1
_KEPT = 0.97
"""Share of what evidence takes off the prior variance of the differences that is kept."""


def write(folder: Path, model: dict[str, Any], nearest: str) -> None:
    """Write both files.

    Raises:
        OutputError: If they cannot be written.
    """
    try:
        write_text(folder / MODEL_FILE, json.dumps(model, separators=(",", ":"), allow_nan=False))
        write_text(folder / NEAREST_FILE, nearest)
    except OSError as error:
        raise OutputError(
            f"cannot write the artefact to {folder} ({error.strerror}). Make it writable."
        ) from None


def model_of(
    folds: Folds,
    asked: Sequence[Case],
    setting: Setting,
    rows: Iterable[Row],
    validation: dict[str, Any],
) -> dict[str, Any]:
    """The fitted model, as `advisor.learned.artefact` reads it."""
    fitted = fitted_to(list(folds.of(setting.hyper).values()), setting)
    hyper = setting.hyper
    squares = [weight * prior(one)[1] ** 2 for one, weight in setting.candidates]
    spread = np.sqrt(np.sum(squares, axis=0))
    own = slice(len(NAMES))  # offsets of strategies that are not ours stay behind
    return {
        "schema_version": SCHEMA_VERSION,
        "terms": list(NAMES),
        "unit": hyper.unit,
        "mean": _short(fitted.mean[own]),
        "spread": _short(spread[own]),
        "reduction": [_short(row, 4) for row in reduction(fitted, spread, asked)],
        "noise": {
            "group": hyper.group,
            "slopes": list(SLOPES),
            "block": hyper.block,
            "words": hyper.words,
            "single": hyper.noise,
            "narrowing": hyper.narrowing,
            "inflation": setting.inflation,
        },
        "level": dict(zip(LEVEL_DEGREES, _short(fit_level(asked)), strict=True)),
        "interval": round(setting.interval, 4),
        "nodes": nodes().tolist(),
        "pairs": pairs(folds.rows.contexts),
        "hyper": hyper._asdict(),
        "averaged": [[one._asdict(), weight] for one, weight in setting.averaged],
        "evidence": {
            "digest": digest(rows),
            "contexts": len(folds.rows.contexts),
            "cases": len(asked),
            "sources": len({one.group for one in folds.rows.contexts}),
        },
        "validation": validation,
    }


def reduction(fitted: Posterior, spread: Array, asked: Sequence[Case]) -> Array:
    """Rows R with covariance = diag(spread^2) - R'R nearly, shape (rank, len(NAMES)).

    The directions that matter for the differences in the cases come first. What is cut away leaves
    intervals a little wider. Where evidence made a direction less certain (the average over settings
    can), it counts as known no better than before, which leaves a few a little narrower.
    """
    own = slice(len(NAMES))
    known = np.diag(spread[own] ** 2) - fitted.covariance[own, own]
    values, vectors = np.linalg.eigh(known)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    terms = np.vstack([case.terms[1:, own] - case.terms[:1, own] for case in asked])
    _, sizes, directions = np.linalg.svd(terms @ root, full_matrices=False)
    share = np.cumsum(sizes**2) / np.sum(sizes**2)
    rows = directions[: int(np.searchsorted(share, _KEPT)) + 1] @ root
    # the sign of a direction is arbitrary: fixed, so that a refit writes the same file
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    return np.asarray(rows * signs[:, None])


def _short(values: Array, digits: int = 6) -> list[float]:
    """To significant digits."""
    return [float(f"{value:.{digits}g}") for value in values]


def digest(rows: Iterable[Row]) -> str:
    """Sixteen hex digits of the evidence: every field of every usable row."""
    said = sorted(map(repr, rows))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def pairs(several: Sequence[Compared]) -> dict[str, dict[str, int]]:
    """Where two of our strategies were compared: "a b" -> contexts and source groups."""
    found: dict[str, list[str]] = {}
    for each in several:
        ours = [name for name in STRATEGIES if name in each.context.strategies]
        for one, other in combinations(ours, 2):
            found.setdefault(f"{one} {other}", []).append(each.group)
    return {
        name: {"contexts": len(groups), "sources": len(set(groups))}
        for name, groups in sorted(found.items())
    }


def nearest_of(contexts: Sequence[Compared]) -> str:
    """Contexts that compared our strategies, as lines; see `advisor.learned.nearest`."""
    sources: dict[tuple[str, ...], int] = {}
    lines = []
    for one in contexts:
        scores = {name: score for name, score in one.context.scores().items() if name in STRATEGIES}
        if len(scores) < 2:
            continue
        row = one.context.observations[0].rows[0]
        told = (row.paper, "" if row.year is None else str(row.year), row.url)
        source = sources.setdefault(told, len(sources))
        lines.append(_line(one, source, scores))
    numbered = (_fields("source", str(place), *told) for told, place in sources.items())
    return "\n".join([*numbered, *sorted(lines)])


def _fields(*texts: str) -> str:
    return "\t".join(" ".join(text.split()) for text in texts)


def _line(one: Compared, source: int, scores: dict[str, float]) -> str:
    c: Context = one.context
    s = one.situation
    told = " ".join(f"{name}={100 * score:.2f}" for name, score in sorted(scores.items()))
    return _fields(
        s.family, f"{s.examples}", f"{s.params}", f"{s.shift:g}", s.task, s.objective or "", c.model,
        c.data, c.metric, f"{source}", c.observations[0].rows[0].place, told,
    )  # fmt: skip
