"""Quantities as people write them: `175B`, `100k`, `80 GiB`, `10m`, `medium`, `yes`.

Every reader takes the text (or number) and the key it belongs to, and either returns a plain
number or raises a SpecError that names the key, what was given and what to write instead.
"""

from __future__ import annotations

from advisor.errors import SpecError

_COUNT_UNITS = {
    "": 1,
    "k": 10**3, "thousand": 10**3,
    "m": 10**6, "million": 10**6,
    "b": 10**9, "g": 10**9, "billion": 10**9,
    "t": 10**12, "trillion": 10**12,
}  # fmt: skip
_BYTE_UNITS = {"": 1, "b": 1} | {
    letter + ending: base**power
    for power, letter in enumerate("kmgt", start=1)
    for ending, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_SECOND_UNITS = {
    "ms": 0.001,
    "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
}  # fmt: skip
SHIFT_WORDS = {
    "none": 0.0, "same": 0.0,
    "low": 0.25, "near": 0.25,
    "medium": 0.5, "moderate": 0.5,
    "high": 0.8, "far": 0.8,
    "unrelated": 1.0,
}  # fmt: skip
_FLAG_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_LARGEST = 1e18
_SMALLEST_BARE_BYTES = 1_000_000
"""Below this a bare number of bytes is surely a forgotten unit (80 for 80GB)."""


def parse_count(given: object, key: str = "number") -> int | float:
    """Read a count: `175B`, `350M`, `7e9`, `175_000_000_000`, `1,000`, `100k`, `0`.

    Returns:
        An int where the value is whole, else a float; never negative.

    Raises:
        SpecError: If it is negative, NaN, infinite, or no number at all.
    """
    return _scaled(given, key, _COUNT_UNITS, "a number of 0 or more such as 350M, 7e9 or 100k")


def parse_bytes(given: object, key: str = "memory") -> int | float:
    """Read a size: `80GB` (10^9), `80 GiB` (2^30), `512MB`; a bare number is bytes.

    Raises:
        SpecError: As `parse_count`, or if a bare number lacks its unit (`80`).
    """
    form = "a size with its unit such as 80GB or 24 GiB"
    size = _scaled(given, key, _BYTE_UNITS, form)
    bare = not isinstance(given, str) or not given.strip()[-1:].isalpha()
    if bare and 0 < size < _SMALLEST_BARE_BYTES:
        raise _unreadable(given, key, form)
    return size


def parse_duration(given: object, key: str = "duration", *, unit: str = "s") -> float:
    """Read a duration in seconds: `10m`, `5h`, `90s`, `1h30m`, `200ms`.

    Args:
        unit: Unit of a bare number.

    Raises:
        SpecError: As `parse_count`.
    """
    form = "a duration such as 90s, 10m or 5h"
    rest = given.strip().lower().replace(" ", "") if isinstance(given, str) else given
    if not isinstance(rest, str) or _unit_start(rest) == len(rest):
        return float(_number(rest, key, form, given) * _SECOND_UNITS[unit])
    seconds = 0.0
    while rest:
        start = end = _unit_start(rest)
        while end < len(rest) and rest[end].isalpha():
            end += 1
        if start == 0 or rest[start:end] not in _SECOND_UNITS:
            raise _unreadable(given, key, form)
        seconds += _number(rest[:start], key, form, given) * _SECOND_UNITS[rest[start:end]]
        rest = rest[end:]
    return seconds


def parse_shift(given: object, key: str = "shift") -> float:
    """Read a domain shift: a number in [0, 1] or none, low, medium, high (0, 0.25, 0.5, 0.8)."""
    form = "a number in [0, 1], or none, low, medium or high"
    if isinstance(given, str) and given.strip().lower() in SHIFT_WORDS:
        return SHIFT_WORDS[given.strip().lower()]
    value = float(_number(given, key, form))
    if value > 1:
        raise _unreadable(given, key, form)
    return value


def parse_flag(given: object, key: str = "flag") -> bool:
    """Read yes or no (also true/false, on/off, 1/0)."""
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower()
    if word in ("1", "0"):
        return word == "1"
    if word not in _FLAG_WORDS:
        raise _unreadable(given, key, "yes or no")
    return _FLAG_WORDS[word]


def format_count(value: float) -> str:
    """`175B`, `100k`, `1.5k`, `350`: at most three significant digits."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return _three_digits(value / size) + letter
    return _three_digits(value)


def format_bytes(value: float) -> str:
    """`80 GB`, `1.5 MB`: decimal units, at most three significant digits."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size * 0.9995:
            return f"{_three_digits(value / size)} {unit}"
    return f"{_three_digits(value)} B"


def format_duration(seconds: float) -> str:
    """`200 ms`, `90 s`, `12 min`, `5.5 h`, `40 days`."""
    for size, unit, least in ((86400, "days", 2), (3600, "h", 1.5), (60, "min", 2), (1, "s", 1)):
        if seconds >= size * least:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds * 1000)} ms"


def format_money(dollars: float) -> str:
    """`$0.004`, `$12.50`, `$1,250`: two digits below a dollar, cents below a hundred."""
    if dollars >= 100:
        return f"${dollars:,.0f}"
    if dollars >= 1:
        return f"${dollars:.2f}"
    return f"${dollars:.2g}"


def _scaled(given: object, key: str, units: dict[str, int], form: str) -> int | float:
    if not isinstance(given, str):
        return _number(given, key, form)
    text = given.strip().lower()
    start = _unit_start(text)
    unit = text[start:].strip()
    if start == 0 or unit not in units:
        raise _unreadable(given, key, form)
    number = _number(text[:start], key, form, given)
    value = number * units[unit]
    if isinstance(value, float) and abs(value - round(value)) <= 1e-9 * value:
        return round(value)  # 1.1B is 1100000000.0000001 in binary
    return value


def _unit_start(text: str) -> int:
    """Where the unit begins: past the digits and, for `7e9` or `1.5e-3`, past the exponent."""
    end = 0
    while end < len(text) and (text[end] in "+-._, " or text[end].isdigit()):
        end += 1
    exponent = end
    if text[end : end + 1] == "e":
        exponent += 1
        if text[exponent : exponent + 1] in ("+", "-"):
            exponent += 1
        digits = exponent
        while exponent < len(text) and text[exponent].isdigit():
            exponent += 1
        if exponent > digits:
            return exponent
    return end


def _number(text: object, key: str, form: str, given: object = None) -> int | float:
    """A finite number that is not negative; whole numbers come back as int."""
    given = text if given is None else given
    try:
        if isinstance(text, bool):
            raise ValueError
        if isinstance(text, int | float):
            value = float(text)
        else:
            value = float(_without_separators(str(text).strip()))
    except (ValueError, OverflowError):
        raise _unreadable(given, key, form) from None
    if not 0 <= value <= _LARGEST:  # false for NaN and infinity, too
        raise _unreadable(given, key, form)
    return int(value) if value == int(value) else value


def _without_separators(text: str) -> str:
    """`1,000` and `1_000` lose their separators; `1,5` is no thousand and is refused."""
    if "," in text:
        head, *groups = text.partition(".")[0].split(",")
        if not head or any(len(group) != 3 or not group.isdigit() for group in groups):
            raise ValueError
    return text.replace(",", "")


def _unreadable(given: object, key: str, form: str) -> SpecError:
    return SpecError(f"{key} must be {form}; got {str(given)!r}.")


def _three_digits(value: float) -> str:
    text = f"{value:.3g}"
    return f"{value:.0f}" if "e" in text else text
