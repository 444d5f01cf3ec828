"""From a model and tables to work by the dual-stage test: its parts, its search and what is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.answers.case import SetQuestion
from onlyif.answers.causes import CausesCriterion
from onlyif.causation.checks import check_table, table_bytes
from onlyif.causation.dissimilarity import GowerDifference
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.samples import PlacedDifference
from onlyif.causation.settings import EVENTS, PNS, SAID_ABDUCTIONS, SAID_EVENTS, TOTALS
from onlyif.core.errors import InputError, SettingError
from onlyif.core.permitted import Permitted
from onlyif.core.progress import Meter
from onlyif.core.seeds import child_seed
from onlyif.modalities.rendered import RenderedForm
from onlyif.models.metered import MeteredPredictor
from onlyif.references.baseline import Baseline, BaselineReference
from onlyif.references.closeness import fit_closeness
from onlyif.restrictions.base import MAX_TABLE_BYTES
from onlyif.searches.base import Search
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import ForwardGreedySearch
from onlyif.setup.choose import MOST_PLAYERS, check_together
from onlyif.setup.foundation import Foundation, Source, foundation_of
from onlyif.setup.once import transformed_once
from onlyif.setup.options import Options, given_search
from onlyif.setup.ready import Choice, Ready
from onlyif.setup.tables import CodedRows, Tables
from onlyif.setup.work import Setup, Work, work_of

MOST_ROWS_A_BLOCK = 16
TABLE_ENTRIES_A_BLOCK = 2**20


@final
@dataclass(frozen=True, eq=False)
class Built:
    """The test, and what is told of how it was set up.

    Args:
        test: The dual-stage test.
        n_sample: Inputs in E.
        sentences: How its parts were chosen.
        values: Its numbers.
    """

    test: DualStageTest
    n_sample: int
    sentences: Mapping[str, str]
    values: Mapping[str, bool | int | float]


@final
@dataclass(frozen=True, eq=False)
class CausesSetup(Setup):
    """What is chosen to look for the causes of rows' predictions.

    Args:
        base: The model and the background.
        chosen: How causes are looked for.
        baseline: x'.
        built: The dual-stage test.
        search: Which subsets are compared.
        permitted: Which subsets may be causes.
    """

    base: Foundation
    chosen: PNS
    baseline: BaselineReference
    built: Built
    search: Search
    permitted: Permitted

    @property
    @override
    def foundation(self) -> Foundation:
        return self.base

    @override
    def work_on(self, ready: Ready) -> Work:
        rows, meter, built, search = ready.tables, ready.meter, self.built, self.search
        _check_differs(rows, self.baseline.value)
        first = built.test.sample.rows(rows.x[:1], ready.options.seed)
        shared = first.shared if len(first.shared) else rows.values
        once = transformed_once(ready, np.concatenate([shared, self.baseline.value[None]]))
        test = replace(built.test, predictor=MeteredPredictor(once.predictor, meter))
        size = built.n_sample, rows.players.count, len(np.unique(ready.targets))
        if search.plan.complete:
            check_table(*size)
        necessity, sufficiency = map(float, self.chosen.weights)
        criterion = CausesCriterion(
            test=test,
            fresh=_fresh(test, search),
            x=rows.x,
            targets=tuple(ready.targets.tolist()),
            weights=(necessity, sufficiency),
            size=ready.options.question.size,
            baseline=self.base.values(self.baseline.value),
            permitted=self.permitted,
        )
        choice = Choice(
            criterion, search, "pns", {**built.sentences, **once.sentences}, built.values,
            rows_a_subset=built.n_sample,
            predictor=test.predictor,
            table_bytes=table_bytes(*size) if search.plan.complete else 0,
            permitted=self.permitted,
            notes=once.notes,
        )  # fmt: skip
        # Rows of a block share the inputs of E; those whose sets are searched would wait for each other.
        alone = not search.plan.complete or meter.limited
        most = 1 if alone else min(MOST_ROWS_A_BLOCK, TABLE_ENTRIES_A_BLOCK >> rows.players.count)
        return work_of(self, ready, choice, max(1, most))


def causes_setup(
    source: Source, chosen: PNS, tables: Tables, meter: Meter, call_notes: tuple[str, ...]
) -> CausesSetup:
    """What is needed to find the causes of any rows' predictions, with every input checked.

    Args:
        source: What the user gave.
        chosen: How causes are looked for.
        tables: The kind of table, and the background, coded.
        meter: What counts the rows that the model is given.
        call_notes: What the reader should know of how large its calls are.

    Raises:
        SettingError: if an option is out of range.
        ModelError: if the model fails on a small sample of the background.
    """
    permitted = source.options.constraints.of(tables.players, tables.schema.columns)
    base = foundation_of(source, tables, meter, call_notes)
    baseline = Baseline(chosen.baseline).build(base.background)
    built = _built(chosen, base, baseline)
    search = _search(source.options, tables.players.count, built.n_sample)
    check_together(search, permitted)
    return CausesSetup(base, chosen, baseline, built, search, permitted)


def _built(chosen: PNS, base: Foundation, baseline: BaselineReference) -> Built:
    """The dual-stage test that the settings ask for."""
    ground, options = base.background, base.source.options
    closeness = fit_closeness(ground.positions(ground.values), ground.ordered, None)
    apart, total = PlacedDifference(ground.positions, GowerDifference(closeness)), TOTALS[chosen.distance]()
    sample = chosen.how_sampled.build(ground, apart)
    n = sample.rows(ground.values[:1], options.seed).count
    b, boundary = chosen.boundary.of(ground, apart, total, n)
    c, threshold = chosen.threshold.of(base.model.predictor, ground, options.max_rows)
    test = DualStageTest(
        predictor=base.model.predictor,
        players=base.tables.players,
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
        "baseline": _perturbed_to(base, baseline),
        "sample": sample.sentence,
        "boundary": boundary,
        "threshold": threshold,
        "events": SAID_EVENTS[chosen.events],
        "distance": test.neighbourhood.sentence,
        "abduction": SAID_ABDUCTIONS[type(test.abduction)],
    }
    values = {
        "n_sample": n, "b": b, "c": c, "p_replace": chosen.p_replace,
        "weight_necessity": necessity, "weight_sufficiency": sufficiency,
    }  # fmt: skip
    return Built(test, n, sentences, values)


def _search(options: Options, n_players: int, n_sample: int) -> Search:
    """The search of the user's choice; all subsets where they fit, else greedy from the empty set."""
    chosen = given_search(options)
    if chosen is not None:
        return chosen
    fits = n_players <= MOST_PLAYERS and n_sample << n_players <= options.budget
    if fits and table_bytes(n_sample, n_players) <= MAX_TABLE_BYTES:
        return ExhaustiveSearch()
    return ForwardGreedySearch(options.budget)


