"""A criterion of a stranger's: how much of the way from f_0 to f(x) a set goes, and what a member costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.answers.own import ComparedSets, OwnCriterion
from onlyif.criteria.base import Criterion, Gaps
from onlyif.explanation.selection import Selection
from onlyif.restrictions.set_function import SetFunction


@final
@dataclass(frozen=True, eq=False)
class PricedGap(Criterion):
    """|f(x) - f_S(x)| and, as a second part, the share of players in S."""

    set_function: SetFunction
    price: float

    @override
    def gap(self, subset: Bool[np.ndarray, "#b m d"]) -> Gaps:
        found = self.set_function.predict(np.concatenate([subset, np.ones_like(subset[:, :1])], axis=1))
        moved = np.abs(found.mean[:, -1:] - found.mean[:, :-1])
        share = np.broadcast_to(subset.mean(2), moved.shape)
        errors = np.stack([found.stderr[:, :-1], np.zeros_like(moved)], axis=2)
        return Gaps(np.stack([moved, share], axis=2), errors, found.model_rows)

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (1.0, self.price)


@final
@dataclass(frozen=True)
class Priced(OwnCriterion):
    """The set that is worth its price: the least |f(x) - f_S(x)| + price · |S| / d.

    Args:
        price: What all players together cost, in the units of the output.
    """

    price: float = 0.1

    @property
    @override
    def name(self) -> str:
        return "priced"

    @property
    @override
    def parts(self) -> tuple[str, ...]:
        return ("moved", "share")

    @override
    def of(self, function: SetFunction) -> Criterion:
        return PricedGap(function, self.price)

    @override
    def answer(self, compared: ComparedSets) -> Mapping[str, Selection]:
        return {"worth it": compared.best(), "single": compared.best(1)}
