"""One fixed value: the simplest reference, and the least honest about what the model has seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Float64
from typing_extensions import override

from onlyif.core.arrays import Array, like, namespace
from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe


@final
@dataclass(frozen=True, eq=False)
class BaselineReference(Reference):
    """Every hidden entry takes one fixed value, whatever is kept: V has one atom.

    Choose it for images (a mean image, a blur) or where a value means "absent".
    For tables prefer `MarginalReference`: a row of means is often unlike any row.

    Args:
        value: The value of every entry of an instance when it is hidden.
        name: What the value is, for the sentence in results, as "the mean image".

    Raises:
        InputError: from `draw`, if the instances have another shape than the value.

    Example:
        >>> import numpy as np
        >>> zero = BaselineReference(np.zeros(2), "zero")
        >>> keep = np.array([[[True, False]]])
        >>> zero.draw(np.ones((1, 2)), keep, Plan(total=1, start=0, stop=1, seed=None)).values
        array([[[[0., 0.]]]])
    """

    value: Float[Array, "*x"]
    name: str = "a fixed baseline"

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if x.shape[1:] != self.value.shape:
            raise InputError(
                f"the baseline has shape {tuple(self.value.shape)}, "
                f"got instances of shape {tuple(x.shape[1:])}; both must be the same"
            )
        shape = (1, 1, plan.stop - plan.start, *self.value.shape)
        return Draws(namespace(x).broadcast_to(like(self.value, x), shape), plan.equal_weights)

    @property
    @override
    def law(self) -> Law:
        return Law(f"Hidden features are replaced by {self.name}, whatever is kept.", 1, depends_on_x=False)


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


def uniform_baseline(
    shape: Sequence[int], *, low: float = 0.0, high: float = 1.0, seed: int = 0
) -> Float32[np.ndarray, "1 *x"]:
    """x' for images: one draw of uniform noise, shared by all instances.

    Args:
        shape: Of one image.
        low: Smallest value of a raw pixel.
        high: Largest value of a raw pixel, before any normalisation.
        seed: Seed of the draw.

    Raises:
        SettingError: unless low < high.

    Example:
        >>> uniform_baseline((1, 8, 8)).shape
        (1, 1, 8, 8)
    """
    if not low < high:
        raise SettingError(f"need low < high for a uniform baseline, got low={low} and high={high}")
    return generator(seed, "uniform baseline").uniform(low, high, (1, *shape)).astype(np.float32)
