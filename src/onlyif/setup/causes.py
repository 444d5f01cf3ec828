"""From a model and tables to work by the dual-stage test: its parts, its search and what is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.case import Question
from onlyif.answers.causes import CausesCriterion
from onlyif.causation.dissimilarity import GowerDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.samples import PlacedDifference
from onlyif.causation.settings import EVENTS, PNS, SAID_ABDUCTIONS, SAID_EVENTS, TOTALS
from onlyif.core.errors import InputError, SettingError
from onlyif.core.progress import Meter
from onlyif.core.seeds import child_seed
from onlyif.modalities.rendered import RenderedRows
from onlyif.models.metered import MeteredPredictor
from onlyif.references.baseline import Baseline, BaselineReference
from onlyif.references.closeness import fit_closeness
from onlyif.restrictions.base import MAX_TABLE_BYTES
from onlyif.searches.base import Search
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import ForwardGreedySearch
from onlyif.setup.choose import MOST_PLAYERS
from onlyif.setup.names import SEARCHES, named
from onlyif.setup.once import transformed_once
from onlyif.setup.options import Options
from onlyif.setup.ready import Choice, Ready, ready_of
from onlyif.setup.work import Source, Work

MOST_ROWS_A_BLOCK = 16
TABLE_ENTRIES_A_BLOCK = 2**20
# The tables over all subsets and inputs of E hold about so many numbers for each of them.
NUMBERS_AN_ENTRY = 16


@final
@dataclass(frozen=True, eq=False)
class Built:
    """The test, and what is told of how it was set up.

    Args:
        test: The dual-stage test.
        n_sample: Inputs in E.
        sentences: How its parts were chosen.
        values: Its numbers.
        notes: What the reader should know, each a sentence.
    """

    test: DualStageTest
    n_sample: int
    sentences: Mapping[str, str]
    values: Mapping[str, bool | int | float]
    notes: tuple[str, ...]


def causes_work(source: Source, chosen: PNS, meter: Meter) -> Work:
    """Everything that is needed to find the causes of the rows' predictions, with every input checked.

    Args:
        source: What the user gave.
        chosen: How causes are looked for.
        meter: What counts the work.

    Raises:
        InputError: if a table cannot be used as it is, or a row is equal to the baseline.
        SettingError: if an option is out of range or has no use here.
        ModelError: if the model fails on a small sample of rows.
    """
    _check_unused(source.options)
    ready = ready_of(source, meter, own_row=chosen.baseline)
    baseline = Baseline(chosen.baseline).build(ready.background)
    _check_differs(ready, baseline.value)
    built, d = _built(chosen, ready, baseline), ready.tables.players.count
    search = _search(source.options, d, built.n_sample)
    criterion = CausesCriterion(
        test=built.test,
        fresh=_fresh(built.test, search),
        x=ready.tables.x,
        targets=tuple(ready.targets.tolist()),
        weights=(float(chosen.weights[0]), float(chosen.weights[1])),
        size=source.options.question.size,
        baseline=ready.values(baseline.value),
    )
    choice = Choice(
        criterion,
        search,
        "pns",
        built.sentences,
        built.values,
        rows_a_subset=built.n_sample,
        notes=built.notes,
    )
    # Rows of a block share the inputs of E; those whose sets are searched would wait for each other.
    alone = not search.plan.complete or meter.limited
    most = 1 if alone else min(MOST_ROWS_A_BLOCK, TABLE_ENTRIES_A_BLOCK >> d)
    return ready.work(choice, max(1, most))


def _built(chosen: PNS, ready: Ready, baseline: BaselineReference) -> Built:
    """The dual-stage test that the settings ask for."""
    ground, options = ready.background, ready.options
    closeness = fit_closeness(ground.positions(ground.values), ground.ordered, None)
    apart, total = PlacedDifference(ground.positions, GowerDifference(closeness)), TOTALS[chosen.distance]()
    sample = chosen.how_sampled.build(ground, apart)
    first = sample.rows(ready.tables.x[:1], options.seed)
    shared, n = first.shared if len(first.shared) else ground.values, first.count
    once = transformed_once(ready, np.concatenate([shared, baseline.value[None]]))
    b, boundary = chosen.boundary.of(ground, apart, total, n)
    c, threshold = chosen.threshold.of(ready.asked.predictor, ground, options.max_rows)
    test = DualStageTest(
        predictor=MeteredPredictor(once.predictor, ready.meter),
        players=ready.tables.players,
        sample=sample,
        baseline=baseline.value[None],
        neighbourhood=Neighbourhood(EVENTS[chosen.events](b, c), apart, total),
        perturbations=Perturbations(chosen.p_replace, chosen.n_perturbations),
        abduction=chosen.how_abducted,
        max_rows=options.max_rows,
        seed=options.seed,
    )
    necessity, sufficiency = map(float, chosen.weights)
    sentences = {
        "baseline": _perturbed_to(ready.source.rows, baseline),
        "sample": sample.sentence,
        "boundary": boundary,
        "threshold": threshold,
        "events": SAID_EVENTS[chosen.events],
        "distance": test.neighbourhood.sentence,
        "abduction": SAID_ABDUCTIONS[type(test.abduction)],
        **once.sentences,
    }
    values = {
        "n_sample": n, "b": b, "c": c, "p_replace": chosen.p_replace,
        "weight_necessity": necessity, "weight_sufficiency": sufficiency,
    }  # fmt: skip
    return Built(test, n, sentences, values, once.notes)


def _search(options: Options, n_players: int, n_sample: int) -> Search:
    """The search of the user's choice; all subsets where they fit, else greedy from the empty set."""
    if isinstance(options.search, Search):
        return options.search
    if options.search is not None:
        return named(SEARCHES, options.search, "search")(options.budget)
    fits = n_players <= MOST_PLAYERS and n_sample << n_players <= options.budget
    if fits and NUMBERS_AN_ENTRY * 8 * n_sample << n_players <= MAX_TABLE_BYTES:
        return ExhaustiveSearch()
    return ForwardGreedySearch(options.budget)


