"""From what a user has, a model and tables, to a piece of work that is ready to run."""

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, final

import narwhals as nw
import torch
from jaxtyping import Float64
from torch import Tensor

from onlyif.case import Question, Subject
from onlyif.core.errors import SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.table import Schema, fit_schema, row_labels
from onlyif.core.table_forms import Form
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanation import Provenance
from onlyif.predictors.base import Meaning, Predictor
from onlyif.predictors.checked import checked, probe
from onlyif.predictors.function import FunctionPredictor
from onlyif.predictors.readouts import Readout
from onlyif.recipes.background import Background
from onlyif.recipes.choose import Parts, check_search, fresh_restriction
from onlyif.recipes.detect import detect
from onlyif.recipes.groups import read_groups
from onlyif.recipes.options import Options, distance_of, output_of, recipe_of, restriction_of, search_of
from onlyif.recipes.references import ReferenceRecipe
from onlyif.recipes.subjects import Told, readout_of, subjects_of, targets_of
from onlyif.recipes.tree_model import TreeQuestion
from onlyif.recipes.tree_route import TreeRoute, tree_route
from onlyif.references.base import Reference
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.version import __version__

N_PROBE = 32
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
    """

    x: Float64[Tensor, "b c"]
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


def prepare(model: Any, rows: Any, background: Any, options: Options) -> Work:
    """Everything that is needed to explain the rows, with every input checked.

    Args:
        model: The user's model, or a `Predictor`.
        rows: The rows to explain.
        background: Rows like those the model was trained on, or None with a finished reference.
        options: All that can be chosen.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option is out of range or does not fit another one.
        LimitError: if every subset is to be compared and their gaps would not fit the memory.
        ModelError: if the model fails on a small sample of rows and backgrounds.
    """
    recipe, distance = recipe_of(options.reference), distance_of(options.distance)
    tables = _tables(rows, background, options, recipe)
    asked = _asked(model, tables, options)
    ground = _background(tables, options)
    reference = recipe.build(ground)
    route = _route(model, asked, tables, options, reference)
    parts = _parts(model, asked, tables, options, route)
    restriction = restriction_of(options.restriction, parts, reference)
    search = search_of(options, tables.players.count, restriction)
    check_search(search, tables.players.count)
    targets = targets_of(options.target, asked.outputs, asked.meaning)
    drawn = _rounded(tables.schema, reference) if route.restriction is None else ()
    notes = (*tables.schema.notes, *asked.notes, *route.notes, *drawn)
    meaning = DECISION if distance.kind.of_decisions else asked.meaning
    told = Told(row_labels(rows), tables.schema, tables.players, meaning, notes)
    return Work(
        x=tables.x,
        players=tables.players,
        readout=readout_of(distance, targets, asked.outputs, asked.meaning),
        reference=reference,
        restriction=restriction,
        fresh=fresh_restriction(parts, recipe.fresh(ground), restriction),
        search=search,
        distance=distance,
        question=options.question,
        subjects=subjects_of(tables.x, targets, told),
        digits=asked.meaning.digits,
        provenance=Provenance(
            predictor=asked.meaning.model,
            output="number of the decided class" if distance.kind.of_decisions else asked.meaning.output,
            reference=reference.law.sentence,
            restriction=restriction.method.sentence,
            search=search.plan.sentence,
            distance=distance.kind.name,
            is_metric=distance.kind.is_metric,
            seed=options.seed,
            max_rows=options.max_rows,
            budget=options.budget,
            versions=_versions(model),
        ),
        keep_table=options.keep_table,
        backend=_backend(rows),
    )


@final
@dataclass(frozen=True, eq=False)
class _Tables:
    """The user's tables, coded."""

    schema: Schema
    players: Players
    x: Float64[Tensor, "b c"]
    values: Float64[Tensor, "rows c"]


def _tables(rows: Any, background: Any, options: Options, recipe: ReferenceRecipe) -> _Tables:
    if background is None and recipe.needs_background:
        raise SettingError(
            "need a background: a table of rows like those the model was trained on, from which hidden "
            "columns take their values; pass background=..."
        )
    known = rows if background is None else background
    schema = fit_schema(known, rows)
    players = column_players(schema.columns, read_groups(options.groups))
    return _Tables(schema, players, schema.encode(rows), schema.encode(known))


@final
@dataclass(frozen=True, eq=False)
class _Asked:
    """The model behind its checks, and what it says of the rows."""

    predictor: Predictor
    form: Form
    meaning: Meaning
    outputs: Float64[Tensor, "b k"]
    notes: tuple[str, ...]


def _asked(model: Any, tables: _Tables, options: Options) -> _Asked:
    raw = model if isinstance(model, Predictor) else detect(model, tables.schema, output_of(options.output))
    predictor = checked(raw, tables.x)
    few = torch.cat([tables.x[:N_PROBE], tables.values[:N_PROBE]])[: options.max_rows]
    notes = probe(raw, few, frozenset(options.tolerate))
    parts = [predictor.predict(part) for part in torch.split(tables.x, options.max_rows)]
    form = raw.form if isinstance(raw, FunctionPredictor) else tables.schema.form
    return _Asked(predictor, form, raw.meaning, torch.cat(parts).double(), notes)


def _route(model: Any, asked: _Asked, tables: _Tables, options: Options, reference: Reference) -> TreeRoute:
    """The model's own trees, where the restriction was left open and they do for the reference."""
    if options.restriction is not None:
        return TreeRoute(None)
    rows, output = torch.cat([tables.x, tables.values]), output_of(options.output)
    question = TreeQuestion(model, asked.predictor, asked.form, output, rows, options.max_rows)
    return tree_route(question, tables.players, reference)


def _parts(model: Any, asked: _Asked, tables: _Tables, options: Options, route: TreeRoute) -> Parts:
    return Parts(
        model=model,
        predictor=asked.predictor,
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


def _background(tables: _Tables, options: Options) -> Background:
    schema = tables.schema
    return Background(
        values=tables.values,
        columns=schema.columns,
        numeric=torch.tensor(
            [column.levels is None and column.plain is not bool for column in schema.described]
        ),
        ordered=schema.ordered,
        positions=schema.positions,
        encode=schema.encode,
        decode=schema.decode,
        seed=options.seed,
        affordable_rows=options.budget // 2 ** min(tables.players.count, 60),
    )


def _backend(rows: Any) -> str:
    if not nw.dependencies.is_into_dataframe(rows):
        return ""
    return str(nw.from_native(rows).implementation.value)


def _versions(model: Any) -> tuple[tuple[str, str], ...]:
    package = type(model).__module__.partition(".")[0]
    dist = {"sklearn": "scikit-learn"}.get(package, package)
    found = [("onlyif", __version__), ("python", python_version()), ("torch", str(torch.__version__))]
    if package not in {"builtins", "onlyif", "torch"}:
        with suppress(PackageNotFoundError):
            found.append((dist, version(dist)))
    return tuple(found)