def _fresh(test: DualStageTest, search: Search) -> DualStageTest | None:
    """The same test with other random numbers, if there are any."""
    if search.plan.complete and test.abduction.n_resampled is None:
        return None
    return replace(test, seed=child_seed(test.seed, "fresh perturbations"))


def _perturbed_to(base: Foundation, baseline: BaselineReference) -> str:
    """One sentence: what becomes of perturbed features."""
    form = base.tables.schema.form
    if isinstance(form, RenderedForm):
        return f"Perturbed players are hidden. {form.modality.hides}"
    return f"Perturbed features go to {baseline.name}."


def _check_differs(rows: CodedRows, baseline: Float64[np.ndarray, "c"]) -> None:
    x = rows.x
    same = np.flatnonzero(((x == baseline) | (np.isnan(x) & np.isnan(baseline))).all(1))
    if len(same):
        raise InputError(
            f"row {rows.labels[same[0]]} is equal to the baseline, so that perturbing it changes nothing; "
            f"leave it out or give another baseline: PNS(baseline=...) ({len(same)} such rows)"
        )


def check_unused(options: Options) -> None:
    """Refuse what only explanations by sets know, rather than ignore it.

    Args:
        options: The options.

    Raises:
        SettingError: for an option that has no use with causes.
    """
    plain = SetQuestion()
    used = {
        "alpha": options.question.alpha != plain.alpha,
        "epsilon": options.question.epsilon is not None,
        "confidence": options.question.confidence is not None,
        "reference": options.reference is not None,
        "restriction": options.restriction is not None,
        "distance": options.distance is not None,
        "keep_table": options.keep_table,
        "stability": options.stability is not None,
        "costs": "costs" in options.constraints.given,
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
    "costs": "sets of one size are compared, and the size is size=",
    "distance": "rows are compared by PNS(distance=...)",
}
