"""Shapley values of a finished table: the weighted average of what a player adds."""

from math import comb

import numpy as np
from jaxtyping import Float64

from onlyif.core.subsets import subset_sizes

# So many entries of the table are worked on at once: they stay in the cache.
ENTRIES_AT_ONCE = 1 << 16


def shapley_values(table: Float64[np.ndarray, "b two_to_d"]) -> Float64[np.ndarray, "b d"]:
    """Shapley values of the game S -> f_S(x), exactly, for each instance.

        φ_i = Σ_{S without i} |S|! (d - |S| - 1)! / d! · [f_{S ∪ i}(x) - f_S(x)]

    They sum to f(x) - f_0. They say how the difference is shared, not which set
    is sufficient or necessary. What is nothing but rounding is 0.

    With the weights a of sets that hold i and b of those that do not, both by size, φ_i is
    Σ_{S with i} (a + b) f_S - Σ_S b f_S: one weighted table, folded player by player, gives all
    the first sums in two passages, where one player after another would take as many as there are players.

    Args:
        table: f_S(x) for all subsets by bit code.

    Example:
        >>> shapley_values(np.array([[0.0, 1.0, 2.0, 3.0]]))
        array([[1., 2.]])

    References:
        [bharti2024] equation 11.
    """
    n_players = table.shape[1].bit_length() - 1
    shares = [1.0 / (n_players * comb(n_players - 1, size)) for size in range(n_players)]
    without, holding = np.array([*shares, 0.0]), np.array([0.0, *shares])
    sizes = subset_sizes(n_players)
    values = np.empty((len(table), n_players))
    at_once = max(1, ENTRIES_AT_ONCE >> n_players)
    for first in range(0, len(table), at_once):
        # All weights of a player add up to 0, so that f_0 may go, and with it what all predictions share.
        part = table[first : first + at_once] - table[first : first + at_once, :1]
        # Not by `@`: it rounds a row otherwise beside other rows.
        rounding, outside = _rounding(part), np.einsum("ij,j->i", part, without[sizes])
        part *= (without + holding)[sizes]
        found = _sums_with(part) - outside[:, None]
        found[np.abs(found) <= rounding] = 0.0
        values[first : first + at_once] = found
    return values


def _sums_with(weighted: Float64[np.ndarray, "b two_to_d"]) -> Float64[np.ndarray, "b d"]:
    """For each player the sum over the sets that hold it."""
    n_players = weighted.shape[1].bit_length() - 1
    sums = np.empty((len(weighted), n_players))
    for player in reversed(range(n_players)):
        lower, upper = weighted[:, : 1 << player], weighted[:, 1 << player :]
        sums[:, player] = upper.sum(1)
        weighted = lower + upper
    return sums


def _rounding(part: Float64[np.ndarray, "b two_to_d"]) -> Float64[np.ndarray, "b 1"]:
    """What sums in pairs over such a table may be wrong by: its weights add up to 2 a player."""
    n_players = part.shape[1].bit_length() - 1
    largest = np.maximum(part.max(1, keepdims=True), -part.min(1, keepdims=True))
    wrong: np.ndarray = 2 * (n_players + 2) * float(np.finfo(np.float64).eps) * largest
    return wrong
