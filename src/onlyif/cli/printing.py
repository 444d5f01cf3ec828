"""Explanations for a terminal, and as strict JSON for programs."""

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from typing import Any, final

import numpy as np

from onlyif.cli.exits import INTERRUPTED, KINDS
from onlyif.cli.spoken import spoken
from onlyif.core.visible import on_one_line
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import (
    aligned,
    basis_text,
    clipped,
    error,
    number,
    permitted_text,
    sentence,
    wrapped,
)
from onlyif.explanation.selection import LONGEST_LIST, Direction, Measure, Selection
from onlyif.explanation.summaries import SYMBOLS
from onlyif.explanation.text import explanation_text
from onlyif.explanation.verdicts import BOUND
from onlyif.setup.forecast import Forecast
from onlyif.version import __version__

MOST_WIDE = 120
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LABEL_WIDTH = 16
_SIDES = ("kept", "hidden")


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


def full_text(found: Explanations, width: int) -> str:
    """All of every explanation, one below the other."""
    return ("\n\n" + "─" * width + "\n\n").join(_whole(item, width) for item in found)


def _whole(item: Explanation, width: int) -> str:
    """All of an explanation, with what it says of arguments in words of the command line."""
    text = explanation_text(item, width)
    for said in (*(sentence(str(status)) for status in item.statuses), *item.notes):
        old, new = (wrapped(one, width, "  ! ", "    ") for one in (said, spoken(said)))
        text = text.replace(old, new, 1)
    return text


def table_text(found: Explanations, width: int) -> str:
    """A few lines a row: the prediction, what it is compared with, and each set."""
    first = found[0]
    heads = ["PNS", "mean"] if "cause" in first.sets else ["set", *_heads(first)]
    header = ["row", "f(x)", first.base_word, "target", *heads, "columns"]
    rows = [line for item in found for line in _lines(item)]
    said = [f"! row {item.row}: {spoken(str(status))}" for item in found for status in item.statuses]
    shared = [f"! {spoken(note)}" for note in dict.fromkeys(note for item in found for note in item.notes)]
    limits = [f"Permitted sets: {text}." for text in [permitted_text(first.settings)] if text]
    told = (*said, *shared, *_compared(found), *_told(first), *limits)
    notes = [wrapped(text, width, "", "  ") for text in told]
    return "\n".join([*aligned(header, rows, indent="", width=width), "", *notes])


def _compared(found: Explanations) -> list[str]:
    """What f_0 is of, for each decision, where rows are explained against others."""
    against = {
        item.target_label: item.provenance.sentences["against"]
        for item in found
        if "against" in item.provenance.sentences
    }
    return [f"Rows of target {label!r} are compared with {rows}." for label, rows in against.items()]


def _heads(item: Explanation) -> list[str]:
    return [SYMBOLS.get(name, name) for name in _shown(item)]


def _shown(item: Explanation) -> list[str]:
    """The measures that all sets have, but for those of fresh draws, f_S and f_Sc: lines are short."""
    sets = [*item.sets.values()]
    names = sets[0].measures if sets else ()
    return [
        n
        for n in names
        if not n.startswith("fresh_") and n not in _SIDES and all(n in one.measures for one in sets)
    ]


def _told(item: Explanation) -> list[str]:
    made = item.provenance
    if "cause" in item.sets:
        none = f"A change of at most c = {number(float(made.values['c']))} counts as none."
        return [
            f"{sentence(made.sentences['baseline'])} {none}",
            "PNS, 0 to 2: how probable it is that these columns are necessary and sufficient for the "
            "prediction; mean: of all sets of this size. Compare sets of one size only.",
        ]
    if item.details.continua is not None:
        basis = sentence(basis_text(item.certificate, constrained=item.constrained))
        both = f"both: the best compromise at α = {number(item.alpha)}."
        meant = (
            "sufficient: with only these columns kept the decision stays; "
            "necessary: with only these hidden it is gone; "
            if item.compares_decisions
            else "sufficient: keeping only these columns leaves the prediction within ε of f(x); "
            "necessary: hiding only these brings it within ε of the average f_0; "
        )
        ways = "(against): the column moves the prediction away from f(x); (depends): alone otherwise than "
        return [
            f"{sentence(made.sentences['reference'])} {basis}",
            meant + both,
            f"{ways}beside the others.",
        ]
    return [sentence(said) for said in made.sentences.values()]


