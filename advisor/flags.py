"""The flags of `advise`, one for each situation key, built from `advisor.situation.KEYS`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from advisor.errors import SpecError
from advisor.situation import KEYS

EXAMPLES = """\
examples:
  advise --params 175B --task qa --examples 100k
  advise --params 1B --family convnet --task classification --examples 100
  advise --model minilm --description "Is this message spam?" --examples 200

`advise --help` lists all flags. No flag is required: what you leave out is
inferred or assumed, and the answer says so.
"""


def read_flags(argv: Sequence[str]) -> dict[str, object]:
    """Name of a key or option -> its value, for those that were given.

    Raises:
        SpecError: For what is no flag, or a flag without its value.
    """
    parser = _parser()
    given, rest = parser.parse_known_args(argv)
    if rest:
        raise parser.unknown(rest[0])
    if "candidates" in given:
        given.candidates = " ".join(given.candidates)
    return vars(given)


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


def _parser() -> _Parser:
    # A fixed width: by default every flag would ask the terminal for its size.
    parser = _Parser(
        prog="advise",
        usage="advise [--KEY VALUE ...] [--spec FILE] [--json | --explain]",
        description="Rank the ways of adapting a pretrained model, with reasons and costs.",
        epilog=EXAMPLES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=80
        ),
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
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
