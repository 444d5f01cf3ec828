"""References before they have met a background: what `onlyif.explain(reference=...)` takes.

A recipe is plain settings. The door builds it once the background is read, and
asks it for a second, independent reference on which what was found is estimated
again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import override

from onlyif.core.arguments import Either, Function, Kind, Number, Text, Whole
from onlyif.core.errors import InputError, SettingError
from onlyif.modalities.background import Background
from onlyif.references.base import Reference
from onlyif.references.baseline import BaselineReference
from onlyif.references.empirical import fit_empirical
from onlyif.references.function import FunctionReference
from onlyif.references.gaussian import fit_gaussian
from onlyif.references.marginal import fit_marginal, fresh_marginal

MOST_ROWS = 1000


class ReferenceRecipe(ABC):
    """Settings of a reference, to be built on a background."""

    @abstractmethod
    def build(self, background: Background) -> Reference:
        """The reference."""

    @abstractmethod
    def fresh(self, background: Background) -> Reference | None:
        """An independent reference of the same kind for re-estimating, or None where there is none.

        The reference itself where it can only be sampled: other seeds give other draws.
        """

    @property
    def needs_background(self) -> bool:
        """Whether it cannot be built without rows like those the model was trained on."""
        return True

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What each of its settings may be; they are checked and made plain when it is used."""
        return {}

    @property
    def own_row(self) -> Any:
        """A row of the user's that it holds, whose levels must be known with those of the tables; or None."""
        return None


@final
@dataclass(frozen=True)
class Marginal(ReferenceRecipe):
    """Hidden players take the values of a background row, whatever is kept.

    Args:
        n_rows: Rows sampled from the background, or None for all of them.
    """

    n_rows: int | None = 100

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"n_rows": Either((Whole(least=1), None))}

    @override
    def build(self, background: Background) -> Reference:
        return fit_marginal(background.values, self.n_rows, background.seed)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return fresh_marginal(background.values, self.n_rows, background.seed)


@final
@dataclass(frozen=True, eq=False)
class Baseline(ReferenceRecipe):
    """Hidden players take one fixed value each.

    Args:
        values: One row of the table's own kind (a frame of one row, an array), or None for the
            background's median of every number and most frequent level of every other column.
    """

    values: Any = None

    @property
    @override
    def needs_background(self) -> bool:
        return self.values is None

    @property
    @override
    def own_row(self) -> Any:
        return self.values

    @override
    def build(self, background: Background) -> BaselineReference:
        if self.values is None:
            name = "the background's median (numbers) or most frequent value (other columns)"
            return BaselineReference(_typical_row(background), name)
        rows = background.encode(self.values)
        if len(rows) != 1:
            raise InputError(f"a baseline is one row, got {len(rows)}")
        return BaselineReference(rows[0], "the given baseline row")

    @override
    def fresh(self, background: Background) -> Reference | None:
        return None


@final
@dataclass(frozen=True)
class Gaussian(ReferenceRecipe):
    """Hidden players follow the conditional law of a fitted Gaussian, given what is kept.

    Args:
        shrinkage: From 0 (none) to 1 (correlations dropped), or None for Ledoit and Wolf's estimate.
    """

    shrinkage: float | None = None

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"shrinkage": Either((Number(least=0.0, most=1.0), None))}

    @override
    def build(self, background: Background) -> Reference:
        return fit_gaussian(background.values, self.shrinkage, background.columns, background.numeric)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.build(background)


@final
@dataclass(frozen=True)
class Empirical(ReferenceRecipe):
    """Hidden players take the values of background rows that are close to x on what is kept.

    Args:
        n_rows: Rows sampled from the background. None takes as many as let all subsets
            fit the budget, at least 100 and at most 1,000.
        bandwidth: Width of the kernel in units of distance, or None for Scott's rule.
    """

    n_rows: int | None = None
    bandwidth: float | None = None

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"n_rows": Either((Whole(least=1), None)), "bandwidth": Either((Number(above=0.0), None))}

    @override
    def build(self, background: Background) -> Reference:
        return self._fit(background, skip=0)

    @override
    def fresh(self, background: Background) -> Reference | None:
        used = self._rows(background)
        return self._fit(background, skip=used) if len(background.values) - used > 1 else None

    def _rows(self, background: Background) -> int:
        if self.n_rows is not None:
            return self.n_rows
        return max(100, min(MOST_ROWS, background.affordable_rows))

    def _fit(self, background: Background, skip: int) -> Reference:
        return fit_empirical(
            background.values,
            ordered=background.ordered,
            positions=background.positions,
            bandwidth=self.bandwidth,
            n_rows=self._rows(background),
            skip=skip,
            seed=background.seed,
        )


@final
@dataclass(frozen=True, eq=False)
class Replacement(ReferenceRecipe):
    """Hidden players take what a function of the user gives.

    Args:
        function: function(x, keep, n, seed) -> table of n rows, where x is a table of one row of the
            user's own kind and `keep` an array of booleans, one a column, True where x is kept.
            Equal seeds must give equal rows. What it gives for kept columns is ignored.
        sentence: One sentence that says what a hidden feature is replaced by.
    """

    function: Callable[[Any, Any, int, int], Any]
    sentence: str

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"function": Function(), "sentence": Text()}

    @property
    @override
    def needs_background(self) -> bool:
        return False

    @override
    def build(self, background: Background) -> Reference:
        def draw(
            x: Float64[np.ndarray, "c"], keep: Bool[np.ndarray, "c"], n: int, seed: int
        ) -> Float64[np.ndarray, "n c"]:
            given = self.function(background.decode(x[None]), keep, n, seed)
            try:
                return background.encode(given)
            except InputError as error:
                raise InputError(f"what the replacement function gave cannot be used: {error}") from error

        return FunctionReference(draw, self.sentence)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.build(background)


@final
@dataclass(frozen=True, eq=False)
class Given(ReferenceRecipe):
    """A finished reference, as it is.

    Args:
        reference: The reference.
    """

    reference: Reference

    @property
    @override
    def needs_background(self) -> bool:
        return False

    @override
    def build(self, background: Background) -> Reference:
        return self.reference

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.reference if self.reference.law.n_atoms is None else None


def _typical_row(background: Background) -> Float64[np.ndarray, "c"]:
    row = []
    for values, numeric in zip(background.values.T, background.numeric.tolist(), strict=True):
        known = values[~np.isnan(values)]
        if not len(known):
            row.append(np.nan)
        else:
            row.append(_middle(known) if numeric else _most_frequent(known))
    if not row:
        raise SettingError("a baseline needs at least one column, got a background with none")
    return np.array(row, dtype=np.float64)


def _middle(values: Float64[np.ndarray, "n"]) -> float:
    """The lower median: a value that occurs, so that whole numbers stay whole."""
    return float(np.quantile(values, 0.5, method="lower"))


def _most_frequent(values: Float64[np.ndarray, "n"]) -> float:
    """The least of the values that occur most often."""
    held, counts = np.unique(values, return_counts=True)
    return float(held[counts.argmax()])
