"""The probabilities of subsets, and their errors, from the moments of each input of E."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from onlyif.causation.abduction import Abduction, Term, Weight
from onlyif.core.torch_seeds import torch_generator

# Moments of one side: mean soft, mean hard, their variances, their covariance.
SOFT, HARD = 0, 1
# Largest logarithm of a scaled weight: an input whose event is impossible may be nearer than all others
# by any factor, and infinity times 0 is no number.
MOST_LOG = 700.0
# 1 minus a mean this near to 1 is the rounding of the mean: an event that never happens, and not one of
# probability 1e-16 on which PN or PS could be conditioned.
NULL = 2.0**-48


@final
@dataclass(frozen=True, eq=False)
class Stages:
    """What is known of each input of E, for the subsets of one instance or of several.

    Args:
        log_near_on_s: Logarithm of the weight of being near x^t on s.
        log_near_on_rest: The same outside s; -inf where nothing is outside.
        on_s: Moments of the exceedance when s is perturbed.
        on_rest: The same when the rest is.
    """

    log_near_on_s: Float64[Tensor, "m n"]
    log_near_on_rest: Float64[Tensor, "m n"]
    on_s: Float64[Tensor, "five m n"]
    on_rest: Float64[Tensor, "five m n"]


@final
@dataclass(frozen=True, eq=False)
class Read:
    """Values, errors and effective sample sizes of each subset."""

    values: Float64[Tensor, "m v"]
    stderr: Float64[Tensor, "m v"]
    sample_stderr: Float64[Tensor, "m v"]
    effective: Float64[Tensor, "m two"]


@final
@dataclass(frozen=True, eq=False)
class _Side:
    """1 and the two means of one side, and the covariances of the means that are not 0, by their numbers."""

    means: Float64[Tensor, "three m n"]
    covariance: dict[tuple[int, int], Tensor]


def read(stages: Stages, abduction: Abduction, seed: int) -> Read:
    """PN, PS, P(A, B), P(Ā, B̄) and PNS, with their errors.

    Args:
        stages: What was measured.
        abduction: How the factual event is conditioned on.
        seed: Seed of what is drawn again.
    """
    on_s, on_rest = _side(stages.on_s, complement=False), _side(stages.on_rest, complement=True)
    log_weights = (
        stages.log_near_on_s + on_s.means[1].log(),
        stages.log_near_on_rest + on_rest.means[1].log(),
    )
    shifts = tuple(_shift(logs) for logs in log_weights)
    shares = tuple(_normalised(logs) for logs in log_weights)
    weights = {
        Weight.ONE: torch.ones_like(stages.log_near_on_s),
        Weight.NEAR_ON_S: _scaled(stages.log_near_on_s, shifts[0]),
        Weight.NEAR_ON_REST: _scaled(stages.log_near_on_rest, shifts[1]),
        Weight.ONLY_NEAR_ON_S: _scaled(stages.log_near_on_s, _shift(stages.log_near_on_s)),
        Weight.ONLY_NEAR_ON_REST: _scaled(stages.log_near_on_rest, _shift(stages.log_near_on_rest)),
    }
    size = abduction.n_resampled
    if size is not None:
        weights[Weight.DRAWN_FOR_PN] = _multiplicities(shares[0], size, seed, "PN")
        weights[Weight.DRAWN_FOR_PS] = _multiplicities(shares[1], size, seed, "PS")
    terms = [_term(term, weights, on_s, on_rest) for term in abduction.terms]
    per_input = torch.stack(terms, dim=1)
    of_masks = _covariance_of_masks(abduction.terms, weights, on_s, on_rest)
    if size is not None:
        of_masks = of_masks + _covariance_of_draws(abduction.terms, shares, size, (on_s, on_rest))
    n = per_input.shape[2]
    centred = per_input - per_input.mean(2, keepdim=True)
    of_sample = centred @ centred.transpose(1, 2) / (n * (n - 1))
    values, slopes = _values_and_slopes(abduction, per_input.mean(2), (shifts[0].exp(), shifts[1].exp()))
    effective = torch.stack([_effective(share) for share in shares], dim=1)
    return Read(values, _errors(slopes, of_masks), _errors(slopes, of_sample), effective)


def _side(moments: Float64[Tensor, "five m n"], *, complement: bool) -> _Side:
    one = torch.ones_like(moments[0])
    means = torch.stack([one, moments[SOFT], moments[HARD]])
    if complement:
        rest = 1.0 - means[1:]
        means[1:] = torch.where(rest > NULL, rest, 0.0)
    if not bool(moments[2:].any()):
        return _Side(means, {})
    covariance = {(1, 1): moments[2], (2, 2): moments[3], (1, 2): moments[4], (2, 1): moments[4]}
    return _Side(means, covariance)


def together(parts: list[Stages]) -> Stages:
    """The stages of several instances, one after the other.

    Args:
        parts: Those of each instance, with equally many inputs.
    """
    return Stages(
        torch.cat([part.log_near_on_s for part in parts]),
        torch.cat([part.log_near_on_rest for part in parts]),
        torch.cat([part.on_s for part in parts], dim=1),
        torch.cat([part.on_rest for part in parts], dim=1),
    )


def _shift(logs: Float64[Tensor, "m n"]) -> Float64[Tensor, "m"]:
    """The largest logarithm, or 0 where all weights are 0."""
    largest = logs.amax(1)
    return torch.where(largest.isfinite(), largest, 0.0)


def _scaled(logs: Float64[Tensor, "m n"], shift: Float64[Tensor, "m"]) -> Float64[Tensor, "m n"]:
    return (logs - shift.unsqueeze(1)).clamp(max=MOST_LOG).exp()


def _normalised(logs: Float64[Tensor, "m n"]) -> Float64[Tensor, "m n"]:
    """Weights that sum to 1, or to 0 for null events."""
    return torch.where(logs.amax(1, keepdim=True).isfinite(), logs.softmax(1), 0.0).nan_to_num(nan=0.0)


def _effective(share: Float64[Tensor, "m n"]) -> Float64[Tensor, "m"]:
    squares = share.square().sum(1)
    return torch.where(squares > 0, 1.0 / squares.clamp(min=1e-300), 0.0)


def _multiplicities(share: Float64[Tensor, "m n"], size: int, seed: int, use: str) -> Float64[Tensor, "m n"]:
    """n / size times how often each input is drawn; the same uniform numbers for all subsets."""
    uniform = torch.rand(size, generator=torch_generator(seed, f"resampling for {use}"), dtype=torch.float64)
    cumulated = share.cumsum(1)
    # The sum may be rounded to less than 1; a null event draws nothing.
    wanted = uniform.to(share.device) * cumulated[:, -1:]
    number: Int64[Tensor, "m s"] = torch.searchsorted(cumulated, wanted, right=True)
    number = number.clamp(max=share.shape[1] - 1)
    counts = torch.zeros_like(share).scatter_add_(1, number, torch.ones_like(wanted))
    return torch.where(cumulated[:, -1:] > 0, counts * (share.shape[1] / size), 0.0)


def _term(term: Term, weights: dict[Weight, Tensor], on_s: _Side, on_rest: _Side) -> Float64[Tensor, "m n"]:
    return weights[term.weight] * on_s.means[term.on_s.value] * on_rest.means[term.on_rest.value]


def _covariance_of_masks(
    terms: tuple[Term, ...], weights: dict[Weight, Tensor], on_s: _Side, on_rest: _Side
) -> Float64[Tensor, "m q q"]:
    """Covariances of the means over E, from random perturbations; the two sides are independent."""
    m, n = on_s.means.shape[1:]
    if not on_s.covariance and not on_rest.covariance:
        return on_s.means.new_zeros(m, len(terms), len(terms))
    nothing = on_s.means.new_zeros(())

    def entry(one: Term, other: Term) -> Float64[Tensor, "m"]:
        i, j = (one.on_s.value, other.on_s.value), (one.on_rest.value, other.on_rest.value)
        left, right = on_s.means[i[0]] * on_s.means[i[1]], on_rest.means[j[0]] * on_rest.means[j[1]]
        spread_left, spread_right = on_s.covariance.get(i, nothing), on_rest.covariance.get(j, nothing)
        # The product of the estimated means already holds their own error once.
        spread = spread_left * right + left * spread_right - spread_left * spread_right
        # In this order, for the product of two weights may overflow where the spread is 0.
        return (weights[one.weight] * (weights[other.weight] * spread)).sum(1)

    found = on_s.means.new_zeros(m, len(terms), len(terms))
    for i, one in enumerate(terms):
        for j, other in enumerate(terms[: i + 1]):
            found[:, i, j] = found[:, j, i] = entry(one, other)
    return found / n**2


def _covariance_of_draws(
    terms: tuple[Term, ...], shares: tuple[Tensor, ...], size: int, sides: tuple[_Side, _Side]
) -> Float64[Tensor, "m q q"]:
    """What drawing inputs again adds: the variance of a mean over `size` drawn inputs."""
    q, m = len(terms), len(shares[0])
    added = torch.zeros(m, q, q, dtype=torch.float64, device=shares[0].device)
    drawn_by = {Weight.DRAWN_FOR_PN: 0, Weight.DRAWN_FOR_PS: 1}
    for number, term in enumerate(terms):
        if term.weight in drawn_by:
            share = shares[drawn_by[term.weight]]
            value = sides[0].means[term.on_s.value] * sides[1].means[term.on_rest.value]
            mean = (share * value).sum(1)
            added[:, number, number] = ((share * value.square()).sum(1) - mean.square()).clamp(min=0.0) / size
    return added


def _values_and_slopes(
    abduction: Abduction, means: Float64[Tensor, "m q"], scales: tuple[Tensor, Tensor]
) -> tuple[Float64[Tensor, "m v"], Float64[Tensor, "m v q"]]:
    """The quantities and their derivatives by the means."""
    with torch.enable_grad():
        given = means.detach().requires_grad_()
        pn, ps = abduction.conditional(given)
        changed, unchanged = scales[0] * given[:, 0], scales[1] * given[:, 1]
        parts = pn * changed, ps * unchanged
        values = torch.stack([pn, ps, changed, unchanged, parts[0] + parts[1], *parts], dim=1)
        slopes = [torch.autograd.grad(column.sum(), given, retain_graph=True)[0] for column in values.T]
    return values.detach(), torch.stack(slopes, dim=1)


def _errors(slopes: Float64[Tensor, "m v q"], covariance: Float64[Tensor, "m q q"]) -> Float64[Tensor, "m v"]:
    variance = ((slopes @ covariance) * slopes).sum(2)
    return variance.clamp(min=0.0).sqrt()


def without_whole(
    log_near_on_rest: Float64[Tensor, "m n"], subset: Bool[Tensor, "m d"]
) -> Float64[Tensor, "m n"]:
    """No weight where nothing lies outside s: P(Ā, B̄) is 0 then, by convention.

    Args:
        log_near_on_rest: Logarithm of the weights outside s.
        subset: The subsets s.
    """
    return log_near_on_rest.masked_fill(subset.all(1, keepdim=True), -torch.inf)
