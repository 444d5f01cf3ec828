"""The frames that explanations are laid out as: each column with its type and what stands in it."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from onlyif.core.errors import AbsentError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Effect, Measure, Selection
from onlyif.explanation.sentences import decision_of, reasons_of

Columns = Mapping[str, type]
Record = tuple[object, ...]
Layout = tuple[Columns, list[Record]]
# Of an explanation and the name of one of its sets, what stands in a column.
_Read = Callable[[Explanation, str], object]
_Readers = Mapping[str, tuple[type, _Read]]
UNKNOWN = Measure(math.nan, math.nan, math.nan)


def _of(name: str, part: str = "value") -> tuple[type, _Read]:
    """One of the numbers about a set."""
    return float, lambda item, which: getattr(item.sets[which].measures.get(name, UNKNOWN), part)


def _about(name: str, part: str = "value") -> tuple[type, _Read]:
    """One of the numbers about the whole prediction."""
    return float, lambda item, _: getattr(item.measures.get(name, UNKNOWN), part)


def _said(name: str) -> tuple[type, _Read]:
    return str, lambda item, _: item.provenance.sentences.get(name, "")


def _errors(prefix: str, name: str) -> _Readers:
    return {prefix: _of(name), f"{prefix}_stderr": _of(name, "stderr")}


def _with_sample_errors(name: str) -> _Readers:
    return {**_errors(name, name), f"{name}_sample_stderr": _of(name, "sample_stderr")}


_ROW: _Readers = {
    "row": (object, lambda item, _: item.row),
    "target": (int, lambda item, _: item.target),
    "target_label": (str, lambda item, _: item.target_label),
    "prediction": (float, lambda item, _: item.prediction),
}
_BASE: _Readers = {
    "base": (float, lambda item, _: item.base),
    "base_stderr": (float, lambda item, _: item.base_stderr),
}
_MEMBERS: _Readers = {
    "players": (str, lambda item, which: ", ".join(item.sets[which].names)),
    "size": (int, lambda item, which: item.sets[which].size),
}
_TIES: _Readers = {"n_ties": (int, lambda item, which: item.sets[which].n_ties)}
_COST: _Readers = {
    "seed": (int, lambda item, _: item.provenance.seed),
    "model_rows": (int, lambda item, _: item.model_rows),
    "asked_rows": (float, lambda item, _: math.nan if item.asked_rows is None else item.asked_rows),
    "seconds": (float, lambda item, _: item.seconds),
}
_SEARCH: _Readers = {"search": (str, lambda item, _: item.provenance.search)}
_STATUS: _Readers = {"status": (str, lambda item, _: item.status.kind.value)}
_VERDICT: _Readers = {
    "verdict": (
        str,
        lambda item, which: item.verdicts[which].finding.value if which in item.verdicts else "",
    )
}
_GAPS: _Readers = {
    **_ROW,
    **_BASE,
    "total_gap": _about("total_gap"),
    "total_gap_stderr": _about("total_gap", "stderr"),
    "selection": (str, lambda _, which: which),
    **_MEMBERS,
    **_errors("delta_suf", "sufficiency"),
    **_errors("delta_nec", "necessity"),
    "delta_uni": (float, lambda item, which: item.sets[which].unified(item.alpha)),
    "delta_uni_stderr": (float, lambda item, which: _unified_error(item.sets[which], item.alpha)),
    **_errors("fresh_suf", "fresh_sufficiency"),
    **_errors("fresh_nec", "fresh_necessity"),
    **_VERDICT,
    **_STATUS,
    **_TIES,
    "epsilon": (float, lambda item, _: item.epsilon),
    "alpha": (float, lambda item, _: item.alpha),
    "size_rule": (str, lambda item, _: f"|S| {'=' if item.exact_size else '<='} {item.size}"),
    "informative": (bool, lambda item, _: item.certificate.informative),
    "basis": (str, lambda item, _: item.certificate.basis.name.lower()),
    "predictor": (str, lambda item, _: item.provenance.predictor),
    "output": (str, lambda item, _: item.provenance.output),
    "reference": _said("reference"),
    "restriction": _said("restriction"),
    **_SEARCH,
    "distance": _said("distance"),
    **_COST,
}
_CAUSE: _Readers = {
    **_MEMBERS,
    **_with_sample_errors("pn"),
    **_with_sample_errors("ps"),
    "p_changed": _of("p_changed"),
    "p_unchanged": _of("p_unchanged"),
    **_with_sample_errors("pns"),
    "pns_halved": (float, lambda item, which: item.sets[which].pns_halved),
    "pns_searched": _of("searched"),
    "pns_typical": _of("typical"),
    "effective_pn": _of("effective_pn"),
    "effective_ps": _of("effective_ps"),
    "exact": (bool, lambda item, which: item.sets[which].exact),
    **_TIES,
}
_CAUSE_ROW: _Readers = {**_ROW, "baseline_prediction": (float, lambda item, _: item.base)}
_CAUSES: _Readers = {
    **_CAUSE_ROW,
    **_CAUSE,
    **_STATUS,
    "b": (float, lambda item, _: item.provenance.values["b"]),
    "c": (float, lambda item, _: item.provenance.values["c"]),
    "n_sample": (int, lambda item, _: item.provenance.values["n_sample"]),
    "baseline": _said("baseline"),
    "sample": _said("sample"),
    **_SEARCH,
    **_COST,
    "reason": (str, lambda item, _: item.reason),
}
_MASKS: _Readers = {
    "row": _ROW["row"],
    "alpha": (float, lambda item, _: item.alpha),
    "target": _ROW["target"],
    "prediction": _ROW["prediction"],
    "base": _BASE["base"],
    "objective": _about("objective"),
    "soft_size": (float, lambda item, _: float(item.soft.mean())),
    "soft_sufficiency": _about("soft_sufficiency"),
    "soft_necessity": _about("soft_necessity"),
    "hard_size": (float, lambda item, which: item.sets[which].size / len(item.names)),
    "hard_sufficiency": _of("sufficiency"),
    "hard_necessity": _of("necessity"),
    "steps": (int, lambda item, _: item.settings["steps"]),
    "model_rows": _COST["model_rows"],
    "asked_rows": _COST["asked_rows"],
}
_CONTINUUM: Columns = {
    "row": object, "size": int, "exact_size": bool, "low": float, "high": float,
    "players": str, "n_players": int,
    "delta_suf": float, "delta_suf_stderr": float, "delta_nec": float, "delta_nec_stderr": float,
    "n_ties": int,
}  # fmt: skip


_REASONS: _Readers = {
    "row": _ROW["row"],
    "decision": (str, lambda item, _: decision_of(item)),
    "target_label": _ROW["target_label"],
    "prediction": _ROW["prediction"],
    "base": _BASE["base"],
    "reasons": (str, lambda item, _: ", ".join(reasons_of(item))),
    # That on the sufficient set, whose members are the reasons.
    "verdict": (str, lambda item, _: _VERDICT["verdict"][1](item, "sufficient")),
    **_STATUS,
}
# What a member adds to the others that are kept, and alone; what hiding it takes away, likewise.
_CHANGES = ("kept_beside_others", "kept_alone", "hidden_beside_others", "hidden_alone")


def _unified_error(chosen: Selection, alpha: float) -> float:
    return alpha * chosen.sufficiency.stderr + (1.0 - alpha) * chosen.necessity.stderr


# The columns that are read first; all others are there in full.
_FIRST = (
    *("row", "target_label", "prediction", "base", "baseline_prediction", "selection", "players"),
    *("size", "delta_suf", "delta_nec", "verdict", "stability", "pn", "ps", "pns", "pns_stderr"),
    *("pns_sample_stderr", "soft_size", "soft_sufficiency", "soft_necessity", "hard_size"),
    *("hard_sufficiency", "hard_necessity", "status", "chosen"),
)
_FIRST_OF_PLAYERS = (
    *("row", "player", "value", "baseline", "in_cause", "pn", "ps", "pns", "pns_stderr"),
    "pns_sample_stderr",
)
MOST_COLUMNS = 12


def _shortened(layout: Layout, first: Sequence[str]) -> Layout:
    """A dozen columns at most: those that are read first."""
    columns, rows = layout
    kept = [place for place, name in enumerate(columns) if name in first][:MOST_COLUMNS]
    names = [*columns]
    return {names[k]: columns[names[k]] for k in kept}, [tuple(row[k] for k in kept) for row in rows]


def short_layout(items: Sequence[Explanation]) -> Layout:
    """As `set_layout`, with the columns alone that are read first.

    Args:
        items: The explanations, all by one criterion.
    """
    own = [item for item in items[:1] if item.details.continua is None and "cause" not in item.sets]
    measured = [name for item in own for one in item.sets.values() for name in one.measures]
    alone = [name for item in own if not item.sets for name in item.measures]
    # α is told where each row is explained for several.
    several = ["alpha"] if own else []
    return _shortened(set_layout(items), (*_FIRST, *measured, *alone, *several))


def set_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation and set, with the columns that fit what the explanations hold.

    Args:
        items: The explanations, all by one criterion.
    """
    readers = _readers(items)
    pairs = [(item, which) for item in items for which in item.sets or ("",)]
    rows = [tuple(read(item, which) for _, read in readers.values()) for item, which in pairs]
    return {name: kind for name, (kind, _) in readers.items()}, rows


