"""The profile as lines for a terminal."""

from __future__ import annotations

from advisor.quantities import format_count
from harness.profile.describe import Profile
from harness.profile.measurement import Measurement
from harness.profile.separability import Separability

_CLASSES_SHOWN = 10
_WIDTH = 14

Lines = list[tuple[str, str]]


def as_text(profile: Profile) -> str:
    """Two columns: what, and what was found."""
    rows = [
        *_model(profile),
        *_data(profile),
        *_sizes(profile),
        *_shift(profile.shift),
        *_separability(profile.separability),
    ]
    lines = [f"{name:<{_WIDTH}}{value}" for name, value in rows]
    lines += [f"{found.level}: {found.text}" for found in profile.data.findings]
    return "\n".join(lines)


def _model(profile: Profile) -> Lines:
    facts = profile.model
    window = f", window {facts.window:,} tokens" if facts.window else ""
    side = f", reads {facts.image_size} x {facts.image_size} pixels" if facts.image_size else ""
    objective = facts.objective.replace("_", " ")
    size = f"{format_count(facts.params)} parameters" if facts.params else "size unknown"
    told = f"{facts.family}, {size}, objective {objective}{window}{side}"
    return [("model", f"{facts.name}: {told}")]


def _data(profile: Profile) -> Lines:
    data = profile.data
    held = f"; {data.held:,} more to test on" if data.held else ""
    kind = "labelled" if data.targets is not None else "unlabelled"
    rows: Lines = [("data", f"{data.name}: {len(data):,} {kind} {data.modality}s{held}")]
    if profile.counts:
        shown = list(profile.counts.items())[:_CLASSES_SHOWN]
        more = "" if len(profile.counts) <= _CLASSES_SHOWN else ", …"
        each = ", ".join(f"{name} {count:,}" for name, count in shown)
        rows.append(("classes", f"{len(profile.counts)}: {each}{more}"))
        rows.append(("imbalance", f"largest to smallest class {profile.imbalance:.1f} to 1"))
    return rows


def _sizes(profile: Profile) -> Lines:
    if lengths := profile.lengths:
        beyond = f"; {lengths.beyond_window:.0%} beyond the window" if profile.model.window else ""
        told = (
            f"mean {lengths.mean:.0f}, median {lengths.median:.0f}, 95% up to {lengths.p95:.0f}, "
            f"longest {lengths.longest:,}{beyond}"
        )
        return [("tokens", told)]
    if sizes := profile.sizes:
        told = (
            f"median {sizes.width} x {sizes.height}, shorter side {sizes.smallest} to "
            f"{sizes.largest}; {sizes.upscaled:.0%} smaller than the network reads, "
            f"{sizes.grey:.0%} grey"
        )
        return [("pixels", told)]
    return []


def _shift(shift: Measurement) -> Lines:
    details = ", ".join(f"{name} {value:.3f}" for name, value in shift.details.items())
    if shift.value is None or shift.shift is None:
        rows: Lines = [("shift", shift.method)]
    else:
        error = "" if shift.error is None else f" ± {shift.error:.3f}"
        rows = [
            ("shift", f"{shift.shift:.2f} ({shift.word}), measured on {shift.rows} inputs"),
            ("", f"{shift.statistic} {shift.value:.3f}{error}: {shift.method}"),
        ]
    return [*rows, ("", details)] if details else rows


def _separability(apart: Separability | None) -> Lines:
    if apart is None:
        return []
    told = (
        f"{apart.neighbours:.2f} right by five nearest neighbours on {apart.rows} inputs "
        f"(majority {apart.majority:.2f}); LogME {apart.logme:.3f}"
    )
    return [("separability", told)]
