"""Format 5 of saved explanations: what each entry is, how it is written and read.

A change of what is stored gets the next number, a reader of its own, and a golden
file in the tests; readers of earlier numbers stay, in `older`. Within a format unknown and
missing entries are refused, so nothing is lost or invented in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Shaped

from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.alternatives import Alternatives
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.checked import converted, plain, plain_row, row_of
from onlyif.explanation.continuum import Continua
from onlyif.explanation.explanation import Details, Explanation, Provenance, Setting
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.pixels import Picture, PixelNames
from onlyif.explanation.selection import Effect, Measure, Selection
from onlyif.explanation.whole_items import check_item

FORMAT = 5
Array = Shaped[np.ndarray, "..."]
Arrays = Mapping[str, Array]
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
_LISTED = ("keep", "sufficiency", "necessity")
_GAPS = ("sufficiency", "necessity")


@final
@dataclass(frozen=True)
class StoredSet:
    """One set of players."""

    players: tuple[int, ...]
    measures: dict[str, Measure]
    n_ties: int
    exact: bool
    effects: tuple[Effect, ...]


@final
@dataclass(frozen=True)
class StoredRows:
    """How many model rows were needed, how many of them were asked for, and how many for checks."""

    needed: int
    asked: int
    checks: int


@final
@dataclass(frozen=True)
class StoredAlternatives:
    """The minimal sets of one kind, but for their arrays."""

    count: int
    core: tuple[int, ...]
    union: tuple[int, ...]
    complete: bool


@final
@dataclass(frozen=True)
class StoredItem:
    """One explanation, but for its arrays; `scores` are their names.

    Where it was not recorded how many model rows were asked for, they are a single number.
    """

    row: Any
    names: tuple[str, ...]
    pixels: tuple[int, int] | None
    values: tuple[str, ...]
    target: int
    target_label: str
    prediction: float
    base: float
    base_stderr: float
    sets: dict[str, StoredSet]
    provenance: Provenance
    scores: tuple[str, ...]
    measures: dict[str, Measure]
    settings: dict[str, Setting]
    has_continua: bool
    has_table: bool
    certificate: Certificate | None
    alternatives: dict[str, StoredAlternatives]
    path: tuple[StoredSet, ...]
    singles: tuple[StoredSet, ...]
    baseline: tuple[str, ...]
    model_rows: int | StoredRows
    seconds: float
    notes: tuple[str, ...]
    reason: str


@final
@dataclass(frozen=True)
class StoredFile:
    """What a file holds beside its format, its arrays and its digest."""

    backend: str
    explanations: tuple[StoredItem, ...]


def plain_explanations(explanations: Explanations) -> tuple[dict[str, Any], dict[str, Array]]:
    """Explanations as values for strict JSON, and named arrays."""
    items = tuple(_item(item) for item in explanations)
    arrays = {
        f"{i}.{name}": np.ascontiguousarray(array)
        for i, item in enumerate(explanations)
        for name, array in _arrays(item).items()
    }
    return plain(StoredFile(explanations.backend, items)), arrays


def read_explanations(document: Mapping[str, Any], arrays: Arrays, where: str) -> Explanations:
    """Explanations from a file of format 5.

    Args:
        document: The entries of the JSON file, without format, digest and the name of the arrays' file.
        arrays: The arrays.
        where: The file, for messages.

    Raises:
        StorageError: if an entry or array is missing, unknown or does not fit the others.
    """
    file = converted(document, StoredFile, where)
    held = ItemArrays(arrays, "", where)
    items = [
        _explanation(item, held.of(i, f"{where}: explanations[{i}]"))
        for i, item in enumerate(file.explanations)
    ]
    need_known_arrays(items, arrays, where)
    return collected_items(items, file.backend, where)


def need_known_arrays(items: Sequence[Explanation], arrays: Arrays, where: str) -> None:
    """Refuse arrays that belong to no explanation: they would silently be lost.

    Args:
        items: The explanations.
        arrays: The arrays of the file.
        where: The file, for messages.

    Raises:
        StorageError: naming them.
    """
    known = {f"{i}.{name}" for i, item in enumerate(items) for name in _arrays(item)}
    if known != set(arrays):
        raise StorageError(f"{where}: unknown arrays {sorted(set(arrays) - known)}")


def collected_items(items: Sequence[Explanation], backend: str, where: str) -> Explanations:
    """The explanations of a file.

    Args:
        items: The explanations.
        backend: The library of their frames.
        where: The file, for messages.

    Raises:
        StorageError: if they are by several criteria.
    """
    try:
        return Explanations(tuple(items), backend)
    except SettingError as error:
        raise StorageError(f"{where}: {error}") from error


def _item(item: Explanation) -> StoredItem:
    pixels = item.names.shape if isinstance(item.names, PixelNames) else None
    details = item.details
    return StoredItem(
        row=plain_row(item.row),
        names=() if pixels else tuple(item.names),
        pixels=pixels,
        values=item.values,
        target=item.target,
        target_label=item.target_label,
        prediction=item.prediction,
        base=item.base,
        base_stderr=item.base_stderr,
        sets={name: _set(chosen) for name, chosen in item.sets.items()},
        provenance=item.provenance,
        scores=tuple(item.scores),
        measures=dict(item.measures),
        settings=dict(item.settings),
        has_continua=details.continua is not None,
        has_table=details.table is not None,
        certificate=details.certificate,
        alternatives={
            kind: StoredAlternatives(held.count, held.core, held.union, held.complete)
            for kind, held in details.alternatives.items()
        },
        path=tuple(map(_set, details.path)),
        singles=tuple(map(_set, details.singles)),
        baseline=details.baseline,
        model_rows=(
            item.model_rows
            if item.asked_rows is None
            else StoredRows(item.model_rows, item.asked_rows, item.check_rows)
        ),
        seconds=item.seconds,
        notes=item.notes,
        reason=item.reason,
    )


def _set(chosen: Selection) -> StoredSet:
    return StoredSet(chosen.players, dict(chosen.measures), chosen.n_ties, chosen.exact, chosen.effects)


def _arrays(item: Explanation) -> dict[str, Array]:
    arrays = {f"scores.{name}": array for name, array in item.scores.items()}
    held = item.details.continua
    if held is not None:
        arrays |= {f"continua.{name}": getattr(held, name) for name in _COLUMNS}
    for kind, sets in item.details.alternatives.items():
        arrays |= {f"alternatives.{kind}.{name}": getattr(sets, name) for name in _LISTED}
    if (picture := item.details.picture) is not None:
        regions = {} if picture.regions is None else {"picture.regions": picture.regions}
        arrays |= {"picture.pixels": picture.pixels, **regions}
    return arrays if item.details.table is None else arrays | {"table": item.details.table}


@final
@dataclass(frozen=True, eq=False)
class ItemArrays:
    """The arrays of one explanation.

    Args:
        arrays: All arrays of the file.
        prefix: What the names of its own begin with.
        where: The file and the place in it, for messages.
    """

    arrays: Arrays
    prefix: str
    where: str

    def of(self, number: int, where: str) -> "ItemArrays":
        """Those of one of the explanations."""
        return ItemArrays(self.arrays, f"{number}.", where)

    def take(self, name: str, dtype: type, shape: tuple[int, ...]) -> Array:
        """One array, of the dtype and shape needed; -1 stands for any length.

        Args:
            name: Its name.
            dtype: Its type of numpy, such as `np.float64` or, for any precision, `np.floating`.
            shape: Its shape.

        Raises:
            StorageError: if it is missing, or another is there.
        """
        array = self.arrays.get(self.prefix + name)
        if array is None:
            raise StorageError(f"{self.where}: the array {name!r} is missing from the tensor file")
        wanted = tuple(have if size == -1 else size for size, have in zip(shape, array.shape, strict=False))
        if not np.issubdtype(array.dtype, dtype) or array.shape != wanted or len(shape) != array.ndim:
            needed = f"{dtype.__name__} of shape {shape}"
            got = f"{array.dtype} of shape {array.shape}"
            raise StorageError(f"{self.where}: array {name!r} must be {needed}, got {got}")
        return array

    def continua(self, names: Sequence[str]) -> Continua:
        """The continua."""
        q = len(self.take("continua.size", np.int64, (-1,)))
        wide = {"keep": (q, len(names)), "sufficiency": (q, 2), "necessity": (q, 2)}
        columns = [
            self.take(f"continua.{name}", kind, wide.get(name, (q,))) for name, kind in _COLUMNS.items()
        ]
        return Continua(names, *columns)

    def picture(self, n_players: int) -> Picture | None:
        """The image; None where there is none, as in files of before there were any.

        Args:
            n_players: How many players the explanation has.

        Raises:
            StorageError: if image and players do not fit each other.
        """
        if f"{self.prefix}picture.pixels" not in self.arrays:
            return None
        pixels, regions = self.take("picture.pixels", np.uint8, (-1, -1, 3)), None
        if f"{self.prefix}picture.regions" in self.arrays:
            regions = self.take("picture.regions", np.int32, pixels.shape[:2])
        picture = Picture(pixels, regions)
        if not np.array_equal(np.unique(picture.player), np.arange(n_players)):
            raise StorageError(f"{self.where}: the image does not show {n_players} players")
        return picture

    def alternatives(self, kind: str, stored: StoredAlternatives, names: Sequence[str]) -> Alternatives:
        """The minimal sets of one kind.

        Args:
            kind: "sufficient" or "necessary".
            stored: What else is known of them.
            names: The players' names.

        Raises:
            StorageError: if they do not fit each other.
        """
        keep = self.take(f"alternatives.{kind}.keep", np.bool_, (-1, len(names)))
        suf, nec = (self.take(f"alternatives.{kind}.{name}", np.float64, (len(keep), 2)) for name in _GAPS)
        players = (*stored.core, *stored.union)
        if stored.count < len(keep) or not all(0 <= player < len(names) for player in players):
            raise StorageError(f"{self.where}: {len(keep)} of {stored.count} minimal sets of {players}")
        return Alternatives(names, keep, suf, nec, stored.count, stored.core, stored.union, stored.complete)


def _explanation(stored: StoredItem, arrays: ItemArrays) -> Explanation:
    where = arrays.where
    names, rows = stored.names if stored.pixels is None else PixelNames(*stored.pixels), stored.model_rows
    shape = (len(names),) if stored.pixels is None else stored.pixels
    item = Explanation(
        row=row_of(stored.row, where),
        names=names,
        values=stored.values,
        target=stored.target,
        target_label=stored.target_label,
        prediction=stored.prediction,
        base=stored.base,
        base_stderr=stored.base_stderr,
        sets={name: _selection(one, names, f"{where}: {name}") for name, one in stored.sets.items()},
        provenance=stored.provenance,
        scores={name: arrays.take(f"scores.{name}", np.floating, shape) for name in stored.scores},
        measures=stored.measures,
        settings=stored.settings,
        details=Details(
            continua=arrays.continua(names) if stored.has_continua else None,
            certificate=stored.certificate,
            alternatives={
                kind: arrays.alternatives(kind, one, names) for kind, one in stored.alternatives.items()
            },
            path=tuple(_selection(one, names, f"{where}: path") for one in stored.path),
            singles=tuple(_selection(one, names, f"{where}: singles") for one in stored.singles),
            baseline=stored.baseline,
            table=arrays.take("table", np.float64, (2 ** len(names),)) if stored.has_table else None,
            picture=arrays.picture(len(names)),
        ),
        model_rows=rows.needed if isinstance(rows, StoredRows) else rows,
        asked_rows=rows.asked if isinstance(rows, StoredRows) else None,
        check_rows=rows.checks if isinstance(rows, StoredRows) else 0,
        seconds=stored.seconds,
        notes=stored.notes,
        reason=stored.reason,
    )
    check_item(item, where)
    return item


def _selection(stored: StoredSet, names: Sequence[str], where: str) -> Selection:
    players = list(stored.players)
    if players != sorted(set(players)) or not all(0 <= player < len(names) for player in players):
        raise StorageError(f"{where}: players {players} are not among {len(names)} names, in order")
    if len(stored.effects) not in (0, len(players)) or not all(one.changes for one in stored.effects):
        raise StorageError(f"{where}: need effects of none or of each of {len(players)} players")
    return Selection(stored.players, names, stored.measures, stored.n_ties, stored.exact, stored.effects)
