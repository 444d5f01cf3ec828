"""From what a user has, a model and tables, to a piece of work that is ready to run."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.case import AnsweringCriterion, Case, Question, Subject
from onlyif.answers.own import BoundCriterion, OwnCriterion
from onlyif.answers.sets import SetsCriterion
from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanation import Provenance
from onlyif.modalities.table import Schema
from onlyif.models.base import Meaning, Predictor
from onlyif.models.metered import MeteredPredictor
from onlyif.models.own_answers import OwnAnswers
from onlyif.models.readouts import Readout
from onlyif.references.base import Reference
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Search
from onlyif.setup.choose import Parts, check_search, fresh_restriction
from onlyif.setup.decisions import as_decisions, with_decisions
from onlyif.setup.options import (
    Options,
    distance_of,
    output_of,
    own_criterion_of,
    recipe_of,
    restriction_of,
    search_of,
)
from onlyif.setup.source import Source
from onlyif.setup.subjects import Told, readout_of, subjects_of
from onlyif.setup.tables import (
    Asked,
    Tables,
    asked_of,
    backend_of,
    background_of,
    labels_of,
    tables_of,
    versions_of,
)
from onlyif.setup.targets import targets_of
from onlyif.trees.question import TreeQuestion
from onlyif.trees.route import TreeRoute, tree_route

# What the reader is told of outputs when decisions are compared: their numbers, not one output.
DECISION = Meaning("any", "decision", ("any class",) * 1000)


@final
@dataclass(frozen=True, eq=False)
class Work:
    """A model, rows and everything chosen, ready to be explained block by block.

    Args:
        x: The rows, coded.
        players: How players tile a row.
        readout: Which number of each row's outputs is explained.
        reference: What a hidden player is replaced by.
        restriction: How f_S(x) is computed.
        fresh: The same on draws that no search sees, or None.
        search: Which subsets are compared.
        distance: ρ.
        question: What is asked.
        subjects: What the reader is told of each row.
        digits: Binary digits of the outputs that can be trusted.
        provenance: What was chosen.
        keep_table: Whether explanations keep f_S(x) of all subsets.
        backend: The library of the user's frames.
        own: What the model answered to the rows when it was asked for nothing else.
        meter: What counts the work and ends it when time is up.
        own_criterion: The user's own criterion, or None.
        source: What it was made of, to make it again; None where that is not known.
    """

    x: Float64[np.ndarray, "b c"]
    players: Players
    readout: Readout
    reference: Reference
    restriction: Restriction
    fresh: Restriction | None
    search: Search
    distance: Distance
    question: Question
    subjects: tuple[Subject, ...]
    digits: int
    provenance: Provenance
    keep_table: bool
    backend: str
    own: OwnAnswers
    meter: Meter
    own_criterion: OwnCriterion | None = None
    source: Source | None = None

    @property
    def meets_large_calls(self) -> bool:
        """Whether f(x) is itself asked for in calls as large as all others, so that it tells of them."""
        return self.search.plan.complete or not self.restriction.method.rows

    @property
    def planned_rows(self) -> int:
        """Model rows that a row takes at most; 0 where the model is not asked."""
        if self.search.plan.complete:
            return self.restriction.method.rows << self.players.count
        return self.search.plan.most_rows

    def case(self, rows: slice) -> Case:
        """Some of the rows.

        Args:
            rows: Which.
        """
        x, n_players = self.x[rows], self.players.count

        def function(restriction: Restriction) -> SetFunction:
            return SetFunction(restriction, x, self.readout.part(rows), n_players)

        restricted = function(self.restriction)
        fresh = None if self.fresh is None else function(self.fresh)
        criterion: AnsweringCriterion
        if self.own_criterion is None:
            criterion = SetsCriterion(restricted, fresh, self.distance, self.question, self.keep_table)
        else:
            criterion = BoundCriterion(self.own_criterion, restricted, fresh)
        return Case(
            criterion=criterion,
            search=self.search,
            names=self.players.names,
            subjects=self.subjects[rows],
            digits=self.digits,
            provenance=self.provenance,
            own=self.own.part(rows),
            meter=self.meter,
        )


def prepare(model: Any, rows: Any, background: Any, options: Options, meter: Meter | None = None) -> Work:
    """Everything that is needed to explain the rows, with every input checked.

    Args:
        model: The user's model, or a `Predictor`.
        rows: The rows to explain.
        background: Rows like those the model was trained on, or None with a finished reference.
        options: All that can be chosen.
        meter: What counts the work; it is asked for from here on, not before.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option is out of range or does not fit another one.
        LimitError: if every subset is to be compared and their gaps would not fit the memory.
        ModelError: if the model fails on a small sample of rows and backgrounds.
    """
    own = own_criterion_of(options)
    recipe, distance, counter = recipe_of(options.reference), distance_of(options.distance), meter or Meter()
    tables = tables_of(rows, background, options, needed=recipe.needs_background, baseline=recipe.own_row)
    asked = _asked(model, tables, options, distance)
    ground = background_of(tables, options)
    reference = recipe.build(ground)
    route = _route(model, asked, tables, options, reference, counter)
    parts = _parts(model, MeteredPredictor(asked.predictor, counter), tables, options, route)
    restriction = restriction_of(options.restriction, parts, reference)
    search = _search(options, tables.players.count, restriction)
    targets = targets_of(options.target, asked.outputs, asked.meaning, asked.decisions)
    more = () if route.restriction else _rounded(tables.schema, reference)
    notes = (*tables.schema.notes, *asked.notes, *route.notes, *more)
    meaning = DECISION if distance.kind.of_decisions else asked.meaning
    told = Told(labels_of(rows), tables.schema, tables.players, meaning, notes, asked.row_notes)
    return Work(
        x=tables.x,
        players=tables.players,
        readout=readout_of(distance, targets, asked.meaning),
        reference=reference,
        restriction=restriction,
        fresh=fresh_restriction(parts, recipe.fresh(ground), restriction),
        search=search,
        distance=distance,
        question=options.question,
        subjects=subjects_of(tables.x, targets, told),
        digits=asked.meaning.digits,
        provenance=_provenance(asked.meaning, reference, restriction, search, options, versions_of(model)),
        keep_table=options.keep_table,
        backend=backend_of(rows, background),
        own=asked.own(options),
        meter=counter,
        own_criterion=own,
    )


def _provenance(  # noqa: PLR0917 - what was chosen, and by which versions
    meaning: Meaning,
    reference: Reference,
    restriction: Restriction,
    search: Search,
    options: Options,
    versions: tuple[tuple[str, str], ...],
) -> Provenance:
    own, kind = own_criterion_of(options), distance_of(options.distance).kind
    sentences = {"reference": reference.law.sentence, "restriction": restriction.method.sentence}
    return Provenance(
        criterion="sne" if own is None else own.name,
        predictor=meaning.model,
        output="number of the decided class" if kind.of_decisions else meaning.output,
        search=search.plan.sentence,
        seed=options.seed,
        versions=versions,
        sentences=sentences if own else {**sentences, "distance": kind.name},
        values={"is_metric": kind.is_metric, "max_rows": options.max_rows, "budget": options.budget},
    )


def _search(options: Options, n_players: int, restriction: Restriction) -> Search:
    search = search_of(options, n_players, restriction)
    check_search(search, n_players)
    return search


def _asked(model: Any, tables: Tables, options: Options, distance: Distance) -> Asked:
    asked = with_decisions(asked_of(model, tables, options), tables, options)
    return as_decisions(asked, tables, options) if distance.kind.of_decisions else asked


def _route(  # noqa: PLR0917 - what a question about trees is made of
    model: Any, asked: Asked, tables: Tables, options: Options, reference: Reference, meter: Meter
) -> TreeRoute:
    """The model's own trees, where the restriction was left open and they do for the reference."""
    if options.restriction is not None:
        return TreeRoute(None)
    rows, output = np.concatenate([tables.x, tables.values]), output_of(options.output)
    question = TreeQuestion(
        model, asked.predictor, asked.form, output, rows, options.max_rows,
        of_decisions=distance_of(options.distance).kind.of_decisions,
        meter=meter,
    )  # fmt: skip
    return tree_route(question, tables.players, reference)


def _parts(model: Any, predictor: Predictor, tables: Tables, options: Options, route: TreeRoute) -> Parts:
    return Parts(
        model=model,
        predictor=predictor,
        players=tables.players,
        rows=tables.values,
        max_rows=options.max_rows,
        seed=options.seed,
        trees=route.restriction,
    )


def _rounded(schema: Schema, reference: Reference) -> tuple[str, ...]:
    """A note where continuous draws stand in columns of whole numbers."""
    whole = [column.name for column in schema.described if column.levels is None and column.plain is int]
    if reference.law.n_atoms is not None or not whole:
        return ()
    named = ", ".join(whole[:5]) + (", ..." if len(whole) > 5 else "")
    return (f"draws for the whole-number columns {named} are rounded before the model sees them",)
