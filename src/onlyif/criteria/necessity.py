"""Δnec(S) = ρ(f_Sc(x), f_0(x)): what is left of the prediction when S is hidden."""

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
class Necessity(Criterion):
    """Δnec(S) = ρ(f_Sc(x), f_0(x)); 0 when hiding S brings back the average prediction.

    "Necessary" here means back to the average, not a flip of the class.

    Args:
        set_function: f_S(x) of the instances.
        distance: ρ.

    References:
        [bharti2024] definition 2.2.
    """

    set_function: SetFunction
    distance: Distance

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        nothing = np.zeros_like(subset[:, :1])
        found = self.set_function.predict(np.concatenate([nothing, ~subset], axis=1))
        base, restricted = found.mean[:, :1], found.mean[:, 1:]
        gap = self.distance.between(restricted, base)
        error = gap_error(
            self.distance,
            lambda moved: self.distance.between(moved, base),
            restricted,
            found.stderr_from_base[:, 1:],
            gap,
        )
        return Gaps(gap[..., None], error[..., None], found.model_rows)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (1.0,)
