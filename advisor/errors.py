"""What can go wrong, as one small tree.

    AdviceError              base: a person can mend it; the CLI prints it and exits with 2
    ├── SpecError            a value is out of range, contradictory or unreadable
    ├── UnknownName          no such key, family, task, strategy, model or data set
    ├── DataError            a data file or folder cannot be used as it is
    ├── ModelError           a model cannot be found or read
    ├── OutputError          something is in the way of what would be written
    └── MissingExtra         an optional part of the package is not installed
    WorkFailed               the work itself failed; the CLI prints it and exits with 1

Every message says three things: what is wrong, what was given, what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable


class AdviceError(Exception):
    """A mistake its reader can mend; printed as one line, exit code 2."""


class SpecError(AdviceError):
    """A value is out of range, contradictory or unreadable."""


class UnknownName(AdviceError):
    """A name that is not registered; the message lists the nearest ones.

    Args:
        kind: What was asked for, in the singular ("strategy").
        given: The name that was given.
        known: All names that would have been accepted.
    """

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        import difflib  # only on the way to an error: start-up stays light

        known = sorted(known)
        near = difflib.get_close_matches(given.lower(), known, n=2, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        super().__init__(f"no {kind} {given!r}. {hint}Known: {', '.join(known)}.")
        self.kind, self.given, self.known = kind, given, tuple(known)


class DataError(AdviceError):
    """A data file or folder cannot be used as it is."""


class ModelError(AdviceError):
    """A model cannot be found or read."""


class OutputError(AdviceError):
    """Something is in the way of what would be written."""


class MissingExtra(AdviceError):
    """An optional part of the package is not installed."""


class WorkFailed(Exception):
    """The work failed for a reason that is not the reader's mistake; exit code 1."""
