"""The subsets that a heuristic search has visited.

Here a subset is a whole number with one bit a player, player 0 the highest of
d bits: among subsets of one size the canonically first is the largest number,
and d may be some hundreds.
"""

import heapq
from array import array
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool

from onlyif.searches.base import Cloud

Found = tuple[int, list[float], list[float]]


@final
@dataclass(frozen=True, eq=False)
class Visited:
    """The subsets of one instance that were compared; it grows while the search goes on.

    Args:
        n_players: d.
        directions: Weightings of the gap's parts that are to be made small.
        grid: Scores are compared as whole multiples of this, so that ties are ties.
        mirrored: Whether the criterion gives complements for nothing.
        places: The visited subsets, each with the number of its visit.
        values: The gap's parts and their standard errors, of one visited subset after the other.
        scores: The weighted gaps of every visited subset on the grid, one a direction.
        by_size: The visited subsets of each size 0 to d, in the order of their visits.
        needs: Pairs of sets of one player: what the search goes through holds the first only together with
            the second.
    """

    n_players: int
    directions: tuple[tuple[float, ...], ...]
    grid: float
    mirrored: bool
    places: dict[int, int]
    values: "array[float]"
    scores: dict[int, tuple[int, ...]]
    by_size: tuple[list[int], ...]
    needs: tuple[tuple[int, int], ...] = ()

    @property
    def everyone(self) -> int:
        """The set of all players."""
        return (1 << self.n_players) - 1

    def player(self, number: int) -> int:
        """The set of one player."""
        return 1 << (self.n_players - 1 - number)

    def allows(self, code: int) -> bool:
        """Whether a subset holds with each player those that it needs."""
        return all(code & needed or not code & player for player, needed in self.needs)

    def add(self, found: Iterable[Found]) -> None:
        """Remember subsets and their gaps."""
        for code, parts, stderr in found:
            if code not in self.places:
                self.places[code] = len(self.places)
                self.values.extend(parts)
                self.values.extend(stderr)
                self.scores[code] = tuple(
                    round(sum(w * part for w, part in zip(weights, parts, strict=True)) / self.grid)
                    for weights in self.directions
                )
                self.by_size[code.bit_count()].append(code)

    def parts_of(self, code: int) -> list[float]:
        """The parts of the gap of a visited subset."""
        width = len(self.values) // len(self.places)
        start = self.places[code] * width
        return self.values[start : start + width // 2].tolist()

    def within(self, part: int, epsilon: float) -> list[int]:
        """The smallest visited subsets with a part of the gap of at most ε.

        Args:
            part: Which part.
            epsilon: ε.
        """
        each = ([code for code in codes if self.parts_of(code)[part] <= epsilon] for codes in self.by_size)
        return next(filter(None, each), [])

    def fresh(self, candidates: Iterable[int]) -> list[int]:
        """The candidates that were not visited, each once; of a mirrored pair the first one only."""
        return unvisited(candidates, self.places, self.everyone if self.mirrored else None)

    def best(self, size: int, direction: int, count: int) -> list[int]:
        """The visited subsets of a size with the least score, of those it allows; ties in canonical order.

        Args:
            size: Their size.
            direction: The number of the direction whose scores are compared.
            count: At most how many.
        """
        of_size = filter(self.allows, self.by_size[size]) if self.needs else self.by_size[size]
        return heapq.nsmallest(count, of_size, key=lambda code: (self.scores[code][direction], -code))

    def cloud(self, digits: int) -> Cloud:
        """All visited subsets, in canonical order."""
        ordered = [sorted(codes, reverse=True) for codes in self.by_size]
        codes = [code for one_size in ordered for code in one_size]
        ends = np.cumsum([len(one_size) for one_size in ordered[:-1]])
        numbers = np.split(np.arange(len(codes)), ends)
        table = np.frombuffer(self.values).reshape(len(codes), 2, -1)[[self.places[code] for code in codes]]
        parts, stderr = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
        return Cloud(parts, stderr, tuple(numbers), keep_of(codes, self.n_players), digits)


def keep_of(codes: list[int], n_players: int) -> Bool[np.ndarray, "m d"]:
    """The members of subsets whose highest bit is player 0.

    Example:
        >>> keep_of([4, 3], 3)
        array([[ True, False, False],
               [False,  True,  True]])
    """
    n_bytes = -(-n_players // 8)
    packed = np.frombuffer(b"".join(code.to_bytes(n_bytes, "big") for code in codes), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(len(codes), n_bytes), axis=1)
    return bits[:, 8 * n_bytes - n_players :].astype(np.bool_)


def codes_of(keep: Bool[np.ndarray, "m d"]) -> list[int]:
    """Subsets as whole numbers whose highest bit is player 0.

    Example:
        >>> codes_of(np.array([[True, False, False], [False, True, True]]))
        [4, 3]
    """
    spare = -keep.shape[1] % 8
    packed = np.packbits(keep, axis=1)
    return [int.from_bytes(row.tobytes(), "big") >> spare for row in packed]


def unvisited(candidates: Iterable[int], visited: Container[int], everyone: int | None) -> list[int]:
    """The candidates not visited, each once and in their order.

    Args:
        candidates: Subsets.
        visited: What is left out.
        everyone: The set of all players if of a pair of complements only the first is wanted, or None.

    Example:
        >>> unvisited([1, 2, 6, 1, 5], {2}, 7)
        [1, 5]
    """
    wanted: dict[int, None] = {}
    for code in candidates:
        if code in visited or code in wanted or (everyone is not None and everyone ^ code in wanted):
            continue
        wanted[code] = None
    return list(wanted)
