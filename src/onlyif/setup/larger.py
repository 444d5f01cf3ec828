"""More rows on which smallest sets are chosen, where all subsets are compared on few of those given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.answers.elimination import CONFIDENCE, rows_besides
from onlyif.answers.larger import Larger
from onlyif.models.base import Predictor
from onlyif.models.readouts import TargetReadout
from onlyif.references.marginal import LEAST_FURTHER
from onlyif.restrictions.additive import AdditiveRestriction
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.row_outputs import AddedRows, AskedRows, RowOutputs, added_parts, alike_of
from onlyif.setup.options import distance_of, own_criterion_of
from onlyif.setup.ready import Ready

# Where the model is asked for each, and how many times as many rows the budget must leave.
MOST_ASKED, TIMES_ASKED = 3_000, 40
# Rows of an instance and a kind beyond which only the nearest set of each further size is asked for.
MOST_RACED = 2**15


@final
@dataclass(frozen=True, eq=False)
class Further:
    """Background rows that are not among those of a restriction.

    Args:
        rows: The rows.
        made: What calls made of them that does not depend on what is explained, for all later ones; it
            grows.
    """

    rows: Float64[np.ndarray, "rows c"]
    made: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What the first call made.

        Args:
            name: What it is.
            make: Makes it.
        """
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]


def larger_of(
    ready: Ready,
    further: Further | None,
    restriction: Restriction,
    predictor: Predictor,
    n_small: int,
) -> Larger | None:
    """A larger background; None where that of all subsets does, or where something else was asked for.

    Args:
        ready: The rows to explain and the model.
        further: Rows of the background that are not among those of the restriction, or None.
        restriction: f_S(x) over the smaller background.
        predictor: The model as it is asked.
        n_small: Rows of the smaller background.
    """
    options, x = ready.options, ready.tables.x
    other = options.restriction is not None or options.stability is not None or ready.meter.limited
    if further is None or other or ready.of_decisions:
        return None
    squared, own = restriction.with_squares(), own_criterion_of(options)
    if squared is None or own is not None:
        return None
    readout = TargetReadout(ready.targets)
    rows, players = further.rows, ready.tables.players
    left = options.budget - (restriction.method.rows << players.count)
    if isinstance(restriction, AdditiveRestriction):
        parts = further.once("parts", lambda: added_parts(restriction, rows))
        outputs: RowOutputs = AddedRows(restriction, x, parts, readout)
    else:
        some = rows[: min(MOST_ASKED, max(0, left) // TIMES_ASKED)]
        if len(some) < LEAST_FURTHER:
            return None
        alike = further.once("alike", lambda: alike_of(players, some))
        outputs = AskedRows(predictor, players, x, some, readout, options.max_rows, alike)
    confidence, n_outputs = options.question.confidence or CONFIDENCE, ready.asked.outputs.shape[1]
    bases = further.once(f"outputs of {type(outputs).__name__}", dict)
    raced = min(MOST_RACED, max(0, left - rows_besides(outputs.n_rows)) // 2)
    distance = distance_of(options.distance)
    return Larger(outputs, squared, n_small, n_outputs, distance, confidence, bases, raced)
