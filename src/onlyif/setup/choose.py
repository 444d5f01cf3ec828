"""What is chosen when the user leaves it open: restriction and search, by what fits exactly."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import LimitError
from onlyif.core.permitted import EVERY_SUBSET, Permitted
from onlyif.core.players import Players
from onlyif.core.seeds import child_seed
from onlyif.criteria.recorded import ROWS_OF_A_FREE_SUBSET
from onlyif.models.base import Predictor
from onlyif.models.linear import affine_of
from onlyif.references.base import Reference
from onlyif.references.gaussian import GaussianReference
from onlyif.restrictions.additive import AdditiveRestriction
from onlyif.restrictions.base import MAX_TABLE_BYTES, Restriction
from onlyif.restrictions.encoded import EncodedRestriction
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.searches.base import Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.listing import ListingSearch

N_DRAWS = 100
MOST_ATOMS = 10_000
MOST_PLAYERS = 20
# What a search through all subsets holds, in tables of 2^d numbers: of each row f_S(x), two gaps, these on
# their grid and room to make them; of all rows together the order of subsets and room to make that.
TABLES_OF_A_ROW, TABLES_OF_A_BLOCK = 5, 2


@final
@dataclass(frozen=True, eq=False)
class Parts:
    """What a restriction is chosen for.

    Args:
        model: The user's model.
        predictor: The same with its chosen output.
        players: How players tile an instance.
        rows: Background rows, to check affine models on.
        max_rows: Most rows of one model call.
        seed: The one seed.
        trees: f_S(x) from the model's own trees, where it could be had.
        linear: f_S(x) of an affine model in closed form, where it could be had.
        additive: f_S(x) from what each player adds to the model's margin, where that is a sum.
    """

    model: Any
    predictor: Predictor
    players: Players
    rows: Float64[np.ndarray, "rows c"]
    max_rows: int
    seed: int
    trees: EncodedRestriction | None = None
    linear: LinearGaussianRestriction | None = None
    additive: AdditiveRestriction | None = None


def choose_restriction(parts: Parts, reference: Reference) -> Restriction:
    """The model's own trees, or a closed form; else every atom of a finite reference, else draws."""
    if parts.trees is not None:
        return parts.trees
    if parts.linear is not None:
        return parts.linear
    if parts.additive is not None:
        return parts.additive
    law = reference.law
    if law.n_atoms is not None and law.n_atoms <= MOST_ATOMS:
        return EnumeratedRestriction(parts.predictor, reference, parts.players, parts.max_rows)
    return _sampled(parts, reference, parts.seed)


def linear_restriction(parts: Parts, reference: Reference) -> LinearGaussianRestriction | None:
    """The closed form of an affine model under a Gaussian; None for others. It asks the model for a few rows.

    Args:
        parts: What a restriction is chosen for.
        reference: What a hidden player is replaced by.
    """
    if not isinstance(reference, GaussianReference) or parts.trees is not None:
        return None
    affine = affine_of(parts.model, parts.predictor, parts.rows[: parts.max_rows])
    if affine is None:
        return None
    return LinearGaussianRestriction(affine.weights, affine.intercept, reference, parts.players)


def fresh_restriction(parts: Parts, reference: Reference | None, used: Restriction) -> Restriction | None:
    """f_S(x) on draws that the search never saw, or None where there are none.

    Args:
        parts: What the first restriction was chosen for.
        reference: An independent reference of the same kind, if there is one.
        used: The restriction that the search sees.
    """
    if reference is None:
        return None
    law = reference.law
    if law.n_atoms is not None:
        return _sampled(parts, reference, parts.seed, law.n_atoms)
    return None if used.method.exact else _sampled(parts, reference, child_seed(parts.seed, "fresh draws"))


def _sampled(parts: Parts, reference: Reference, seed: int, n_draws: int = N_DRAWS) -> Restriction:
    """A mean over draws; over as many draws as atoms it is their mean, with its error as a sample."""
    return SampledRestriction(
        parts.predictor, reference, parts.players, max(2, n_draws), parts.max_rows, seed
    )


def choose_search(
    n_players: int, restriction: Restriction, budget: int, permitted: Permitted = EVERY_SUBSET
) -> Search:
    """Exhaustive where all subsets fit the budget, or all that may be reported; else beam.

    Args:
        n_players: d.
        restriction: How f_S(x) is computed.
        budget: Most model rows an instance.
        permitted: Which subsets may be reported.
    """
    most = restriction.most_players if isinstance(restriction, EncodedRestriction) else MOST_PLAYERS
    fits = n_players <= most and 2**n_players * restriction.method.rows <= budget
    if fits and search_bytes(n_players, restriction.method.tables) <= MAX_TABLE_BYTES:
        return ExhaustiveSearch()
    free = len(permitted.free(n_players))
    # A subset and its complement; where the model is not asked they count as in other searches.
    rows = (2 * restriction.method.rows or ROWS_OF_A_FREE_SUBSET) << free
    if free < n_players and free <= MOST_PLAYERS and rows <= budget:
        return ListingSearch(rows if restriction.method.rows else 0)
    return BeamSearch(budget=budget)


def search_bytes(n_players: int, n_tables: int, n_rows: int = 1) -> int:
    """Memory of a search through all subsets of some rows.

    Args:
        n_players: d.
        n_tables: Tables of 2^d numbers that are held while those of one row are computed.
        n_rows: How many rows are explained together.
    """
    of_search = TABLES_OF_A_ROW * n_rows + TABLES_OF_A_BLOCK
    return max(of_search, n_rows + n_tables) * 8 << n_players


def check_search(search: Search, n_players: int, n_tables: int) -> None:
    """Refuse a search through all subsets that would not fit, before it starts.

    Args:
        search: The search, of whoever's choice.
        n_players: d.
        n_tables: Tables of 2^d numbers that are held while those of one row are computed.

    Raises:
        LimitError: if its memory would exceed the limit.
    """
    if search.plan.complete:
        check_memory(search_bytes(n_players, n_tables), n_players, "group columns into fewer players")


def check_together(search: Search, permitted: Permitted) -> None:
    """Refuse a search that cannot obey what players need, before anything is asked.

    Args:
        search: The search, of whoever's choice.
        permitted: Which sets may be reported.

    Raises:
        SettingError: if players need others, and the search knows no way to keep them together.
    """
    if permitted.needs and not search.plan.complete:
        search.together(permitted.needs)


def check_memory(n_bytes: int, n_players: int, instead: str) -> None:
    """Refuse work that would not fit.

    Args:
        n_bytes: What it holds at its peak.
        n_players: d.
        instead: What needs less, beside a search that compares some subsets only.

    Raises:
        LimitError: if that exceeds the limit.
    """
    if n_bytes > MAX_TABLE_BYTES:
        raise LimitError(
            f"a search through all 2^{n_players} subsets of a row needs {n_bytes / 2**30:,.1f} GiB, "
            f"the limit is {MAX_TABLE_BYTES / 2**30:,.1f} GiB; {instead}, or search with beam"
        )
