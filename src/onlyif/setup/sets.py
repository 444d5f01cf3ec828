"""From a model and tables to work by the criterion of sets, or by a criterion of a user's own."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.answers.case import AnsweringCriterion
from onlyif.answers.own import BoundCriterion
from onlyif.answers.sets import Conditioning, SetsCriterion
from onlyif.core.errors import SettingError
from onlyif.core.permitted import Permitted
from onlyif.core.progress import Meter
from onlyif.models.base import Predictor
from onlyif.models.metered import MeteredPredictor
from onlyif.models.readouts import DecisionReadout, Readout, TargetReadout
from onlyif.references.base import Plan, Reference, ReferenceRecipe
from onlyif.restrictions.additive import AdditiveRestriction
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.groups import Groups, groups_of
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Search
from onlyif.setup.additive import additive_restriction
from onlyif.setup.affordable import affordable_rows
from onlyif.setup.choose import (
    MOST_ATOMS,
    Parts,
    check_search,
    check_together,
    fresh_restriction,
    linear_restriction,
    search_bytes,
)
from onlyif.setup.foundation import Foundation, Source, foundation_of
from onlyif.setup.larger import Further, larger_of
from onlyif.setup.once import Once, transformed_once
from onlyif.setup.options import (
    Options,
    distance_of,
    output_of,
    own_criterion_of,
    recipe_of,
    restriction_of,
    search_of,
)
from onlyif.setup.ready import Choice, Ready
from onlyif.setup.tables import Tables
from onlyif.setup.work import Setup, Work, work_of
from onlyif.trees.question import TreeQuestion
from onlyif.trees.route import TreeRoute, tree_route

TABLE_ENTRIES_A_BLOCK = 2**20
MOST_ROWS_A_BLOCK = 32
MODEL_ROWS_A_BLOCK = 2**21
MODEL_ROWS_IN_TIME = 2**10


@final
@dataclass(frozen=True, eq=False)
class Hidden:
    """What a hidden player is replaced by.

    Args:
        reference: The reference.
        fresh: An independent one of the same kind, or None.
        groups: Its rows in groups; None where stability is not asked for.
        further: Many more rows like its own, or None.
    """

    reference: Reference
    fresh: Reference | None
    groups: Groups | None
    further: Further | None


@final
@dataclass(frozen=True, eq=False)
class SetsSetup(Setup):
    """What is chosen to explain rows by sets, or by a criterion of the user's own.

    Args:
        base: The model and the background.
        chosen: What a hidden player is replaced by, where trees or sums over features allow for many rows.
        usual: The same where the model is asked after all.
        route: The model's own trees, where they do.
        parts: What the restriction is chosen for.
        permitted: Which sets may be reported.
    """

    base: Foundation
    chosen: Hidden
    usual: Hidden
    route: TreeRoute
    parts: Parts
    permitted: Permitted

    @property
    @override
    def foundation(self) -> Foundation:
        return self.base

    @override
    def work_on(self, ready: Ready) -> Work:
        rows, meter = ready.tables, ready.meter
        options, players = ready.options, rows.players
        route, hidden = self.route.on(rows.x, ready.asked.outputs).metered(meter), self.chosen
        once, additive = _without_trees(ready, route, hidden)
        if hidden is not self.usual and not route.restriction and additive is None:
            hidden = self.usual
            once, additive = _without_trees(ready, route, hidden)
        reference, groups = hidden.reference, hidden.groups
        predictor = MeteredPredictor(once.predictor, meter)
        parts = replace(self.parts, predictor=predictor, trees=route.restriction, additive=additive)
        restriction = restriction_of(options.restriction, parts, reference)
        search = search_of(options, players.count, restriction, self.permitted)
        check_together(search, self.permitted)
        n_tables = max(restriction.method.tables, ready.asked.outputs.shape[1])
        check_search(search, players.count, n_tables)
        further = hidden.further if search.plan.complete else None
        larger = larger_of(ready, further, restriction, predictor, reference.law.n_atoms or 0)
        if larger is not None:
            groups = None
        elif options.question.confidence is not None:
            groups = _groups_of_errors(ready, restriction, groups)
        if groups is not None:
            _check_resampled(options, search, restriction, meter)
            n_tables += (1 + ready.asked.outputs.shape[1]) * len(groups.members)
            check_search(search, players.count, n_tables)
        function = SetFunction(restriction, rows.x, _readout(ready), players.count)
        again = None if larger else fresh_restriction(parts, hidden.fresh, restriction)
        fresh = None if again is None else replace(function, restriction=again)
        conditions = Conditioning(reference, players)
        criterion = _criterion(options, function, fresh, conditions, groups)
        if larger is not None and isinstance(criterion, SetsCriterion):
            criterion = replace(criterion, larger=larger)
        choice = self._choice(predictor, restriction, search, criterion, reference)
        more = () if route.restriction else (*once.notes, *_rounded(self.base, reference))
        told = replace(choice, notes=(*route.notes, *more), sentences={**choice.sentences, **once.sentences})
        block = _rows_a_block(ready, choice)
        held = search_bytes(players.count, n_tables, min(block, len(rows.x))) if search.plan.complete else 0
        return work_of(self, ready, replace(told, table_bytes=held), block)

    def _choice(
        self,
        predictor: Predictor,
        restriction: Restriction,
        search: Search,
        criterion: AnsweringCriterion,
        reference: Reference,
    ) -> Choice:
        own, kind = (
            own_criterion_of(self.base.source.options),
            distance_of(self.base.source.options.distance).kind,
        )
        sentences = {"reference": reference.law.sentence, "restriction": restriction.method.sentence}
        rows = restriction.method.rows
        return Choice(
            criterion, search, "sne" if own is None else own.name,
            sentences if own else {**sentences, "distance": kind.name},
            values={"is_metric": kind.is_metric, "of_decisions": kind.of_decisions},
            rows_a_subset=rows,
            predictor=predictor,
            meets_large_calls=search.plan.complete or not rows,
            permitted=self.permitted,
        )  # fmt: skip


def sets_setup(source: Source, tables: Tables, meter: Meter, call_notes: tuple[str, ...]) -> SetsSetup:
    """What is needed to explain any rows by sets, with every input checked.

    Args:
        source: What the user gave.
        tables: The kind of table, and the background, coded.
        meter: What counts the rows that the model is given.
        call_notes: What the reader should know of how large its calls are.

    Raises:
        SettingError: if an option is out of range or does not fit another one.
        ModelError: if the model fails on a small sample of the background.
    """
    options, asked = source.options, source.options.constraints
    permitted = asked.of(tables.players, tables.schema.columns)
    if own_criterion_of(options) is None:
        question = options.question
        asked.check_size(permitted, tables.players.count, question.size, exact_size=question.exact_size)
    recipe, of_decisions = recipe_of(options.reference), distance_of(options.distance).kind.of_decisions
    base = foundation_of(source, tables, meter, call_notes, of_decisions=of_decisions)
    usual = _hidden(base, recipe)
    route = _route(base, usual.reference)
    chosen = _hidden(base, recipe, affordable_rows(base, route))
    if chosen.reference.law.n_atoms == usual.reference.law.n_atoms:
        chosen = usual
    route, read = route.compiled(tables.players, chosen.reference, chosen.groups), route
    if read.trees is not None and route.restriction is None and chosen is not usual:
        route, chosen = read.compiled(tables.players, usual.reference, usual.groups), usual
    parts = Parts(
        model=source.model,
        predictor=base.explained.predictor,
        players=tables.players,
        rows=tables.values,
        max_rows=options.max_rows,
        seed=options.seed,
        trees=route.restriction,
    )
    if options.restriction is None:
        parts = replace(parts, linear=linear_restriction(parts, usual.reference))
    return SetsSetup(base, chosen, usual, route, parts, permitted)


def _hidden(base: Foundation, recipe: ReferenceRecipe, n_rows: int | None = None) -> Hidden:
    """The reference, over as many rows as are affordable where its recipe leaves that open."""
    background = base.background if n_rows is None else replace(base.background, usual_rows=n_rows)
    reference = recipe.build(background)
    groups, rows = _groups(base.source.options, reference), recipe.further(background)
    further = None if rows is None else Further(rows)
    return Hidden(reference, recipe.fresh(background), groups, further)


def _groups(options: Options, reference: Reference) -> Groups | None:
    """The rows of the reference in groups, where it is asked how sure sets are.

    Raises:
        SettingError: if the reference is no set of rows that weigh the same whatever is kept.
    """
    confidence = options.question.confidence
    if options.stability is None and confidence is None:
        return None
    if options.stability is not None and "costs" in options.constraints.given:
        raise SettingError(
            "stability has no use with costs: resamples are told the smallest sets; leave one out"
        )
    law = reference.law
    if options.stability is None and law.n_atoms is None:
        return None
    if law.n_atoms is None or law.depends_on_x:
        raise SettingError(
            f"{_asked(options)} resamples background rows that weigh the same whatever is kept, as those of "
            f"reference='marginal'; got {type(reference).__name__}"
        )
    return groups_of(law.n_atoms, options.stability or 0, options.seed)


def _asked(options: Options) -> str:
    """Which of the two arguments asks how sure sets are."""
    return "confidence" if options.stability is None else "stability"


def _groups_of_errors(ready: Ready, restriction: Restriction, groups: Groups | None) -> Groups | None:
    """The groups that tell the errors of gaps; none where draws do.

    Raises:
        SettingError: if nothing tells them.
    """
    if ready.of_decisions:
        raise SettingError(
            "confidence needs the errors of gaps, and decisions have none; leave it out, or take "
            "distance='absolute'"
        )
    if not restriction.method.exact and ready.options.stability is None:
        return None
    if groups is None and restriction.method.exact:
        raise SettingError(
            "confidence needs a background, as a sample of other rows, and here f_S(x) is computed without "
            f"one: {restriction.method.sentence}; take reference='marginal'"
        )
    if groups is not None and ready.meter.limited:
        raise SettingError("confidence asks for all subsets, which time_limit may cut short; leave one out")
    return groups


def _check_resampled(options: Options, search: Search, restriction: Restriction, meter: Meter) -> None:
    if not search.plan.complete:
        asked = _asked(options)
        raise SettingError(
            f"{asked} needs all subsets compared under every resample, which is not so here "
            f"({search.plan.sentence}); group columns, raise budget, or leave {asked} out"
        )
    if meter.limited and restriction.method.rows:
        raise SettingError(
            "stability asks the model for all subsets of a row together, which time_limit cannot end; leave "
            "one of them out"
        )


def _criterion(
    options: Options,
    function: SetFunction,
    fresh: SetFunction | None,
    conditions: Conditioning,
    groups: Groups | None,
) -> AnsweringCriterion:
    own = own_criterion_of(options)
    if own is not None:
        return BoundCriterion(own, function, fresh)
    distance = distance_of(options.distance)
    return SetsCriterion(function, fresh, distance, options.question, options.keep_table, conditions, groups)


def _rows_a_block(ready: Ready, choice: Choice) -> int:
    """How many rows are explained at once: as many as keep the tables small.

    A search that compares some subsets only asks other ones for every row, so
    that rows in one block would wait for each other: it gets them one by one.
    """
    if not choice.search.plan.complete:
        return 1
    # Few enough for a finished block every some seconds, so that an interrupt loses little.
    # With a time limit no row should wait for the others, unless they take next to nothing.
    together = MODEL_ROWS_IN_TIME if ready.meter.limited else MODEL_ROWS_A_BLOCK
    affordable = together // max(1, ready.planned_rows(choice))
    return max(1, min(MOST_ROWS_A_BLOCK, TABLE_ENTRIES_A_BLOCK >> ready.tables.players.count, affordable))


def _readout(ready: Ready) -> Readout:
    """Which number is compared: the target's output, or the class that is decided most often."""
    if not ready.of_decisions:
        return TargetReadout(ready.targets)
    threshold = ready.asked.meaning.threshold
    return DecisionReadout(0.5 if threshold is None else threshold)


