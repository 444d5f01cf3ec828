"""What the page's script needs of one explanation, as plain values: solutions by α, causes by size."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from onlyif.core.nouns import EDGE
from onlyif.explanation.continuum import Continua
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.page.markup import shown
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Selection

_EDGE = re.compile(r"(\d+) (->?) (\d+)")
# How the members of a set are told: their numbers, or of pixels an outline.
Told = Callable[[Bool[np.ndarray, "d"]], Any]


def row_data(item: Explanation, told: Told) -> dict[str, Any]:
    """One explanation's numbers, whole: a breakpoint there is the breakpoint here.

    Args:
        item: The explanation.
        told: How the members of a set are told.
    """
    pixels = isinstance(item.names, PixelNames)
    held: dict[str, Any] = {
        "names": [] if pixels else [shown(name) for name in item.names],
        "values": [] if pixels else [shown(value) for value in item.values],
        "players": len(item.names),
        "nouns": item.nouns,
    }
    if edges := _edges(item.names) if item.noun == EDGE else {}:
        held["network"] = edges | {"node": str(item.row)}
    if item.details.continua is not None:
        held |= _continua(item, item.continua, told)
    if item.details.path and not item.reason:
        held |= _causes(item, told)
    return held


def _edges(names: Sequence[str]) -> dict[str, Any]:
    """The nodes that each player joins, where all players are edges as `Graphs` names them; else nothing."""
    found = [_EDGE.fullmatch(name) for name in names]
    ends = [[one[1], one[3]] for one in found if one is not None]
    if len(ends) < len(names):
        return {}
    return {"edges": ends, "directed": any(one is not None and one[2] == "->" for one in found)}


def members(keep: Bool[np.ndarray, "d"]) -> list[int]:
    """The numbers of the members of a set."""
    return np.flatnonzero(keep).tolist()


def _continua(item: Explanation, held: Continua, told: Told) -> dict[str, Any]:
    """The different sets with their gaps, the different curves over α, and which rule has which curve.

    A curve is its breakpoints, and the solutions at and between them: the number of a set, and how many
    tie.
    """
    # Eight players a byte, so that few columns are compared.
    packed = np.packbits(held.keep, axis=1)
    _, first, place = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    keep, number = held.keep[first], place.ravel()
    gaps = np.stack([held.sufficiency[first], held.necessity[first]], 2).reshape(len(first), 4).tolist()
    # Standard errors come after the gaps, where there are any.
    sets = [
        [told(row), int(row.sum()), *(values if any(values[2:]) else values[:2])]
        for row, values in zip(keep, gaps, strict=True)
    ]
    order = np.lexsort((held.low + held.high, held.size, held.exact_size))
    solutions, at_point = np.stack([number, held.n_ties], 1), held.low == held.high
    rule_of = 2 * held.size + held.exact_size
    different: list[list[list[Any]]] = []
    rules = {}
    for records in np.split(order, np.flatnonzero(np.diff(rule_of[order])) + 1):
        corners, pieces = records[at_point[records]], records[~at_point[records]]
        curve = [held.low[corners].tolist(), solutions[corners].tolist(), solutions[pieces].tolist()]
        if curve not in different[-1:]:
            different.append(curve)
        exact, size = held.exact_size[records[0]], held.size[records[0]]
        rules[f"{'=' if exact else '<='}{size}"] = len(different) - 1
    return {
        "alpha": item.alpha,
        "epsilon": item.epsilon,
        "rule": [item.exact_size, item.size],
        "sets": sets,
        "curves": different,
        "rules": rules,
        "named": {name: _gaps(chosen) for name, chosen in item.sets.items()},
    }


def _gaps(chosen: Selection) -> list[float]:
    return [chosen.sufficiency.value, chosen.necessity.value]


def _causes(item: Explanation, told: Told) -> dict[str, Any]:
    return {
        "size": item.size,
        "path": [[told(one.keep), one.size, *_probabilities(one)] for one in item.path],
        "singles": [[one.players[0], *_probabilities(one)] for one in item.details.singles],
    }


def _probabilities(one: Selection) -> Sequence[float | None]:
    return [one.pns.value, one.pn.value, one.ps.value, one.typical]
