"""Formats 1 and 3 of saved explanations, sets: writer and reader of their entries, which are the same.

Format 3 has a digest of them beside. `storage.READERS` lists all formats.

A change of what is stored gets the next number, a reader of its own, and a golden
file in the tests; readers of earlier numbers stay. Within a format unknown and
missing entries are refused, so nothing is lost or invented in silence.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, final

import numpy as np
from jaxtyping import Shaped

from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continua
from onlyif.explanation.entry import Entry, plain_number, plain_row
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Gap, Selection

FORMAT = 3
_COLUMNS: Mapping[str, type] = {
    "size": np.int64,
    "exact_size": np.bool_,
    "low": np.float64,
    "high": np.float64,
    "keep": np.bool_,
    "sufficiency": np.float64,
    "necessity": np.float64,
    "n_ties": np.int64,
}
Array = Shaped[np.ndarray, "..."]
Arrays = Mapping[str, Array]
T = TypeVar("T")
_BASES = {basis.name: basis for basis in Basis}


def plain_explanations(explanations: Explanations) -> tuple[dict[str, Any], dict[str, Array]]:
    """Explanations in the newest format: values for strict JSON, and named arrays."""
    items = [_plain(_fields(item)) for item in explanations]
    arrays = {
        f"{i}.{name}": np.ascontiguousarray(array)
        for i, item in enumerate(explanations)
        for name, array in _arrays(item).items()
    }
    return {"backend": explanations.backend, "explanations": items}, arrays


def read_format_1(entry: Entry, arrays: Arrays) -> Explanations:
    """Explanations from a file of format 1 or 3.

    Raises:
        StorageError: if an entry or array is missing, unknown or does not fit the others.
    """
    items = entry.entries("explanations")
    read = [_explanation(item, _ItemArrays(arrays, f"{i}.", item.where)) for i, item in enumerate(items)]
    whole = Explanations(tuple(read), entry.text("backend"))
    entry.done()
    known = {f"{i}.{name}" for i, item in enumerate(whole) for name in _arrays(item)}
    if known != set(arrays):
        raise StorageError(f"{entry.where}: unknown arrays {sorted(set(arrays) - known)}")
    return whole


def _fields(item: Explanation) -> dict[str, Any]:
    kept = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
    for name in ("continua", "shapley", "table"):
        kept.pop(name)
    nested = ("total_gap", "sufficient", "necessary", "unified", "certificate", "provenance")
    plain = {name: dataclasses.asdict(kept[name]) for name in nested}
    plain["certificate"]["basis"] = item.certificate.basis.name
    has = {"has_shapley": item.shapley is not None, "has_table": item.table is not None}
    return {**kept, "row": plain_row(item.row), **plain, **has}


def _plain(value: Any) -> Any:
    match value:
        case float():
            return plain_number(value)
        case dict():
            return {key: _plain(held) for key, held in value.items()}
        case tuple() | list():
            return [_plain(held) for held in value]
        case _:
            return value


def _arrays(item: Explanation) -> dict[str, Array]:
    arrays = {f"continua.{name}": getattr(item.continua, name) for name in _COLUMNS}
    optional = {"shapley": item.shapley, "table": item.table}
    return arrays | {name: array for name, array in optional.items() if array is not None}


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _ItemArrays:
    """The arrays of one explanation."""

    arrays: Arrays
    prefix: str
    where: str

    def take(self, name: str, dtype: type, shape: tuple[int, ...]) -> Array:
        """One array, of the dtype and shape needed; -1 stands for any length."""
        array = self.arrays.get(self.prefix + name)
        if array is None:
            raise StorageError(f"{self.where}: the array {name!r} is missing from the tensor file")
        wanted = tuple(have if size == -1 else size for size, have in zip(shape, array.shape, strict=False))
        if array.dtype != dtype or array.shape != wanted or len(shape) != array.ndim:
            needed = f"{np.dtype(dtype)} of shape {shape}"
            got = f"{array.dtype} of shape {array.shape}"
            raise StorageError(f"{self.where}: array {name!r} must be {needed}, got {got}")
        return array


def _explanation(entry: Entry, arrays: _ItemArrays) -> Explanation:
    names = entry.texts("names")
    d = len(names)
    values = entry.texts("values")
    if len(values) != d:
        raise StorageError(f"{entry.where}: need {d} values, one for each name, got {len(values)}")
    item = Explanation(
        row=entry.row("row"),
        names=names,
        values=values,
        target=entry.count("target"),
        target_label=entry.text("target_label"),
        prediction=entry.number("prediction"),
        base=entry.number("base"),
        base_stderr=entry.number("base_stderr"),
        total_gap=_gap(entry.inner("total_gap")),
        epsilon=entry.number("epsilon"),
        alpha=entry.number("alpha"),
        size=entry.count("size"),
        exact_size=entry.flag("exact_size"),
        sufficient=_selection(entry.inner("sufficient"), names),
        necessary=_selection(entry.inner("necessary"), names),
        unified=_selection(entry.inner("unified"), names),
        continua=_continua(names, arrays),
        certificate=_certificate(entry.inner("certificate")),
        shapley=arrays.take("shapley", np.float64, (d,)) if entry.flag("has_shapley") else None,
        table=arrays.take("table", np.float64, (2**d,)) if entry.flag("has_table") else None,
        provenance=_provenance(entry.inner("provenance")),
        model_rows=entry.count("model_rows"),
        seconds=entry.number("seconds"),
        notes=entry.texts("notes"),
    )
    entry.done()
    _check_continuum(item, entry.where)
    return item


def _check_continuum(item: Explanation, where: str) -> None:
    """Whether the continuum of the explanation's own size rule is there, from α = 0 to 1, and α in it."""
    try:
        held = item.continuum
    except SettingError as cause:
        raise StorageError(f"{where}: {cause}") from cause
    ends = held.breakpoints[:1] + held.breakpoints[-1:]
    if ends != (0.0, 1.0) or len(held.pieces) != len(held.breakpoints) - 1 or not 0.0 <= item.alpha <= 1.0:
        raise StorageError(
            f"{where}: need a continuum from α = 0 to 1 with α = {item.alpha} in it, got "
            f"{len(held.pieces)} pieces between the breakpoints {str(held.breakpoints)[:60]}"
        )


