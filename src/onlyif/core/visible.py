"""Text for a terminal: control characters in it are shown instead of obeyed."""

import re

# Escapes, bells, carriage returns and C1 controls; marks that reverse or break lines; halves of characters.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""The text with control characters written as escapes; line feeds and tabs stay.

    Names and values come from data files, and a terminal obeys what it is sent. What is stored stays as
    it is: this belongs around what is printed.

    Example:
        >>> print(visible("age\x1b[2J"))
        age\x1b[2J
    """
    # Nothing that is printable is a control; asking for that is quick.
    if text.isprintable():
        return text
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def on_one_line(text: str) -> str:
    r"""The same, with line feeds and tabs written as escapes too.

    Example:
        >>> print(on_one_line("age\nin years"))
        age\nin years
    """
    return text if text.isprintable() else visible(text).replace("\n", "\\n").replace("\t", "\\t")
