"""The user's tables, coded: the background once, the rows to explain whenever there are some."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import narwhals as nw
import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import InputError, SettingError
from onlyif.core.labels import Row
from onlyif.core.players import Players, column_players
from onlyif.modalities.background import Background
from onlyif.modalities.groups import read_groups
from onlyif.modalities.rendered import RenderedRows
from onlyif.modalities.table import Schema, fit_schema, row_labels
from onlyif.modalities.table_conform import extra_notes, order_note
from onlyif.models.detect import column_places
from onlyif.samples.masked import MaskedSample
from onlyif.setup.options import Options

N_PROBE = 32
# Masked copies of an instance that has no other rows like it.
N_MASKED = 100


class OtherRowsError(InputError):
    """Rows hold something that no row of the background holds, so that both must be read together."""


@final
@dataclass(frozen=True, eq=False)
class Tables:
    """What is known of the user's tables before rows are explained.

    Args:
        schema: The kind of table.
        players: Who plays.
        values: The background, coded.
        alone: Whether it was read from the background alone, so that other rows may be explained by it too.
        backend: The library of its frames; empty where it is none.
    """

    schema: Schema
    players: Players
    values: Float64[np.ndarray, "rows c"]
    alone: bool
    backend: str = ""

    def sample(self, options: Options) -> Float64[np.ndarray, "r c"]:
        """Some typical rows for one call: at least two, since a single one shows few faults.

        Args:
            options: How large a call may be.
        """
        places = np.arange(max(2, min(N_PROBE, len(self.values)))) % len(self.values)
        return self.values[places][: options.max_rows]

    def noting(self, notes: tuple[str, ...]) -> "Tables":
        """The same, with more that the reader should know of all rows.

        Args:
            notes: What is noted, each a sentence.
        """
        return replace(self, schema=replace(self.schema, notes=(*notes, *self.schema.notes)))

    def coded(self, rows: Any) -> "CodedRows":
        """Rows to explain.

        Args:
            rows: A table of the same kind.

        Raises:
            OtherRowsError: if they hold what the background does not, or are no such table.
        """
        if isinstance(rows, RenderedRows):
            return CodedRows(self, rows.codes, rows.labels, rows.notes, "")
        if not self.alone:
            return CodedRows(self, self.schema.encode(rows), row_labels(rows), (), self._backend(rows))
        try:
            x = self.schema.encode(rows, exact=True)
        except InputError as error:
            raise OtherRowsError(str(error)) from error
        self._check_seen(x)
        notes = self.schema.form.column_notes(rows, "rows")
        return CodedRows(self, x, row_labels(rows), notes, self._backend(rows))

    def _check_seen(self, x: Float64[np.ndarray, "b c"]) -> None:
        """Refuse levels that are known from a baseline only: the reader is told of them."""
        for column, codes in zip(self.schema.described, x.T, strict=True):
            if column.levels is None:
                continue
            first = np.array(column.levels.first)[codes.astype(np.int64)]
            if (first >= len(self.values)).any():
                raise OtherRowsError(f"column {column.name!r} holds a level that no background row holds")

    def _backend(self, rows: Any) -> str:
        return backend_of(rows) or self.backend


@final
@dataclass(frozen=True, eq=False)
class CodedRows:
    """Rows to explain, coded.

    Args:
        tables: What they are coded by.
        x: Their codes and numbers.
        labels: A name for each row: the labels of a pandas index, else positions.
        notes: What the reader should know of them, each a sentence.
        backend: The library of the user's frames.
    """

    tables: Tables
    x: Float64[np.ndarray, "b c"]
    labels: tuple[Row, ...]
    notes: tuple[str, ...]
    backend: str

    @property
    def schema(self) -> Schema:
        """The kind of table."""
        return self.tables.schema

    @property
    def players(self) -> Players:
        """Who plays."""
        return self.tables.players

    @property
    def values(self) -> Float64[np.ndarray, "rows c"]:
        """The background, coded."""
        return self.tables.values


def coded_rows(
    rows: Any,
    background: Any,
    options: Options,
    *,
    model: Any,
    needed: bool = True,
    baseline: Any = None,
) -> CodedRows:
    """Rows to explain, coded by the background alone where it holds all that they hold, else by both.

    Args:
        rows: The rows to explain.
        background: The background, or None.
        options: All that can be chosen.
        model: The user's model: the columns that it was fitted on, in its order, are those of the tables.
        needed: Whether there must be a background.
        baseline: One more row whose levels must be known, or None.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if a background is needed and there is none.
    """
    if isinstance(rows, RenderedRows):
        copies = masked_sample(rows).rows(rows.codes[:1], options.seed).own[0, 1:]
        return Tables(rows.schema(), column_players(rows.names), copies, alone=False).coded(rows)
    if background is None and needed:
        raise SettingError(
            "need a background: a table of rows like those the model was trained on, from which hidden "
            "columns take their values; pass background=..."
        )
    row = [] if baseline is None else [("baseline", baseline)]
    if background is None:
        known, notes = _of_model(model, rows, "rows")
        tables = _tables([("rows", known), ("rows", known), *row], options, alone=False)
        return tables.noting(notes).coded(known)
    known, notes = _of_model(model, background, "background")
    try:
        return _tables([("background", known), *row], options, alone=True).noting(notes).coded(rows)
    except OtherRowsError:
        # Read together they say what is wrong, if anything is.
        both = [("background", known), ("rows", rows), *row]
        return _tables(both, options, alone=False).noting(notes).coded(rows)


def _of_model(model: Any, table: Any, role: str) -> tuple[Any, tuple[str, ...]]:
    """A frame with the columns that a model was fitted on, in its order, and what was done for it."""
    if not (nw.dependencies.is_pandas_dataframe(table) or nw.dependencies.is_polars_dataframe(table)):
        return table, ()
    names = [str(name) for name in table.columns]
    places = column_places(model, names)
    if places is None or places == [*range(len(names))]:
        return table, ()
    extra = [name for place, name in enumerate(names) if place not in places]
    ordered = [order_note(role, "model")] if places != sorted(places) else []
    notes = (*ordered, *extra_notes(extra, role, "the model was not fitted on"))
    return nw.from_native(table, eager_only=True)[:, places].to_native(), notes


def _tables(named: Sequence[tuple[str, Any]], options: Options, *, alone: bool) -> Tables:
    roles, given = zip(*named, strict=True)
    schema = fit_schema(*given, roles=roles)
    players = column_players(schema.columns, read_groups(options.groups))
    return Tables(schema, players, schema.encode(given[0]), alone, backend_of(given[0]))


def masked_sample(rows: RenderedRows) -> MaskedSample:
    """Copies of an instance that stand for a background where a modality has none."""
    return MaskedSample(N_MASKED, rows.modality.n_draws)


def background_of(tables: Tables, options: Options) -> Background:
    """The background as recipes see it."""
    schema = tables.schema
    return Background(
        values=tables.values,
        columns=schema.columns,
        numeric=np.array([column.levels is None and column.plain is not bool for column in schema.described]),
        ordered=schema.ordered,
        positions=schema.positions,
        encode=schema.encode,
        decode=schema.decode,
        seed=options.seed,
        affordable_rows=options.budget // 2 ** min(tables.players.count, 60),
    )


def backend_of(table: Any) -> str:
    """The library of a frame; empty where it is none.

    Args:
        table: A table of any kind.
    """
    if nw.dependencies.is_into_dataframe(table):
        return str(nw.from_native(table).implementation.value)
    return ""
