"""The profile as a file that `advise --spec` reads: keys it knows, everything else as comments."""

from __future__ import annotations

from pathlib import Path

import yaml

from advisor import Situation
from advisor.catalogue import find_model
from advisor.errors import OutputError
from advisor.situation import OBJECTIVES
from harness.advice import known_name
from harness.folder import write_text
from harness.profile.describe import Profile

HEADER = "# Situation written by `harness profile`; read by `advise --spec`."


def situation_of(profile: Profile) -> Situation:
    """What was found, in the advisor's terms; what was not found is left open."""
    facts, data = profile.model, profile.data
    known = known_name(facts)
    licence = (find_model(known) or {}).get("licence") if known else None
    labelled, tokens = data.targets is not None, profile.lengths
    return Situation(
        model=known,
        params=None if known else facts.params or None,
        access="text" if facts.access == "text" else None,
        family=facts.family,
        objective=facts.objective if facts.objective in OBJECTIVES else None,
        window=facts.window,
        positions=facts.positions,
        licence=str(licence) if licence else None,
        task=data.task,
        modality=data.modality,
        classes=len(data.label_names) or None,
        label_names=data.label_names if data.named and _writable(data.label_names) else None,
        tokens=None if tokens is None else max(round(tokens.mean, 1), 1.0),
        description=data.description,
        examples=len(data) if labelled else 0,
        unlabeled=None if labelled else len(data),
        shift=profile.shift.shift,
    )


def _writable(names: tuple[str, ...]) -> bool:
    """Names that can be told apart once blanks around them are gone."""
    return len({name.strip() for name in names} - {""}) == len(names)


def as_yaml(profile: Profile) -> str:
    """The situation with what was measured as comments above its keys."""
    lines = [HEADER, f"# model: {profile.model.name}", f"# data: {profile.data.name}"]
    lines += [f"# {line}" for line in _measured(profile)]
    lines = [" ".join(line.split()) for line in lines]  # a name may hold a line break
    keys = yaml.safe_dump(situation_of(profile).to_dict(), sort_keys=False, allow_unicode=True)
    return "\n".join([*lines, keys.rstrip()])


def _measured(profile: Profile) -> list[str]:
    shift = profile.shift
    if shift.value is None:
        lines = [f"shift {shift.method}"]
    else:
        error = "" if shift.error is None else f" (standard error {shift.error:.3f})"
        lines = [
            f"shift is measured on {shift.rows} inputs: {shift.statistic} {shift.value:.3f}{error}",
            f"  {shift.method}",
        ]
    if apart := profile.separability:
        lines.append(
            f"separability, not part of shift: {apart.neighbours:.3f} by nearest neighbours "
            f"(majority {apart.majority:.3f}), LogME {apart.logme:.3f}"
        )
    return lines


def write_situation(profile: Profile, path: Path) -> None:
    """Write the file; one that this command did not write is never replaced.

    Raises:
        OutputError: If something else is there or the file cannot be written.
    """
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith(HEADER):
            raise OutputError(f"{path} is another file. Name a new one with --out.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, as_yaml(profile))
    except UnicodeDecodeError:
        raise OutputError(f"{path} is another file. Name a new one with --out.") from None
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror}). Name another --out.") from None
