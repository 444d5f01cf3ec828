"""g(x, s, x'): what is outside s stays, and inside s each player goes to the baseline with probability φ."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64

from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.subsets import keep_of_codes

MOST_PLAYERS_ENUMERATED = 24


@final
@dataclass(frozen=True)
class Perturbations:
    """Which players of a set go to the baseline: all possible choices of a small set, else random ones.

    Args:
        p_replace: φ, the probability with which a player goes to the baseline.
        n_perturbations: t, the random choices for each input of E, shared by all subsets and instances.
        most_masks: A set of r players is enumerated, without any error, if 2^r is at most this.

    Raises:
        SettingError: unless 0 < p_replace < 1, n_perturbations >= 1 and most_masks >= 0.

    References:
        [chen2024] equation 3.
    """

    p_replace: float = 0.5
    n_perturbations: int = 64
    most_masks: int = 128

    def __post_init__(self) -> None:
        if not 0.0 < self.p_replace < 1.0:
            raise SettingError(
                f"φ, the probability that a player is replaced, must lie strictly between 0 and 1; "
                f"got {self.p_replace}"
            )
        if self.n_perturbations < 1:
            raise SettingError(f"need at least 1 perturbation, got {self.n_perturbations}")
        if self.most_masks < 0:
            raise SettingError(f"most_masks must be at least 0, got {self.most_masks}")

    def enumerates(self, size: int) -> bool:
        """Whether the choices among so many players are enumerated."""
        return size <= MOST_PLAYERS_ENUMERATED and 2**size <= self.most_masks

    def count(self, size: int) -> int:
        """How many choices among so many players there are: all of them, or `n_perturbations` random ones.

        Args:
            size: The number r of players.

        Example:
            >>> [Perturbations().count(size) for size in (3, 300)]
            [8, 64]
        """
        return int(2**size) if self.enumerates(size) else self.n_perturbations

    def enumerates_all(self, sets: Bool[np.ndarray, "*m d"]) -> Bool[np.ndarray, "*m"]:
        """Whether no random choices are needed for each of some sets.

        Args:
            sets: The players that may go to the baseline.
        """
        by_size = np.array([self.enumerates(size) for size in range(sets.shape[-1] + 1)])
        enumerated: np.ndarray = by_size[sets.sum(-1)]
        return enumerated

    def enumerated(self, size: int) -> tuple[Bool[np.ndarray, "t r"], Float64[np.ndarray, "t"]]:
        """All choices among r players, and their probabilities.

        Example:
            >>> Perturbations(p_replace=0.25).enumerated(1)[1]
            array([0.75, 0.25])
        """
        chosen = keep_of_codes(np.arange(2**size), size)
        count = chosen.sum(1)
        return chosen, self.p_replace**count * (1.0 - self.p_replace) ** (size - count)

    def drawn(self, first: int, last: int, n_players: int, seed: int) -> Bool[np.ndarray, "n t d"]:
        """The random choices for some inputs of E; each depends on the input's number and the seed alone.

        Args:
            first: Number of the first input.
            last: One past the number of the last.
            n_players: d.
            seed: The one seed.
        """
        shape = (self.n_perturbations, n_players)
        uniform = [generator(seed, "perturbations", number).random(shape) for number in range(first, last)]
        return np.stack(uniform) < self.p_replace
