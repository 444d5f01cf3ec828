"""`onlyif completion`: the script by which a shell completes the command's words."""

import argparse
from typing import Any

from onlyif.cli.commands import add_command
from onlyif.core.extras import missing

SHELLS = ("bash", "zsh", "fish")
_EXAMPLES = """\
  bash, for this user; it is read when the next shell begins
    onlyif completion bash > ~/.local/share/bash-completion/completions/onlyif

  zsh, into a folder of $fpath; fish
    onlyif completion zsh > ~/.zsh/completions/_onlyif
    onlyif completion fish > ~/.config/fish/completions/onlyif.fish"""


def add_completion(commands: "argparse._SubParsersAction[Any]") -> None:
    """The command's arguments.

    Args:
        commands: All commands.
    """
    told = "print the script by which a shell completes commands, options and files"
    made = add_command(commands, "completion", told, _EXAMPLES)
    made.add_argument("shell", choices=SHELLS, help="the shell")


def completion_script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script.

    Args:
        shell: The shell.
        parser: The parser of all commands.

    Raises:
        ExtraError: if shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise missing("shtab", "completion", "onlyif completion") from error
    _mark(parser, shtab.FILE, shtab.DIRECTORY)
    return str(shtab.complete(parser, shell)).rstrip("\n")


def _mark(parser: argparse.ArgumentParser, file: Any, folder: Any) -> None:
    """Say which arguments are names of files, and which of folders."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command, file, folder)
        elif action.metavar in ("FILE", "MODEL", "DIR"):
            action.complete = folder if action.metavar == "DIR" else file  # type: ignore[attr-defined]