def _readers(items: Sequence[Explanation]) -> _Readers:
    if not items or items[0].details.continua is not None:
        stable = any("resamples" in item.settings for item in items)
        return {**_GAPS, "stability": _of("stability")} if stable else _GAPS
    if "cause" in items[0].sets:
        return _CAUSES
    if "soft" in items[0].scores:
        return _MASKS
    if not any(item.sets for item in items):
        told = dict.fromkeys(name for item in items for name in item.measures)
        return {**_ROW, **_BASE, **{name: _about(name) for name in told}, **_SEARCH, **_COST}
    measured = dict.fromkeys(name for item in items for one in item.sets.values() for name in one.measures)
    numbers = {column: read for name in measured for column, read in _errors(name, name).items()}
    which: _Readers = {"selection": _GAPS["selection"]}
    return {**_ROW, **_BASE, **which, **_MEMBERS, **numbers, **_STATUS, **_TIES, **_SEARCH, **_COST}


def continuum_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation, size rule and solution over α."""
    return _CONTINUUM, [record for item in items for record in _continuum(item)]


def _continuum(item: Explanation) -> Iterator[Record]:
    held = item.continua
    columns = held.size, held.exact_size, held.low, held.high, held.keep, held.n_ties
    gaps = zip(held.sufficiency.tolist(), held.necessity.tolist(), strict=True)
    rows = zip(zip(*(column.tolist() for column in columns), strict=True), gaps, strict=True)
    for (size, exact, low, high, keep, ties), (suf, nec) in rows:
        named = ", ".join(name for name, kept in zip(held.names, keep, strict=True) if kept)
        yield (item.row, size, exact, low, high, named, sum(keep), *suf, *nec, ties)


def alternatives_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation and minimal set.

    Args:
        items: The explanations.
    """
    columns: dict[str, type] = {"row": object, "selection": str, "players": str, "size": int}
    columns |= {f"delta_{gap}{end}": float for gap in ("suf", "nec") for end in ("", "_stderr")}
    rows: list[Record] = []
    for item in items:
        for kind, held in item.alternatives.items():
            for one in held:
                gaps = [x for gap in (one.sufficiency, one.necessity) for x in (gap.value, gap.stderr)]
                rows.append((item.row, kind, ", ".join(one.names), one.size, *gaps))
    return columns, rows


