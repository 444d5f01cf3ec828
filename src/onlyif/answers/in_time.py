"""A search that ends when time is up, and how far it came."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

from onlyif.answers.case import Case
from onlyif.core.nouns import counted
from onlyif.core.permitted import Permitted
from onlyif.core.progress import TimeUpError
from onlyif.criteria.base import Criterion
from onlyif.criteria.recorded import AskedSubsets, RecordedCriterion
from onlyif.searches.base import Cloud, Compared
from onlyif.searches.in_step import recorded_cloud
from onlyif.searches.within import compare_permitted


@final
@dataclass(frozen=True, eq=False)
class Searched:
    """What a search compared until it had ended, or time was up.

    Args:
        clouds: The compared subsets of each instance; of those alone of which enough was compared.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
        stopped: Whether time was up.
        asked: What was asked, with its gaps, where time is limited.
    """

    clouds: tuple[Cloud, ...]
    model_rows: float
    stopped: bool
    asked: tuple[AskedSubsets, ...]


def searched(
    case: Case,
    criterion: Criterion,
    rows: int,
    search: Callable[[RecordedCriterion, int, int], Compared] | None = None,
    enough: Callable[[Cloud], bool] | None = None,
) -> Searched:
    """What a search compared; what it had compared so far if time was up.

    Args:
        case: The block of instances.
        criterion: What is to be made small.
        rows: Model rows that a subset takes; 0 where it takes none.
        search: From a criterion, the number of players and of digits to what was compared; None for the
            case's own search among the permitted subsets.
        enough: Whether something can be said from what was compared of an instance; None where a subset that
            may be reported is enough, or both ends if all may.

    Raises:
        TimeUpError: if time is up and of no instance enough was compared.
    """
    recorded, d = RecordedCriterion(criterion, case.meter, rows), len(case.names)
    own = partial(compare_permitted, case.search, case.permitted)
    enough = enough or partial(has_choice, case.permitted)
    try:
        compared = (search or own)(recorded, d, case.digits)
    except TimeUpError:
        clouds = [recorded_cloud(recorded.found, i, d, case.digits) for i in range(len(case.subjects))]
        known = tuple(cloud for cloud in clouds if cloud is not None and enough(cloud))
        if not known:
            raise
        asked = sum(one.gaps.model_rows for one in recorded.found)
        return Searched(known, asked, stopped=True, asked=tuple(recorded.found))
    return Searched(compared.clouds, compared.model_rows, stopped=False, asked=())


def has_choice(permitted: Permitted, cloud: Cloud) -> bool:
    """Whether a subset that may be reported was compared; where all may, both ends.

    Args:
        permitted: Which subsets may be reported.
        cloud: What was compared.
    """
    if permitted.everything:
        return len(cloud.by_size[0]) > 0 and len(cloud.by_size[-1]) > 0
    return any(len(numbers) for numbers in cloud.narrowed(permitted).by_size)


def whole_sizes(cloud: Cloud) -> int:
    """The largest k such that all sets of at most k players were compared."""
    n, k, size = len(cloud.by_size) - 1, 0, 1
    while k < n:
        size = size * (n - k) // (k + 1)
        if len(cloud.by_size[k + 1]) < size:
            break
        k += 1
    return k


def told_of(cloud: Cloud, limit_s: float, noun: str) -> str:
    """How far the comparison came, for the reader.

    Args:
        cloud: What was compared.
        limit_s: The time limit.
        noun: What a player is.
    """
    d = cloud.n_players
    k, all_of_them = whole_sizes(cloud), f"{2**d:,}" if d <= 40 else f"2^{d}"
    return (
        f"stopped at the time limit of {limit_s:g} s after {len(cloud.parts):,} of {all_of_them} subsets: "
        f"all of at most {k} of the {counted(d, noun)} were compared"
    )
