"""The command `advise`: flags or a file in, a page or JSON out.

One flag for each situation key, built from `advisor.situation.KEYS`. Bad input is one line on
stderr and exit code 2, with nothing on stdout and nothing written.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence

from advisor.errors import AdviceError, OutputError, SpecError
from advisor.situation import KEYS

_ONE_VALUE = {
    "--" + key.name.replace("_", "-"): key.name for key in KEYS if key.kind not in ("flag", "names")
} | {"--batch": "batch", "--out": "out"}
"""Flags that take exactly one value -> name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments after the command's name; None for those of the process.

    Returns:
        Exit code: 0, or 2 after bad input.
    """
    # one answer makes no cycles worth looking for, and looking for them takes a tenth of the time
    collected = gc.isenabled()
    gc.disable()
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except AdviceError as error:
        print(f"advise: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader went away (`advise | head`): nobody is left to write to, not even at exit.
        sys.stdout = None
        return 0
    finally:
        if argv is None:
            # the process ends: its last collection would look through everything for nothing
            gc.freeze()
        if collected:
            gc.enable()


def _run(argv: list[str]) -> int:
    if not argv:
        from advisor.flags import EXAMPLES

        print("Which way of adapting a pretrained model fits your task?\n\n" + EXAMPLES, end="")
        return 0
    given = _given(argv)
    if "version" in given:
        from importlib.metadata import version

        print(f"advise {version('adaptation-advisor')}")
    elif "schema" in given:
        from advisor.explain_json import schema

        print(schema(), end="")
    elif "batch" in given or "out" in given:
        _batch(given)
    elif sys.stdout is None:
        raise OutputError("stdout is closed: there is nowhere to answer.")
    else:
        _answer(given)
    return 0


def _given(argv: list[str]) -> Mapping[str, object]:
    """Name of a key or option -> its value, for those that were given.

    The plainest questions are read here: `argparse` would take a tenth of the command's time.
    """
    flags, values = argv[::2], argv[1::2]
    one_value_each = len(flags) == len(values) and all(flag in _ONE_VALUE for flag in flags)
    if one_value_each and not any(value.startswith("-") for value in values):
        return {_ONE_VALUE[flag]: value for flag, value in zip(flags, values, strict=True)}
    from advisor.flags import read_flags

    return read_flags(argv)


def _answer(given: Mapping[str, object]) -> None:
    from advisor.recommend import advise
    from advisor.situation import Situation

    flags = {key.name: given[key.name] for key in KEYS if key.name in given}
    if "spec" not in given:
        recommendation = advise(Situation.from_mapping(flags), tolerance=_tolerance(given))
    else:
        from advisor.spec import read_spec, replaced

        where = str(given["spec"])
        spec = read_spec(where)
        said = replaced(spec, flags, where)
        recommendation = advise(Situation.from_mapping(spec | flags), tolerance=_tolerance(given))
        situation = recommendation.situation
        recommendation = recommendation._replace(
            situation=situation._replace(assumptions=(*said, *situation.assumptions))
        )
    if "json" in given:
        from advisor.explain_json import to_json

        text = to_json(recommendation)
    else:
        from advisor.explain_text import to_text
        from advisor.terminal import style_of

        text = to_text(recommendation, style_of(sys.stdout), explain="explain" in given)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # at exit it would fail once more
        raise OutputError(f"the answer cannot be written ({error.strerror}).") from None


def _tolerance(given: Mapping[str, object]) -> float:
    from advisor.prospects import DEFAULT_TOLERANCE

    if "tolerance" not in given:
        return DEFAULT_TOLERANCE
    text = str(given["tolerance"])
    try:
        return float(text)
    except ValueError:
        raise SpecError(
            f"--tolerance must be points of the metric, such as 0.5; got {text!r}."
        ) from None


def _batch(given: Mapping[str, object]) -> None:
    if "batch" not in given or "out" not in given:
        raise SpecError("--batch IN.csv and --out OUT.csv belong together. Give both.")
    keys = [key.name for key in KEYS if key.name in given]
    for name in (*keys, "spec", "json", "explain", "tolerance"):
        if given.get(name):
            flag = name.replace("_", "-")
            instead = (
                "Make it a column of the file or leave it out" if name in keys else "Leave it out"
            )
            raise SpecError(f"--{flag} does not go with --batch. {instead}.")
    from advisor.batch import advise_batch

    source, target = str(given["batch"]), str(given["out"])
    rows = advise_batch(source, target)
    print(f"{rows} situation{'' if rows == 1 else 's'} answered in {target}", file=sys.stderr)
