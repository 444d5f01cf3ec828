"""Δuni(S, α) = α Δsuf(S) + (1 - α) Δnec(S): sufficient and necessary at once."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.criteria.base import Criterion, Gaps
from onlyif.criteria.distances import Distance, gap_error
from onlyif.restrictions.base import Estimate
from onlyif.restrictions.set_function import SetFunction


@final
@dataclass(frozen=True, eq=False)
class Unified(Criterion):
    """Δuni(S, α) = α Δsuf(S) + (1 - α) Δnec(S), in the two parts (Δsuf, Δnec).

    Args:
        set_function: f_S(x) of the instances.
        distance: ρ.
        alpha: α in [0, 1]; 1 is sufficiency, 0 necessity.

    Raises:
        SettingError: unless 0 <= alpha <= 1.

    References:
        [bharti2024] equation 6.
    """

    set_function: SetFunction
    distance: Distance
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1], got {self.alpha}")

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        everything, m = np.ones_like(subset[:, :1]), subset.shape[1]
        # In this order the complement of entry j is entry -1 - j, as in a table of all subsets.
        asked = np.concatenate([~everything, subset, ~subset[:, ::-1], everything], axis=1)
        gaps = gaps_of_table(self.distance, self.set_function.predict(asked))
        mirror = gaps.take(np.arange(2 * m, m, -1))
        return replace(gaps.take(np.arange(1, m + 1)), mirror=mirror)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (self.alpha, 1.0 - self.alpha)

    @property
    @override
    def directions(self) -> tuple[tuple[float, ...], ...]:
        alphas = sorted({0.0, 0.25, 0.5, 0.75, 1.0, self.alpha})
        return tuple((alpha, 1.0 - alpha) for alpha in alphas)

    @override
    def all_gaps(self, n_players: int) -> Gaps:
        return gaps_of_table(self.distance, self.set_function.table())


def gaps_of_table(distance: Distance, table: Estimate) -> Gaps:
    """(Δsuf, Δnec) from restricted predictions listed so that a flip gives the complements.

    A table by bit code is such a list: the complement of code k is 2^d - 1 - k.
    The first entry is the empty set, the last one the set of all players.
    """
    full, base, hidden = table.mean[:, -1:], table.mean[:, :1], table.mean[:, ::-1]
    sufficiency = distance.between(full, table.mean)
    necessity = distance.between(hidden, base)
    # Each part lies in one piece, for they are read one by one.
    parts = np.stack([sufficiency, necessity], axis=1).swapaxes(1, 2)
    if not table.stderr_from_base.any():
        return Gaps(parts, np.broadcast_to(np.zeros(()), parts.shape), table.model_rows)
    errors = [
        gap_error(
            distance, lambda moved: distance.between(full, moved), table.mean, table.stderr, sufficiency
        ),
        gap_error(
            distance,
            lambda moved: distance.between(moved, base),
            hidden,
            table.stderr_from_base[:, ::-1],
            necessity,
        ),
    ]
    return Gaps(parts, np.stack(errors, axis=2), table.model_rows)