def _lines(item: Explanation) -> list[list[str]]:
    label = clipped(item.target_label, _LABEL_WIDTH)
    values = (clipped(item.value_text(value), _LABEL_WIDTH) for value in (item.prediction, item.base))
    start = [clipped(str(item.row), _LABEL_WIDTH), *values, label]
    if "cause" in item.sets:
        cause = item.cause
        typical = "" if cause.typical is None else number(cause.typical)
        pns = number(cause.pns.value) + error(cause.pns.stderr)
        return [[*start, pns, typical, "none" if item.reason else str(cause)]]
    starts = [start, *([""] * len(start) for _ in item.sets)]
    return [
        [
            *first,
            "both" if name == "unified" else name,
            *_numbers(item, chosen),
            f"{_members(item, chosen)}{_verdict(item, name)}",
        ]
        for first, (name, chosen) in zip(starts, item.sets.items(), strict=False)
    ]


def _verdict(item: Explanation, name: str) -> str:
    return f": {item.verdicts[name].finding.value}" if name in item.verdicts else ""


def _members(item: Explanation, chosen: Selection) -> str:
    """The members of a set, those marked that do not simply speak for the prediction."""
    ways = dict(zip(chosen.names, chosen.directions, strict=False))
    marked = [f"{name}{_mark(item, ways.get(name))}" for name in chosen.names]
    return str(chosen) if chosen.size > LONGEST_LIST else "{" + on_one_line(", ".join(marked)) + "}"


def _mark(item: Explanation, way: Direction | None) -> str:
    if way is None:
        return ""
    if item.speaks_against(way):
        return " (against)"
    return f" ({way.value})" if way in {Direction.DEPENDS, Direction.UNCLEAR} else ""


def _numbers(item: Explanation, chosen: Selection) -> list[str]:
    return [number(chosen.measures[name].value) for name in _shown(item)]


def json_text(
    found: Explanations,
    progress: Progress,
    fault: Mapping[str, Any] | None = None,
    *,
    ascii_only: bool = False,
) -> str:
    """One strict JSON document; what is not finite is null.

    Args:
        found: The explanations.
        progress: How far the run came.
        fault: What ended it, from `fault_of`; None where nothing did.
        ascii_only: Whether all other characters are escaped.
    """
    document = {
        "onlyif": __version__,
        "complete": progress.complete,
        "n_finished": progress.finished,
        "n_rows": progress.asked,
        **(fault or {}),
        "explanations": [_record(item) for item in found],
    }
    return strict_json(document, ascii_only=ascii_only)


def error_json(error: BaseException, code: int) -> str:
    """A run that gave no explanation, as strict JSON in ASCII: the same document, with none in it.

    Args:
        error: What ended it.
        code: The exit code.
    """
    document = {
        "onlyif": __version__,
        "complete": False,
        "n_finished": 0,
        **fault_of(error, code),
        "explanations": [],
    }
    return strict_json(document, ascii_only=True)


def fault_of(error: BaseException, code: int) -> Mapping[str, Any]:
    """What ended a run, for JSON: the exit code, what kind of error it was, and the sentence.

    Args:
        error: The error.
        code: The exit code.
    """
    code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else code
    message = spoken(str(error)) or type(error).__name__
    return {"error": {"code": code, "kind": KINDS[code], "message": message}}


def strict_json(document: Mapping[str, Any], *, ascii_only: bool) -> str:
    """A document as strict JSON that a terminal may be sent.

    Args:
        document: Values that JSON can hold, all finite.
        ascii_only: Whether all other characters are escaped.
    """
    text = json.dumps(document, ensure_ascii=ascii_only, allow_nan=False)
    # JSON reads its own escapes of control characters as these, and a terminal does not obey them.
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def forecast_json(told: Forecast) -> str:
    """What an explanation will take, as strict JSON.

    Args:
        told: What it will take.
    """
    return json.dumps({"onlyif": __version__, **plain_value(told)}, allow_nan=False)


