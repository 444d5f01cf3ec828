"""What the library says of its arguments, in words of the command line: `epsilon=` is --epsilon here."""

import re

_OPTIONS = (
    *("against", "alpha", "background", "baseline", "budget", "confidence", "criterion", "distance"),
    *("epsilon", "exact_size", "groups", "keep_table", "max_rows", "n_jobs", "output", "reference"),
    *("sample", "search", "seed", "size", "target", "time_limit", "tolerate", "keep", "never", "costs"),
    *("order",),
)
_NAMES = {"n_jobs": "jobs"}
_FAULTS = re.compile(r"\btolerate(?:=\(Fault\.| )([A-Z_]+)(?:,\))?")
# What stands in quotes is a name of the user's.
_FREE = r"(?<!['\"])\b"
# As an argument, with its value or dots for any.
_GIVEN = re.compile(rf"{_FREE}({'|'.join(_OPTIONS)})=(?:\.\.\.)?(?=(.?))", re.DOTALL)
# As a word that is no English one, or as what a sentence is about.
_ODD = "|".join(name for name in _OPTIONS if "_" in name)
_ABOUT = rf"^({'|'.join(_OPTIONS)})(?= (?:must|has no|is) )|(?<=use with )({'|'.join(_OPTIONS)})\b"
_NAMED = re.compile(rf"{_FREE}({_ODD})\b|{_ABOUT}")


def spoken(text: str) -> str:
    """A sentence of the library with the options of the command line for its arguments.

    Args:
        text: The sentence.

    Example:
        >>> spoken('Explain it against other rows: against="other decisions". A larger epsilon= allows more.')
        'Explain it against other rows: --against "other decisions". A larger --epsilon allows more.'
        >>> spoken("max_rows must be at least 1; tolerate=(Fault.RANDOM,)")
        '--max-rows must be at least 1; --tolerate random'
        >>> spoken("column 'size=large' is no number")
        "column 'size=large' is no number"
        >>> spoken("to go on, tolerate CHANGES_INPUT"), spoken("target has no use with against")
        ('to go on, --tolerate changes-input', '--target has no use with --against')
    """
    told = _FAULTS.sub(lambda found: f"--tolerate {_dashed(found[1])}", text)
    told = _GIVEN.sub(lambda found: f"{_option(found[1])}{' ' if _begins(found[2]) else ''}", told)
    return _NAMED.sub(lambda found: _option(found[0]), told)


def _option(name: str) -> str:
    return f"--{_dashed(_NAMES.get(name, name))}"


def _dashed(name: str) -> str:
    return name.lower().replace("_", "-")


def _begins(letter: str) -> bool:
    """Whether a value begins with this letter."""
    return letter.isalnum() or letter in set("\"'([-")
