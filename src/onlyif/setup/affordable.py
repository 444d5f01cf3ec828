"""How many background rows are taken where their number is left open: as many as f_S(x) affords.

A model that is asked pays for each background row in model rows, of which `budget` speaks. What is computed
from a model's own trees, or from sums over features, asks nothing: there rows cost time and memory, and the
constants below say how much.
"""

import math

import numpy as np

from onlyif.restrictions.row_outputs import alike_of
from onlyif.setup.additive import additive_links
from onlyif.setup.choose import MOST_ATOMS, MOST_PLAYERS
from onlyif.setup.foundation import Foundation
from onlyif.trees.route import TreeRoute

# Patterns of many rows repeat, so that a sum of trees costs little more for them. What it costs before the
# first row is explained grows with leaves times rows: one or two seconds for so many.
MOST_ROWS_OF_TREES, FEW_ROWS_OF_TREES, LEAVES_BY_ROWS = 30_000, 1_000, 2**26
# A link of a sum has a table for each row, of the subsets of those players on which it differs from x.
# Seconds of each number of it, and of each leaf, on a processor of 2023; and how long all tables of an
# instance may take.
NUMBER_S, LEAF_S, MOST_S = 2e-8, 1e-8, 0.12
# The most rows. Over so many rows fewer than one smallest set of trees in twenty fails on others; those of
# sums over features are chosen on further rows, for which a table over fewer does.
MOST_ROWS_OF_LINKED_TREES, MOST_ROWS_OF_LINKED_SUMS = 2_500, 1_000
# Background rows that are compared with others, to see on how many players two rows differ.
COMPARED_ROWS = 256


def affordable_rows(base: Foundation, route: TreeRoute) -> int:
    """How many background rows cost little more than the usual ones, or a fraction of a second a row.

    Args:
        base: The model and the background.
        route: The model's own trees, where it has some.
    """
    if route.trees is not None:
        ensemble = route.trees.ensemble
        if route.additive:
            return max(FEW_ROWS_OF_TREES, min(MOST_ROWS_OF_TREES, LEAVES_BY_ROWS // ensemble.n_leaves))
        seconds = _row_seconds(base, ensemble.value.shape[1]) + LEAF_S * ensemble.n_leaves
        return _rows_of_links(base, seconds, MOST_ROWS_OF_LINKED_TREES)
    links = additive_links(base)
    if not links or any(link.costly for link in links):
        return base.background.usual_rows
    if all(link.additive for link in links):
        return MOST_ATOMS
    n_outputs = base.explained.outputs.shape[1]
    seconds = _row_seconds(base, n_outputs if n_outputs > 2 else 1)
    return _rows_of_links(base, seconds, MOST_ROWS_OF_LINKED_SUMS)


def _rows_of_links(base: Foundation, seconds: float, most: int) -> int:
    """Rows whose tables take no longer than they may; the usual ones at least."""
    return max(base.background.usual_rows, min(most, int(MOST_S / seconds)))


def _row_seconds(base: Foundation, n_margins: int) -> float:
    """How long the table of a background row takes, by the players on which two rows differ."""
    players, rows = base.tables.players, base.tables.values[:COMPARED_ROWS]
    if players.count > MOST_PLAYERS or len(rows) < 2:
        return math.inf
    levels = alike_of(players, rows).levels
    n_differing = (levels != np.roll(levels, 1, axis=1)).sum(0)
    return NUMBER_S * n_margins * float(np.exp2(n_differing).mean())
