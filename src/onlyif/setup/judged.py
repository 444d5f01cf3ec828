"""Sets that are known, on rows that nothing has seen: whether they still keep what was asked of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from onlyif.answers.sets import SetsCriterion
from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import number
from onlyif.explanation.selection import Measure, Selection
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.setup.work import Work

GAPS = ("sufficiency", "necessity")
# How far two answers of one model to one row may be apart: kernels of another processor, single precision.
RELATIVE, ABSOLUTE = 1e-4, 1e-6


def judged(work: Work, items: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """Explanations whose gaps on fresh rows are those over all background rows of a piece of work.

    The sets and their ε stay, so that the verdicts are on these rows: they should be rows that the
    explanations were not made with.

    Args:
        work: Work for the explained rows, with the further rows as its background.
        items: An explanation of each of its first rows, in order.

    Raises:
        SettingError: if the explanations are by a criterion without verdicts, or of other predictions.
    """
    criterion = work.whole.criterion
    if not isinstance(criterion, SetsCriterion):
        raise SettingError("need explanations by sets that suffice and that are needed: others have no ε")
    tables = work.setup.foundation.tables
    reference = MarginalReference(tables.values)
    restriction = SampledRestriction(
        work.ready.asked.predictor, reference, tables.players, len(tables.values), work.ready.options.max_rows
    )
    for i, item in enumerate(items):
        _check_same(work, i, item)
    function = replace(criterion.set_function, restriction=restriction)
    return tuple(
        _judged(item, criterion, function.part(slice(i, i + 1))) if item.sets else item
        for i, item in enumerate(items)
    )


def _judged(item: Explanation, criterion: SetsCriterion, function: SetFunction) -> Explanation:
    gaps = criterion.of(function).gap(np.array([[chosen.keep for chosen in item.sets.values()]]))
    pairs = zip(item.sets.items(), gaps.parts[0].tolist(), gaps.stderr[0].tolist(), strict=True)
    return replace(item, sets={name: _with(chosen, gap, error) for (name, chosen), gap, error in pairs})


def _with(chosen: Selection, gaps: Sequence[float], errors: Sequence[float]) -> Selection:
    fresh = {
        f"fresh_{name}": Measure(gap, error) for name, gap, error in zip(GAPS, gaps, errors, strict=True)
    }
    return replace(chosen, measures={**chosen.measures, **fresh}, exact=False)


def _check_same(work: Work, i: int, item: Explanation) -> None:
    """Refuse the explanation of another prediction than the model now makes.

    Raises:
        SettingError: naming both.
    """
    answers = work.ready.asked.outputs[i]
    now = float(answers.argmax() if work.ready.of_decisions else answers[item.target])
    if not np.isclose(now, item.prediction, RELATIVE, ABSOLUTE):
        raise SettingError(
            f"row {item.row} was explained for the prediction {number(item.prediction)}, the model now "
            f"gives {number(now)}: need the same model and the same row"
        )