def _fresh(test: DualStageTest, search: Search) -> DualStageTest | None:
    """The same test with other random numbers, if there are any."""
    if search.plan.complete and test.abduction.n_resampled is None:
        return None
    return replace(test, seed=child_seed(test.seed, "fresh perturbations"))


def _perturbed_to(rows: Any, baseline: BaselineReference) -> str:
    """One sentence: what becomes of perturbed features."""
    if isinstance(rows, RenderedRows):
        return f"Perturbed players are hidden. {rows.modality.hides}"
    return f"Perturbed features go to {baseline.name}."


def _check_differs(ready: Ready, baseline: Float64[np.ndarray, "c"]) -> None:
    x = ready.tables.x
    same = np.flatnonzero(((x == baseline) | (np.isnan(x) & np.isnan(baseline))).all(1))
    if len(same):
        raise InputError(
            f"row {ready.labels[same[0]]} is equal to the baseline, so that perturbing it changes nothing; "
            f"leave it out or give another baseline: PNS(baseline=...) ({len(same)} such rows)"
        )


def _check_unused(options: Options) -> None:
    """Refuse what only explanations by sets know, rather than ignore it."""
    plain = Question()
    used = {
        "alpha": options.question.alpha != plain.alpha,
        "epsilon": options.question.epsilon is not None,
        "reference": options.reference is not None,
        "restriction": options.restriction is not None,
        "distance": options.distance is not None,
        "keep_table": options.keep_table,
    }
    for name, given in used.items():
        if given:
            raise SettingError(
                f"{name} has no use with the criterion pns; {_INSTEAD.get(name, 'leave it out')}"
            )


_INSTEAD = {
    "alpha": "weigh its parts by PNS(weights=...)",
    "epsilon": "what counts as a change is c: PNS(c=...)",
    "reference": "features are set to a baseline: PNS(baseline=...)",
    "distance": "rows are compared by PNS(distance=...)",
}
