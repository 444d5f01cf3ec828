"""How often another background would give the same sets: the answers of resampled backgrounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onlyif.answers.case import SetQuestion
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import Distance
from onlyif.explanation.selection import Measure, Selection
from onlyif.models.readouts import Readout

KINDS = ("sufficient", "necessary", "unified")
Codes = Int64[np.ndarray, "r"]


@final
@dataclass(frozen=True, eq=False)
class Resampled:
    """f_S(x) of one instance under resampled backgrounds.

    Args:
        outputs: For each group of background rows the averaged outputs of every subset.
        weights: For each resample the weight of each group.
        readout: Which number is explained.
        prediction: f(x).
    """

    outputs: Float64[np.ndarray, "two_to_d g c"]
    weights: Float64[np.ndarray, "r g"]
    readout: Readout
    prediction: float

    def at(self, codes: Int64[np.ndarray, "m"]) -> Float64[np.ndarray, "r m"]:
        """f_S(x) of some subsets under every resample.

        Args:
            codes: The subsets.
        """
        mean = np.empty((len(self.weights), len(codes), self.outputs.shape[2]))
        for place in range(mean.shape[2]):
            # Rows are taken in the order in which they stand: to sum over groups asks for no other one.
            of_groups = self.outputs[..., place].take(codes, axis=0)
            np.matmul(self.weights, of_groups.T, out=mean[..., place])
        return self.readout.of_counted(mean)


@final
@dataclass(frozen=True, eq=False)
class Rule:
    """How sets are chosen, of one instance and all its resamples.

    Args:
        question: What is asked.
        epsilon_share: ε over ρ(f(x), f_0), where ε is left open.
        distance: ρ.
        grid: Gaps are compared as whole multiples of this.
        margins: What is added to the gaps of each subset before they are compared with ε; None for nothing.
    """

    question: SetQuestion
    epsilon_share: float
    distance: Distance
    grid: float
    margins: Float64[np.ndarray, "two_to_d p"] | None = None

    def gaps(
        self, resampled: Resampled, codes: Int64[np.ndarray, "m"]
    ) -> tuple[tuple[Float64[np.ndarray, "r m"], ...], tuple[Float64[np.ndarray, "r m"], ...]]:
        """The gaps of some subsets under every resample, and what is compared with ε; in steps of the grid.

        Args:
            resampled: f_S(x) under the resamples.
            codes: The subsets.
        """
        base, whole = resampled.at(np.zeros(1, dtype=np.int64)), len(resampled.outputs) - 1
        full = np.full_like(base, resampled.prediction)
        gaps = (
            self.distance.between(full, resampled.at(codes)),
            self.distance.between(resampled.at(whole - codes), base),
        )
        steps = tuple(self.steps(gap) for gap in gaps)
        if self.margins is None:
            return steps, steps
        return steps, tuple(self.steps(gap + self.margins[codes, part]) for part, gap in enumerate(gaps))

    def steps(self, gaps: Float64[np.ndarray, "*m"]) -> Float64[np.ndarray, "*m"]:
        """Gaps in whole multiples of the grid."""
        return np.rint(gaps / self.grid)


def resampled_sets(
    resampled: Resampled, rule: Rule, by_size: Sequence[Int64[np.ndarray, "_"]]
) -> Mapping[str, Codes]:
    """The sets that each resampled background gives, by the rules of the sets that are reported.

    Sizes are gone through from the empty set on, for each resample no further than it needs. Where no subset
    to choose from is within ε, the code is -1.

    Args:
        resampled: f_S(x) under the resamples.
        rule: How sets are chosen.
        by_size: The codes of the subsets of each size to choose from, in canonical order.
    """
    question, count = rule.question, len(resampled.weights)
    base = resampled.at(np.zeros(1, dtype=np.int64))
    full = np.full_like(base, resampled.prediction)
    epsilon = rule.epsilon_share * rule.distance.between(full, base)[:, 0]
    if question.epsilon is not None:
        epsilon = np.full(count, question.epsilon)
    limit, sizes = rule.steps(epsilon), np.full((2, count), -1)
    smallest, best = np.full((2, count), -1), list[tuple[np.ndarray, Codes]]()
    for size, codes in enumerate(by_size):
        scores, chosen = np.full(count, np.inf), np.full(count, -1)
        best.append((scores, chosen))
        allowed = np.maximum(sizes.max(0), 1) if question.size is None else question.size
        active = np.flatnonzero((sizes.min(0) < 0) | (size <= allowed))
        if not len(active):
            break
        if not len(codes):
            continue
        steps, bounds = rule.gaps(replace(resampled, weights=resampled.weights[active]), codes)
        for bound, code, size_of in zip(bounds, smallest, sizes, strict=True):
            place = bound.argmin(1)
            within = (size_of[active] < 0) & (bound[np.arange(len(active)), place] <= limit[active])
            code[active[within]], size_of[active[within]] = codes[place[within]], size
        score = question.alpha * steps[0] + (1.0 - question.alpha) * steps[1]
        scores[active], chosen[active] = score.min(1), codes[score.argmin(1)]
    # As for the set that is reported: all sizes are allowed where no subset is within ε.
    most = max(size for size, codes in enumerate(by_size) if len(codes))
    needed = np.where(sizes.min(0) < 0, most, np.maximum(sizes.max(0), 1))
    allowed = needed if question.size is None else np.full(count, question.size)
    unified = _of_allowed(best, allowed, exact=question.exact_size)
    return dict(zip(KINDS, (*smallest, unified), strict=True))


def _of_allowed(
    best: Sequence[tuple[Float64[np.ndarray, "r"], Codes]], allowed: Int64[np.ndarray, "r"], *, exact: bool
) -> Codes:
    """Of the best set of each size the best of those that are allowed; of equal ones the smallest."""
    scores, codes = (np.stack(column) for column in zip(*best, strict=True))
    size = np.arange(len(scores))[:, None]
    refused = (size != allowed) if exact else (size > allowed)
    chosen: np.ndarray = np.take_along_axis(codes, np.where(refused, np.inf, scores).argmin(0)[None], 0)[0]
    return chosen


def shares_of(codes: Codes, n_players: int) -> Float64[np.ndarray, "d"]:
    """The share of resamples in whose set each player is.

    Args:
        codes: The set that each resample gives.
        n_players: d.
    """
    members: Bool[np.ndarray, "r d"] = keep_of_codes(np.maximum(codes, 0), n_players)
    shares: np.ndarray = members.mean(0)
    return shares


def with_stability(chosen: Selection, codes: Codes) -> Selection:
    """The same set, with the share of resamples that give it among its measures.

    Args:
        chosen: The set.
        codes: The set that each resample gives.
    """
    code = sum(1 << player for player in chosen.players)
    share, count = float((codes == code).mean()), len(codes)
    stability = Measure(share, float(np.sqrt(share * (1 - share) / count)))
    return replace(chosen, measures={**chosen.measures, "stability": stability})
