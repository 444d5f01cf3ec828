"""Every subset: certain, and the oracle of all other searches."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.subsets import canonical_order
from onlyif.criteria.base import Criterion
from onlyif.searches.base import Cloud, Compared, Search, SearchPlan


@final
@dataclass(frozen=True)
class ExhaustiveSearch(Search):
    """Compares all 2^d subsets, so that every minimum is certain.

    Choose it up to about 20 players, and up to 25 where tables are cheap, as those of trees
    are; beyond that `BeamSearch` finds good sets without a certificate.

    Args:
        max_players: Refuse more players than this.

    Raises:
        SettingError: if there are more players.
    """

    max_players: int = 25

    @override
    def compare(self, criterion: Criterion, n_players: int, digits: int) -> Compared:
        if n_players > self.max_players:
            raise SettingError(
                f"exhaustive search compares 2^{n_players} subsets, at most {self.max_players} players "
                f"are allowed; group columns or use BeamSearch"
            )
        gaps = criterion.all_gaps(n_players)
        order = canonical_order(n_players)
        pairs = zip(gaps.parts, gaps.stderr, strict=True)
        clouds = tuple(Cloud(parts, stderr, order, None, digits) for parts, stderr in pairs)
        return Compared(clouds, gaps.model_rows)

    @property
    @override
    def plan(self) -> SearchPlan:
        return SearchPlan("exhaustive: all 2^d subsets were compared", complete=True)

    @override
    def together(self, needs: tuple[tuple[int, int], ...]) -> Search:
        return self
