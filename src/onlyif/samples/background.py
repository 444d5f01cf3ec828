"""E is a background set and the instance itself; or a given set that holds the instance already."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

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
        >>> import torch
        >>> BackgroundSample(torch.zeros(5, 2)).rows(torch.ones(3, 2), seed=0).count
        6
    """

    background: Float[Tensor, "n *x"]

    def __post_init__(self) -> None:
        if not len(self.background):
            raise SettingError("the sample E needs at least one background row beside the instance, got none")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.background, x)
        return SampleRows(x.unsqueeze(1), self.background.to(x))

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

    population: Float[Tensor, "n *x"]

    def __post_init__(self) -> None:
        if len(self.population) < 2:
            raise SettingError(
                f"the sample E needs at least two rows, the instance among them; got {len(self.population)}"
            )

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        check_shapes(self.population, x)
        shared = self.population.to(x)
        for number, one in enumerate(x):
            # Missing values are equal to one another here.
            same = (shared == one) | (shared.isnan() & one.isnan())
            if not bool(same.flatten(1).all(1).any()):
                raise InputError(
                    f"instance {number} is not among the {len(shared)} rows of the sample E, and must be: "
                    "add it, or take BackgroundSample, which does"
                )
        return SampleRows(x.new_empty(len(x), 0, *x.shape[1:]), shared)

    @property
    @override
    def sentence(self) -> str:
        return f"{len(self.population):,} given rows, the instance among them"


def check_shapes(rows: Float[Tensor, "n *rest"], x: Instances) -> None:
    """Refuse rows whose shape is not that of the instances.

    Args:
        rows: The rows.
        x: The instances.

    Raises:
        InputError: unless both have the same shape but for their number.
    """
    if rows.shape[1:] != x.shape[1:]:
        raise InputError(
            f"the rows of the sample E have shape {tuple(rows.shape[1:])}, the instances "
            f"{tuple(x.shape[1:])}; need the same"
        )
