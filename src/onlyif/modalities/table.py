"""Tables of mixed columns as arrays of codes and numbers, and back exactly.

What surrounds the model counts in float64; the model gets the kind of
table it was trained on: the same library, column order, dtypes, category
levels and missing values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any, final

import narwhals as nw
import numpy as np
from array_api_compat import is_torch_array
from jaxtyping import Bool, Float64

from onlyif.core.arrays import Array
from onlyif.core.errors import InputError
from onlyif.core.labels import Row
from onlyif.core.players import duplicates
from onlyif.modalities.table_arrays import fit_array
from onlyif.modalities.table_columns import Column, ColumnKind
from onlyif.modalities.table_conform import row_names
from onlyif.modalities.table_forms import Form
from onlyif.modalities.table_frames import fit_frame
from onlyif.modalities.table_sparse import SparseForm, fit_sparse, is_sparse
from onlyif.modalities.table_values import some


@final
@dataclass(frozen=True, eq=False)
class Schema:
    """The user's kind of table, learned by `fit_schema`.

    Args:
        described: What each column holds.
        form: The kind of table: from it to codes and numbers and back.
        notes: What a reader of results should know, each a sentence.
        named: Whether the names of the columns are the user's.

    Raises:
        InputError: if column names repeat.

    Example:
        >>> schema = fit_schema(np.array([["Rome", 3], ["Oslo", 4]], dtype=object))
        >>> schema.encode([["Oslo", 3]])
        array([[1., 0.]])
        >>> schema.decode(np.array([[0.0, 1.0]]))
        array([['Rome', 4]], dtype=object)
    """

    described: tuple[Column, ...]
    form: Form
    notes: tuple[str, ...] = ()
    named: bool = False

    def __post_init__(self) -> None:
        if len(set(self.columns)) != len(self.columns):
            raise InputError(f"column names must be distinct, got {duplicates(self.columns)} more than once")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.described)

    @property
    def kinds(self) -> tuple[ColumnKind, ...]:
        """How the values of each column compare."""
        return tuple(column.kind for column in self.described)

    @property
    def ordered(self) -> Bool[np.ndarray, "c"]:
        """Which columns have an order: numbers, dates, ordered categories."""
        return np.array([kind is not ColumnKind.UNORDERED for kind in self.kinds])

    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "b c"]:
        """Codes and numbers of a table of this kind; NaN is a missing number.

        Args:
            data: The table.
            exact: Whether to take only what `decode` gives back as it was, down to how a missing value is
                written.

        Raises:
            InputError: for another kind of table, other columns, dtypes or levels.
        """
        return self.form.encode(data, exact=exact)

    def decode(self, batch: Float64[Array, "r c"]) -> Any:
        """The table of a batch of codes and numbers, in new memory.

        Numbers of whole-numbered columns are rounded to the nearest one.

        Raises:
            InputError: if a code or number cannot stand in its column.
        """
        return self.form.decode(batch)

    def positions(self, values: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r c"]:
        """Numbers that compare as the values do: seconds for times, ranks for ordered
        categories, codes where there is no order; NaN for a missing ordered value.
        """
        placed = values.copy()
        for i, column in enumerate(self.described):
            if column.levels is not None:
                placed[:, i] = column.levels.positions[values[:, i].astype(np.int64)]
        return placed

    def text(self, row: Float64[np.ndarray, "c"]) -> tuple[str, ...]:
        """The values of one row, for a reader: ("39", "Private", "missing")."""
        return tuple(column.text(value) for column, value in zip(self.described, row.tolist(), strict=True))

    def need_columns(
        self, model: str, count: int | None, names: Iterable[Any] | None, blank: str = " "
    ) -> None:
        """Compare the columns a model was fitted on with those of the table.

        Args:
            model: What kind of model it is.
            count: How many columns it was fitted on, where that is known.
            names: Their names, where they are known.
            blank: What the model's library writes for a blank in a name.

        Raises:
            InputError: if there are more or fewer, or the names differ.
        """
        if not self.form.of_tables:
            return
        lacking = [] if names is None else [str(one) for one in names if str(one) not in self._as(blank)]
        if self.named and lacking:
            raise InputError(
                f"the table lacks columns {some(lacking)} that {model} was fitted on; it has "
                f"{some(self.columns)}"
            )
        if count is not None and count != len(self.columns):
            raise InputError(
                f"{model} was fitted on {count} columns, the table has {len(self.columns)}: "
                f"{some(self.columns)}"
            )
        own = self._as(blank)
        fitted = own if names is None else tuple(str(name) for name in names)
        if fitted == own:
            return
        hint = "" if self.named else "; pass a data frame with these columns, the table is a plain array"
        raise InputError(
            f"{model} was fitted on the columns {some(fitted)}, the table has {some(self.columns)}{hint}"
        )

    def _as(self, blank: str) -> tuple[str, ...]:
        """The columns' names as a library writes them."""
        return tuple(name.replace(" ", blank) for name in self.columns)

    def need_numbers(self, user: str) -> None:
        """Refuse columns that are no numbers.

        Args:
            user: What takes numbers only, as "a torch module".

        Raises:
            InputError: if a column has levels, or the table is sparse.
        """
        if not self.form.of_tables:
            return
        if isinstance(self.form, SparseForm):
            raise InputError(
                f"{user} takes dense numbers, the table is sparse; pass the kind of table that it was "
                "trained on"
            )
        coded = [column.name for column in self.described if column.kind is not ColumnKind.NUMBER]
        if coded:
            raise InputError(
                f"{user} takes numbers, the columns {some(coded)} hold strings, categories, dates or "
                "mixed values; encode them first, or pass a callable that does"
            )


