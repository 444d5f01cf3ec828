"""Small games f_S(x) by plain loops: tables, subsets and Shapley values as the textbook has them."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float64

Players = tuple[int, ...]
Game = Callable[[frozenset[int]], float]


def game_of_table(table: Sequence[float] | Float64[np.ndarray, "two_to_d"]) -> Game:
    """The game whose value at S is the entry with S's bit code (bit i set: player i is in S)."""
    return lambda kept: float(table[sum(1 << i for i in kept)])


def table_of_game(game: Game, count: int) -> list[float]:
    """f_S(x) for all subsets by bit code."""
    return [game(frozenset(i for i in range(count) if code >> i & 1)) for code in range(2**count)]


def all_subsets(count: int) -> list[Players]:
    """All sets of players in the canonical order: by size, then by sorted players."""
    return [chosen for size in range(count + 1) for chosen in combinations(range(count), size)]


def chain_subsets(count: int) -> list[Players]:
    """The sets that add players from the first on, and from the last on: few, for large d."""
    first = [tuple(range(size)) for size in range(count + 1)]
    last = [tuple(range(count - size, count)) for size in range(1, count)]
    return first + last


def shapley_of_game(game: Game, count: int) -> list[float]:
    """Shapley values by the textbook sum over all subsets."""
    values = []
    for player in range(count):
        rest = [i for i in range(count) if i != player]
        total = 0.0
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for chosen in combinations(rest, size):
                total += weight * (game(frozenset((*chosen, player))) - game(frozenset(chosen)))
        values.append(total)
    return values