def short_path_layout(items: Sequence[Explanation]) -> Layout:
    """As `path_layout`, with the columns alone that are read first."""
    return _shortened(path_layout(items), _FIRST)


def path_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation and size: the best set of that size."""
    readers = {**_CAUSE_ROW, **_CAUSE}
    rows = [
        (*values, chosen.size == item.size)
        for item in items
        for chosen, values in zip(item.path, _one_by_one(item, item.path, readers), strict=True)
    ]
    return {**{name: kind for name, (kind, _) in readers.items()}, "chosen": bool}, rows


def _one_by_one(item: Explanation, chosen: Iterable[Selection], readers: _Readers) -> Iterator[Record]:
    for one in chosen:
        alone = Explanation(
            item.row, item.names, item.values, item.target, item.target_label, item.prediction,
            item.base, item.base_stderr, {"cause": one}, item.provenance,
        )  # fmt: skip
        yield tuple(read(alone, "cause") for _, read in readers.values())


def reasons_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation: what was decided, why, and how far to trust it.

    Raises:
        AbsentError: if players are pixels.
    """
    _check_features(items, "reasons")
    return {name: kind for name, (kind, _) in _REASONS.items()}, [
        tuple(read(item, "") for _, read in _REASONS.values()) for item in items
    ]


