"""From a model and tables to the dual-stage test of every row, ready to run."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.case import Case, Question, Subject
from onlyif.answers.causes import CausesCriterion
from onlyif.causation.settings import PNS
from onlyif.core.errors import InputError, SettingError
from onlyif.core.labels import Row
from onlyif.core.progress import Meter
from onlyif.modalities.rendered import RenderedRows
from onlyif.references.baseline import Baseline, BaselineReference
from onlyif.setup.causal_test import Ready, built_test, causal_provenance, causal_search, fresh_test
from onlyif.setup.decisions import with_decisions
from onlyif.setup.options import Options
from onlyif.setup.source import Source
from onlyif.setup.subjects import Told, subjects_of
from onlyif.setup.tables import (
    Tables,
    asked_of,
    backend_of,
    background_of,
    labels_of,
    tables_of,
    versions_of,
)
from onlyif.setup.targets import targets_of

MOST_ROWS_A_BLOCK = 16
TABLE_ENTRIES_A_BLOCK = 2**20


@final
@dataclass(frozen=True, eq=False)
class CausalWork:
    """A model, rows and everything chosen, ready to be explained block by block.

    Args:
        whole: All rows as one case.
        criterion: Its criterion.
        backend: The library of the user's frames.
        source: What it was made of, to make it again; None where that is not known.
    """

    whole: Case
    criterion: CausesCriterion
    backend: str
    source: Source | None = None

    @property
    def meets_large_calls(self) -> bool:
        """Whether f(x) is itself asked for in calls as large as all others: here it never is."""
        return False

    @property
    def x(self) -> Float64[np.ndarray, "b c"]:
        """The rows, coded."""
        x: np.ndarray = self.criterion.x
        return x

    @property
    def meter(self) -> Meter:
        """What counts the work and ends it when time is up."""
        return self.whole.meter

    @property
    def planned_rows(self) -> int:
        """Model rows that a row takes at most."""
        whole = self.whole
        if whole.search.plan.complete:
            return int(whole.provenance.values["n_sample"]) << len(whole.names)
        return whole.search.plan.most_rows

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What the reader is told of each row."""
        return self.whole.subjects

    @property
    def rows_a_block(self) -> int:
        """How many rows share the inputs of E: as many as keep tables small, one where sets are searched."""
        if not self.whole.search.plan.complete or self.meter.limited:
            return 1
        return max(1, min(MOST_ROWS_A_BLOCK, TABLE_ENTRIES_A_BLOCK >> len(self.whole.names)))

    def case(self, rows: slice) -> Case:
        """Some of the rows.

        Args:
            rows: Which.
        """
        whole, every = self.whole, self.criterion
        own = None if whole.own is None else whole.own.part(rows)
        criterion = replace(every, x=every.x[rows], targets=every.targets[rows])
        return replace(whole, criterion=criterion, subjects=whole.subjects[rows], own=own)


def prepare_causes(  # noqa: PLR0917 - as `prepare`, and how causes are looked for
    model: Any, rows: Any, background: Any, options: Options, chosen: PNS, meter: Meter | None = None
) -> CausalWork:
    """Everything that is needed to find the causes of the rows' predictions, with every input checked.

    Args:
        model: The user's model, or a `Predictor`.
        rows: The rows to explain.
        background: Rows like those the model was trained on.
        options: What is asked and how much work may be done.
        chosen: How causes are looked for.
        meter: What counts the work.

    Raises:
        InputError: if a table cannot be used as it is, or a row is equal to the baseline.
        SettingError: if an option is out of range or has no use here.
        ModelError: if the model fails on a small sample of rows.
    """
    _check_unused(options)
    tables = tables_of(rows, background, options, baseline=chosen.baseline)
    asked = with_decisions(asked_of(model, tables, options), tables, options)
    ground = background_of(tables, options)
    baseline = Baseline(chosen.baseline).build(ground)
    labels = labels_of(rows)
    _check_differs(tables, baseline.value, labels)
    counter = meter or Meter()
    ready = Ready(tables, asked, ground, baseline.value, _perturbed_to(rows, baseline), options, counter)
    built = built_test(chosen, ready)
    search = causal_search(options, tables.players.count, built.n_sample)
    targets = targets_of(options.target, asked.outputs, asked.meaning, asked.decisions)
    notes = (*tables.schema.notes, *asked.notes)
    told = Told(labels, tables.schema, tables.players, asked.meaning, notes, asked.row_notes)
    criterion = CausesCriterion(
        test=built.test,
        fresh=fresh_test(built.test, search),
        x=tables.x,
        targets=tuple(targets.tolist()),
        weights=(float(chosen.weights[0]), float(chosen.weights[1])),
        size=options.question.size,
        baseline=told.values(baseline.value),
    )
    whole = Case(
        criterion=criterion,
        search=search,
        names=tables.players.names,
        subjects=subjects_of(tables.x, targets, told),
        digits=asked.meaning.digits,
        provenance=causal_provenance(chosen, built, ready, search, versions_of(model)),
        own=asked.own(options),
        meter=counter,
    )
    return CausalWork(whole, criterion, backend_of(rows, background))


def _perturbed_to(rows: Any, baseline: BaselineReference) -> str:
    """One sentence: what becomes of perturbed features."""
    if isinstance(rows, RenderedRows):
        return f"Perturbed players are hidden. {rows.modality.hides}"
    return f"Perturbed features go to {baseline.name}."


def _check_differs(tables: Tables, baseline: Float64[np.ndarray, "c"], labels: tuple[Row, ...]) -> None:
    same = ((tables.x == baseline) | (np.isnan(tables.x) & np.isnan(baseline))).all(1)
    held = [labels[i] for i in np.flatnonzero(same)]
    if held:
        raise InputError(
            f"row {held[0]} is equal to the baseline, so that perturbing it changes nothing; leave it out or "
            f"give another baseline: PNS(baseline=...) ({len(held)} such rows)"
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
