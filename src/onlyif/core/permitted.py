"""Which subsets may be reported, and what they cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Int64

# Costs of subsets that round alike on so many binary digits of the cost of all players are equal.
COST_DIGITS = 40


@final
@dataclass(frozen=True)
class Permitted:
    """The subsets of d players that may be reported; without arguments all of them.

    Permitted subsets have every size from the least to the most: of the players that are free there is always
    one that can be added, and one that can be taken out, as long as `needs` has no circle.

    Args:
        keep: Players in every permitted subset, sorted.
        never: Players in none of them, sorted; no one is in both.
        needs: Pairs (i, j) of other players: i is in a subset only together with j.
        costs: The cost of each player where the cheapest subset is wanted; empty where the smallest is.

    Example:
        >>> permitted = Permitted(keep=(0,), never=(3,), needs=((1, 2),))
        >>> permitted.holds(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]], dtype=bool))
        array([False,  True, False])
    """

    keep: tuple[int, ...] = ()
    never: tuple[int, ...] = ()
    needs: tuple[tuple[int, int], ...] = ()
    costs: tuple[float, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether all subsets are permitted."""
        return not (self.keep or self.never or self.needs)

    def free(self, n_players: int) -> tuple[int, ...]:
        """The players that may be in a subset or not.

        Args:
            n_players: d.
        """
        fixed = {*self.keep, *self.never}
        return tuple(i for i in range(n_players) if i not in fixed)

    def sizes(self, n_players: int) -> tuple[int, int]:
        """The least and the most players of a permitted subset.

        Args:
            n_players: d.
        """
        return len(self.keep), n_players - len(self.never)

    def holds(self, subsets: Bool[np.ndarray, "m d"]) -> Bool[np.ndarray, "m"]:
        """Which subsets are permitted.

        Args:
            subsets: Their members.
        """
        fits: np.ndarray = np.logical_and.reduce(subsets[:, list(self.keep)], axis=1)
        fits &= ~np.logical_or.reduce(subsets[:, list(self.never)], axis=1)
        for player, needed in self.needs:
            fits &= subsets[:, needed] | ~subsets[:, player]
        return fits

    def of_free(self, chosen: Bool[np.ndarray, "*m f"], n_players: int) -> Bool[np.ndarray, "*m d"]:
        """Subsets of the free players, with the players added that are in every permitted subset.

        Args:
            chosen: The free players in each.
            n_players: d.

        Example:
            >>> Permitted(keep=(0,), never=(2,)).of_free(np.array([[True, False]]), 4)
            array([[ True,  True, False, False]])
        """
        subsets = np.zeros((*chosen.shape[:-1], n_players), dtype=np.bool_)
        subsets[..., list(self.free(n_players))] = chosen
        subsets[..., list(self.keep)] = True
        return subsets

    def needs_of_free(self, n_players: int) -> tuple[tuple[int, int], ...]:
        """`needs` with the free players numbered by themselves.

        Args:
            n_players: d.
        """
        place = {player: number for number, player in enumerate(self.free(n_players))}
        return tuple((place[player], place[needed]) for player, needed in self.needs)

    def cost(self, players: Iterable[int]) -> float:
        """The total cost of a subset.

        Args:
            players: Its members.
        """
        return math.fsum(self.costs[player] for player in players)

    def costs_on_grid(self, subsets: Bool[np.ndarray, "m d"]) -> Int64[np.ndarray, "m"]:
        """The total costs of subsets as whole numbers, so that those that round alike are equal.

        Args:
            subsets: Their members.

        Example:
            >>> priced = Permitted(costs=(0.1, 0.2, 0.3))
            >>> first, second = priced.costs_on_grid(np.array([[True, True, False], [False, False, True]]))
            >>> bool(first == second)
            True
        """
        grid = 2.0 ** (math.frexp(max(math.fsum(self.costs), 2.0**-900))[1] - COST_DIGITS)
        on_grid: np.ndarray = np.rint(subsets @ np.array(self.costs) / grid).astype(np.int64)
        return on_grid


EVERY_SUBSET = Permitted()