def _record(item: Explanation) -> dict[str, Any]:
    """One explanation as a JSON object; what a criterion does not have is not in it."""
    named = {
        "row",
        "names",
        "values",
        "target",
        "target_label",
        "prediction",
        "model_rows",
        "asked_rows",
        "saved_rows",
        "check_rows",
        "seconds",
        "notes",
    }
    plain = {name: plain_value(getattr(item, name)) for name in named}
    plain |= {"provenance": _provenance(item.provenance), **plain_value(dict(item.settings))}
    plain |= {
        "statuses": [
            {"kind": one.kind.value, "sentence": one.sentence, "advice": spoken(one.advice)}
            for one in item.statuses
        ],
        "verdicts": {kind: verdict.finding.value for kind, verdict in item.verdicts.items()},
    }
    sets = {name: _set(chosen) for name, chosen in item.sets.items()}
    if "cause" in sets:
        lists = {name: [_set(one) for one in getattr(item, name)] for name in ("path", "singles")}
        more = {
            name: plain_value(getattr(item, name)) for name in ("baseline", "baseline_prediction", "reason")
        }
        return plain | lists | more | sets
    plain |= {"base": plain_value(item.base), "base_stderr": plain_value(item.base_stderr)}
    plain |= {name: measure_value(measure) for name, measure in item.measures.items()}
    if item.details.continua is None:
        scores = plain_value(dict(item.scores))
        return plain | {"sets": sets, "scores": scores, "reason": item.reason}
    held = item.continuum
    continuum = {name: plain_value(getattr(held, name)) for name in ("size", "exact_size", "breakpoints")}
    continuum |= {name: [_set(one) for one in getattr(held, name)] for name in ("pieces", "corners")}
    more = {name: plain_value(getattr(item, name)) for name in ("certificate", "shapley", "table")}
    more |= {name: plain_value(held) for name, held in item.scores.items() if name.startswith("stability_")}
    return plain | more | sets | {"continuum": continuum}


def _set(chosen: Selection) -> dict[str, Any]:
    plain = {"players": [*chosen.players], "names": [*chosen.names], "n_ties": chosen.n_ties}
    if "pns" in chosen.measures:
        numbers = {
            name: plain_value(chosen.measure(name))
            for name in ("pn", "ps", "p_changed", "p_unchanged", "pns")
        }
        single = ("effective_pn", "effective_ps", "exact", "searched", "typical")
        return plain | numbers | {name: plain_value(getattr(chosen, name)) for name in single}
    if "sufficiency" in chosen.measures:
        fresh = None if chosen.fresh is None else [measure_value(gap) for gap in chosen.fresh]
        gaps = {name: measure_value(chosen.measure(name)) for name in ("sufficiency", "necessity")}
        sides = {name: measure_value(chosen.measures[name]) for name in _SIDES if name in chosen.measures}
        ways = {"directions": plain_value(chosen.directions)} if chosen.effects else {}
        sure = {
            name: measure_value(chosen.measures[name])
            for name in (BOUND, "stability")
            if name in chosen.measures
        }
        return plain | gaps | {"fresh": fresh} | sides | ways | sure
    return plain | {name: measure_value(measure) for name, measure in chosen.measures.items()}


def measure_value(measure: Measure) -> dict[str, Any]:
    """A measure as a JSON object."""
    return {name: plain_value(getattr(measure, name)) for name in ("value", "stderr")}


def _provenance(made: Provenance) -> dict[str, Any]:
    values = dict(made.values)
    weights = [
        values.pop(f"weight_{part}") for part in ("necessity", "sufficiency") if f"weight_{part}" in values
    ]
    named = {name: getattr(made, name) for name in ("predictor", "output", "search", "seed", "versions")}
    return {
        **plain_value(named),
        **made.sentences,
        **plain_value(values),
        **({"weights": plain_value(weights)} if weights else {}),
    }


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
    dict: lambda value: {key: plain_value(inner) for key, inner in value.items()},
    tuple: lambda value: [plain_value(item) for item in value],
    list: lambda value: [plain_value(item) for item in value],
    np.ndarray: lambda value: plain_value(value.tolist()),
    Enum: lambda value: value.name.lower(),
}
