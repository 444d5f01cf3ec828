"""Rows of a background set: hidden features are as they are elsewhere, whatever is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Float64, Int64
from typing_extensions import override

from onlyif.core.arguments import Either, Kind, Name, Whole
from onlyif.core.arrays import Array, beside, like
from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe

# The model is asked for each of these, eight times a row that is explained.
MOST_FRESH = 1_000
# Smallest sets are chosen on further rows where there are so many, and on no more than that.
LEAST_FURTHER, MOST_FURTHER = 500, 10_000


@final
@dataclass(frozen=True, eq=False)
class MarginalReference(Reference):
    """Hidden entries are taken together from one row of the background: V = p(X_Sc).

    Every row is an atom of weight 1 / N. What is hidden keeps its own
    correlations but ignores x_S, so blends can be rows that never occur; prefer
    `GaussianReference` or `EmpiricalReference` where that matters. Draws with a
    seed go through all rows in random order before any row comes again.

    Args:
        rows: The background rows, one instance each.
        origin: Where the rows come from, for the sentence in results; empty for "all N background rows".

    Raises:
        InputError: if there is no row; from `draw`, if the instances have another shape than the rows.

    Example:
        >>> reference = MarginalReference(np.array([[0.0, 0.0], [2.0, 4.0]]))
        >>> keep = np.array([[[True, False]]])
        >>> reference.draw(np.ones((1, 2)), keep, Plan(total=2, start=0, stop=2, seed=None)).values
        array([[[[0., 0.],
                 [2., 4.]]]])
    """

    rows: Float[Array, "n *x"]
    origin: str = ""

    def __post_init__(self) -> None:
        if len(self.rows) < 1:
            raise InputError("need at least one background row, got none")

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if x.shape[1:] != self.rows.shape[1:]:
            raise InputError(
                f"the background rows have shape {tuple(self.rows.shape[1:])}, "
                f"got instances of shape {tuple(x.shape[1:])}; both must be the same"
            )
        if plan.seed is None:
            rows = self.rows[plan.start : plan.stop]
        else:
            numbers = _row_numbers(len(self.rows), plan, plan.seed)
            rows = self.rows[beside(numbers, self.rows)]
        return Draws(like(rows, x)[None, None], plan.equal_weights)

    @property
    @override
    def law(self) -> Law:
        origin = self.origin or f"all {len(self.rows):,} background rows"
        sentence = (
            "Hidden features are replaced together by those of a background row, "
            f"whatever is kept (marginal reference: {origin})."
        )
        return Law(sentence, len(self.rows), depends_on_x=False)


def fit_marginal(
    background: Float[Array, "rows *x"], n_rows: int | None = 100, seed: int = 0
) -> MarginalReference:
    """The marginal reference over all rows of a background, or over a random sample of them.

    Args:
        background: The rows, one instance each.
        n_rows: Rows in the sample, drawn without replacement; None takes all rows.
        seed: Seed of the sample.

    Raises:
        InputError: if the background has fewer than two rows.
        SettingError: unless n_rows >= 1.

    Example:
        >>> fit_marginal(np.ones((426, 3))).law.sentence
        'Hidden ... (marginal reference: 100 rows drawn with seed 0 from 426 background rows).'
    """
    if len(background) < 2:
        raise InputError(
            f"need at least 2 background rows, got {len(background)}; "
            "for one fixed replacement use onlyif.Baseline"
        )
    if n_rows is not None and n_rows < 1:
        raise SettingError(f"need n_rows >= 1 rows in the sample, or None for all, got {n_rows}")
    if n_rows is None or n_rows >= len(background):
        return MarginalReference(background)
    chosen = _sample_order(len(background), seed)[:n_rows]
    origin = f"{n_rows:,} rows drawn with seed {seed} from {len(background):,} background rows"
    return MarginalReference(background[beside(chosen, background)], origin)


def fresh_marginal(
    background: Float[Array, "rows *x"], n_rows: int | None = 100, seed: int = 0, most: int | None = None
) -> MarginalReference | None:
    """Another sample for the same settings, with no row in common: to check what was found on the first.

    It has `n_rows` rows, as many as the first sample left over, or `most`, whichever is least; None when the
    first one took every row.

    Args:
        background: The rows given to `fit_marginal`.
        n_rows: The number given to `fit_marginal`.
        seed: The seed given to `fit_marginal`.
        most: The most rows that it has; None for no limit.

    Example:
        >>> fresh_marginal(np.ones((150, 3))).law.sentence
        'Hidden ... (marginal reference: 50 other rows drawn with seed 0 from 150 background rows).'
    """
    if n_rows is None or n_rows >= len(background):
        return None
    end = n_rows + (n_rows if most is None else min(n_rows, most))
    chosen = _sample_order(len(background), seed)[n_rows:end]
    origin = f"{len(chosen):,} other rows drawn with seed {seed} from {len(background):,} background rows"
    return MarginalReference(background[beside(chosen, background)], origin)


def _sample_order(count: int, seed: int) -> Int64[np.ndarray, "count"]:
    return generator(seed, "marginal rows").permutation(count)


def _row_numbers(count: int, plan: Plan, seed: int) -> Int64[np.ndarray, "n"]:
    first, last = plan.start // count, -(-plan.stop // count)
    rounds = [generator(seed, "marginal draws", i).permutation(count) for i in range(first, last)]
    return np.concatenate(rounds)[plan.start - first * count : plan.stop - first * count]


@final
@dataclass(frozen=True)
class Marginal(ReferenceRecipe):
    """Hidden players take the values of a background row, whatever is kept.

    Args:
        n_rows: Rows sampled from the background, None for all of them, or "auto" for as many as the way
            f_S(x) is computed affords: up to 30,000 where it is a sum of trees and up to 10,000 where it
            is a sum over features; where it is a link of such a sum, with a table a row, as many as take
            about a tenth of a second for each instance, from 100 to 2,500 of trees and to 1,000 of features;
            100 where the model is asked.
            Where these are few of those given, and outputs of single others are to be had, the smallest
            sets are chosen on up to 10,000 others.
    """

    n_rows: int | str | None = "auto"

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"n_rows": Either((Whole(least=1), Name(("auto",), "number of rows"), None))}

    @override
    def build(self, background: Background) -> Reference:
        return fit_marginal(background.values, self._rows(background), background.seed)

    @override
    def fresh(self, background: Background) -> Reference | None:
        most = MOST_FRESH if isinstance(self.n_rows, str) else None
        return fresh_marginal(background.values, self._rows(background), background.seed, most)

    @override
    def further(self, background: Background) -> Float64[np.ndarray, "rows c"] | None:
        first = background.usual_rows
        if not isinstance(self.n_rows, str) or len(background.values) - first < LEAST_FURTHER:
            return None
        order = _sample_order(len(background.values), background.seed)
        rows: np.ndarray = background.values[order[first : first + MOST_FURTHER]]
        return rows

    def _rows(self, background: Background) -> int | None:
        return background.usual_rows if isinstance(self.n_rows, str) else self.n_rows
