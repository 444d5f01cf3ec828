"""One explanation as plain text, for a reader who does not know the papers."""

from collections.abc import Iterator, Sequence

import numpy as np

from onlyif.core.arguments import Whole
from onlyif.core.nouns import counted, whole_of
from onlyif.core.visible import visible
from onlyif.explanation.certainty import certainty, provenance
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import one_of
from onlyif.explanation.layout import (
    aligned,
    clipped,
    error,
    measure_text,
    number,
    sentence,
    wrapped,
)
from onlyif.explanation.passages import (
    base_text,
    comparison,
    from_search,
    headline,
    no_members,
    permitted,
    set_said,
    set_title,
    size_rule,
    stretches,
    title,
    value_pairs,
)
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Selection

Lines = Iterator[str]
_LONGEST = 40
_MOST_SCORES = 20
_MOST_SETS = 5


def explanation_text(item: Explanation, width: int = 100) -> str:
    """An explanation in words, with the symbols of the papers.

    Args:
        item: The explanation of one row.
        width: Longest line, in characters; at least 60 are used.

    Raises:
        SettingError: if it is no single explanation, or the width no whole number.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> print(explanation_text(example_explanations()[0]))
        Row 0: probability of 'yes' (python function)
          f(x) = 0.93  the prediction for this row
          f_0  = 0.2   the average prediction, when all 3 features are hidden
        ...
    """
    wide, one = max(Whole().take("width", width), 60), one_of(item, "explanation_text")
    sections = [
        _heading(one, wide),
        *(_none(one, kind, wide) for kind in one.missing),
        *(_set(one, name, wide) for name in one.sets),
        _alternatives(one, wide),
        _continuum(one, wide),
        _path(one, wide),
        _singles(one, wide),
        _scores(one, wide),
        _certainty(one, wide),
        _provenance(one, wide),
        (wrapped(note, wide, "  ! ", "    ") for note in one.notes),
    ]
    return visible("\n\n".join(filter(None, ("\n".join(lines) for lines in sections))))


def _heading(item: Explanation, width: int) -> Lines:
    prediction = item.value_text(item.prediction)
    base = item.value_text(item.base) + error(item.base_stderr)
    pad, wide = max(len(prediction), len(base)), max(4, len(item.base_word))
    yield wrapped(headline(item), width, "")
    for status in item.statuses:
        yield wrapped(sentence(str(status)), width, "  ! ", "    ")
    yield f"  {'f(x)':<{wide}} = {prediction:<{pad}}  the prediction for this {whole_of(item.noun)}"
    yield f"  {item.base_word:<{wide}} = {base:<{pad}}  {base_text(item)}"
    yield from (wrapped(said, width) for said in comparison(item))


def _none(item: Explanation, kind: str, width: int) -> Lines:
    """What is said where no permitted set is within ε."""
    yield wrapped(f"{title(item, kind).upper()} (no permitted ε-{kind} set)", width, "")
    yield "    none of the permitted sets does"


def _set(item: Explanation, name: str, width: int) -> Lines:
    first, rest = set_title(item, name)
    yield wrapped(first.upper() + rest, width, "")
    none = no_members(item, name)
    members = [f"none: {none}"] if none else value_pairs(item, item.sets[name])
    yield from (wrapped(pair, width, "    ", "    " if none else "      ") for pair in members)
    yield from (wrapped(said, width, "  ", "    ") for said in set_said(item, name))


def _alternatives(item: Explanation, width: int) -> Lines:
    if not any(held.count > 1 for held in item.details.alternatives.values()):
        return
    yield "WHAT ELSE WOULD DO (sets that can spare no member)"
    for kind, held in item.details.alternatives.items():
        least = "" if held.complete else "at least "
        some = [name for name in held.union_names if name not in held.core_names]
        said = f"{least}{counted(held.count, f'ε-{kind} set')}; in every one: {_listed(held.core_names)}"
        yield wrapped(f"{said}; in some: {_listed(some)}", width, "  ", "    ")
        yield from (wrapped(str(chosen), width, "    ", "      ") for chosen in [*held][:_MOST_SETS])
        if held.count > _MOST_SETS:
            yield f"    ... and {held.count - _MOST_SETS} more"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(clipped(name, _LONGEST) for name in names) or "none"


