"""The continuum of a few sets by plain loops: an oracle, and part of the small explanations."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from onlyif.explanation.continuum import Continua
from onlyif.explanation.selection import Measure, Selection

TOLERANCE = 1e-9


def allowed_sets(points: list[Selection], size: int, *, exact: bool) -> list[Selection]:
    """The sets that a size rule allows, in the order given."""
    return [point for point in points if point.size == size or (not exact and point.size < size)]


def best_set(points: list[Selection], alpha: float) -> Selection:
    """The first of the sets with the least Δuni at α, with the number of those that tie."""
    gaps = [point.unified(alpha) for point in points]
    least = min(gaps)
    tied = [point for point, gap in zip(points, gaps, strict=True) if gap <= least + TOLERANCE]
    return replace(tied[0], n_ties=len(tied))


def continua_of_points(points: list[Selection], names: tuple[str, ...]) -> Continua:
    """The continua of all size rules.

    Args:
        points: The sets to compare, in the canonical order.
        names: The players' names.
    """
    records: list[tuple[int, bool, float, float, Selection]] = []
    for size in range(len(names) + 1):
        for exact in (False, True):
            allowed = allowed_sets(points, size, exact=exact)
            alphas = _breakpoints(allowed) if allowed else []
            records += [(size, exact, alpha, alpha, best_set(allowed, alpha)) for alpha in alphas]
            for low, high in pairwise(alphas):
                records.append((size, exact, low, high, best_set(allowed, (low + high) / 2)))
    chosen = [record[4] for record in records]
    return Continua(
        names=names,
        size=np.array([record[0] for record in records]),
        exact_size=np.array([record[1] for record in records]),
        low=np.array([record[2] for record in records]),
        high=np.array([record[3] for record in records]),
        keep=np.array([[i in s.players for i in range(len(names))] for s in chosen]),
        sufficiency=_column([s.sufficiency for s in chosen]),
        necessity=_column([s.necessity for s in chosen]),
        n_ties=np.array([s.n_ties for s in chosen]),
    )


def _breakpoints(points: list[Selection]) -> list[float]:
    """Where the lower envelope of the lines nec + α (suf - nec) bends: by walking along it."""
    lines = {(point.necessity.value, point.sufficiency.value - point.necessity.value) for point in points}
    level, slope = min(lines)
    alphas = [0.0]
    while True:
        later = [((n - level) / (slope - s), s, n) for n, s in lines if s < slope - TOLERANCE]
        ahead = [(max(alpha, alphas[-1]), s, n) for alpha, s, n in later if alpha < 1.0 - TOLERANCE]
        if not ahead:
            return [*alphas, 1.0]
        alpha, slope, level = min(ahead)
        if alpha > alphas[-1] + TOLERANCE:
            alphas.append(alpha)


def _column(gaps: list[Measure]) -> Float64[np.ndarray, "q 2"]:
    return np.array([[gap.value, gap.stderr] for gap in gaps])
