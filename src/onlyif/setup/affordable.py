"""How many background rows are taken where their number is left open: as many as f_S(x) affords.

A model that is asked pays for each background row in model rows, of which `budget` speaks. What is computed
from a model's own trees, or from sums over features, asks nothing: there rows cost time and memory, and the
constants below say how much.
"""

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
# instance may take. The most rows: with so many, fewer than one smallest set in twenty fails on others.
NUMBER_S, LEAF_S, MOST_S, MOST_ROWS_OF_LINKS = 2e-8, 1e-8, 0.12, 2_500
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
        return _rows_of_a_link(base, ensemble.value.shape[1], ensemble.n_leaves)
    links = additive_links(base)
    if not links or any(link.costly for link in links):
        return base.background.usual_rows
    if all(link.additive for link in links):
        return MOST_ATOMS
    n_outputs = base.explained.outputs.shape[1]
    return _rows_of_a_link(base, n_outputs if n_outputs > 2 else 1)


def _rows_of_a_link(base: Foundation, n_margins: int, n_leaves: int = 0) -> int:
    """Rows whose tables take no longer than they may; the usual ones at least."""
    players, rows, usual = base.tables.players, base.tables.values[:COMPARED_ROWS], base.background.usual_rows
    if players.count > MOST_PLAYERS or len(rows) < 2:
        return usual
    levels = alike_of(players, rows).levels
    n_differing = (levels != np.roll(levels, 1, axis=1)).sum(0)
    seconds = NUMBER_S * n_margins * float(np.exp2(n_differing).mean()) + LEAF_S * n_leaves
    return max(usual, min(MOST_ROWS_OF_LINKS, int(MOST_S / seconds)))
