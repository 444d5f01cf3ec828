"""Which subsets are compared when causes are sought: what the search asks for, or what time allows.

The table of all subsets is cheap and of no use before it is finished: with a time limit it is given up as
soon as it is clear that it will not be. It is then made for as many inputs of E as fit, all subsets compared;
where these are too few, subsets are measured one by one, the smallest first.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, final

import numpy as np

from onlyif.answers.causal_case import CausalCase
from onlyif.causation.probabilities import Probabilities, of_subsets
from onlyif.core.progress import TimeUpError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.criteria.base import Criterion
from onlyif.criteria.causation import PNS, gaps_of
from onlyif.criteria.recorded import RecordedCriterion
from onlyif.samples.fewer import FewerSample
from onlyif.searches.base import Cloud, Compared
from onlyif.searches.in_step import recorded_cloud
from onlyif.searches.visited import codes_of

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
        case: The block of instances, with fewer inputs of E where time allowed no more.
        clouds: The compared subsets of each instance.
        measured: The probabilities of all subsets by bit code; where time was up, of those in `place`.
        model_rows: Rows that the model was asked for, for one instance on average.
        stopped: Whether time was up before all that the search wanted was compared.
        place: Where in `measured` a subset is, where time was up.
    """

    case: CausalCase
    clouds: tuple[Cloud, ...]
    measured: Probabilities | None
    model_rows: float
    stopped: bool = False
    place: Mapping[int, int] = field(default_factory=dict)


def compare_causes_in_time(case: CausalCase) -> CausesSeen:
    """Compare the subsets that the case's search wants, or as many as time allows.

    Args:
        case: The block of instances; a single one where time is limited.

    Raises:
        TimeUpError: if time is up before every player alone was measured.
    """
    if not case.search.plan.complete:
        return _searched(_affordable(case), case.search.compare)
    rows = case.test.sample.rows(case.x, case.test.seed)
    case.meter.expect((len(rows.shared) + rows.own.shape[1] * len(case.x)) << len(case.names))
    if not case.meter.limited:
        return _from_table(case)
    try:
        with case.meter.must_fit():
            return _from_table(case)
    except TimeUpError:
        fewer = int(SHARE_OF_TABLE * case.meter.affordable) >> len(case.names)
        by_size_is_cheaper = len(case.names) * _rows_of_one(case) < 1 << len(case.names)
        if fewer < min(FEWEST_INPUTS, rows.count) and by_size_is_cheaper:
            return _searched(_affordable(case), _by_size)
    few = _with_inputs(case, fewer)
    case.meter.restart(fewer << len(case.names))
    return _from_table(few)


def _affordable(case: CausalCase) -> CausalCase:
    """The case with as many inputs of E as leave half of the time when every player alone was measured."""
    if not case.meter.limited:
        return case
    n, d = case.test.sample.rows(case.x[:1], case.test.seed).count, len(case.names)
    if not case.meter.affordable < math.inf:
        # Nothing was timed yet: one player is measured for that alone.
        case.test.measure(case.x[:1], np.eye(d, dtype=bool)[None, :1], case.change.take(np.array([0])))
    fewer = int(SHARE_OF_SINGLES * min(case.meter.affordable, 2.0**62)) // (d * _rows_of_one(case))
    return case if fewer >= n else _with_inputs(case, fewer)


def _rows_of_one(case: CausalCase) -> int:
    """Model rows that a player alone and all others take for one input of E."""
    how, d = case.test.perturbations, len(case.names)
    return sum(2**size if how.enumerates(size) else how.n_perturbations for size in (1, d - 1))


def _with_inputs(case: CausalCase, n: int) -> CausalCase:
    """The same with fewer inputs of E, which are told of."""
    if n < 2 or not case.test.sample.rows(case.x[:1], case.test.seed).own.shape[1]:
        raise TimeUpError
    sample = FewerSample(case.test.sample, n)
    return replace(
        case,
        test=replace(case.test, sample=sample),
        fresh=None if case.fresh is None else replace(case.fresh, sample=sample),
        provenance=replace(case.provenance, sample=sample.sentence, n_sample=n),
    )


def _from_table(case: CausalCase) -> CausesSeen:
    table = case.test.table(case.x, case.change)
    gaps, order = gaps_of(table), canonical_order(len(case.names))
    pairs = zip(gaps.parts, gaps.stderr, strict=True)
    clouds = tuple(Cloud(parts, stderr, order, None, case.digits) for parts, stderr in pairs)
    return CausesSeen(case, clouds, table, table.model_rows)


def _searched(case: CausalCase, search: Callable[[Criterion, int, int], Compared]) -> CausesSeen:
    """What a search compared; what it had compared so far if time was up."""
    measured: list[Probabilities] | None = [] if case.meter.limited else None
    inner = PNS(case.test, case.x, case.change, case.weights, measured)
    rows = case.test.sample.rows(case.x[:1], case.test.seed).count
    criterion = RecordedCriterion(inner, case.meter, rows * _rows_of_one(case) // 2)
    d = len(case.names)
    try:
        compared = search(criterion, d, case.digits)
        return CausesSeen(case, compared.clouds, None, compared.model_rows)
    except TimeUpError:
        cloud = recorded_cloud(criterion.found, 0, d, case.digits)
        if cloud is None or len(cloud.by_size[1]) < d or not measured:
            raise
    asked = [code for one in criterion.found for code in codes_of(one.subset[0])]
    place = {code: number for number, code in enumerate(asked)}
    whole = of_subsets(measured)
    return CausesSeen(case, (cloud,), whole, whole.model_rows, stopped=True, place=place)


def _by_size(criterion: Criterion, n_players: int, digits: int) -> NoReturn:
    """All subsets of one player, of two, and so on, until time is up or nothing is left."""
    for codes in canonical_order(n_players)[1:-1] or canonical_order(n_players)[1:]:
        for start in range(0, len(codes), MOST_AT_ONCE):
            criterion.gap(keep_of_codes(codes[start : start + MOST_AT_ONCE], n_players)[None])
    # What was asked is read off the record, all of it in this case.
    raise TimeUpError
