"""The short frame of explanations with colours for a notebook: a Styler of pandas."""

from collections.abc import Sequence
from typing import Any

from onlyif.core.errors import SettingError
from onlyif.core.extras import check_installed
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import number
from onlyif.explanation.records import short_layout
from onlyif.explanation.status import StatusKind
from onlyif.explanation.verdicts import Finding

# Readable on white and on black.
_GOOD, _BAD, _OPEN = "color: #2e8540", "color: #d2552a", "color: #9a7b1f"
_COLOURS = {
    Finding.HOLDS.value: _GOOD,
    Finding.FAILS.value: _BAD,
    Finding.UNKNOWN.value: _OPEN,
    StatusKind.EXPLAINED.value: _GOOD,
}
# Numbers stand on it, in the ink of a light or of a dark notebook.
_BAR = "rgba(80, 140, 190, 0.45)"
_BARS = ("delta_suf", "delta_nec", "pns")


def styled(items: Sequence[Explanation]) -> Any:
    """`to_frame()` as a Styler: numbers as in texts, bars behind gaps, colours of verdicts and statuses.

    Args:
        items: The explanations.

    Raises:
        ExtraError: if pandas or jinja2 is not installed.
        SettingError: if there is no explanation.
    """
    for package in ("pandas", "jinja2"):
        check_installed(package, "notebook", "a styled frame of results")
    if not items:
        raise SettingError("there is no explanation to lay out")
    columns, rows = short_layout(items)
    table = frame(columns, rows, "pandas")
    numbers = [name for name, kind in columns.items() if kind is float]
    made = table.style.format(number, subset=numbers).hide(axis="index")
    # Notebooks write to the right what nobody places.
    texts = [name for name, kind in columns.items() if kind is str]
    made = made.set_properties(subset=texts, **{"text-align": "left"})
    told = [name for name in ("verdict", "status") if name in columns]
    bars = [name for name in _BARS if name in columns]
    made = made.bar(subset=bars, color=_BAR, height=40, vmin=0.0) if bars else made
    return made.map(_colour, subset=told) if told else made


def _colour(word: object) -> str:
    return _COLOURS.get(str(word), _OPEN if word else "")