def _gap(entry: Entry) -> Gap:
    gap = Gap(entry.number("value"), entry.number("stderr"))
    entry.done()
    return gap


def _selection(entry: Entry, names: tuple[str, ...]) -> Selection:
    players = entry.counts("players")
    own = entry.texts("names")
    if any(not 0 <= i < len(names) for i in players) or own != tuple(names[i] for i in players):
        raise StorageError(f"{entry.where}: players {list(players)} do not have the names {list(own)}")
    fresh = entry.entries("fresh") if entry.known("fresh") else None
    if fresh is not None and len(fresh) != 2:
        raise StorageError(f"{entry.where}: need two fresh gaps, got {len(fresh)}")
    selection = Selection(
        players,
        own,
        _gap(entry.inner("sufficiency")),
        _gap(entry.inner("necessity")),
        entry.count("n_ties"),
        None if fresh is None else (_gap(fresh[0]), _gap(fresh[1])),
    )
    entry.done()
    return selection


def _continua(names: tuple[str, ...], arrays: _ItemArrays) -> Continua:
    q = len(arrays.take("continua.size", np.int64, (-1,)))
    wide = {"keep": (q, len(names)), "sufficiency": (q, 2), "necessity": (q, 2)}
    columns = {
        name: arrays.take(f"continua.{name}", dtype, wide.get(name, (q,))) for name, dtype in _COLUMNS.items()
    }
    return Continua(names, *(columns[name] for name in _COLUMNS))


def _certificate(entry: Entry) -> Certificate:
    basis = entry.text("basis")
    if basis not in _BASES:
        raise StorageError(f"{entry.where}: the basis must be one of {list(_BASES)}, got {basis!r}")
    sure = Certificate(
        basis=_BASES[basis],
        epsilon=entry.number("epsilon"),
        informative=entry.flag("informative"),
        super_sufficient=_optional(entry, "super_sufficient", entry.flag),
        worst_sufficiency=_optional(entry, "worst_sufficiency", entry.number),
        super_necessary=_optional(entry, "super_necessary", entry.flag),
        worst_necessity=_optional(entry, "worst_necessity", entry.number),
        n_sufficient=entry.count("n_sufficient"),
        n_necessary=entry.count("n_necessary"),
        bound_sufficiency=entry.number("bound_sufficiency"),
        bound_necessity=entry.number("bound_necessity"),
        phi=_optional(entry, "phi", entry.number),
        phi_bound=_optional(entry, "phi_bound", entry.number),
        must_meet=_optional(entry, "must_meet", entry.flag),
        meet=entry.flag("meet"),
        union_bound=_optional(entry, "union_bound", entry.number),
        tolerance=entry.number("tolerance"),
    )
    entry.done()
    return sure


def _optional(entry: Entry, key: str, read: Callable[[str], T]) -> T | None:
    return read(key) if entry.known(key) else None


def _provenance(entry: Entry) -> Provenance:
    pairs = entry.values("versions")
    if not all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in pairs):
        raise StorageError(f"{entry.where}: versions must be pairs of texts, got {str(pairs)[:60]!r}")
    made = Provenance(
        predictor=entry.text("predictor"),
        output=entry.text("output"),
        reference=entry.text("reference"),
        restriction=entry.text("restriction"),
        search=entry.text("search"),
        distance=entry.text("distance"),
        is_metric=entry.flag("is_metric"),
        seed=entry.count("seed"),
        max_rows=entry.count("max_rows"),
        budget=entry.count("budget"),
        versions=tuple((name, version) for name, version in pairs),
    )
    entry.done()
    return made
