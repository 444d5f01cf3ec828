"""Every subset, asked one by one: certain where few players are free, however many there are."""

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.criteria.base import CODES_AT_ONCE, Criterion
from onlyif.searches.base import Cloud, Compared, Search, SearchPlan

MOST_PLAYERS = 20


@final
@dataclass(frozen=True)
class ListingSearch(Search):
    """Compares every subset that may be reported, and asks for no other one.

    `ExhaustiveSearch` reads a table of all 2^d subsets; this asks for those of the players that are free to
    be in a set or not. Where all are, choose `ExhaustiveSearch`.

    Args:
        most_rows: Most model rows an instance, as far as that is known.

    Raises:
        SettingError: if more than 20 players are free.
    """

    most_rows: int = 0

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        if n_players > MOST_PLAYERS:
            raise SettingError(
                f"all subsets of {n_players} free players are too many, at most {MOST_PLAYERS} are allowed"
            )
        order = canonical_order(n_players)
        keep = keep_of_codes(np.concatenate(order), n_players)
        pieces = [
            criterion.gap(keep[None, start : start + CODES_AT_ONCE])
            for start in range(0, len(keep), CODES_AT_ONCE)
        ]
        numbers = np.split(np.arange(len(keep)), np.cumsum([len(codes) for codes in order[:-1]]))
        parts, stderr = (
            np.concatenate([getattr(piece, name) for piece in pieces], axis=1) for name in ("parts", "stderr")
        )
        clouds = tuple(
            Cloud(*one, tuple(numbers), keep, digits, whole=True) for one in zip(parts, stderr, strict=True)
        )
        return Compared(clouds, sum(piece.model_rows for piece in pieces))

    @property
    @override
    def plan(self) -> SearchPlan:
        sentence = "exhaustive: all subsets of the features that may be in a set or not were compared"
        return SearchPlan(sentence, complete=False, most_rows=self.most_rows)

    @override
    def together(self, needs: tuple[tuple[int, int], ...]) -> Search:
        return self
