"""The kinds of table, and the plainest of them: a batch as it is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import copied, doubled
from onlyif.core.errors import InputError
from onlyif.core.nouns import FEATURE
from onlyif.core.shapes import Batch


class Form(ABC):
    """One kind of table: from it to coded arrays and back.

    `decode(encode(data))` equals the table in values, dtypes, names and levels, and
    shares no memory with it.
    """

    @abstractmethod
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r *x"]:
        """The codes and numbers of a table.

        Args:
            data: The table.
            exact: Whether to take only what `decode` gives back as it was, down to how a missing value is
                written.

        Raises:
            InputError: unless the table is of this kind, with known levels.
        """

    @abstractmethod
    def decode(self, batch: Batch) -> Any:
        """The table of a batch of codes and numbers.

        Raises:
            InputError: if a code or number cannot stand in its column.
        """

    @property
    def batch_dtype(self) -> np.dtype[Any]:
        """The dtype in which batches are best handed to `decode`; others are taken too."""
        return np.dtype(np.float64)

    @property
    def of_tables(self) -> bool:
        """Whether it is a kind of table, with columns that a model may have been fitted on."""
        return True

    @property
    def classes(self) -> tuple[str, ...]:
        """What the model's outputs are called where the data say so; () leaves that to the model."""
        return ()

    @property
    def noun(self) -> str:
        """What a player is, in one word for the reader."""
        return FEATURE

    @property
    def of_batches(self) -> "Form":
        """The form in which a finished predictor takes batches of such tables: coded, as they are."""
        return BatchForm()

    def column_notes(self, data: Any, role: str) -> tuple[str, ...]:
        """What `encode` does to the columns of a table, each a sentence: puts them in order, leaves some out.

        Args:
            data: The table.
            role: What it is.
        """
        return ()

    def of_given(self) -> "Form":
        """The same form for batches that are given away: what it decodes may share their memory."""
        return self


@final
@dataclass(frozen=True)
class BatchForm(Form):
    """A batch as it is, in its own library and dtype.

    Args:
        copies: Whether what is decoded is always in memory of its own.

    Example:
        >>> BatchForm().decode(np.ones((1, 2)))
        array([[1., 1.]])
    """

    copies: bool = True

    @override
    def of_given(self) -> Form:
        return replace(self, copies=False)

    @override
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r *x"]:
        return np.array(doubled(data))

    @override
    def decode(self, batch: Batch) -> Batch:
        return copied(batch) if self.copies else batch


def check_shape(shape: tuple[int, ...], kind: str, role: str) -> None:
    """Refuse all but tables with at least one row and one column.

    Raises:
        InputError: unless the shape is (rows, columns), both at least 1.
    """
    if len(shape) == 1:
        raise InputError(
            f"got a 1-D {kind} of {shape[0]} values as {role}; need two dimensions: one row is "
            ".reshape(1, -1), one column is .reshape(-1, 1)"
        )
    if len(shape) != 2:
        raise InputError(
            f"got a {len(shape)}-D {kind} of shape {shape} as {role}; need (rows, columns), or "
            "(images, channels, height, width) of images"
        )
    if shape[0] == 0:
        raise InputError(f"got 0 rows as {role}; need at least one")
    if shape[1] == 0:
        raise InputError(f"got a table with no columns as {role}; need at least one")


def column_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """The user's names of an array's columns, or "x0", "x1", ...

    Raises:
        InputError: unless there is one name a column.
    """
    if names is not None and len(names) != count:
        raise InputError(f"got {len(names)} names for {count} columns; need one a column")
    return tuple(names) if names is not None else tuple(f"x{i}" for i in range(count))
