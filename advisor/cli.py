"""The command `advise`: flags or a file in, a page or JSON out.

One flag for each situation key, built from `advisor.situation.KEYS`. Bad input is one line on
stderr and exit code 2, with nothing on stdout and nothing written.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from advisor.errors import AdviceError, SpecError
from advisor.situation import KEYS

_EXAMPLES = """\
examples:
  advise --params 175B --task qa --examples 100k
  advise --params 1B --family convnet --task classification --examples 100
  advise --model minilm --description "Is this message spam?" --examples 200

`advise --help` lists all flags. No flag is required: what you leave out is
inferred or assumed, and the answer says so.
"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing usage, and knows the nearest flag."""

    def error(self, message: str) -> NoReturn:
        raise SpecError(f"{message}. `advise --help` lists all flags.")

    def unknown(self, given: str) -> SpecError:
        import difflib

        flag = given.partition("=")[0]
        if not flag.startswith("-"):
            return SpecError(
                f"{given!r} belongs to no flag. Write --KEY {given}; `advise --help` lists all."
            )
        near = difflib.get_close_matches(
            flag.lower(), list(self._option_string_actions), n=1, cutoff=0.5
        )
        hint = f"Did you mean {near[0]}? " if near else ""
        return SpecError(f"no flag {flag}. {hint}`advise --help` lists all.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments after the command's name; None for those of the process.

    Returns:
        Exit code: 0, or 2 after bad input.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    # one answer makes no cycles worth looking for, and looking for them takes a tenth of the time
    collected = gc.isenabled()
    gc.disable()
    try:
        return _run(argv)
    except AdviceError as error:
        print(f"advise: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader went away (`advise | head`): nobody is left to write to, not even at exit.
        sys.stdout = None
        return 0
    finally:
        if collected:
            gc.enable()


def _run(argv: list[str]) -> int:
    if not argv:
        print("Which way of adapting a pretrained model fits your task?\n\n" + _EXAMPLES, end="")
        return 0
    parser = _parser()
    given, rest = parser.parse_known_args(argv)
    if rest:
        raise parser.unknown(rest[0])
    if given.version:
        from importlib.metadata import version

        print(f"advise {version('adaptation-advisor')}")
    elif given.schema:
        from advisor.explain_json import schema

        print(schema(), end="")
    elif given.batch or given.out:
        _batch(given)
    else:
        _answer(given)
    return 0


def _answer(given: argparse.Namespace) -> None:
    from advisor.recommend import advise
    from advisor.situation import Situation

    flags = {
        key.name: getattr(given, key.name) for key in KEYS if getattr(given, key.name) is not None
    }
    if "candidates" in flags:
        flags["candidates"] = " ".join(flags["candidates"])
    if given.spec is None:
        recommendation = advise(Situation.from_mapping(flags), tolerance=_tolerance(given))
    else:
        from advisor.spec import read_spec, replaced

        spec = read_spec(given.spec)
        said = replaced(spec, flags, given.spec)
        recommendation = advise(Situation.from_mapping(spec | flags), tolerance=_tolerance(given))
        situation = recommendation.situation
        recommendation = recommendation._replace(
            situation=situation._replace(assumptions=(*said, *situation.assumptions))
        )
    if given.json:
        from advisor.explain_json import to_json

        text = to_json(recommendation)
    else:
        from advisor.explain_text import to_text
        from advisor.terminal import style_of

        text = to_text(recommendation, style_of(sys.stdout), explain=given.explain)
    sys.stdout.write(text)


def _tolerance(given: argparse.Namespace) -> float:
    from advisor.prospects import DEFAULT_TOLERANCE

    if given.tolerance is None:
        return DEFAULT_TOLERANCE
    try:
        return float(given.tolerance)
    except ValueError:
        raise SpecError(
            f"--tolerance must be points of the metric, such as 0.5; got {given.tolerance!r}."
        ) from None


def _batch(given: argparse.Namespace) -> None:
    if given.batch is None or given.out is None:
        raise SpecError("--batch IN.csv and --out OUT.csv belong together. Give both.")
    flags = [key.name for key in KEYS if getattr(given, key.name) is not None]
    for name in (*flags, "spec", "json", "explain", "tolerance"):
        if getattr(given, name):
            flag = name.replace("_", "-")
            raise SpecError(
                f"--{flag} does not go with --batch. Make it a column of the file or leave it out."
            )
    from advisor.batch import advise_batch

    rows = advise_batch(given.batch, given.out)
    print(f"{rows} situations answered in {given.out}", file=sys.stderr)


def _parser() -> _Parser:
    # A fixed width: by default every flag would ask the terminal for its size.
    parser = _Parser(
        prog="advise",
        usage="advise [--KEY VALUE ...] [--spec FILE] [--json | --explain]",
        description="Rank the ways of adapting a pretrained model, with reasons and costs.",
        epilog=_EXAMPLES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=80
        ),
        allow_abbrev=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for key in KEYS:
        if key.group not in groups:
            groups[key.group] = parser.add_argument_group(key.group)
        choices = f" One of {', '.join(key.choices)}." if key.choices else ""
        groups[key.group].add_argument(
            "--" + key.name.replace("_", "-"),
            metavar=key.metavar,
            nargs={"names": "+", "flag": "?"}.get(key.kind if key.name != "label_names" else ""),
            const="yes" if key.kind == "flag" else None,
            help=(key.help + choices).replace("%", "%%"),
        )
    asking = parser.add_argument_group("asking and answering")
    add = asking.add_argument
    add(
        "--spec",
        metavar="FILE|-",
        help="Situation from a YAML or JSON file, or stdin; flags override it.",
    )
    add(
        "--tolerance",
        metavar="POINTS",
        help="Also name the cheapest strategy expected to lose no more than this (default 1).",
    )
    add("--json", action="store_true", help="Print JSON; --schema prints its JSON Schema.")
    add(
        "--explain",
        action="store_true",
        help="Print every reason with its source, and how costs are estimated.",
    )
    add(
        "--batch",
        metavar="IN.csv",
        help="Answer one situation a row; columns are named like the keys.",
    )
    add("--out", metavar="OUT.csv", help="Where the answers of --batch are written.")
    add("--schema", action="store_true", help="Print the JSON Schema of --json.")
    add("--version", action="store_true", help="Print the version.")
    return parser