def fit_schema(
    background: Any,
    *others: Any,
    names: Sequence[str] | None = None,
    roles: Sequence[str] = ("background", "rows", "baseline"),
) -> Schema:
    """Learn the kind of table from the background, and all levels from the others too.

    Args:
        background: A pandas or polars frame, a numpy array (or lists), a scipy sparse matrix, a torch tensor.
        others: The rows to explain, then rows whose levels are known too, such as a baseline; the
            background's columns and dtypes must hold them without loss.
        names: Names of the columns of an array or tensor; "x0", "x1", ... by default.
        roles: What each table is, for messages and notes.

    Raises:
        InputError: if a table cannot be used as it is, saying why.

    Example:
        >>> fit_schema(np.zeros((2, 3))).columns
        ('x0', 'x1', 'x2')
    """
    tables = (background, *others)
    roles = roles[: len(tables)]
    if nw.dependencies.is_pandas_series(background) or nw.dependencies.is_polars_series(background):
        raise InputError("the background is a Series; need a data frame: use series.to_frame()")
    if is_sparse(background):
        sparse = fit_sparse(tables, names, roles)
        return Schema(sparse.columns, sparse, named=names is not None)
    if is_torch_array(background):
        # Only who has tensors has torch.
        form, described = import_module("onlyif.modalities.table_tensor").fit_tensor(tables, names, roles)
        return Schema(described, form, named=names is not None)
    if _is_frame(background):
        frames = fit_frame(tables, roles)
        notes = _novelties(frames.columns, tables, roles)
        pairs = zip(others, roles[1:], strict=True)
        told = [note for other, role in pairs for note in frames.column_notes(other, role)]
        return Schema(frames.columns, frames, (*told, *notes), named=True)
    for other, role in zip(others, roles[1:], strict=True):
        if _is_frame(other) or is_torch_array(other) or nw.dependencies.is_pandas_series(other):
            raise InputError(
                f"the background is a {type(background).__name__}, the {role} are a {type(other).__name__}; "
                "need the same kind of table"
            )
    arrays = fit_array(tables, names, roles)
    notes = _novelties(arrays.columns, tables, roles)
    return Schema(arrays.columns, arrays, notes, named=names is not None)


def row_labels(data: Any) -> tuple[Row, ...]:
    """A name for each row: the labels of a pandas index, else positions.

    Example:
        >>> row_labels([[1.0], [2.0]])
        (0, 1)
    """
    return row_names(data) or tuple(range(_count(data)))


def _count(table: Any) -> int:
    """Rows of a table; a dictionary and a Series are one."""
    alone = isinstance(table, Mapping) or nw.dependencies.is_pandas_series(table)
    return 1 if alone else table.shape[0] if is_sparse(table) else len(table)


def _is_frame(data: Any) -> bool:
    return nw.dependencies.is_into_dataframe(data) or type(data).__name__ in {"LazyFrame", "Table"}


def _novelties(columns: Sequence[Column], tables: Sequence[Any], roles: Sequence[str]) -> tuple[str, ...]:
    """One sentence for each column with levels of rows to explain that occur in no background row."""
    starts = [0]
    for table in tables:
        starts.append(starts[-1] + _count(table))
    told = [span for span, role in zip(pairwise(starts), roles, strict=True) if role == _ROWS][-1:]
    notes = []
    for column in columns:
        levels = column.levels
        seen = [] if levels is None else list(zip(levels.labels, levels.first, strict=True))
        new = [label for label, first in seen if any(start <= first < stop for start, stop in told)]
        if new and starts[1] <= told[0][0]:
            notes.append(
                f"column {column.name!r}: {some(new)}, of rows to explain, occur in no background row"
            )
    return tuple(notes)


_ROWS = "rows"
