"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable

from advisor.traits import STRATEGIES
from harness.metrics import METRICS

_OTHER_SHARES = {"balanced_accuracy", "f1", "precision", "recall"}
_METRIC_NAMES = {
    "macro_f1": "macro-F1",
    "f1": "F1",
    "log_loss": "log loss",
    "ece": "calibration error",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "chrf": "chrF",
    "bleu": "BLEU",
    "tag_f1": "entity F1",
    "r2": "R²",
    "mae": "mean absolute error",
    "mean_iou": "mean IoU",
    "hit_rate": "hit rate at IoU 0.5",
}
_ABBREVIATIONS = {"tfidf": "TF-IDF"}


def metric_name(metric: str) -> str:
    return _METRIC_NAMES.get(metric, metric.replace("_", " "))


def strategy_name(id: str, given: str | None = None) -> str:
    """What people call a strategy: as recorded, else as declared, else its id."""
    if given:
        return given
    return STRATEGIES[id].name if id in STRATEGIES else id.replace("_", " ")


def baseline_name(id: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in id.split("_"))


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop at its end."""
    text = text.strip()
    if not text:
        return ""
    return capital(text) + ("" if text[-1] in ".!?…" else ".")


def is_share(metric: str) -> bool:
    """Whether the metric lies in [0, 1], so that it reads as a percentage."""
    return METRICS[metric].share if metric in METRICS else metric in _OTHER_SHARES


def known(say: Callable[[float], str], value: float | None) -> str | None:
    """The value in words, or None where there is none."""
    return None if value is None else say(value)


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}%"


def score(metric: str, value: float) -> str:
    return percent(value) if is_share(metric) else f"{value:.3f}"


def score_range(metric: str, low: float, high: float) -> str:
    """An interval; the unit stands once, at its end."""
    if is_share(metric):
        return f"{100 * low:.1f}–{percent(high)}"
    return f"{low:.3f} to {high:.3f}"


def gap(metric: str, value: float) -> str:
    """The size of a difference, without its sign: percentage points for shares."""
    if not is_share(metric):
        return f"{abs(value):.3f}"
    points = f"{abs(100 * value):.1f}"
    return f"{points} point" if points == "1.0" else f"{points} points"


def signed(metric: str, value: float) -> str:
    """A signed number of points (shares) or of the metric's own unit; U+2212 is the minus."""
    return (f"{100 * value:+.1f}" if is_share(metric) else f"{value:+.3f}").replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds in the unit that suits: "0.42 s", "38 s", "4 min 12 s", "1 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two_units(whole, 60, "min", "s")
    return _two_units(round(whole / 60), 60, "h", "min")


def _two_units(value: int, per: int, large: str, small: str) -> str:
    whole, rest = divmod(value, per)
    return f"{whole} {large}" + (f" {rest} {small}" if rest else "")


def milliseconds(value: float) -> str:
    return f"{value:.2g} ms" if value < 10 else f"{value:,.0f} ms"


def operations(flops: float) -> str:
    """Floating-point operations: "3.1 GFLOP"."""
    return _scaled(flops, 1000, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"))


def two_digits(value: float) -> str:
    return f"{value:.2f}"


def size(bytes: float) -> str:
    """Bytes in decimal units: "384 B", "1.5 kB", "91 MB"."""
    return _scaled(bytes, 1000, ("B", "kB", "MB", "GB", "TB"))


def many(number: float) -> str:
    """A large count, shortened from ten thousand on: "1,234", "22.7M", "175B"."""
    if abs(number) < 10_000:
        return f"{number:,.0f}"
    return _scaled(number, 1000, ("", "k", "M", "B", "T")).replace(" ", "")


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    power = 0
    while power < len(units) - 1 and abs(value) >= base - 0.5:
        value /= base
        power += 1
    digits = 0 if power == 0 or abs(value) >= 99.95 else 1
    number = f"{value:.{digits}f}".removesuffix(".0")
    return f"{number} {units[power]}"


def times(ratio: float) -> str:
    """A factor: "1.3×", "12×"."""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:,.0f}×"


def listed(names: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
