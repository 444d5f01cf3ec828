"""Trees that were read from a model, with the way from the user's columns to theirs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import OnlyIfError
from onlyif.core.players import Players
from onlyif.modalities.table_forms import Form
from onlyif.models.base import Predictor
from onlyif.models.outputs import DIGITS_DOUBLE, HeadKind, Output
from onlyif.trees.ensemble import TreeEnsemble

# Tables before and after the steps of a pipeline: of as many columns as each has.
Rows: TypeAlias = Float64[np.ndarray, "_ _"]


class UnreadableTreesError(OnlyIfError):
    """The trees of a model cannot be used; the message says why, as the end of a sentence."""


@final
@dataclass(frozen=True, eq=False)
class TreesRead:
    """What a library's file read from a model.

    Args:
        ensemble: The trees, with the link to the output that is explained.
        source: For each column that the trees compare, the column of the model's table it comes from.
        encode: From a table as the model takes it to rows as the trees take them, one column each.
        digits: Binary digits to which the library itself adds up its leaves.
    """

    ensemble: TreeEnsemble
    source: tuple[int, ...]
    encode: Callable[[Any], Rows]
    digits: int = DIGITS_DOUBLE


@final
@dataclass(frozen=True, eq=False)
class TreeQuestion:
    """Which model's trees are wanted, and for which of its outputs.

    Args:
        model: The user's model.
        predictor: The same with its chosen output, which the trees must give too.
        form: The kind of table the model takes.
        output: The choice of that output.
        rows: Background rows, on which both are compared.
        max_rows: Most rows of one model call.
        of_decisions: Whether what is wanted are decisions: 1 for the decided class, 0 for all others.
    """

    model: Any
    predictor: Predictor
    form: Form
    output: Output
    rows: Float64[np.ndarray, "r c"]
    max_rows: int = 16_384
    of_decisions: bool = False


@final
@dataclass(frozen=True, eq=False)
class TreeModel:
    """Trees behind the user's own columns.

    Every column of the table has at least one column among those of the trees, so that every
    player has one: a column that the model drops has one that no tree compares.

    Args:
        read: What was read from the model.
        form: The kind of table the model takes.
        unused: The columns of the table that no column of the trees comes from.
    """

    read: TreesRead
    form: Form
    unused: tuple[int, ...]

    @property
    def source(self) -> list[int]:
        """For each column that `encode` makes, the column of the table it comes from."""
        return [*self.read.source, *self.unused]

    @property
    def ensemble(self) -> TreeEnsemble:
        """The trees, on all columns that `encode` makes."""
        read = self.read.ensemble
        return replace(read, n_columns=read.n_columns + len(self.unused)) if self.unused else read

    def encode(self, rows: Float64[np.ndarray, "r c"]) -> Rows:
        """Coded rows of the user's table as the trees take them.

        Args:
            rows: Codes and numbers.
        """
        made = self.read.encode(self.form.decode(rows))
        return np.pad(made, ((0, 0), (0, len(self.unused)))) if self.unused else made

    def players(self, players: Players) -> Players:
        """The same players, on the columns of the trees.

        Args:
            players: Those of the table's columns.
        """
        return Players(players.index[list(self.source)], players.names)


def tree_model(read: TreesRead, form: Form, n_columns: int) -> TreeModel:
    """Trees behind the columns of a table.

    Args:
        read: What was read from the model.
        form: The kind of table the model takes.
        n_columns: How many columns that table has.

    Raises:
        UnreadableTreesError: if the trees compare columns that the table does not have.
    """
    if any(not 0 <= column < n_columns for column in read.source):
        raise UnreadableTreesError(
            f"its trees compare column number {max(read.source)}, the table has {n_columns} columns"
        )
    return TreeModel(read, form, tuple(sorted(set(range(n_columns)) - set(read.source))))


Reader: TypeAlias = Callable[[Any, HeadKind], TreesRead]
