"""From what was measured for each input of E to PN and PS: how the factual event is conditioned on.

Each probability is a smooth function of a few means over E, and each mean is of
a product of three factors: a weight of the input, what perturbing s did to it,
and what perturbing the rest did to it. So errors come from one rule for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import final

from jaxtyping import Float
from typing_extensions import override

from onlyif.core.arguments import Whole, settle
from onlyif.core.arrays import Array, namespace


@final
class Weight(Enum):
    """The weight of an input of E: nothing; near x^t, for terms with the factual event on that side and for
    terms without it (each is scaled by its own largest value); how often it was drawn again.
    """

    ONE = 0
    NEAR_ON_S = 1
    NEAR_ON_REST = 2
    ONLY_NEAR_ON_S = 3
    ONLY_NEAR_ON_REST = 4
    DRAWN_FOR_PN = 5
    DRAWN_FOR_PS = 6


@final
class OnS(Enum):
    """What perturbing s did: nothing asked; the soft event B; the share of changes above c."""

    ONE = 0
    FACTUAL_CHANGE = 1
    CHANGED = 2


@final
class OnRest(Enum):
    """What perturbing the rest did: nothing asked; the soft event B̄; the share of changes up to c."""

    ONE = 0
    FACTUAL_NO_CHANGE = 1
    UNCHANGED = 2


@final
@dataclass(frozen=True)
class Term:
    """One product, whose mean over E is taken."""

    weight: Weight
    on_s: OnS = OnS.ONE
    on_rest: OnRest = OnRest.ONE

    def product(self, factors: Mapping[Enum, Float[Array, "*s"] | float]) -> Float[Array, "*s"]:
        """The product for each input."""
        return factors[self.weight] * factors[self.on_s] * factors[self.on_rest]


NECESSARY_FACT = Term(Weight.NEAR_ON_S, on_s=OnS.FACTUAL_CHANGE)
SUFFICIENT_FACT = Term(Weight.NEAR_ON_REST, on_rest=OnRest.FACTUAL_NO_CHANGE)


@final
@dataclass(frozen=True)
class Conditional:
    """A conditional probability, the mean of one term over that of another; 0 given a null event.

    Args:
        both: The term of both events.
        given: That of the condition, with the same weight; None where the weights themselves condition.
    """

    both: Term
    given: Term | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms whose means are needed."""
        return (self.both,) if self.given is None else (self.both, self.given)

    def of(self, means: Mapping[Term, Float[Array, "*s"]]) -> Float[Array, "*s"]:
        """The probability from the means of its terms.

        Args:
            means: One mean a term; terms with one weight may share an unknown factor.
        """
        if self.given is None:
            return means[self.both]
        return ratio(means[self.both], means[self.given])


class Abduction(ABC):
    """How what happened is used to weigh the inputs of E before the intervention."""

    @property
    @abstractmethod
    def pn(self) -> Conditional:
        """PN, from means over E."""

    @property
    @abstractmethod
    def ps(self) -> Conditional:
        """PS, from means over E."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The products whose means are needed; P(A, B) and P(Ā, B̄) are the first two."""
        return tuple(dict.fromkeys((NECESSARY_FACT, SUFFICIENT_FACT, *self.pn.terms, *self.ps.terms)))

    @property
    def n_resampled(self) -> int | None:
        """How many inputs are drawn again by weight; None where none are."""
        return None


@final
@dataclass(frozen=True)
class WeightedMean(Abduction):
    """All of E, each input by its weight: PN·P(A, B) is the mean of w_NC times P(|Δf| <= c).

    The default. `Resampling` has the same mean and more variance.
    """

    @property
    @override
    def pn(self) -> Conditional:
        return Conditional(Term(Weight.NEAR_ON_S, OnS.FACTUAL_CHANGE, OnRest.UNCHANGED), NECESSARY_FACT)

    @property
    @override
    def ps(self) -> Conditional:
        return Conditional(Term(Weight.NEAR_ON_REST, OnS.CHANGED, OnRest.FACTUAL_NO_CHANGE), SUFFICIENT_FACT)


@final
@dataclass(frozen=True)
class Resampling(Abduction):
    """Sampling-importance-resampling, the paper's own: inputs are drawn from E by weight, then perturbed.

    Args:
        size: How many are drawn for PN, and for PS.

    Raises:
        SettingError: unless size >= 1.

    References:
        [chen2024] equations 10 to 14.
    """

    size: int = 1

    def __post_init__(self) -> None:
        settle(self, {"size": Whole(least=1)})

    @property
    @override
    def pn(self) -> Conditional:
        return Conditional(Term(Weight.DRAWN_FOR_PN, on_rest=OnRest.UNCHANGED))

    @property
    @override
    def ps(self) -> Conditional:
        return Conditional(Term(Weight.DRAWN_FOR_PS, on_s=OnS.CHANGED))

    @property
    @override
    def n_resampled(self) -> int | None:
        return self.size


@final
@dataclass(frozen=True)
class Unweighted(Abduction):
    """PN and PS without the weights of the factual stage, the paper's "w/o SR": all of E counts alike."""

    @property
    @override
    def pn(self) -> Conditional:
        return Conditional(Term(Weight.ONE, on_rest=OnRest.UNCHANGED))

    @property
    @override
    def ps(self) -> Conditional:
        return Conditional(Term(Weight.ONE, on_s=OnS.CHANGED))


@final
@dataclass(frozen=True)
class PlainConditional(Abduction):
    """No counterfactual: P(B̄ | Ā) and P(B | A) in place of PN and PS.

    What perturbing does to inputs that are near x^t where the other part is
    perturbed, whatever perturbing the first part did to them. It shows what abduction changes.
    """

    @property
    @override
    def pn(self) -> Conditional:
        near = Weight.ONLY_NEAR_ON_REST
        return Conditional(Term(near, on_rest=OnRest.UNCHANGED), Term(near))

    @property
    @override
    def ps(self) -> Conditional:
        near = Weight.ONLY_NEAR_ON_S
        return Conditional(Term(near, on_s=OnS.CHANGED), Term(near))


def ratio(part: Float[Array, "*s"], whole: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """part / whole, and 0 for null events.

    Args:
        part: Probability of both events.
        whole: Probability of the condition.
    """
    xp = namespace(whole)
    null = whole <= 0
    return xp.where(null, 0.0, part / xp.where(null, 1.0, whole))
