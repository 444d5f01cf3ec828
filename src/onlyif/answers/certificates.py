"""What is certain about the sets of an explanation: the paper's lemmas, as corrected.

With exact restricted predictions and all subsets compared every statement is a
fact about the model and the stated reference. With estimated ones, statements
over all supersets hold with 95 % confidence, simultaneously over the supersets
(Bonferroni). With some subsets compared, statements over all supersets are
left open. Supersets are all supersets, whichever sets may be reported.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.selection import NORMAL_95, Measure, Selection
from onlyif.searches.base import Cloud


@final
@dataclass(frozen=True)
class Facts:
    """What a certificate is made from, for one instance.

    Args:
        sufficient: The smallest ε-sufficient set; None where none is permitted.
        necessary: The smallest ε-necessary set; None where none is permitted.
        unified: The solution of (P_uni).
        alpha: α of `unified`.
        epsilon: ε.
        total_gap: ρ0 = ρ(f(x), f_0).
        hidden_sufficiency: Δsuf of the complement of `unified`.
        is_metric: Whether the distance is a metric.
        exact: Whether all restricted predictions are exact.
    """

    sufficient: Selection | None
    necessary: Selection | None
    unified: Selection
    alpha: float
    epsilon: float
    total_gap: Measure
    hidden_sufficiency: float
    is_metric: bool
    exact: bool


def certify(facts: Facts, cloud: Cloud) -> Certificate:
    """What is certain about the three sets of one instance.

    References:
        [bharti2024] lemmas 4.1 and 4.2, theorems 4.1 and 5.1.
    """
    super_sufficient, worst_sufficiency = _supersets(cloud, 0, facts.sufficient, facts.epsilon)
    super_necessary, worst_necessity = _supersets(cloud, 1, facts.necessary, facts.epsilon)
    both = bool(super_sufficient and super_necessary)
    phi, phi_bound = _two_player(facts)
    gap = facts.unified.unified(facts.alpha)
    noise = 0.0 if facts.exact else NORMAL_95 * facts.total_gap.stderr
    return Certificate(
        basis=_basis(cloud, facts.exact),
        epsilon=facts.epsilon,
        informative=facts.total_gap.value > max(cloud.grid, noise),
        super_sufficient=super_sufficient,
        worst_sufficiency=worst_sufficiency,
        super_necessary=super_necessary,
        worst_necessity=worst_necessity,
        n_sufficient=0 if facts.sufficient is None else facts.sufficient.n_ties,
        n_necessary=0 if facts.necessary is None else facts.necessary.n_ties,
        bound_sufficiency=gap / facts.alpha if facts.alpha > 0 else float("inf"),
        bound_necessity=gap / (1 - facts.alpha) if facts.alpha < 1 else float("inf"),
        phi=phi,
        phi_bound=phi_bound,
        must_meet=_must_meet(facts, super_sufficient, super_necessary, cloud.grid),
        meet=_meet(facts),
        union_bound=facts.epsilon if both else None,
        tolerance=cloud.grid,
    )


def supersets(gaps: Float64[np.ndarray, "two_to_d"], players: tuple[int, ...]) -> Float64[np.ndarray, "_"]:
    """The entries of a table over all subsets that belong to supersets of one set.

    Example:
        >>> supersets(np.arange(8.0), (0, 2))
        array([5., 7.])
    """
    n_players = gaps.shape[0].bit_length() - 1
    # Axis 0 of this view is the highest bit, the last player.
    view = gaps.reshape((2,) * n_players)
    inside = (1 if player in players else slice(None) for player in reversed(range(n_players)))
    return view[tuple(inside)].reshape(-1)


def _supersets(
    cloud: Cloud, part: int, selection: Selection | None, epsilon: float
) -> tuple[bool | None, float | None]:
    """Whether the gaps of all supersets are at most ε, and the largest of them.

    With estimates the largest is a simultaneous upper 95 % bound; "no" is said only where a
    simultaneous lower bound exceeds ε, and what lies between is left open.
    """
    if selection is None or not cloud.complete:
        return None, None
    gaps = supersets(cloud.parts[:, part], selection.players)
    errors = supersets(cloud.stderr[:, part], selection.players)
    low = high = float(gaps.max())
    if errors.any():
        if np.isnan(errors).any():
            return None, None
        margin = NormalDist().inv_cdf(1 - 0.05 / len(gaps)) * errors
        low, high = float((gaps - margin).max()), float((gaps + margin).max())
    if cloud.steps(high) <= cloud.steps(epsilon):
        return True, high
    return (False if cloud.steps(low) > cloud.steps(epsilon) else None), high


def _basis(cloud: Cloud, exact: bool) -> Basis:
    if not cloud.certain:
        return Basis.HEURISTIC
    return Basis.EXACT if exact else Basis.SAMPLED


def _two_player(facts: Facts) -> tuple[float | None, float | None]:
    """φ_S of S against its complement with v(S) = -ρ(f(x), f_S(x)), and its lower bound.

    The printed bound holds at α = 1/2 only; this one for all α in (0, 1), by the
    triangle inequality.
    """
    if not facts.is_metric:
        return None, None
    phi = (facts.hidden_sufficiency + facts.total_gap.value - facts.unified.sufficiency.value) / 2
    slack = 2 * min(facts.alpha, 1 - facts.alpha)
    if slack == 0:
        return phi, None
    return phi, facts.total_gap.value - facts.unified.unified(facts.alpha) / slack


def _meet(facts: Facts) -> bool:
    if facts.sufficient is None or facts.necessary is None:
        return False
    return not set(facts.sufficient.players).isdisjoint(facts.necessary.players)


def _must_meet(facts: Facts, super_suf: bool | None, super_nec: bool | None, grid: float) -> bool | None:
    """Lemma 4.2: two sets, one of them super, share a player when ε < ρ(f(x), f_0) / 2."""
    if not facts.is_metric or facts.sufficient is None or facts.necessary is None:
        return None
    if not facts.epsilon + grid < facts.total_gap.value / 2:
        return False
    if super_suf or super_nec:
        return True
    return None if super_suf is None or super_nec is None else False
