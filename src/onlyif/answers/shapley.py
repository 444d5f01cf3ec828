"""Shapley values of a finished table: the weighted average of what a player adds."""

from math import comb

import numpy as np
from jaxtyping import Float64

from onlyif.core.subsets import subset_sizes

# Every player goes through the whole table: so many entries of it stay in the cache.
ENTRIES_AT_ONCE = 1 << 16


def shapley_values(table: Float64[np.ndarray, "b two_to_d"]) -> Float64[np.ndarray, "b d"]:
    """Shapley values of the game S -> f_S(x), exactly, for each instance.

        φ_i = Σ_{S without i} |S|! (d - |S| - 1)! / d! · [f_{S ∪ i}(x) - f_S(x)]

    They sum to f(x) - f_0. They say how the difference is shared, not which set
    is sufficient or necessary.

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
    # The sets without a player are all sets of the others, whichever player it is.
    without = np.array(shares)[subset_sizes(n_players - 1)]
    values = np.empty((len(table), n_players))
    at_once = max(1, ENTRIES_AT_ONCE >> n_players)
    for first in range(0, len(table), at_once):
        part = table[first : first + at_once]
        for player in range(n_players):
            # Axis 2 of this view is the bit of the player.
            pairs = part.reshape(-1, 2 ** (n_players - 1 - player), 2, 2**player)
            added = pairs[:, :, 1] - pairs[:, :, 0]
            values[first : first + at_once, player] = added.reshape(len(part), -1) @ without
    return values
