"""From compared subsets to what is reported: smallest sets, and the continua of all size rules."""

from collections.abc import Sequence

import numpy as np

from onlyif.answers.confidence import Bounded
from onlyif.core.errors import SettingError
from onlyif.core.subsets import members
from onlyif.explanation.alternatives import Alternatives
from onlyif.explanation.continuum import Continua
from onlyif.explanation.selection import Measure, Selection, gap_selection
from onlyif.searches.base import Cloud
from onlyif.searches.frontier import frontier, smallest
from onlyif.searches.minimal import Minimal, minimal_subsets

# More minimal sets are counted, not listed.
MOST_LISTED = 50


def smallest_selection(
    compared: Bounded, part: int, epsilon: float, names: Sequence[str]
) -> Selection | None:
    """The smallest ε-sufficient or ε-necessary subset; of that size the one with the least gap.

    Where players have costs it is the cheapest one. None if no permitted subset is within ε. Where a
    confidence was asked for, the gap's upper bound takes the place of the gap.

    Args:
        compared: The compared subsets.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        epsilon: ε, in the units of the gap.
        names: The players' names.

    Raises:
        SettingError: if all are permitted and none qualifies, which takes a search that leaves out the full
            set.
    """
    found = smallest(compared.bounds, part, epsilon)
    if found is None and compared.cloud.permitted.everything:
        raise SettingError("no compared subset is within epsilon; the full set must always be compared")
    return None if found is None else selection_of(compared, part, found.number, found.count, names)


def nearest_selection(compared: Bounded, part: int, names: Sequence[str]) -> Selection:
    """The permitted subset with the least gap, whatever it is; of these the smallest, then the first.

    Args:
        compared: The compared subsets.
        part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
        names: The players' names.
    """
    numbers = np.concatenate(compared.bounds.by_size)
    gaps = compared.bounds.on_grid[part][numbers]
    count = int((gaps == gaps.min()).sum())
    return selection_of(compared, part, int(numbers[gaps.argmin()]), count, names)


def selection_of(compared: Bounded, part: int, number: int, count: int, names: Sequence[str]) -> Selection:
    """One of the compared subsets, as it is reported.

    Args:
        compared: The compared subsets.
        part: By which part of the gap it was chosen: 0 for Δsuf, 1 for Δnec.
        number: Its number in the cloud.
        count: How many subsets tie with it.
        names: The players' names.
    """
    cloud = compared.cloud
    players = members(number) if cloud.keep is None else tuple(np.flatnonzero(cloud.keep[number]).tolist())
    gaps, errors = cloud.parts[number].tolist(), cloud.stderr[number].tolist()
    suf, nec = (Measure(*pair) for pair in zip(gaps, errors, strict=True))
    return compared.with_bound(gap_selection(players, names, (suf, nec), count), part, number)


def alternatives_of(
    compared: Sequence[Bounded], names: Sequence[str], epsilons: Sequence[float]
) -> list[dict[str, Alternatives]]:
    """The minimal ε-sufficient and ε-necessary sets of each instance, at most `MOST_LISTED` of a kind.

    Args:
        compared: The compared subsets of each instance.
        names: The players' names.
        epsilons: ε of each instance.
    """
    bounds = [one.bounds for one in compared]
    kinds = [minimal_subsets(bounds, part, epsilons, MOST_LISTED) for part in (0, 1)]
    return [
        {
            kind: _alternatives(one.cloud, found, names)
            for kind, found in zip(("sufficient", "necessary"), of_both, strict=True)
        }
        for one, *of_both in zip(compared, *kinds, strict=True)
    ]


def _alternatives(cloud: Cloud, found: Minimal, names: Sequence[str]) -> Alternatives:
    gaps = np.stack([cloud.parts[found.numbers], cloud.stderr[found.numbers]], axis=2)
    core, union = (tuple(np.flatnonzero(players).tolist()) for players in (found.core, found.union))
    keep = cloud.keep_of(found.numbers)
    return Alternatives(names, keep, gaps[:, 0], gaps[:, 1], found.count, core, union, cloud.certain)


def continua_of(
    clouds: Sequence[Cloud], names: Sequence[str], *, compared_sizes: bool = False
) -> list[Continua]:
    """The solutions of each instance over α in [0, 1] for every size and both size rules.

    Args:
        clouds: The compared subsets of each instance.
        names: The players' names.
        compared_sizes: Only for the sizes of which subsets were compared: of thousands of players.

    References:
        [bharti2024] section 4, problem (P_uni).
    """
    found = frontier(clouds)
    ends = np.searchsorted(found.instance, np.arange(len(clouds) + 1))
    continua = []
    for cloud, first, end in zip(clouds, ends, ends[1:], strict=False):
        records = np.arange(first, end)
        if compared_sizes:
            there = np.flatnonzero([len(numbers) > 0 for numbers in cloud.by_size])
            records = records[np.isin(found.size[records], there)]
        numbers = found.number[records]
        gaps = np.stack([cloud.parts[numbers], cloud.stderr[numbers]], axis=2)
        continua.append(
            Continua(
                names,
                found.size[records],
                found.exact_size[records],
                found.low[records],
                found.high[records],
                cloud.keep_of(numbers),
                gaps[:, 0],
                gaps[:, 1],
                found.count[records],
            )
        )
    return continua