def _route(base: Foundation, reference: Reference) -> TreeRoute:
    """The model's own trees, where the restriction was left open and they do for the reference."""
    options, explained = base.source.options, base.explained
    if options.restriction is not None:
        return TreeRoute()
    question = TreeQuestion(
        base.source.model, explained.predictor, explained.form, output_of(options.output),
        base.tables.values, options.max_rows, base.of_decisions,
    )  # fmt: skip
    return tree_route(question, reference)


def _without_trees(ready: Ready, route: TreeRoute, hidden: Hidden) -> tuple[Once, AdditiveRestriction | None]:
    """The model behind the steps of its pipeline, where all that can replace a player is known, and sums."""
    references = [one for one in (hidden.reference, hidden.fresh) if one is not None]
    atoms = [_atoms(one, ready.tables.x[:1]) for one in references]
    known = [rows for rows in atoms if rows is not None]
    if route.restriction or len(known) < len(atoms):
        return Once(ready.asked.predictor), None
    once = transformed_once(ready, np.concatenate(known))
    return once, additive_restriction(ready, once, hidden.reference, known[0])


def _atoms(reference: Reference, x: Float64[np.ndarray, "1 c"]) -> Float64[np.ndarray, "n c"] | None:
    """All rows that a finite reference replaces players by."""
    n = reference.law.n_atoms
    if n is None or n > MOST_ATOMS:
        return None
    draws = reference.draw(x, np.zeros((1, *x.shape), dtype=bool), Plan(n, 0, n, None))
    values: np.ndarray = draws.values.reshape(-1, x.shape[1])
    return values


def _rounded(base: Foundation, reference: Reference) -> tuple[str, ...]:
    """A note where continuous draws stand in columns of whole numbers."""
    described = base.tables.schema.described
    whole = [column.name for column in described if column.levels is None and column.plain is int]
    if reference.law.n_atoms is not None or not whole:
        return ()
    named = ", ".join(whole[:5]) + (", ..." if len(whole) > 5 else "")
    return (f"draws for the whole-number columns {named} are rounded before the model sees them",)
