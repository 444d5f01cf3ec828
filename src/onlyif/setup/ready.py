"""Rows to explain, with what the model says of them: what work by any criterion begins with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.answers.case import AnsweringCriterion, Case, Subject
from onlyif.core.permitted import EVERY_SUBSET, Permitted
from onlyif.core.progress import Meter
from onlyif.explanation.explanation import Provenance, Setting, noun_of
from onlyif.modalities.table_forms import Form
from onlyif.models.base import Meaning, Predictor
from onlyif.models.checked import CheckedPredictor
from onlyif.models.own_answers import OwnAnswers
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.setup.constraints import settings_of
from onlyif.setup.decisions import decided_as, decisions_of
from onlyif.setup.foundation import Foundation, Source
from onlyif.setup.options import Options
from onlyif.setup.tables import CodedRows
from onlyif.setup.targets import targets_of

# Classes whose names are told in every explanation of a decision.
MOST_CLASSES = 100


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
        predictor: The model as it is asked.
        table_bytes: What is held of all subsets at once; 0 where only some are compared.
        meets_large_calls: Whether f(x) is itself asked for in calls as large as all others.
        permitted: Which sets may be reported.
        notes: What the reader should know, each a sentence.
    """

    criterion: AnsweringCriterion
    search: Search
    name: str
    sentences: Mapping[str, str]
    values: Mapping[str, bool | int | float]
    rows_a_subset: int
    predictor: Predictor
    table_bytes: int = 0
    meets_large_calls: bool = False
    permitted: Permitted = EVERY_SUBSET
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """The model behind its checks, and what it says of the rows.

    Args:
        predictor: The model, or its decisions.
        form: The kind of table it takes.
        meaning: What its outputs are.
        outputs: Its answers to the rows to explain.
        notes: What the reader should know, each a sentence.
        row_notes: What the reader should know of each row alone.
        row_settings: What is known of its decision in each row.
    """

    predictor: CheckedPredictor
    form: Form
    meaning: Meaning
    outputs: Float64[np.ndarray, "b k"]
    notes: tuple[str, ...]
    row_notes: tuple[tuple[str, ...], ...]
    row_settings: tuple[Mapping[str, bool | int | float], ...]


@final
@dataclass(frozen=True, eq=False)
class Ready:
    """Rows to explain, before a criterion is chosen.

    Args:
        foundation: The model and the background.
        tables: The rows and the background, coded.
        asked: The model, and what it says of the rows.
        targets: The explained output of each row.
        meter: What counts the work.
    """

    foundation: Foundation
    tables: CodedRows
    asked: Asked
    targets: Int64[np.ndarray, "b"]
    meter: Meter

    @property
    def source(self) -> Source:
        """What the user gave."""
        return self.foundation.source

    @property
    def options(self) -> Options:
        """All that can be chosen."""
        return self.source.options

    @property
    def of_decisions(self) -> bool:
        """Whether what is compared are decisions."""
        return self.foundation.of_decisions

    def apart(self) -> "Ready":
        """The same with a meter of its own, for another thread."""
        meter = self.meter.apart()
        base = self.foundation.metered(meter)
        asked = replace(self.asked, predictor=base.explained.predictor)
        return replace(self, foundation=base, asked=asked, meter=meter)

    def case(self, choice: Choice) -> Case:
        """All rows as one case.

        Args:
            choice: What was chosen.
        """
        asked, tables, meaning = self.asked, self.tables, self.asked.meaning
        notes = (*tables.notes, *tables.schema.notes, *asked.notes, *choice.notes)
        own = OwnAnswers(asked.outputs, meaning.model, meaning.digits, frozenset(self.options.tolerate))
        return Case(
            criterion=choice.criterion,
            search=choice.search,
            names=tables.players.names,
            subjects=self._subjects(notes, settings_of(choice.permitted, tables.players.names)),
            digits=meaning.digits,
            provenance=self._provenance(choice),
            own=own,
            meter=self.meter,
            # A finished restriction of the user's has a predictor of its own.
            counted=not isinstance(self.options.restriction, Restriction),
            permitted=choice.permitted,
        )

    def planned_rows(self, choice: Choice) -> int:
        """Model rows that a row takes at most; 0 where the model is not asked."""
        plan = choice.search.plan
        return choice.rows_a_subset << self.tables.players.count if plan.complete else plan.most_rows

    def _subjects(self, notes: tuple[str, ...], asked_of_all: Mapping[str, Setting]) -> tuple[Subject, ...]:
        """What the reader is told of each row: label, values of the players, target, notes."""
        foundation, tables, asked, targets = self.foundation, self.tables, self.asked, self.targets
        labels = self._classes if self.of_decisions else asked.meaning.labels
        of_rows = tables.labels, tables.x, targets.tolist(), asked.row_notes, asked.row_settings
        return tuple(
            Subject(
                label,
                foundation.values(row),
                target,
                labels[target] if target < len(labels) else f"output {target}",
                (*notes, *own, *foundation.call_notes),
                {**asked_of_all, **settings},
            )
            for label, row, target, own, settings in zip(*of_rows, strict=True)
        )

    @property
    def _classes(self) -> tuple[str, ...]:
        """What the classes are called that decisions are for."""
        n_classes = self.asked.outputs.shape[1]
        return self.asked.meaning.labels or tuple(f"class {number}" for number in range(n_classes))

    @property
    def _class_names(self) -> Mapping[str, str]:
        """The classes by their numbers, where f is such a number and a reader can survey them."""
        told = self.of_decisions and len(self._classes) <= MOST_CLASSES
        return {f"class {number}": name for number, name in enumerate(self._classes) if told}

    def _provenance(self, choice: Choice) -> Provenance:
        meaning, options = self.asked.meaning, self.options
        return Provenance(
            criterion=choice.name,
            predictor=meaning.model,
            output="decision" if self.of_decisions else meaning.output,
            search=choice.search.plan.sentence,
            seed=options.seed,
            versions=self.foundation.versions,
            sentences={**choice.sentences, **self._class_names, **noun_of(self.tables.schema.form.noun)},
            values={**choice.values, "max_rows": options.max_rows, "budget": options.budget},
        )


def ready_of(foundation: Foundation, rows: CodedRows, meter: Meter) -> Ready:
    """The rows to explain, with what the model says of them.

    Args:
        foundation: The model and the background.
        rows: The rows.
        meter: What counts the work.

    Raises:
        SettingError: if a target is no output of the model.
        OtherModelError: if the model answers the background otherwise than before.
        ModelError: if it fails on the rows.
    """
    base, options, x = foundation.metered(meter), foundation.source.options, rows.x
    model, explained = base.model, base.explained
    classes = rows.schema.form.classes
    meaning = replace(explained.meaning, labels=classes) if classes else explained.meaning
    plain = model.answers(x, options)
    decided = decisions_of(model, x, plain.outputs, options)
    answers = explained.answers(x, options) if base.of_decisions else plain
    numbers = answers.outputs.argmax(1) if base.of_decisions else decided.numbers
    targets = targets_of(options.target, answers.outputs, meaning, numbers)
    if base.of_decisions and numbers is not None:
        targets = numbers  # one that was named has no use: the decision itself is explained
    notes = tuple(dict.fromkeys((*explained.notes, *plain.notes, *answers.notes, *decided.notes)))
    known = (
        decided_as(decided, plain.outputs, model.meaning, targets) if not base.of_decisions else [{}] * len(x)
    )
    asked = Asked(
        explained.predictor, explained.form, meaning, answers.outputs, notes, decided.row_notes,
        tuple(known),
    )  # fmt: skip
    return Ready(base, rows, asked, targets, meter)
