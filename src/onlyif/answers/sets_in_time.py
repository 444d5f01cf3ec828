"""Which subsets of a block of instances are compared: what the search asks for, or what time allows.

Without a time limit a complete search is handed the table of all subsets. With one, subsets are asked for
by size, from none and from all players inward, so that whenever time is up what is there is a whole: all
sets of at most k players were compared, and nothing smaller than k + 1 can have been overlooked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Int64

from onlyif.answers.case import Case
from onlyif.answers.in_time import has_choice, searched
from onlyif.core.permitted import Permitted
from onlyif.core.progress import TimeUpError
from onlyif.core.subsets import canonical_order, canonical_rank, code_of, keep_of_codes
from onlyif.criteria.unified import Unified, gaps_of_table
from onlyif.restrictions.base import Estimate, GroupedTable
from onlyif.restrictions.groups import Groups
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tabulated import TabulatedRestriction
from onlyif.searches.base import Cloud

MOST_AT_ONCE = 1024  # subsets, with their complements twice as many


@final
@dataclass(frozen=True, eq=False)
class SetsSeen:
    """What was compared.

    Args:
        clouds: The compared subsets of each instance.
        function: f_S(x) for what is asked from now on; read off the table where there is one.
        table: f_S(x) of all subsets, or None.
        grouped: The same over groups of background rows too, where these were asked for; or None.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
        stopped: Whether time was up before all that the search wanted was compared.
    """

    clouds: tuple[Cloud, ...]
    function: SetFunction
    table: Estimate | None
    model_rows: float
    stopped: bool = False
    grouped: GroupedTable | None = None


def compare_in_time(case: Case, criterion: Unified, groups: Groups | None = None) -> SetsSeen:
    """Compare the subsets that the case's search wants, or as many as time allows.

    Args:
        case: The block of instances.
        criterion: Δuni of the instances.
        groups: Background rows in groups, over each of which a complete search is to know f_S(x), too.

    Raises:
        TimeUpError: if time is up before f(x) and f_0 are known.
    """
    if case.search.plan.complete:
        return _by_table(case, criterion, groups)
    rows = criterion.set_function.restriction.method.rows
    found = searched(case, criterion, rows)
    return SetsSeen(found.clouds, criterion.set_function, None, found.model_rows, found.stopped)


def _by_table(case: Case, criterion: Unified, groups: Groups | None) -> SetsSeen:
    function = criterion.set_function
    if not case.meter.limited:
        return _from_whole(case, criterion, groups)
    if function.restriction.method.rows:
        return _by_size(case, criterion, *_asked_by_size(case, function))
    try:
        return _from_whole(case, criterion, groups)
    except TimeUpError:
        with case.meter.closing():
            ends = _ends(case.permitted, len(case.names))
            return _by_size(case, criterion, ends, _with_complements(function, ends))


def _from_whole(case: Case, criterion: Unified, groups: Groups | None) -> SetsSeen:
    if groups is None:
        return from_table(case, criterion, criterion.set_function.table())
    grouped = criterion.set_function.grouped_table(groups)
    return replace(from_table(case, criterion, grouped.whole), grouped=grouped)


def from_table(case: Case, criterion: Unified, table: Estimate) -> SetsSeen:
    """What a complete search compares by a finished table.

    Args:
        case: The block of instances.
        criterion: Δuni of the instances.
        table: f_S(x) of all subsets.
    """
    method = criterion.set_function.restriction.method
    function = replace(criterion.set_function, restriction=TabulatedRestriction(table, method))
    read = replace(criterion, set_function=function)
    compared = case.search.compare(read, len(case.names), case.digits)
    return SetsSeen(compared.clouds, function, table, compared.model_rows + table.model_rows)


def _asked_by_size(case: Case, function: SetFunction) -> tuple[Int64[np.ndarray, "m"], Estimate]:
    """f_S(x) by size until time is up: the codes of the sets that were asked, and their values in the order
    of these sets, followed by those of their complements backwards.
    """
    d, rows, found = len(case.names), function.restriction.method.rows, []
    asked: list[np.ndarray] = []
    try:
        for codes in _permitted_first(case.permitted, d):
            start = 0
            while start < len(codes):
                step = case.meter.step(2 * rows * len(case.subjects), MOST_AT_ONCE)
                part = codes[start : start + step]
                found.append(_with_complements(function, part))
                asked.append(part)
                start += len(part)
    except TimeUpError:
        if not found:
            raise
    mean, stderr, from_base = (
        np.concatenate(
            [
                *(column[:, : column.shape[1] // 2] for column in columns),
                *(column[:, column.shape[1] // 2 :] for column in reversed(columns)),
            ],
            axis=1,
        )
        for columns in (
            [one.mean for one in found],
            [one.stderr for one in found],
            [one.stderr_from_base for one in found],
        )
    )
    return np.concatenate(asked), Estimate(mean, stderr, from_base, sum(one.model_rows for one in found))


def _outer_halves(n_players: int) -> list[Int64[np.ndarray, "_"]]:
    """All subsets but for those that are complements of earlier ones, by size."""
    order = list(canonical_order(n_players)[: n_players // 2 + 1])
    if n_players % 2 == 0:
        # Of sets of half the players the first half holds player 0, so that the others are their complements.
        order[-1] = order[-1][: (len(order[-1]) + 1) // 2]
    return order


def _ends(permitted: Permitted, n_players: int) -> Int64[np.ndarray, "_"]:
    """The empty set, and with their complements the smallest and the largest that may be reported."""
    everyone = (1 << n_players) - 1
    codes = [0, code_of(permitted.keep), everyone - code_of(permitted.never)]
    return np.array(sorted({min(code, everyone - code) for code in codes}), dtype=np.int64)


def _permitted_first(permitted: Permitted, n_players: int) -> Iterator[Int64[np.ndarray, "_"]]:
    """All subsets but for complements of earlier ones: both ends, those that may be reported, all others."""
    if permitted.everything:
        yield from _outer_halves(n_players)
        return
    ends, everyone = _ends(permitted, n_players), (1 << n_players) - 1
    yield ends
    inner = [
        codes[~np.isin(codes, ends) & ~np.isin(everyone - codes, ends)] for codes in _outer_halves(n_players)
    ]
    for wanted in (True, False):
        for codes in inner:
            keep = keep_of_codes(codes, n_players)
            yield codes[(permitted.holds(keep) | permitted.holds(~keep)) == wanted]


def _with_complements(function: SetFunction, codes: Int64[np.ndarray, "m"]) -> Estimate:
    keep = keep_of_codes(codes, function.n_players)
    return function.predict(np.concatenate([keep, ~keep[::-1]])[None])


def _by_size(case: Case, criterion: Unified, codes: Int64[np.ndarray, "m"], found: Estimate) -> SetsSeen:
    """What is known when time is up; the table itself if all was asked by then.

    Raises:
        TimeUpError: if that is no subset that may be reported.
    """
    d, whole = len(case.names), 2 ** len(case.names)
    both = np.concatenate([codes, whole - 1 - codes[::-1]])
    if len(both) == whole:
        back = np.argsort(both)
        columns = (found.mean[:, back], found.stderr[:, back], found.stderr_from_base[:, back])
        return from_table(case, criterion, Estimate(*columns, found.model_rows))
    order = np.argsort(canonical_rank(both, d))
    gaps = gaps_of_table(criterion.distance, found)
    keep = keep_of_codes(both[order], d)
    ends = np.cumsum(np.bincount(keep.sum(1), minlength=d + 1))
    numbers = np.split(np.arange(len(both)), ends[:-1])
    clouds = tuple(
        Cloud(parts[order], stderr[order], tuple(numbers), keep, case.digits)
        for parts, stderr in zip(gaps.parts, gaps.stderr, strict=True)
    )
    if not all(has_choice(case.permitted, cloud) for cloud in clouds):
        raise TimeUpError
    return SetsSeen(clouds, criterion.set_function, None, found.model_rows, stopped=True)
