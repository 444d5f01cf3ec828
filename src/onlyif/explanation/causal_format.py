"""Formats 2 and 4 of saved explanations, causes: everything is in the JSON, there are no arrays.

Their entries are the same; format 4 has a digest of them beside.
"""

import dataclasses
import math
from typing import Any

from onlyif.core.errors import StorageError
from onlyif.explanation.causal import CausalExplanation, CausalProvenance
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.cause import Cause, Measured
from onlyif.explanation.entry import Entry, plain_number, plain_row
from onlyif.explanation.formats import Arrays

FORMAT = 4
_MEASURED = ("pn", "ps", "p_changed", "p_unchanged", "pns")
_PLAIN = (
    "names",
    "values",
    "baseline",
    "target",
    "target_label",
    "size",
    "reason",
    "model_rows",
    "notes",
)
_NUMBERS = ("prediction", "baseline_prediction", "seconds")


def plain_causes(found: CausalExplanations) -> dict[str, Any]:
    """Causal explanations in format 4: values for strict JSON."""
    return {"backend": found.backend, "causes": [_plain(item) for item in found]}


def read_format_2(entry: Entry, arrays: Arrays) -> CausalExplanations:
    """Causal explanations from a file of format 2 or 4.

    Raises:
        StorageError: if an entry is missing, unknown or does not fit the others, or there is an array.
    """
    items = tuple(_explanation(item) for item in entry.entries("causes"))
    whole = CausalExplanations(items, entry.text("backend"))
    entry.done()
    if arrays:
        raise StorageError(f"{entry.where}: unknown arrays {sorted(arrays)}")
    return whole


def _plain(item: CausalExplanation) -> dict[str, Any]:
    made = dataclasses.asdict(item.provenance)
    made |= {name: plain_number(made[name]) for name in ("b", "c", "p_replace")}
    return {
        "row": plain_row(item.row),
        **{name: getattr(item, name) for name in _PLAIN},
        **{name: plain_number(getattr(item, name)) for name in _NUMBERS},
        "path": [_plain_cause(cause) for cause in item.path],
        "singles": [_plain_cause(cause) for cause in item.singles],
        "provenance": made,
    }


def _plain_cause(cause: Cause) -> dict[str, Any]:
    optional = {"searched": cause.searched, "typical": cause.typical}
    return {
        "players": cause.players,
        **{name: _plain_measured(getattr(cause, name)) for name in _MEASURED},
        "effective_pn": plain_number(cause.effective_pn),
        "effective_ps": plain_number(cause.effective_ps),
        "exact": cause.exact,
        "n_ties": cause.n_ties,
        **{name: None if value is None else plain_number(value) for name, value in optional.items()},
    }


def _plain_measured(measured: Measured) -> dict[str, float | str]:
    return {name: plain_number(value) for name, value in dataclasses.asdict(measured).items()}


def _explanation(entry: Entry) -> CausalExplanation:
    names = entry.texts("names")
    values, baseline = entry.texts("values"), entry.texts("baseline")
    if not len(names) == len(values) == len(baseline):
        raise StorageError(
            f"{entry.where}: need a value and a baseline for each of {len(names)} names, got "
            f"{len(values)} and {len(baseline)}"
        )
    item = CausalExplanation(
        row=entry.row("row"),
        names=names,
        values=values,
        baseline=baseline,
        target=entry.count("target"),
        target_label=entry.text("target_label"),
        prediction=entry.number("prediction"),
        baseline_prediction=entry.number("baseline_prediction"),
        size=entry.count("size"),
        path=tuple(_cause(one, names) for one in entry.entries("path")),
        singles=tuple(_cause(one, names) for one in entry.entries("singles")),
        reason=entry.text("reason"),
        provenance=_provenance(entry.inner("provenance")),
        model_rows=entry.count("model_rows"),
        seconds=entry.number("seconds"),
        notes=entry.texts("notes"),
    )
    entry.done()
    if item.size not in {cause.size for cause in item.path}:
        raise StorageError(f"{entry.where}: the path has no subset of size {item.size}")
    if [cause.players for cause in item.singles] != [(i,) for i in range(len(names))]:
        raise StorageError(f"{entry.where}: need one entry of 'singles' for each of {len(names)} names")
    return item


def _cause(entry: Entry, names: tuple[str, ...]) -> Cause:
    players = entry.counts("players")
    if any(not 0 <= i < len(names) for i in players):
        raise StorageError(f"{entry.where}: players {list(players)} are not among {len(names)} names")
    cause = Cause(
        players,
        tuple(names[i] for i in players),
        _measured(entry.inner("pn")),
        _measured(entry.inner("ps")),
        _measured(entry.inner("p_changed")),
        _measured(entry.inner("p_unchanged")),
        _measured(entry.inner("pns")),
        effective_pn=entry.number("effective_pn"),
        effective_ps=entry.number("effective_ps"),
        exact=entry.flag("exact"),
        searched=entry.number("searched") if entry.known("searched") else None,
        n_ties=entry.count("n_ties"),
        typical=entry.number("typical") if entry.known("typical") else None,
    )
    entry.done()
    return cause


def _measured(entry: Entry) -> Measured:
    measured = Measured(entry.number("value"), entry.number("stderr"), entry.number("sample_stderr"))
    entry.done()
    return measured


def _provenance(entry: Entry) -> CausalProvenance:
    pairs, weights = entry.values("versions"), entry.values("weights")
    if not all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in pairs):
        raise StorageError(f"{entry.where}: versions must be pairs of texts, got {str(pairs)[:60]!r}")
    if len(weights) != 2:
        raise StorageError(f"{entry.where}: weights must be two numbers, got {str(weights)[:60]!r}")
    first, second = (Entry.of({"weights": held}, entry.where).number("weights") for held in weights)
    if not (math.isfinite(first) and math.isfinite(second)):
        raise StorageError(f"{entry.where}: weights must be finite, got {first} and {second}")
    made = CausalProvenance(
        predictor=entry.text("predictor"),
        output=entry.text("output"),
        baseline=entry.text("baseline"),
        sample=entry.text("sample"),
        n_sample=entry.count("n_sample"),
        b=entry.number("b"),
        boundary=entry.text("boundary"),
        c=entry.number("c"),
        threshold=entry.text("threshold"),
        events=entry.text("events"),
        distance=entry.text("distance"),
        p_replace=entry.number("p_replace"),
        abduction=entry.text("abduction"),
        weights=(first, second),
        search=entry.text("search"),
        seed=entry.count("seed"),
        max_rows=entry.count("max_rows"),
        budget=entry.count("budget"),
        versions=tuple((name, version) for name, version in pairs),
    )
    entry.done()
    return made
