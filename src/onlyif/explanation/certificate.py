"""Certificate: what is certain about an explanation, as plain values."""

from dataclasses import dataclass
from enum import Enum
from typing import final

from typing_extensions import override

from onlyif.core.equality import same


class Basis(Enum):
    """What a certificate is based on."""

    EXACT = "exact"
    SAMPLED = "sampled"
    HEURISTIC = "heuristic"

    @property
    def sentence(self) -> str:
        """What it means, for the reader."""
        match self:
            case Basis.EXACT:
                return "exact: all subsets were compared, and every f_S(x) is exact for the stated reference"
            case Basis.SAMPLED:
                return (
                    "sampled: all subsets were compared, f_S(x) is estimated; "
                    "statements hold with 95 % confidence"
                )
            case Basis.HEURISTIC:
                return "not certified: only some subsets were compared"


@final
@dataclass(frozen=True)
class Certificate:
    """How certain the reported sets are.

    None means that nothing can be said: a bound whose distance is no metric, or a
    statement about all supersets when not all of them were compared or the
    estimates are too noisy to tell. The smallest sets are those among the sets that may be
    reported; supersets are all supersets.

    Args:
        basis: Exact, sampled or heuristic.
        epsilon: ε, in the units of the distance.
        informative: Whether ρ(f(x), f_0) exceeds its own error and the tolerance of ties.
        super_sufficient: Whether every superset of the smallest ε-sufficient set is ε-sufficient.
        worst_sufficiency: The largest Δsuf among those supersets; with a
            sampled f_S its simultaneous upper 95 % bound.
        super_necessary: Whether every superset of the smallest ε-necessary set is ε-necessary.
        worst_necessity: The largest Δnec among those supersets (likewise).
        n_sufficient: How many permitted ε-sufficient sets have the smallest size, where players have costs
            the least cost; 0 where there is none.
        n_necessary: How many permitted ε-necessary sets do, likewise.
        bound_sufficiency: Δuni(S, α)/α >= Δsuf(S) for the unified set S; infinite at α = 0.
        bound_necessity: Δuni(S, α)/(1 - α) >= Δnec(S); infinite at α = 1.
        phi: φ_S of the unified set S in the two-player game of S against its complement.
        phi_bound: ρ(f(x), f_0) - Δuni(S, α) / (2 min(α, 1 - α)) <= φ_S; None at α = 0 and 1.
        must_meet: Whether Lemma 4.2 forces the sufficient and the necessary set to share a player.
        meet: Whether they do.
        union_bound: ε when both sets are super: then their union U has Δuni(U, α) <= ε for every α
            (so the least Δuni is at most ε for every size limit >= |U|); else None.
        tolerance: Gaps that differ by less than this count as equal.

    References:
        [bharti2024] lemmas 4.1 and 4.2, theorems 4.1 and 5.1; the last two as corrected in the guide.
    """

    basis: Basis
    epsilon: float
    informative: bool
    super_sufficient: bool | None
    worst_sufficiency: float | None
    super_necessary: bool | None
    worst_necessity: float | None
    n_sufficient: int
    n_necessary: int
    bound_sufficiency: float
    bound_necessity: float
    phi: float | None
    phi_bound: float | None
    must_meet: bool | None
    meet: bool
    union_bound: float | None
    tolerance: float

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    @override
    def __repr__(self) -> str:
        supersets = f"super_sufficient={self.super_sufficient}, super_necessary={self.super_necessary}"
        return f"Certificate({self.basis.value}, epsilon={self.epsilon:.4g}, {supersets})"
