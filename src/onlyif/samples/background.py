"""E is a background set and the instance itself; or a given set that holds the instance already."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from typing_extensions import override

from onlyif.core.arrays import Array, like, namespace
from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample, SampleRows


@final
@dataclass(frozen=True, eq=False)
class BackgroundSample(Sample):
    """The rows of a background set, and the instance itself: the usual choice for tables.

    All instances share the background, so the model is asked for it once.

    Args:
        background: The rows, at least one.

    Raises:
        SettingError: if there is no row.

    Example:
        >>> import numpy as np
        >>> BackgroundSample(np.zeros((5, 2))).rows(np.ones((3, 2)), seed=0).count
        6
    """

    background: Float[Array, "n *x"]

    def __post_init__(self) -> None:
        if not len(self.background):
            raise SettingError("the sample E needs at least one background row beside the instance, got none")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.background, x)
        return SampleRows(x[:, None], like(self.background, x))

    @property
    @override
    def sentence(self) -> str:
        return f"the instance itself and {len(self.background):,} background rows"


@final
@dataclass(frozen=True, eq=False)
class PopulationSample(Sample):
    """Given rows among which the instance already is: a finite population, or a sample with its target.

    Args:
        population: The rows, at least two.

    Raises:
        SettingError: if there are fewer than two rows.
    """

    population: Float[Array, "n *x"]

    def __post_init__(self) -> None:
        if len(self.population) < 2:
            raise SettingError(
                f"the sample E needs at least two rows, the instance among them; got {len(self.population)}"
            )

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.population, x)
        shared = like(self.population, x)
        missing = namespace(x).isnan
        for number, one in enumerate(x):
            # Missing values are equal to one another here.
            same = (shared == one) | (missing(shared) & missing(one))
            if not bool(same.reshape(len(shared), -1).all(1).any()):
                raise InputError(
                    f"instance {number} is not among the {len(shared)} rows of the sample E, and must be: "
                    "add it, or take BackgroundSample, which does"
                )
        return SampleRows(x[:, None][:, :0], shared)

    @property
    @override
    def sentence(self) -> str:
        return f"{len(self.population):,} given rows, the instance among them"


def check_shapes(rows: Float[Array, "n *rest"], x: Instances) -> None:
    """Refuse rows whose shape is not that of the instances.

    Raises:
        InputError: unless both have the same shape but for their number.
    """
    if rows.shape[1:] != x.shape[1:]:
        raise InputError(
            f"the rows of the sample E have shape {tuple(rows.shape[1:])}, the instances "
            f"{tuple(x.shape[1:])}; need the same"
        )
