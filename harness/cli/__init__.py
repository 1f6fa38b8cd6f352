"""The `harness` command: parse, call one library function, print.

Exit codes: 0 done, 1 the work failed, 2 something given cannot be used, 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence

STARTED = time.monotonic()
"""When the command began; a budget runs from here, the import of torch included."""

_OWN = ("harness", "advisor")


def main(args: Sequence[str] | None = None, standalone_mode: bool = False) -> int:
    """Run a command line.

    Args:
        args: None for the process's own.
        standalone_mode: Whether to leave the process with the exit code instead of returning it,
            as click's commands do.
    """
    code = _run(sys.argv[1:] if args is None else list(args))
    if standalone_mode:
        sys.exit(code)
    return code


def _run(args: list[str]) -> int:
    from advisor.errors import AdviceError, WorkFailed

    try:
        import click

        from harness.cli.app import app

        try:
            given = shlex.join(["harness", *args])
            return int(app.main(args, prog_name="harness", standalone_mode=False, obj=given) or 0)
        except click.exceptions.Exit as ended:
            return ended.exit_code
        except click.ClickException as error:
            return _complain(error.format_message(), 2)
        except (click.Abort, KeyboardInterrupt):
            return _complain("interrupted.", 130)
    except AdviceError as error:
        return _complain(str(error), 2)
    except WorkFailed as error:
        return _complain(str(error), 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OWN:
            raise
        missing = f"the package {package!r} is not installed"
        return _complain(f"{missing}: pip install 'adaptation-advisor[harness]'.", 2)


def _complain(message: str, code: int) -> int:
    """One line on stderr, whatever the message holds."""
    print(f"harness: {' '.join(message.split())}", file=sys.stderr)
    return code
