"""Which subsets are compared when causes are sought: what the search asks for, or what time allows.

The table of all subsets is cheap and of no use before it is finished: with a time limit it is given up as
soon as it is clear that it will not be. It is then made for as many inputs of E as fit, all subsets compared;
where these are too few, subsets are measured one by one, the smallest first.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn, final

import numpy as np

from onlyif.answers.case import Case
from onlyif.answers.in_time import searched
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.probabilities import Probabilities, of_subsets
from onlyif.core.permitted import Permitted
from onlyif.core.progress import TimeUpError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.criteria.base import Criterion
from onlyif.criteria.causation import PNSCriterion, gaps_of
from onlyif.samples.fewer import FewerSample
from onlyif.searches.base import Cloud, Compared
from onlyif.searches.visited import codes_of
from onlyif.searches.within import compare_permitted

MOST_AT_ONCE = 64
# Of the time that is left a table may take so much by the speed so far, and players alone so much.
SHARE_OF_TABLE, SHARE_OF_SINGLES = 0.75, 0.5
# A table for fewer inputs of E would say little; then fewer subsets are measured instead.
FEWEST_INPUTS = 10


@final
@dataclass(frozen=True, eq=False)
class CausesSeen:
    """What was compared.

    Args:
        criterion: What it was compared by, with fewer inputs of E where time allowed no more.
        clouds: The compared subsets of each instance.
        measured: The probabilities of all subsets by bit code; where time was up, of those in `place`.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
        stopped: Whether time was up before all that the search wanted was compared.
        place: Where in `measured` a subset is, where time was up.
    """

    criterion: PNSCriterion
    clouds: tuple[Cloud, ...]
    measured: Probabilities | None
    model_rows: float
    stopped: bool = False
    place: Mapping[int, int] = field(default_factory=dict)


def compare_causes_in_time(case: Case, criterion: PNSCriterion) -> CausesSeen:
    """Compare the subsets that the case's search wants, or as many as time allows.

    Args:
        case: The block of instances; a single one where time is limited.
        criterion: PNS of the instances.

    Raises:
        TimeUpError: if time is up before every player alone was measured.
    """
    if not case.search.plan.complete:
        return _searched(case, _affordable(case, criterion), _own_search(case))
    test, d = criterion.test, len(case.names)
    rows = test.sample.rows(criterion.x, test.seed)
    case.meter.expect((len(rows.shared) + rows.own.shape[1] * len(criterion.x)) << d)
    if not case.meter.limited:
        return _from_table(case, criterion)
    try:
        with case.meter.must_fit():
            return _from_table(case, criterion)
    except TimeUpError:
        fewer = int(SHARE_OF_TABLE * case.meter.affordable) >> d
        by_size_is_cheaper = d * _rows_of_one(test, d) < 1 << d
        if fewer < min(FEWEST_INPUTS, rows.count) and by_size_is_cheaper:
            return _searched(case, _affordable(case, criterion), partial(_by_size, case.permitted))
    few = _with_inputs(criterion, fewer)
    case.meter.restart(fewer << d)
    return _from_table(case, few)


def _affordable(case: Case, criterion: PNSCriterion) -> PNSCriterion:
    """The criterion with as many inputs of E as leave half of the time when all players were measured."""
    if not case.meter.limited:
        return criterion
    test, d = criterion.test, len(case.names)
    n = test.sample.rows(criterion.x[:1], test.seed).count
    if not case.meter.affordable < math.inf:
        # Nothing was timed yet: one player is measured for that alone.
        test.measure(criterion.x[:1], np.eye(d, dtype=bool)[None, :1], criterion.change.take(np.array([0])))
    fewer = int(SHARE_OF_SINGLES * min(case.meter.affordable, 2.0**62)) // (d * _rows_of_one(test, d))
    return criterion if fewer >= n else _with_inputs(criterion, fewer)


def _rows_of_one(test: DualStageTest, d: int) -> int:
    """Model rows that a player alone and all others take for one input of E."""
    how = test.perturbations
    return sum(2**size if how.enumerates(size) else how.n_perturbations for size in (1, d - 1))


def _with_inputs(criterion: PNSCriterion, n: int) -> PNSCriterion:
    """The same with fewer inputs of E."""
    test = criterion.test
    if n < 2 or not test.sample.rows(criterion.x[:1], test.seed).own.shape[1]:
        raise TimeUpError
    return replace(criterion, test=replace(test, sample=FewerSample(test.sample, n)))


def _from_table(case: Case, criterion: PNSCriterion) -> CausesSeen:
    table = criterion.test.table(criterion.x, criterion.change)
    gaps, order = gaps_of(table), canonical_order(len(case.names))
    pairs = zip(gaps.parts, gaps.stderr, strict=True)
    clouds = tuple(Cloud(parts, stderr, order, None, case.digits) for parts, stderr in pairs)
    return CausesSeen(criterion, clouds, table, table.model_rows)


def _searched(
    case: Case, criterion: PNSCriterion, search: Callable[[Criterion, int, int], Compared]
) -> CausesSeen:
    """What a search compared; what it had compared so far if time was up."""
    measured: list[Probabilities] | None = [] if case.meter.limited else None
    inner, d = replace(criterion, measured=measured), len(case.names)
    n = criterion.test.sample.rows(criterion.x[:1], criterion.test.seed).count
    rows = n * _rows_of_one(criterion.test, d) // 2
    found = searched(case, inner, rows, search, partial(_has_answer, case.permitted))
    if not found.stopped or not measured:
        return CausesSeen(criterion, found.clouds, None, found.model_rows)
    asked = [code for one in found.asked for code in codes_of(one.subset[0])]
    whole = of_subsets(measured)
    place = {code: number for number, code in enumerate(asked)}
    return CausesSeen(criterion, found.clouds, whole, whole.model_rows, stopped=True, place=place)


def _has_answer(permitted: Permitted, cloud: Cloud) -> bool:
    """Whether every player alone was compared, and a subset that may be reported."""
    choices = cloud if permitted.everything else cloud.narrowed(permitted)
    d = cloud.n_players
    return len(cloud.by_size[1]) == d and any(map(len, choices.by_size[1 : max(2, d)]))


def _own_search(case: Case) -> Callable[[Criterion, int, int], Compared]:
    """The case's search among the permitted subsets; if it may be cut short, after every player alone."""
    search = partial(compare_permitted, case.search, case.permitted)
    if case.permitted.everything or not case.meter.limited:
        return search

    def after_singles(criterion: Criterion, n_players: int, digits: int) -> Compared:
        criterion.gap(np.eye(n_players, dtype=np.bool_)[None])
        return search(criterion, n_players, digits)

    return after_singles


def _by_size(permitted: Permitted, criterion: Criterion, n_players: int, digits: int) -> NoReturn:
    """Every player alone, then the permitted subsets of two, and so on, until time is up or none is left."""
    singles, *larger = canonical_order(n_players)[1:-1] or canonical_order(n_players)[1:]
    for codes in (singles, *(codes[permitted.holds(keep_of_codes(codes, n_players))] for codes in larger)):
        for start in range(0, len(codes), MOST_AT_ONCE):
            criterion.gap(keep_of_codes(codes[start : start + MOST_AT_ONCE], n_players)[None])
    # What was asked is read off the record, all of it in this case.
    raise TimeUpError
