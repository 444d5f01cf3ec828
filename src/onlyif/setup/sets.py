"""From a model and tables to work by the criterion of sets, or by a criterion of a user's own."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from onlyif.answers.case import AnsweringCriterion
from onlyif.answers.own import BoundCriterion
from onlyif.answers.sets import Conditions, SetsCriterion
from onlyif.core.progress import Meter
from onlyif.models.metered import MeteredPredictor
from onlyif.models.readouts import DecisionReadout, Readout, TargetReadout
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.set_function import SetFunction
from onlyif.setup.choose import MOST_ATOMS, Parts, check_search, fresh_restriction
from onlyif.setup.once import Once, transformed_once
from onlyif.setup.options import (
    distance_of,
    output_of,
    own_criterion_of,
    recipe_of,
    restriction_of,
    search_of,
)
from onlyif.setup.ready import Choice, Ready, ready_of
from onlyif.setup.work import Source, Work
from onlyif.trees.question import TreeQuestion
from onlyif.trees.route import TreeRoute, tree_route

TABLE_ENTRIES_A_BLOCK = 2**20
MOST_ROWS_A_BLOCK = 32
MODEL_ROWS_A_BLOCK = 2**20
MODEL_ROWS_IN_TIME = 2**10


def sets_work(source: Source, meter: Meter) -> Work:
    """Everything that is needed to explain the rows by sets, with every input checked.

    Args:
        source: What the user gave.
        meter: What counts the work; it is asked for from here on, not before.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option is out of range or does not fit another one.
        LimitError: if every subset is to be compared and their gaps would not fit the memory.
        ModelError: if the model fails on a small sample of rows and backgrounds.
    """
    options = source.options
    own, recipe, distance = (
        own_criterion_of(options),
        recipe_of(options.reference),
        distance_of(options.distance),
    )
    ready = ready_of(
        source,
        meter,
        needed=recipe.needs_background,
        own_row=recipe.own_row,
        of_decisions=distance.kind.of_decisions,
    )
    reference, players = recipe.build(ready.background), ready.tables.players
    fresh_reference = recipe.fresh(ready.background)
    route = _route(ready, reference)
    once = _once(ready, route, (reference, fresh_reference))
    parts = _parts(ready, route, once)
    restriction = restriction_of(options.restriction, parts, reference)
    search = search_of(options, players.count, restriction)
    check_search(search, players.count)
    function = SetFunction(restriction, ready.tables.x, _readout(ready), players.count)
    again = fresh_restriction(parts, fresh_reference, restriction)
    fresh = None if again is None else replace(function, restriction=again)
    said = {"reference": reference.law.sentence, "restriction": restriction.method.sentence}
    sentences = {**said, **once.sentences}
    criterion: AnsweringCriterion
    if own is None:
        conditions = Conditions(reference, players)
        criterion = SetsCriterion(function, fresh, distance, options.question, options.keep_table, conditions)
        sentences = {**sentences, "distance": distance.kind.name}
    else:
        criterion = BoundCriterion(own, function, fresh)
    rows = restriction.method.rows
    choice = Choice(
        criterion, search, "sne" if own is None else own.name, sentences,
        values={"is_metric": distance.kind.is_metric, "of_decisions": distance.kind.of_decisions},
        rows_a_subset=rows,
        meets_large_calls=search.plan.complete or not rows,
        notes=route.notes if route.restriction else (*route.notes, *once.notes, *_rounded(ready, reference)),
    )  # fmt: skip
    return ready.work(choice, _rows_a_block(ready, choice))


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


def _route(ready: Ready, reference: Reference) -> TreeRoute:
    """The model's own trees, where the restriction was left open and they do for the reference."""
    options, tables, asked = ready.options, ready.tables, ready.asked
    if options.restriction is not None:
        return TreeRoute(None)
    question = TreeQuestion(
        ready.source.model, asked.predictor, asked.form, output_of(options.output),
        np.concatenate([tables.x, tables.values]), options.max_rows,
        of_decisions=ready.of_decisions,
        meter=ready.meter,
    )  # fmt: skip
    return tree_route(question, tables.players, reference)


def _once(ready: Ready, route: TreeRoute, references: tuple[Reference, Reference | None]) -> Once:
    """The model behind the steps of its pipeline, where all that can replace a player is known."""
    atoms = [_atoms(one, ready.tables.x[:1]) for one in references if one is not None]
    known = [rows for rows in atoms if rows is not None]
    if route.restriction or len(known) < len(atoms):
        return Once(ready.asked.predictor)
    return transformed_once(ready, np.concatenate(known))


def _atoms(reference: Reference, x: Float64[np.ndarray, "1 c"]) -> Float64[np.ndarray, "n c"] | None:
    """All rows that a finite reference replaces players by."""
    n = reference.law.n_atoms
    if n is None or n > MOST_ATOMS:
        return None
    draws = reference.draw(x, np.zeros((1, *x.shape), dtype=bool), Plan(n, 0, n, None))
    values: np.ndarray = draws.values.reshape(-1, x.shape[1])
    return values


def _parts(ready: Ready, route: TreeRoute, once: Once) -> Parts:
    return Parts(
        model=ready.source.model,
        predictor=MeteredPredictor(once.predictor, ready.meter),
        players=ready.tables.players,
        rows=ready.tables.values,
        max_rows=ready.options.max_rows,
        seed=ready.options.seed,
        trees=route.restriction,
    )


def _rounded(ready: Ready, reference: Reference) -> tuple[str, ...]:
    """A note where continuous draws stand in columns of whole numbers."""
    described = ready.tables.schema.described
    whole = [column.name for column in described if column.levels is None and column.plain is int]
    if reference.law.n_atoms is not None or not whole:
        return ()
    named = ", ".join(whole[:5]) + (", ..." if len(whole) > 5 else "")
    return (f"draws for the whole-number columns {named} are rounded before the model sees them",)
