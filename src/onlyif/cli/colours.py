"""Colours for what is read on a terminal: heads of tables, verdicts, warnings."""

import os
import re
from collections.abc import Mapping
from typing import Any

BOLD, RED, GREEN, YELLOW = 1, 31, 32, 33
# Whole lines, and the ends or beginnings of lines; what is coloured by mistake is still the same text.
_RULES: Mapping[str, int] = {
    r"^ *(?:row|set|here|feature) {2,}\S.*$": BOLD,
    r"^[A-Z][A-Z ]{4,}$": BOLD,
    r"^ *! .*$": YELLOW,
    r"(?<=[ :] )holds$|^  yes(?= )": GREEN,
    r"(?<=[ :] )does not hold$|^  no(?= )": RED,
    r"(?<=[ :] )cannot tell$|^  \?(?= )": YELLOW,
}


def takes_colours(stream: Any) -> bool:
    """Whether a stream is a terminal whose user did not refuse colours.

    Args:
        stream: A stream.

    References:
        https://no-color.org
    """
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not refused and bool(getattr(stream, "isatty", bool)())


def coloured(text: str) -> str:
    r"""The text with colours as a terminal reads them.

    Args:
        text: Lines, as the commands print them.

    Example:
        >>> coloured("sufficient  {age}: holds")
        'sufficient  {age}: \x1b[32mholds\x1b[0m'
    """
    for pattern, colour in _RULES.items():
        text = re.sub(pattern, f"\x1b[{colour}m\\g<0>\x1b[0m", text, flags=re.MULTILINE)
    return text
