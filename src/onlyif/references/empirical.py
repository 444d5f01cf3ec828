"""Background rows, weighted by how close they are to x on what is kept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from typing_extensions import override

from onlyif.core.arguments import Either, Kind, Number, Whole
from onlyif.core.arrays import Array, doubled, like
from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe
from onlyif.references.closeness import Closeness, fit_closeness

MOST_ROWS = 1000

_CHUNK = 1024  # uniform numbers from one child seed; fixed, so that draw i does not depend on the split
_BLOCK_ENTRIES = 2**21  # weights in one block of subsets: 16 MiB, and a few temporaries of that size


def unchanged(values: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r c"]:
    """The codes themselves: for tables of numbers only, which need no translation."""
    return values


@final
@dataclass(frozen=True, eq=False)
class EmpiricalReference(Reference):
    """Hidden columns are taken together from a background row that is close to x on the kept columns.

    Row r weighs exp(-D² / 2h²), where D is the mean over kept columns of the distance between x and r
    (see `Closeness`) and h is Scott's rule carried over to it: with s columns kept and N rows,

        h = N^(-1 / (s + 4)) · D̄ / √s,    D̄ = mean D of two random background rows.

    With nothing kept all rows weigh the same. Choose it for mixed tables with missing values; with
    many columns few rows are close, so look at `effective_sample_size`. A column whose span is set by
    a few outliers hardly counts, as the distance divides by the span: transform it first.

    `fit_empirical` builds it.

    Args:
        rows: The background rows as the model's table codes them: the atoms.
        places: The same rows as comparable numbers.
        positions: From coded rows to comparable numbers, for x.
        closeness: How the distance is measured.
        origin: Where the rows come from, for the sentence in results.

    Raises:
        InputError: if there is no row; from `draw`, if x has other columns.

    Example:
        >>> rows = np.array([[0.0, 5.0], [0.9, 6.0], [9.0, 7.0]])
        >>> x, keep = np.zeros((1, 2)), np.array([[[True, False]]])
        >>> fit_empirical(rows, bandwidth=0.1).draw(x, keep, Plan(3, 0, 3, None)).weights.round(3)
        array([[[0.622, 0.378, 0.   ]]])

    References:
        [aas2021] the empirical conditional reference; [gower1971] the distance; [scott1992] the rule.
    """

    rows: Float64[np.ndarray, "rows c"]
    places: Float64[np.ndarray, "rows c"]
    positions: Callable[[Float64[np.ndarray, "r c"]], Float64[np.ndarray, "r c"]]
    closeness: Closeness
    origin: str

    def __post_init__(self) -> None:
        if len(self.rows) < 1:
            raise InputError("need at least one background row, got none")

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        size = (len(x), keep.shape[1], plan.stop - plan.start)
        if plan.seed is None:
            weights = np.empty(size)
            for i, part, block in self._weights(x, keep):
                weights[i, part] = block[:, plan.start : plan.stop]
            return Draws(like(self.rows[plan.start : plan.stop], x)[None, None], weights)
        points = _uniforms(plan.seed, plan.start, plan.stop)
        chosen = np.empty(size, dtype=np.int64)
        for i, part, block in self._weights(x, keep):
            chosen[i, part] = _rows_at(points, block)
        return Draws(like(self.rows[chosen], x), plan.equal_weights)

    @override
    def effective_sample_size(self, x: Instances, keep: InputKeep) -> Float64[np.ndarray, "b m"]:
        """1 / Σ w²: how many equally weighted rows would say as much as these weights do.

        From 1 (a single row decides) to the number of rows. Below about 10 the restricted prediction
        is little more than what a few rows happen to be.

        Args:
            x: The instances.
            keep: True where x is kept; size 1 in b means shared by all instances.
        """
        sizes = np.empty((len(x), keep.shape[1]))
        for i, part, block in self._weights(x, keep):
            sizes[i, part] = 1 / np.square(block).sum(1)
        return sizes

    def _weights(
        self, x: Instances, keep: InputKeep
    ) -> Iterator[tuple[int, slice, Float64[np.ndarray, "_ rows"]]]:
        """The weights of all rows, by instance and block of subsets."""
        if x.shape[1:] != self.rows.shape[1:]:
            raise InputError(
                f"the background has {self.rows.shape[1]} columns, got rows of shape {tuple(x.shape[1:])}"
            )
        here, step = self.positions(doubled(x)), max(1, _BLOCK_ENTRIES // len(self.places))
        for i in range(len(x)):
            apart, kept = self.closeness.distances(self.places, here[i]), keep[i if len(keep) > 1 else 0]
            for first in range(0, len(kept), step):
                part = slice(first, first + step)
                yield i, part, self.closeness.weights(apart, kept[part].astype(np.float64))

    @property
    @override
    def law(self) -> Law:
        sentence = (
            "Hidden features are replaced together by those of a background row, drawn with a weight "
            "that is the larger the closer the row is to x on the kept features "
            f"(empirical conditional reference: {self.origin})."
        )
        return Law(sentence, len(self.rows), depends_on_x=True)


def fit_empirical(
    background: Float[Array, "rows c"],
    *,
    ordered: Bool[np.ndarray, "c"] | None = None,
    positions: Callable[[Float64[np.ndarray, "r c"]], Float64[np.ndarray, "r c"]] = unchanged,
    bandwidth: float | None = None,
    n_rows: int | None = None,
    skip: int = 0,
    seed: int = 0,
) -> EmpiricalReference:
    """The empirical conditional reference over all rows of a background, or a random sample of them.

    Args:
        background: The rows, as the model's table codes them.
        ordered: Which columns have a meaningful |a - b|; None when all have.
        positions: From coded rows to comparable numbers, such as dates to seconds.
        bandwidth: The kernel's width h, in units of distance (at 1, the most distant row of a column still
            weighs 0.6); None for Scott's rule.
        n_rows: Rows in the sample, drawn without replacement; None takes all rows.
        skip: Rows passed over before the sample: with the same seed and skip = n_rows, a second sample
            has no row of the first, to check what was found on that.
        seed: Seed of the sample.

    Raises:
        InputError: if the background has fewer than two rows or an infinite value.
        SettingError: unless n_rows >= 1, bandwidth > 0, and skip leaves two rows.

    Example:
        >>> fit_empirical(np.ones((300, 2)), n_rows=200).law.sentence
        "Hidden ...: 200 rows drawn with seed 0 from 300 background rows, bandwidth by Scott's rule)."
    """
    rows, origin = _sample(doubled(background), n_rows, skip, seed)
    places = positions(rows)
    if np.isinf(places).any():
        raise InputError("the empirical reference measures distances: need finite or missing values, got inf")
    how = "bandwidth by Scott's rule" if bandwidth is None else f"bandwidth {bandwidth:g}"
    closeness = fit_closeness(places, ordered, bandwidth)
    return EmpiricalReference(rows, places, positions, closeness, f"{origin}, {how}")


def _sample(
    background: Float64[np.ndarray, "rows c"], n_rows: int | None, skip: int, seed: int
) -> tuple[Float64[np.ndarray, "n c"], str]:
    if len(background) < 2:
        raise InputError(f"need at least 2 background rows to compare with, got {len(background)}")
    if n_rows is not None and n_rows < 1:
        raise SettingError(f"need n_rows >= 1 rows in the sample, or None for all, got {n_rows}")
    if not 0 <= skip <= len(background) - 2:
        raise SettingError(f"skip must leave at least 2 of {len(background)} background rows, got {skip}")
    if skip == 0 and (n_rows is None or n_rows >= len(background)):
        return background, f"all {len(background)} background rows"
    chosen = generator(seed, "empirical rows").permutation(len(background))[skip:][:n_rows]
    other = "other " if skip else ""
    origin = f"{len(chosen)} {other}rows drawn with seed {seed} from {len(background)} background rows"
    return background[chosen], origin


def _uniforms(seed: int, start: int, stop: int) -> Float64[np.ndarray, "n"]:
    first, last = start // _CHUNK, -(-stop // _CHUNK)
    chunks = [generator(seed, "empirical draws", i).random(_CHUNK) for i in range(first, last)]
    return np.concatenate(chunks)[start - first * _CHUNK : stop - first * _CHUNK]


def _rows_at(
    points: Float64[np.ndarray, "n"], weights: Float64[np.ndarray, "m rows"]
) -> Int64[np.ndarray, "m n"]:
    """The row at which the sum of the weights passes each point of [0, 1), for every subset."""
    order, (m, n) = np.argsort(points), (len(weights), len(points))
    ends = np.cumsum(weights, axis=1)
    ends /= ends[:, -1:]
    # A row is passed by all points from a first one on; so many rows are passed by a point.
    first_past = np.searchsorted(points[order], ends)
    first_past += np.arange(m)[:, None] * (n + 1)
    passed = np.bincount(first_past.ravel(), minlength=m * (n + 1)).reshape(m, n + 1)[:, :n]
    rows = np.empty((m, n), dtype=np.int64)
    rows[:, order] = np.cumsum(passed, axis=1)
    return rows


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
