"""The probabilities of subsets, and their errors, from what is known of each input of E."""

from dataclasses import dataclass
from enum import Enum
from itertools import combinations_with_replacement
from math import inf
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64

from onlyif.causation.abduction import (
    NECESSARY_FACT,
    SUFFICIENT_FACT,
    Abduction,
    Conditional,
    OnRest,
    OnS,
    Term,
    Weight,
    ratio,
)
from onlyif.causation.exceedance import Exceedance
from onlyif.causation.probabilities import Probabilities, Quantities
from onlyif.core.arrays import Array, namespace
from onlyif.core.seeds import generator

# Largest logarithm of a scaled weight: an input whose event is impossible may be nearer than all others
# by any factor, and infinity times 0 is no number.
MOST_LOG = 700.0
# 1 minus a mean this near to 1 is the rounding of the mean: an event that never happens, and not one of
# probability 1e-16 on which PN or PS could be conditioned.
NULL = 2.0**-48

# One number for each subset, and covariances of the means of two terms.
_Numbers = Float64[np.ndarray, "b m"]
_Covariances = dict[tuple[Term, Term], _Numbers]


@final
@dataclass(frozen=True, eq=False)
class Stages:
    """What is known of each input of E, for the subsets of some instances.

    Args:
        log_near_on_s: Logarithm of the weight of being near x^t on s.
        log_near_on_rest: The same outside s; -inf where nothing is outside.
        on_s: What perturbing s does.
        on_rest: What perturbing the rest does.
        exact: Whether that is known of all perturbations.
    """

    log_near_on_s: Float64[np.ndarray, "b m n"]
    log_near_on_rest: Float64[np.ndarray, "b m n"]
    on_s: Exceedance
    on_rest: Exceedance
    exact: Bool[np.ndarray, "b m"]


def events(
    soft: Float[Array, "*s"],
    hard: Float[Array, "*s"],
    soft_of_rest: Float[Array, "*s"],
    hard_of_rest: Float[Array, "*s"],
) -> dict[Enum, Array]:
    """What perturbing did to each input, as factors of terms; of numpy or, with a gradient, of tensors.

    Args:
        soft: How much the changes by s count as one.
        hard: The share of them above c.
        soft_of_rest: How much the changes by the rest count as one.
        hard_of_rest: The share of them above c.
    """
    return {
        OnS.ONE: 1.0,
        OnS.FACTUAL_CHANGE: soft,
        OnS.CHANGED: hard,
        OnRest.ONE: 1.0,
        OnRest.FACTUAL_NO_CHANGE: _complement(soft_of_rest),
        OnRest.UNCHANGED: _complement(hard_of_rest),
    }


def read(stages: Stages, abduction: Abduction, seed: int, model_rows: float) -> Probabilities:
    """PN, PS, P(A, B), P(Ā, B̄) and PNS, with their errors.

    Args:
        stages: What was measured.
        abduction: How the factual event is conditioned on.
        seed: Seed of what is drawn again.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
    """
    on_s, on_rest, terms = stages.on_s, stages.on_rest, abduction.terms
    factors = events(on_s.soft, on_s.hard, on_rest.soft, on_rest.hard)
    log_scale = _largest(stages.log_near_on_s, factors[OnS.FACTUAL_CHANGE])
    log_scale_of_rest = _largest(stages.log_near_on_rest, factors[OnRest.FACTUAL_NO_CHANGE])
    factors[Weight.ONE] = 1.0
    factors[Weight.NEAR_ON_S] = _scaled(stages.log_near_on_s, log_scale)
    factors[Weight.NEAR_ON_REST] = _scaled(stages.log_near_on_rest, log_scale_of_rest)
    if Weight.ONLY_NEAR_ON_S in {term.weight for term in terms}:
        for weight, logs in (
            (Weight.ONLY_NEAR_ON_S, stages.log_near_on_s),
            (Weight.ONLY_NEAR_ON_REST, stages.log_near_on_rest),
        ):
            factors[weight] = _scaled(logs, _largest(logs, np.ones_like(logs)))
    necessary, sufficient = NECESSARY_FACT.product(factors), SUFFICIENT_FACT.product(factors)
    size, shares = abduction.n_resampled, {}
    if size is not None:
        shares = {Weight.DRAWN_FOR_PN: _shares(necessary), Weight.DRAWN_FOR_PS: _shares(sufficient)}
        factors |= {weight: _multiplicities(share, size, seed, weight) for weight, share in shares.items()}
    products = {NECESSARY_FACT: necessary, SUFFICIENT_FACT: sufficient}
    products |= {term: term.product(factors) for term in terms if term not in products}
    effective_pn, effective_ps = _effective(necessary), _effective(sufficient)
    means = {term: product.mean(2) for term, product in products.items()}
    quantities = _quantities(abduction, means, np.exp(log_scale), np.exp(log_scale_of_rest))
    of_masks = _over_perturbations(stages, terms, factors)
    for term in terms:
        if term.weight in shares:
            of_draws = _over_draws(term, shares[term.weight], factors) / abduction.n_resampled
            of_masks[term, term] = of_masks.get((term, term), 0.0) + of_draws
    of_sample = _over_inputs(products, means)
    return Probabilities(
        Quantities(*(quantity.value for quantity in quantities)),
        Quantities(*(quantity.error(of_masks) for quantity in quantities)),
        Quantities(*(quantity.error(of_sample) for quantity in quantities)),
        effective_pn,
        effective_ps,
        stages.exact,
        necessary.shape[2],
        model_rows,
    )


