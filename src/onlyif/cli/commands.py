"""What all commands have in common: how their help is laid out, and the exit codes below it."""

import argparse
from typing import Any

from onlyif.cli.exits import EXIT_TEXT


def add_command(
    commands: "argparse._SubParsersAction[Any]", name: str, told: str, examples: str, before: str = ""
) -> argparse.ArgumentParser:
    """A command with its help.

    Args:
        commands: All commands.
        name: Its name.
        told: What it does, in a line.
        examples: Its examples, below "examples:".
        before: What is said before them.
    """
    parts = [before, f"examples:\n{examples.rstrip()}", EXIT_TEXT]
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=told,
        description=f"{told[0].upper()}{told[1:]}.",
        epilog="\n\n".join(filter(None, parts)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(command=name, json=False, quiet=False, debug=False)
    return made


def add_quiet(made: Any) -> None:
    """The arguments that every command has which may fail.

    Args:
        made: A parser, or a group of its arguments.
    """
    made.add_argument("--quiet", action="store_true", help="no progress, notes or warnings on stderr")
    made.add_argument("--debug", action="store_true", help="show where an error comes from")


def add_json(made: Any) -> None:
    """The argument of commands that answer a program too.

    Args:
        made: A parser, or a group of its arguments.
    """
    made.add_argument("--json", action="store_true", help="print strict JSON on stdout and nothing else")
