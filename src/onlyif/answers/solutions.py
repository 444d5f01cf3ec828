"""From compared subsets to what is reported: smallest sets, and the continua of all size rules."""

from fractions import Fraction
from itertools import accumulate

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import SettingError
from onlyif.explanation.continuum import Continua
from onlyif.explanation.selection import Gap, Selection
from onlyif.searches.base import Cloud
from onlyif.searches.frontier import Hull, Record, hulls, records, smallest


def smallest_selection(cloud: Cloud, part: int, epsilon: float, names: tuple[str, ...]) -> Selection:
    """The smallest ε-sufficient or ε-necessary subset; of that size the one with the least gap.

    Args:
        cloud: The compared subsets.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        epsilon: ε, in the units of the gap.
        names: The players' names.

    Raises:
        SettingError: if no compared subset qualifies, which takes a search that leaves out the full set.
    """
    found = smallest(cloud, part, epsilon)
    if found is None:
        raise SettingError("no compared subset is within epsilon; the full set must always be compared")
    players = tuple(np.flatnonzero(cloud.keep_of(np.array([found.number]))[0]).tolist())
    gaps, errors = cloud.parts[found.number].tolist(), cloud.stderr[found.number].tolist()
    both = [Gap(*pair) for pair in zip(gaps, errors, strict=True)]
    return Selection(players, tuple(names[p] for p in players), both[0], both[1], found.count)


def continua_of(cloud: Cloud, names: tuple[str, ...]) -> Continua:
    """The solutions over α in [0, 1] for every size and both size rules.

    Args:
        cloud: The compared subsets.
        names: The players' names.

    References:
        [bharti2024] section 4, problem (P_uni).
    """
    exactly = hulls(cloud)
    at_most = list(accumulate(exactly, _join))
    rules = [(size, True, hull) for size, hull in enumerate(exactly) if hull]
    rules += [(size, False, hull) for size, hull in enumerate(at_most) if hull]
    rows: list[tuple[int, bool, Record]] = [
        (size, exact, record) for size, exact, hull in rules for record in records(hull)
    ]
    numbers = np.array([record.number for *_, record in rows])
    return Continua(
        names,
        np.array([size for size, *_ in rows]),
        np.array([exact for _, exact, _ in rows]),
        _floats([record.low for *_, record in rows]),
        _floats([record.high for *_, record in rows]),
        cloud.keep_of(numbers),
        np.stack([cloud.parts[numbers, 0], cloud.stderr[numbers, 0]], axis=1),
        np.stack([cloud.parts[numbers, 1], cloud.stderr[numbers, 1]], axis=1),
        np.array([record.count for *_, record in rows]),
    )


def _join(one: Hull | None, other: Hull | None) -> Hull | None:
    if one is None or other is None:
        return one or other
    return one.with_(other)


def _floats(values: list[Fraction]) -> Float64[np.ndarray, "q"]:
    return np.array([float(value) for value in values])