def _complement(mean: Float[Array, "*s"]) -> Float[Array, "*s"]:
    rest = 1.0 - mean
    return namespace(rest).where(rest > NULL, rest, 0.0)


def _largest(logs: Float64[np.ndarray, "b m n"], event: Float64[np.ndarray, "b m n"]) -> _Numbers:
    """The largest logarithm of a weight whose event is possible, or 0 where no weight is above 0."""
    largest: np.ndarray = np.where(event > 0, logs, -inf).max(2)
    return np.where(np.isfinite(largest), largest, 0.0)


def _scaled(logs: Float64[np.ndarray, "b m n"], shift: _Numbers) -> Float64[np.ndarray, "b m n"]:
    scaled: np.ndarray = logs - shift[:, :, None]
    np.minimum(scaled, MOST_LOG, out=scaled)
    np.exp(scaled, out=scaled)
    return scaled


def _shares(weights: Float64[np.ndarray, "b m n"]) -> Float64[np.ndarray, "b m n"]:
    """Weights that sum to 1, or to 0 for null events."""
    shares: np.ndarray = ratio(weights, np.broadcast_to(weights.sum(2, keepdims=True), weights.shape))
    return shares


def _effective(weights: Float64[np.ndarray, "b m n"]) -> _Numbers:
    size: np.ndarray = ratio(weights.sum(2) ** 2, np.einsum("bmn,bmn->bm", weights, weights))
    return size


def _multiplicities(
    share: Float64[np.ndarray, "b m n"], size: int, seed: int, weight: Weight
) -> Float64[np.ndarray, "b m n"]:
    """n / size times how often each input is drawn; the same uniform numbers for all subsets."""
    uniform = np.sort(generator(seed, f"resampling: {weight.name}").random(size))
    cumulated = share.cumsum(2)
    total = cumulated[:, :, -1:].copy()
    # The sum may be rounded to less than 1; a null event draws nothing.
    cumulated = np.where(total > 0, cumulated / np.where(total > 0, total, 1.0), 0.0)
    cumulated[:, :, -1:] = total > 0
    up_to = np.searchsorted(uniform, cumulated.ravel()).reshape(share.shape)
    counts: np.ndarray = np.diff(up_to, axis=2, prepend=0) * (share.shape[2] / size)
    return counts


@final
@dataclass(frozen=True, eq=False)
class _Smooth:
    """A smooth function of the means of terms, with its slopes in these."""

    value: _Numbers
    slopes: dict[Term, _Numbers]

    def times(self, other: "_Smooth") -> "_Smooth":
        one = {term: slope * other.value for term, slope in self.slopes.items()}
        return _Smooth(self.value * other.value, one).with_slopes(
            {term: slope * self.value for term, slope in other.slopes.items()}
        )

    def plus(self, other: "_Smooth") -> "_Smooth":
        return _Smooth(self.value + other.value, self.slopes).with_slopes(other.slopes)

    def with_slopes(self, more: dict[Term, _Numbers]) -> "_Smooth":
        summed = {term: self.slopes.get(term, 0.0) + slope for term, slope in more.items()}
        return _Smooth(self.value, self.slopes | summed)

    def error(self, covariances: _Covariances) -> _Numbers:
        """The standard error, to first order, from the covariances of the means."""
        variance = np.zeros_like(self.value)
        for (one, other), covariance in covariances.items():
            if one in self.slopes and other in self.slopes:
                twice = 1.0 if one == other else 2.0
                variance += twice * self.slopes[one] * self.slopes[other] * covariance
        error: np.ndarray = np.sqrt(np.maximum(variance, 0.0))
        return error


