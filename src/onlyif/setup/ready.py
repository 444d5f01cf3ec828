"""The user's tables and model, read, checked and asked: what work by any criterion begins with."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, final

import narwhals as nw
import numpy as np
from jaxtyping import Float64, Int64

from onlyif.answers.case import AnsweringCriterion, Case, Subject
from onlyif.core.labels import Row
from onlyif.core.progress import Meter
from onlyif.explanation.explanation import Provenance
from onlyif.modalities.background import Background
from onlyif.modalities.rendered import RenderedRows
from onlyif.modalities.table import row_labels
from onlyif.models.base import Meaning
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.setup.decisions import as_decisions, decided_as, with_decisions
from onlyif.setup.options import Options
from onlyif.setup.tables import Asked, Tables, asked_of, background_of, tables_of
from onlyif.setup.targets import targets_of
from onlyif.setup.work import Source, Work
from onlyif.version import __version__

# What the reader is told of outputs when decisions are compared: their numbers, not one output.
DECISION = Meaning("any", "decision", ("any class",) * 1000)


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen for the rows.

    Args:
        criterion: The criterion of all rows.
        search: Which subsets are compared.
        name: The criterion's name.
        sentences: What is told of the choice, by what it is of.
        values: Its numbers, by name.
        rows_a_subset: Model rows that a subset takes in a table of all of them; 0 where it takes none.
        meets_large_calls: Whether f(x) is itself asked for in calls as large as all others.
        notes: What the reader should know, each a sentence.
    """

    criterion: AnsweringCriterion
    search: Search
    name: str
    sentences: Mapping[str, str]
    values: Mapping[str, bool | int | float]
    rows_a_subset: int
    meets_large_calls: bool = False
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Ready:
    """Tables and a model, before a criterion is chosen.

    Args:
        source: What the user gave.
        meter: What counts the work.
        tables: The tables, coded.
        asked: The model behind its checks, and what it says of the rows.
        background: The background as settings see it.
        targets: The explained output of each row.
        of_decisions: Whether what is compared are decisions.
    """

    source: Source
    meter: Meter
    tables: Tables
    asked: Asked
    background: Background
    targets: Int64[np.ndarray, "b"]
    of_decisions: bool

    @property
    def options(self) -> Options:
        """All that can be chosen."""
        return self.source.options

    @property
    def labels(self) -> tuple[Row, ...]:
        """A name for each row: the labels of a pandas index, else positions."""
        rows = self.source.rows
        if isinstance(rows, RenderedRows):
            return tuple(range(rows.first, rows.first + len(rows)))
        return row_labels(rows)

    def values(self, row: Float64[np.ndarray, "c"]) -> tuple[str, ...]:
        """The value of each player as text; those of a group with their columns' names."""
        schema, players = self.tables.schema, self.tables.players
        texts, names = schema.text(row), schema.columns
        columns_of_players = [players.columns(player) for player in range(players.count)]
        return tuple(
            texts[columns[0]] if len(columns) == 1 else ", ".join(f"{names[c]}={texts[c]}" for c in columns)
            for columns in columns_of_players
        )

    def work(self, choice: Choice, rows_a_block: int) -> Work:
        """The work by a criterion.

        Args:
            choice: What was chosen.
            rows_a_block: How many rows are explained at once.
        """
        whole = Case(
            criterion=choice.criterion,
            search=choice.search,
            names=self.tables.players.names,
            subjects=self._subjects((*self.tables.schema.notes, *self.asked.notes, *choice.notes)),
            digits=self.asked.meaning.digits,
            provenance=self._provenance(choice),
            own=self.asked.own(self.options),
            meter=self.meter,
            # A finished restriction of the user's has a predictor of its own.
            counted=not isinstance(self.options.restriction, Restriction),
        )
        planned, backend = self.planned_rows(choice), _backend_of(self.source.rows, self.source.background)
        return Work(whole, planned, rows_a_block, choice.meets_large_calls, backend, self.source)

    def planned_rows(self, choice: Choice) -> int:
        """Model rows that a row takes at most; 0 where the model is not asked."""
        plan = choice.search.plan
        return choice.rows_a_subset << self.tables.players.count if plan.complete else plan.most_rows

    def _subjects(self, notes: tuple[str, ...]) -> tuple[Subject, ...]:
        """What the reader is told of each row: label, values of the players, target, notes, decision."""
        labels = (DECISION if self.of_decisions else self.asked.meaning).labels
        decided = [{}] * len(self.targets) if self.of_decisions else decided_as(self.asked, self.targets)
        of_rows = self.labels, self.tables.x, self.targets.tolist(), self.asked.row_notes, decided
        return tuple(
            Subject(
                label,
                self.values(row),
                target,
                labels[target] if target < len(labels) else f"output {target}",
                (*notes, *own),
                settings,
            )
            for label, row, target, own, settings in zip(*of_rows, strict=True)
        )

    def _provenance(self, choice: Choice) -> Provenance:
        meaning, options = self.asked.meaning, self.options
        return Provenance(
            criterion=choice.name,
            predictor=meaning.model,
            output="number of the decided class" if self.of_decisions else meaning.output,
            search=choice.search.plan.sentence,
            seed=options.seed,
            versions=_versions_of(self.source.model),
            sentences=choice.sentences,
            values={**choice.values, "max_rows": options.max_rows, "budget": options.budget},
        )


def ready_of(
    source: Source, meter: Meter, *, needed: bool = True, own_row: Any = None, of_decisions: bool = False
) -> Ready:
    """The user's tables and model, with every input checked.

    Args:
        source: What the user gave.
        meter: What counts the work.
        needed: Whether there must be a background.
        own_row: One more row whose levels must be known, or None.
        of_decisions: Whether what is compared are decisions.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if a target is no output of the model, or there is no background where one is needed.
        ModelError: if the model fails on a small sample of rows and backgrounds.
    """
    options = source.options
    tables = tables_of(source.rows, source.background, options, needed=needed, baseline=own_row)
    asked = with_decisions(asked_of(source.model, tables, options, meter), tables, options)
    if of_decisions:
        asked = as_decisions(asked, tables, options)
    targets = targets_of(options.target, asked.outputs, asked.meaning, asked.decisions)
    return Ready(source, meter, tables, asked, background_of(tables, options), targets, of_decisions)


def _backend_of(*tables: Any) -> str:
    """The library of the user's frames, the first that is one; empty where none is."""
    for table in tables:
        if nw.dependencies.is_into_dataframe(table):
            return str(nw.from_native(table).implementation.value)
    return ""


def _versions_of(model: Any) -> tuple[tuple[str, str], ...]:
    """The versions of the packages that matter."""
    package = type(model).__module__.partition(".")[0]
    found = [("onlyif", __version__), ("python", python_version()), ("numpy", np.__version__)]
    ours = "torch" if any(kind.__module__.startswith("torch.") for kind in type(model).__mro__) else package
    if ours not in {"builtins", "onlyif"}:
        dist = {"sklearn": "scikit-learn"}.get(ours, ours)
        with suppress(PackageNotFoundError):
            found.append((dist, version(dist)))
    return tuple(found)