def _continuum(item: Explanation, width: int) -> Lines:
    if item.details.continua is None:
        return
    sets = f"the best{permitted(item)} sets{from_search(item)} of {size_rule(item)}"
    yield wrapped(f"FROM NECESSARY (α = 0) TO SUFFICIENT (α = 1): {sets}", width, "")
    rows = [
        [
            place,
            measure_text(s.sufficiency),
            measure_text(s.necessity),
            str(s.n_ties) if s.n_ties > 1 else "",
            str(s),
        ]
        for place, s in stretches(item.continuum)
    ]
    yield from aligned(["α", "Δsuf", "Δnec", "ties", "set"], rows, width=width)


def _path(item: Explanation, width: int) -> Lines:
    if item.reason or not item.details.path:
        return
    title = "THE BEST SET OF EACH SIZE (larger sets usually have the higher PNS: compare equal sizes only)"
    yield wrapped(title, width, "")
    rows = [
        [
            f"{one.size}{' *' if one.size == item.size else ''}",
            number(one.pns.value) + error(one.pns.stderr),
            "" if one.typical is None else number(one.typical),
            number(one.pn.value),
            number(one.ps.value),
            _or_others(item, one),
        ]
        for one in item.path
    ]
    yield from aligned(["size", "PNS", "mean", "PN", "PS", "set"], rows, width=width)


def _or_others(item: Explanation, chosen: Selection) -> str:
    """The members; of long sets those that are not in them."""
    others = [name for i, name in enumerate(item.names) if i not in chosen.players]
    return str(chosen) if chosen.size <= max(3, len(others)) else f"all but {', '.join(others)}"


def _singles(item: Explanation, width: int) -> Lines:
    if item.reason or not item.details.singles:
        return
    order = sorted(item.singles, key=lambda one: (-one.pns.value, one.players))
    rows = [
        [
            clipped(one.names[0], _LONGEST),
            *(number(measure.value) for measure in (one.pns, one.pn, one.ps)),
            f"{item.values[one.players[0]]} (baseline {item.baseline[one.players[0]]})",
        ]
        for one in order
    ]
    yield f"EACH {item.noun.upper()} ALONE"
    yield from aligned([item.noun, "PNS", "PN", "PS", "value"], rows, width=width)


def _scores(item: Explanation, width: int) -> Lines:
    """Scores that no other section tells of: the highest of features, the spread of pixels."""
    for name, values in item.scores.items():
        told = name == "shapley" or name.startswith("stability_")
        if told or (name == "pns" and item.details.singles):
            continue
        flat = values.ravel()
        spread = f"from {number(float(flat.min()))} to {number(float(flat.max()))}"
        title = f"{name.upper()}: a number for each of {len(flat)} players, {spread}"
        yield wrapped(f"{title}, on average {number(float(flat.mean()))}", width, "")
        if not isinstance(item.names, PixelNames):
            order = np.argsort(-flat, kind="stable")[:_MOST_SCORES].tolist()
            rows = [[clipped(item.names[i], _LONGEST), number(float(flat[i])), item.values[i]] for i in order]
            yield from aligned([item.noun, name, "value"], rows, width=width)
    for name, measure in item.measures.items():
        if name != "total_gap":
            yield wrapped(f"{name.replace('_', ' ')} = {measure_text(measure)}", width, "  ", "    ")


def _certainty(item: Explanation, width: int) -> Lines:
    said = [*certainty(item)]
    if said:
        yield "HOW CERTAIN IS THIS"
        yield from (wrapped(line, width, "  - ", "    ") for line in said)


def _provenance(item: Explanation, width: int) -> Lines:
    lead, told = provenance(item)
    yield "HOW IT WAS COMPUTED"
    lines = [*([lead] if lead else []), *(f"{key}: {text}" for key, text in told.items())]
    yield from (wrapped(line, width, "  ", "    ") for line in lines)