def _quantities(
    abduction: Abduction, means: dict[Term, _Numbers], scale: _Numbers, scale_of_rest: _Numbers
) -> tuple[_Smooth, ...]:
    """The quantities in the order of their fields."""
    pn, ps = _conditional(abduction.pn, means), _conditional(abduction.ps, means)
    changed = _Smooth(scale * means[NECESSARY_FACT], {NECESSARY_FACT: scale})
    unchanged = _Smooth(scale_of_rest * means[SUFFICIENT_FACT], {SUFFICIENT_FACT: scale_of_rest})
    necessity, sufficiency = pn.times(changed), ps.times(unchanged)
    return pn, ps, changed, unchanged, necessity.plus(sufficiency), necessity, sufficiency


def _conditional(conditional: Conditional, means: dict[Term, _Numbers]) -> _Smooth:
    value = conditional.of(means)
    if conditional.given is None:
        return _Smooth(value, {conditional.both: np.ones_like(value)})
    slope = ratio(np.ones_like(value), means[conditional.given])
    return _Smooth(value, {conditional.both: slope, conditional.given: -value * slope})


def _over_perturbations(stages: Stages, terms: tuple[Term, ...], factors: dict[Enum, Array]) -> _Covariances:
    """From random perturbations; the two sides are independent."""
    on_s = _spreads(stages.on_s, OnS.FACTUAL_CHANGE, OnS.CHANGED)
    on_rest = _spreads(stages.on_rest, OnRest.FACTUAL_NO_CHANGE, OnRest.UNCHANGED)
    if not on_s and not on_rest:
        return {}
    n = stages.log_near_on_s.shape[2]
    found = {}
    for one, other in combinations_with_replacement(terms, 2):
        left, right = factors[one.on_s] * factors[other.on_s], factors[one.on_rest] * factors[other.on_rest]
        of_left, of_right = (
            on_s.get((one.on_s, other.on_s), 0.0),
            on_rest.get((one.on_rest, other.on_rest), 0.0),
        )
        # The product of the estimated means already holds their own error once.
        spread = of_left * right + left * of_right - of_left * of_right
        # In this order, for the product of two weights may overflow where the spread is 0.
        weighted = factors[one.weight] * (factors[other.weight] * spread)
        found[one, other] = np.broadcast_to(weighted, stages.on_s.soft.shape).sum(2) / n**2
    return found


def _spreads(side: Exceedance, soft: Enum, hard: Enum) -> dict[tuple[Enum, Enum], Array]:
    """Covariances of the factors of one side, without those that are 0; none where nothing was drawn."""
    if not any(spread.any() for spread in (side.soft_variance, side.hard_variance, side.covariance)):
        return {}
    return {
        (soft, soft): side.soft_variance,
        (hard, hard): side.hard_variance,
        (soft, hard): side.covariance,
        (hard, soft): side.covariance,
    }


def _over_draws(term: Term, share: Float64[np.ndarray, "b m n"], factors: dict[Enum, Array]) -> _Numbers:
    """What drawing inputs again adds: the variance of one drawn input."""
    value = term.product({**factors, term.weight: 1.0})
    mean = (share * value).sum(2)
    variance: np.ndarray = np.maximum((share * value**2).sum(2) - mean**2, 0.0)
    return variance


def _over_inputs(
    products: dict[Term, Float64[np.ndarray, "b m n"]], means: dict[Term, _Numbers]
) -> _Covariances:
    """From other inputs of E; the products are given away."""
    for term, product in products.items():
        np.subtract(product, means[term][:, :, None], out=product)
    n = next(iter(products.values())).shape[2]
    return {
        (one, other): np.einsum("bmn,bmn->bm", products[one], products[other]) / (n * (n - 1))
        for one, other in combinations_with_replacement(products, 2)
    }


def without_whole(
    log_near_on_rest: Float64[np.ndarray, "b m n"], subset: Bool[np.ndarray, "#b m d"]
) -> Float64[np.ndarray, "b m n"]:
    """No weight where nothing lies outside s: P(Ā, B̄) is 0 then, by convention.

    Args:
        log_near_on_rest: Logarithm of the weights outside s.
        subset: The subsets s.
    """
    return np.where(np.logical_and.reduce(subset, 2, keepdims=True), -inf, log_near_on_rest)
