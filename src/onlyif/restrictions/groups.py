"""The atoms of a reference in a few groups, of which other samples like them are put together."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator

# An odd number, since (groups - 3) / 2 of them are drawn. The spread of other samples is known to
# 1 / sqrt(2 (groups - 1)) of itself, 18 %, and each group costs a table.
MOST_GROUPS = 17
FEWEST_ATOMS = 10


@final
@dataclass(frozen=True, eq=False)
class Groups:
    """Atoms of equal weight in groups, at random, and resamples of the groups.

    A resample draws (groups - 3) / 2 of the groups, with replacement. Its mean then varies about the mean of
    all atoms as the mean of another sample of as many atoms does, as far as that is known. Both means have
    errors, so that they differ by the variance of two, which is what half as many draws, (groups - 1) / 2,
    have: bootstrapping all groups would have half that variance, and say how sure the sample is of itself.
    And the variance is itself estimated from so many groups: what another mean may be is spread as Student's
    t with groups - 1 degrees of freedom, whose variance is (groups - 1) / (groups - 3) of a normal one's.

    Since f_S(x) is a mean over atoms, that of a resample is a mean of those of the groups: one table a
    group serves any number of resamples.

    Args:
        members: The numbers of the atoms in each group.
        weights: For each resample the weight of each group; of sum 1.

    References:
        [bickel1997] resampling fewer than n.
    """

    members: tuple[Int64[np.ndarray, "_"], ...]
    weights: Float64[np.ndarray, "r g"]

    @property
    def shares(self) -> Float64[np.ndarray, "g n"]:
        """For each group the weight of each atom in its mean."""
        shares = np.zeros((len(self.members), int(self.sizes.sum())))
        for row, numbers in zip(shares, self.members, strict=True):
            row[numbers] = 1 / len(numbers)
        return shares

    @property
    def sizes(self) -> Int64[np.ndarray, "g"]:
        """How many atoms each group has."""
        return np.array([len(numbers) for numbers in self.members])

    @property
    def group(self) -> Int64[np.ndarray, "n"]:
        """The group of each atom."""
        order = np.concatenate(self.members)
        group = np.empty(len(order), dtype=np.int64)
        group[order] = np.repeat(np.arange(len(self.members)), self.sizes)
        return group


def groups_of(n_atoms: int, n_resamples: int, seed: int) -> Groups:
    """The atoms of a reference in at most 17 groups, and resamples of these.

    Args:
        n_atoms: How many atoms of equal weight there are.
        n_resamples: How many resamples are drawn; 0 where only the spread over groups is wanted.
        seed: The user's seed.

    Raises:
        SettingError: if there are fewer than 10 atoms, which say nothing of other samples.

    Example:
        >>> groups = groups_of(100, 50, seed=0)
        >>> groups.sizes.tolist()[:3], groups.weights.shape
        ([6, 6, 6], (50, 17))
    """
    if n_atoms < FEWEST_ATOMS:
        raise SettingError(
            f"how sure sets are can be told from at least {FEWEST_ATOMS} background rows, got {n_atoms}"
        )
    count = min(MOST_GROUPS, n_atoms - 1 + n_atoms % 2)
    place = generator(seed, "groups of background rows").permutation(n_atoms) % count
    members = tuple(np.flatnonzero(place == number) for number in range(count))
    rng = generator(seed, "resamples of background rows")
    drawn = rng.multinomial((count - 3) // 2, np.full(count, 1 / count), n_resamples)
    weights = drawn * np.array([len(numbers) for numbers in members], dtype=np.float64)
    return Groups(members, weights / weights.sum(1, keepdims=True))
