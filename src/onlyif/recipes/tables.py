"""What every way of explaining tables needs first: the tables coded, the model checked and asked."""

from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, final

import narwhals as nw
import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from onlyif.core.arrays import doubled, on_host
from onlyif.core.errors import SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.shapes import Outputs
from onlyif.core.table import Schema, fit_schema
from onlyif.core.table_forms import Form
from onlyif.predictors.base import Meaning, Predictor
from onlyif.predictors.checked import CheckedPredictor, checked, probe, rounding
from onlyif.predictors.function import FunctionPredictor
from onlyif.predictors.own_answers import OwnAnswers
from onlyif.recipes.background import Background
from onlyif.recipes.detect import detect
from onlyif.recipes.groups import read_groups
from onlyif.recipes.options import Options, output_of
from onlyif.version import __version__

N_PROBE = 32


@final
@dataclass(frozen=True, eq=False)
class Tables:
    """The user's tables, coded."""

    schema: Schema
    players: Players
    x: Float64[Tensor, "b c"]
    values: Float64[Tensor, "rows c"]


def tables_of(
    rows: Any, background: Any, options: Options, *, needed: bool = True, baseline: Any = None
) -> Tables:
    """The tables, coded by what both of them hold.

    Args:
        rows: The rows to explain.
        background: The background, or None.
        options: All that can be chosen.
        needed: Whether there must be a background.
        baseline: One more row whose levels must be known, or None.

    Raises:
        SettingError: if it is needed and there is none.
    """
    if background is None and needed:
        raise SettingError(
            "need a background: a table of rows like those the model was trained on, from which hidden "
            "columns take their values; pass background=..."
        )
    known = rows if background is None else background
    given = [known, rows] if baseline is None else [known, rows, baseline]
    first = "rows" if background is None else "background"
    schema = fit_schema(*given, roles=(first, "rows", "baseline"))
    players = column_players(schema.columns, read_groups(options.groups))
    return Tables(
        schema, players, torch.from_numpy(schema.encode(rows)), torch.from_numpy(schema.encode(known))
    )


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """The model behind its checks, and what it says of the rows.

    Args:
        predictor: The model.
        form: The kind of table it takes.
        meaning: What its outputs are.
        outputs: Its answers to the rows to explain.
        notes: What the reader should know, each a sentence.
        decisions: The number of the class that it decides for in each row, where it has classes.
        row_notes: What the reader should know of each row alone.
    """

    predictor: CheckedPredictor
    form: Form
    meaning: Meaning
    outputs: Float64[Tensor, "b k"]
    notes: tuple[str, ...]
    decisions: Int64[Tensor, "b"] | None = None
    row_notes: tuple[tuple[str, ...], ...] = ()

    def own(self, options: Options) -> OwnAnswers:
        """Its answers to the rows, to compare explanations with.

        Args:
            options: What is tolerated.
        """
        meaning = self.meaning
        return OwnAnswers(doubled(self.outputs), meaning.model, meaning.digits, frozenset(options.tolerate))


def asked_of(model: Any, tables: Tables, options: Options) -> Asked:
    """The model, probed on some rows and asked for all that are explained."""
    raw = model if isinstance(model, Predictor) else detect(model, tables.schema, output_of(options.output))
    predictor = checked(raw, tables.x)
    few = torch.cat([tables.x[:N_PROBE], tables.values[:N_PROBE]])[: options.max_rows]
    probed = probe(raw, few, frozenset(options.tolerate))
    predictor = replace(predictor, digits=min(predictor.meaning.digits, probed.digits))
    outputs = torch.from_numpy(doubled(_own_answers(predictor, tables.x, options.max_rows)))
    form = raw.form if isinstance(raw, FunctionPredictor) else tables.schema.form
    told = raw.notes if isinstance(raw, FunctionPredictor) else ()
    return Asked(predictor, form, predictor.meaning, outputs, (*told, *probed.notes))


def _own_answers(predictor: CheckedPredictor, x: Float64[Tensor, "b c"], max_rows: int) -> Outputs:
    """The answers to the rows, in calls that are answered as small ones are."""
    outputs = np.concatenate([predictor.predict(part) for part in torch.split(x, max_rows)])
    if len(x) <= N_PROBE:
        return outputs
    few = predictor.predict(x[:N_PROBE])
    if float(np.abs(outputs[: len(few)] - few).max()) <= rounding(few, predictor.meaning.digits):
        return outputs
    return np.concatenate([predictor.predict(part) for part in torch.split(x, N_PROBE)])


def background_of(tables: Tables, options: Options) -> Background:
    """The background as recipes see it."""
    schema = tables.schema
    return Background(
        values=tables.values,
        columns=schema.columns,
        numeric=torch.tensor(
            [column.levels is None and column.plain is not bool for column in schema.described]
        ),
        ordered=torch.from_numpy(schema.ordered),
        positions=lambda values: torch.from_numpy(schema.positions(on_host(values))),
        encode=lambda data: torch.from_numpy(schema.encode(data)),
        decode=schema.decode,
        seed=options.seed,
        affordable_rows=options.budget // 2 ** min(tables.players.count, 60),
    )


def backend_of(*tables: Any) -> str:
    """The library of the user's frames, the first that is one; empty where none is."""
    for table in tables:
        if nw.dependencies.is_into_dataframe(table):
            return str(nw.from_native(table).implementation.value)
    return ""


def versions_of(model: Any) -> tuple[tuple[str, str], ...]:
    """The versions of the packages that matter."""
    package = type(model).__module__.partition(".")[0]
    dist = {"sklearn": "scikit-learn"}.get(package, package)
    found = [("onlyif", __version__), ("python", python_version()), ("torch", str(torch.__version__))]
    if package not in {"builtins", "onlyif", "torch"}:
        with suppress(PackageNotFoundError):
            found.append((dist, version(dist)))
    return tuple(found)