def members_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation, set and member: its value, its direction and its changes of f.

    Raises:
        AbsentError: if players are pixels.
    """
    _check_features(items, "members")
    columns: dict[str, type] = {"row": object}
    columns |= dict.fromkeys(("selection", "player", "value", "direction"), str)
    return columns | dict.fromkeys(_CHANGES, float), [record for item in items for record in _members(item)]


def _members(item: Explanation) -> Iterator[Record]:
    for which, chosen in item.sets.items():
        for place, player in enumerate(chosen.players):
            effect = chosen.effects[place] if chosen.effects else None
            changes = {} if effect is None else _changes(item, which, effect)
            value = item.values[player] if item.values else ""
            direction = "" if effect is None else effect.direction.value
            numbers = (changes.get(name, math.nan) for name in _CHANGES)
            yield (item.row, which, item.names[player], value, direction, *numbers)


def _changes(item: Explanation, which: str, effect: Effect) -> dict[str, float]:
    """The changes of a member by the names of their columns: which there are depends on the set."""
    kept = which in {"sufficient", "unified"} and not (which == "unified" and item.alpha == 0.0)
    hidden = which in {"necessary", "unified"} and not (which == "unified" and item.alpha == 1.0)
    names = [*(_CHANGES[:2] if kept else ()), *(_CHANGES[2:] if hidden else ())]
    return {name: change.value for name, change in zip(names, effect.changes, strict=False)}


def _check_features(items: Sequence[Explanation], what: str) -> None:
    if any(isinstance(item.names, PixelNames) for item in items):
        raise AbsentError(f"a frame of {what} needs named players, got pixels; read the arrays in `scores`")


def short_player_layout(items: Sequence[Explanation]) -> Layout:
    """As `player_layout`, with the columns alone that are read first.

    Raises:
        AbsentError: if players are pixels: their scores are arrays.
    """
    whole = player_layout(items)
    return _shortened(whole, _FIRST_OF_PLAYERS) if items and items[0].details.singles else whole


def player_layout(items: Sequence[Explanation]) -> Layout:
    """One row for each explanation and player: its value, in which sets it is, its scores.

    Raises:
        AbsentError: if players are pixels: their scores are arrays.
    """
    _check_features(items, "players")
    if items and items[0].details.singles:
        return _single_layout(items)
    sets = list(dict.fromkeys(name for item in items for name in item.sets))
    scores = list(dict.fromkeys(name for item in items for name in item.scores))
    if not items or items[0].details.continua is not None:
        stable = [name for name in scores if name.startswith("stability_")]
        sets, scores = ["sufficient", "necessary", "unified"], ["shapley", *stable]
    columns: dict[str, type] = {"row": object, "player": str, "value": str}
    columns |= dict.fromkeys(sets, bool) | dict.fromkeys(scores, float)
    return columns, [record for item in items for record in _players(item, sets, scores)]


def _players(item: Explanation, sets: Sequence[str], scores: Sequence[str]) -> Iterator[Record]:
    members = [set(item.sets[name].players) if name in item.sets else set() for name in sets]
    nothing = [math.nan] * len(item.names)
    numbers = [item.scores[name].tolist() if name in item.scores else nothing for name in scores]
    for i, name in enumerate(item.names):
        yield (item.row, name, item.values[i], *(i in held for held in members), *(one[i] for one in numbers))


def _single_layout(items: Sequence[Explanation]) -> Layout:
    columns = {"row": object, "player": str, "value": str, "baseline": str, "in_cause": bool}
    rows = [
        (item.row, name, item.values[i], item.baseline[i], i in item.cause.players, *values)
        for item in items
        for i, (name, values) in enumerate(
            zip(item.names, _one_by_one(item, item.singles, _CAUSE), strict=True)
        )
    ]
    return {**columns, **{name: kind for name, (kind, _) in _CAUSE.items()}}, rows
