"""Δsuf(S) = ρ(f(x), f_S(x)): what is lost when only S is kept."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.criteria.base import Criterion, Gaps
from onlyif.criteria.distances import Distance, gap_error
from onlyif.restrictions.set_function import SetFunction


@final
@dataclass(frozen=True, eq=False)
class Sufficiency(Criterion):
    """Δsuf(S) = ρ(f(x), f_S(x)); 0 when keeping S alone gives the prediction.

    Args:
        set_function: f_S(x) of the instances.
        distance: ρ.

    References:
        [bharti2024] definition 2.1.
    """

    set_function: SetFunction
    distance: Distance

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        everything = np.ones_like(subset[:, :1])
        found = self.set_function.predict(np.concatenate([everything, subset], axis=1))
        full, restricted = found.mean[:, :1], found.mean[:, 1:]
        gap = self.distance.between(full, restricted)
        error = gap_error(
            self.distance,
            lambda moved: self.distance.between(full, moved),
            restricted,
            found.stderr[:, 1:],
            gap,
        )
        return Gaps(gap[..., None], error[..., None], found.model_rows)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (1.0,)
