"""Explanations for a terminal, and as strict JSON for programs."""

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any, final

import numpy as np

from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.explained import Explained, OneExplained, explanation_text
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import aligned, clipped, error, number, sentence, wrapped
from onlyif.explanation.records import selections_of
from onlyif.explanation.selection import Selection
from onlyif.explanation.text import empty_reason
from onlyif.version import __version__

MOST_WIDE = 120
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LABEL_WIDTH = 16


@final
@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run came.

    Args:
        finished: Rows that are explained.
        asked: Rows that were to be explained; None where nothing says so.
    """

    finished: int
    asked: int | None

    @property
    def complete(self) -> bool:
        """Whether all rows that were asked for are explained, as far as is known."""
        return self.asked is None or self.finished >= self.asked

    @property
    def sentence(self) -> str:
        """What is missing, for a reader."""
        return f"{self.finished} of {self.asked} rows are finished"


def terminal_width() -> int:
    """Columns of the terminal, from 80 to 120."""
    return min(MOST_WIDE, max(80, shutil.get_terminal_size((80, 24)).columns))


def full_text(found: Explained, width: int) -> str:
    """All of every explanation, one below the other."""
    return ("\n\n" + "─" * width + "\n\n").join(explanation_text(item, width) for item in found)


def table_text(found: Explained, width: int) -> str:
    """A few lines a row: prediction, average and the three sets; or the cause."""
    match found:
        case CausalExplanations():
            return _causes_text(found, width)
        case Explanations():
            return _sets_text(found, width)


def _causes_text(found: CausalExplanations, width: int) -> str:
    header = ["row", "f(x)", "f(x')", "target", "PNS", "mean", "columns"]
    rows = [_cause_line(item) for item in found]
    said = [f"! row {item.row}: {item.reason}" for item in found if item.reason]
    shared = list(dict.fromkeys(note for item in found for note in item.notes))
    made = found[0].provenance
    told = [
        f"{sentence(made.baseline)} A change of at most c = {number(made.c)} counts as none.",
        "PNS, 0 to 2: how probable it is that these columns are necessary and sufficient for the prediction; "
        "mean: of all sets of this size. Compare sets of one size only.",
    ]
    notes = [wrapped(text, width, "", "  ") for text in (*said, *(f"! {note}" for note in shared), *told)]
    return "\n".join([*aligned(header, rows, indent="", width=width), "", *notes])


def _cause_line(item: CausalExplanation) -> list[str]:
    cause = item.cause
    return [
        clipped(str(item.row), _LABEL_WIDTH),
        number(item.prediction),
        number(item.baseline_prediction),
        clipped(item.target_label, _LABEL_WIDTH),
        number(cause.pns.value) + error(cause.pns.stderr),
        "" if cause.typical is None else number(cause.typical),
        "none" if item.reason else str(cause),
    ]


def _sets_text(found: Explanations, width: int) -> str:
    header = ["row", "f(x)", "f_0", "target", "set", "Δsuf", "Δnec", "columns"]
    rows = [line for item in found for line in _lines(item)]
    said = [f"! row {item.row}: {empty_reason(item)}" for item in found if empty_reason(item)]
    shared = list(dict.fromkeys(note for item in found for note in item.notes))
    made = found[0].provenance
    told = [
        f"{sentence(made.reference)} {sentence(found[0].certificate.basis.value)}",
        "sufficient: keeping only these columns leaves the prediction within ε of f(x); "
        "necessary: hiding only these brings it within ε of the average f_0; "
        f"both: the best compromise at α = {number(found[0].alpha)}.",
    ]
    notes = [wrapped(text, width, "", "  ") for text in (*said, *(f"! {note}" for note in shared), *told)]
    return "\n".join([*aligned(header, rows, indent="", width=width), "", *notes])


def _lines(item: Explanation) -> list[list[str]]:
    first = [
        clipped(str(item.row), _LABEL_WIDTH),
        number(item.prediction),
        number(item.base),
        clipped(item.target_label, _LABEL_WIDTH),
    ]
    chosen = {"sufficient": item.sufficient, "necessary": item.necessary, "both": item.unified}
    starts = [first, [""] * len(first), [""] * len(first)]
    return [
        [*start, name, *_gaps(selection), str(selection)]
        for start, (name, selection) in zip(starts, chosen.items(), strict=True)
    ]


def _gaps(selection: Selection) -> list[str]:
    return [number(selection.sufficiency.value), number(selection.necessity.value)]


def json_text(found: Explained, progress: Progress, *, ascii_only: bool = False) -> str:
    """One strict JSON document; what is not finite is null.

    Args:
        found: The explanations.
        progress: How far the run came.
        ascii_only: Whether all other characters are escaped.
    """
    document = {
        "onlyif": __version__,
        "complete": progress.complete,
        "n_finished": progress.finished,
        "n_rows": progress.asked,
        "explanations": [_record(item) for item in found],
    }
    text = json.dumps(document, ensure_ascii=ascii_only, allow_nan=False)
    # JSON reads its own escapes of control characters as these, and a terminal does not obey them.
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _record(item: OneExplained) -> dict[str, Any]:
    match item:
        case CausalExplanation():
            return {**plain_value(item), "cause": plain_value(item.cause)}
        case Explanation():
            return _record_of_sets(item)


def _record_of_sets(item: Explanation) -> dict[str, Any]:
    left_out = {"continua", *selections_of(item)}
    plain = {
        f.name: plain_value(getattr(item, f.name)) for f in dataclasses.fields(item) if f.name not in left_out
    }
    plain |= {name: plain_value(chosen) for name, chosen in selections_of(item).items()}
    return plain | {"continuum": plain_value(item.continuum)}


def plain_value(value: Any) -> Any:
    """Lists, dicts, text, finite numbers and null for a value of an explanation.

    Example:
        >>> plain_value((1.5, float("nan"), None))
        [1.5, None, None]
    """
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return plain(value)
    if dataclasses.is_dataclass(value):
        return {f.name: plain_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


_PLAIN: dict[type, Callable[[Any], Any]] = {
    date: str,
    float: lambda value: value if math.isfinite(value) else None,
    tuple: lambda value: [plain_value(item) for item in value],
    list: lambda value: [plain_value(item) for item in value],
    np.ndarray: lambda value: plain_value(value.tolist()),
    Enum: lambda value: value.name.lower(),
}
