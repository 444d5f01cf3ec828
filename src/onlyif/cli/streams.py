"""What the command writes: results on stdout, and nothing else there; all that is said beside them on stderr.

Whatever a model, a library or a process of theirs prints goes to stderr. Every text can be written
whatever the encoding: how is decided by the stream's name for it, before any character is written.
"""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

from onlyif.cli.colours import coloured, takes_colours
from onlyif.core.visible import visible

_ASCII = {
    "α": "alpha",
    "ε": "eps",
    "φ": "phi",
    "λ": "lambda",
    "ρ": "rho",
    "τ": "tau",
    "Δ": "D",
    "…": "...",
    "±": "+/-",
    "·": "*",
    "─": "-",
    "Ā": "A",
    "\N{COMBINING MACRON}": "",
    "≤": "<=",
    "–": "-",
    "→": "->",
}


@final
@dataclass(frozen=True)
class Results:
    """Where results go.

    Args:
        stream: The stream that was stdout when the command began.
    """

    stream: Any  # whatever stands for stdout in this process

    def write(self, text: str) -> None:
        """Write a text and a line's end.

        Args:
            text: What is not in the stream's encoding is written in ASCII.
        """
        self.stream.write(printable(text, self.stream) + "\n")

    def show(self, text: str) -> None:
        """Write a text for a reader, in colours on a terminal.

        Args:
            text: The text.
        """
        plain = printable(text, self.stream)
        self.stream.write((coloured(plain) if takes_colours(self.stream) else plain) + "\n")

    def holds(self, text: str) -> bool:
        """Whether the stream's encoding has all of a text."""
        return printable(text, self.stream) == text

    def flush(self) -> None:
        """Hand over everything that was written."""
        self.stream.flush()

    def let_go(self) -> None:
        """Hand over what can be, and let the rest go, so that python does not complain of it at exit."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)


def printable(text: str, stream: Any) -> str:
    r"""A text that a stream's encoding has: letters of formulas by their names, all else as escapes.

    Args:
        text: The text.
        stream: The stream; one without an encoding takes everything.

    Example:
        >>> import io
        >>> printable("Δsuf ≤ ε, é", io.TextIOWrapper(io.BytesIO(), "ascii"))
        'Dsuf <= eps, \\xe9'
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_in(encoding, letter) for letter in text)
    return text


def _in(encoding: str, letter: str) -> str:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        plain = _ASCII.get(letter, letter)
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return letter


def tell(text: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"onlyif: {printable(visible(text), sys.stderr)}\n")


def results_apart() -> Any:
    """A stream to what stdout is now; stdout is stderr from then on, for this process and its children.

    Libraries that are no Python write to the number of stdout, so that it is this number that is
    turned. Only for a process that runs the command and nothing else.
    """
    given = sys.stdout
    try:
        number = given.fileno()
        given.flush()
        kept = os.dup(number)
    except (OSError, ValueError):  # a stream that is no file has no number
        return given
    try:
        os.dup2(sys.stderr.fileno(), number)
    except (AttributeError, OSError, ValueError):  # there is no stderr
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    return os.fdopen(kept, "w", encoding=given.encoding, errors="backslashreplace")
