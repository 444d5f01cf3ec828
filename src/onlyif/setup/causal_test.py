"""From settings and a background to the dual-stage test, its search and what is told of them."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.causation.dissimilarity import GowerDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.samples import PlacedDifference
from onlyif.causation.settings import EVENTS, PNS, SAID_ABDUCTIONS, SAID_EVENTS, TOTALS
from onlyif.core.progress import Meter
from onlyif.core.seeds import child_seed
from onlyif.explanation.explanation import Provenance
from onlyif.modalities.background import Background
from onlyif.models.metered import MeteredPredictor
from onlyif.references.closeness import fit_closeness
from onlyif.restrictions.base import MAX_TABLE_BYTES
from onlyif.searches.base import Search
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import ForwardGreedySearch
from onlyif.setup.choose import MOST_PLAYERS
from onlyif.setup.names import SEARCHES, named
from onlyif.setup.options import Options
from onlyif.setup.tables import Asked, Tables

# The tables over all subsets and inputs of E hold about so many numbers for each of them.
NUMBERS_AN_ENTRY = 16


@final
@dataclass(frozen=True, eq=False)
class Ready:
    """What is known before the test is built.

    Args:
        tables: The user's tables, coded.
        asked: The model behind its checks.
        ground: The background.
        baseline: x'.
        baseline_sentence: What perturbed features are set to, for the reader.
        options: What is asked and how much work may be done.
        meter: What counts the work.
    """

    tables: Tables
    asked: Asked
    ground: Background
    baseline: Float64[np.ndarray, "c"]
    baseline_sentence: str
    options: Options
    meter: Meter


@final
@dataclass(frozen=True, eq=False)
class Built:
    """The test, and how its b and c were chosen.

    Args:
        test: The dual-stage test.
        b: The boundary.
        boundary: How it was chosen.
        c: The threshold.
        threshold: How it was chosen.
        n_sample: Inputs in E.
    """

    test: DualStageTest
    b: float
    boundary: str
    c: float
    threshold: str
    n_sample: int


def built_test(chosen: PNS, ready: Ready) -> Built:
    """The dual-stage test that the settings ask for."""
    ground, options = ready.ground, ready.options
    closeness = fit_closeness(ground.positions(ground.values), ground.ordered, None)
    apart, total = PlacedDifference(ground.positions, GowerDifference(closeness)), TOTALS[chosen.distance]()
    sample = chosen.how_sampled.build(ground, apart)
    n = sample.rows(ready.tables.x[:1], options.seed).count
    b, boundary = chosen.boundary.of(ground, apart, total, n)
    c, threshold = chosen.threshold.of(ready.asked.predictor, ground, options.max_rows)
    test = DualStageTest(
        predictor=MeteredPredictor(ready.asked.predictor, ready.meter),
        players=ready.tables.players,
        sample=sample,
        baseline=ready.baseline[None],
        neighbourhood=Neighbourhood(EVENTS[chosen.events](b, c), apart, total),
        perturbations=Perturbations(chosen.p_replace, chosen.n_perturbations),
        abduction=chosen.how_abducted,
        max_rows=options.max_rows,
        seed=options.seed,
    )
    return Built(test, b, boundary, c, threshold, n)


def causal_search(options: Options, n_players: int, n_sample: int) -> Search:
    """The search of the user's choice; all subsets where they fit, else greedy from the empty set."""
    if isinstance(options.search, Search):
        return options.search
    if options.search is not None:
        return named(SEARCHES, options.search, "search")(options.budget)
    fits = n_players <= MOST_PLAYERS and n_sample << n_players <= options.budget
    if fits and NUMBERS_AN_ENTRY * 8 * n_sample << n_players <= MAX_TABLE_BYTES:
        return ExhaustiveSearch()
    return ForwardGreedySearch(options.budget)


def fresh_test(test: DualStageTest, search: Search) -> DualStageTest | None:
    """The same test with other random numbers, if there are any."""
    if search.plan.complete and test.abduction.n_resampled is None:
        return None
    return replace(test, seed=child_seed(test.seed, "fresh perturbations"))


def causal_provenance(
    chosen: PNS, built: Built, ready: Ready, search: Search, versions: tuple[tuple[str, str], ...]
) -> Provenance:
    """What is told of all these choices."""
    meaning, options = ready.asked.meaning, ready.options
    necessity, sufficiency = map(float, chosen.weights)
    return Provenance(
        criterion="pns",
        predictor=meaning.model,
        output=meaning.output,
        search=search.plan.sentence,
        seed=options.seed,
        versions=versions,
        sentences={
            "baseline": ready.baseline_sentence,
            "sample": built.test.sample.sentence,
            "boundary": built.boundary,
            "threshold": built.threshold,
            "events": SAID_EVENTS[chosen.events],
            "distance": built.test.neighbourhood.sentence,
            "abduction": SAID_ABDUCTIONS[type(built.test.abduction)],
        },
        values={
            "n_sample": built.n_sample,
            "b": built.b,
            "c": built.c,
            "p_replace": chosen.p_replace,
            "max_rows": options.max_rows,
            "budget": options.budget,
            "weight_necessity": necessity,
            "weight_sufficiency": sufficiency,
        },
    )
