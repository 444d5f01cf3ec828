"""What the restrictions of trees share: one instance after another, exact estimates, memory."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float64

from onlyif.core.arrays import doubled
from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, check_table_size
from onlyif.trees.leaves import Leaves, Masks

MAX_PLAYERS = 25
_BLOCK_ENTRIES = 2**19  # leaves times instances looked at together


def table_of(
    x: Instances,
    leaves: Leaves,
    readout: Readout,
    one: Callable[[Masks], Float64[np.ndarray, "k two_to_d"]],
    n_held: int,
) -> Estimate:
    """f_S(x) of all subsets, one instance after another: memory does not grow with the instances.

    Args:
        x: The instances.
        leaves: The leaves.
        readout: Which number is explained.
        one: From the players that keep an instance from each leaf to its outputs for every subset.
        n_held: How many tables of 2^d numbers are held for that, besides the results.

    Raises:
        SettingError: if there are more than 25 players.
        LimitError: if results and tables would not fit the memory.
    """
    d = leaves.players.count
    if d > MAX_PLAYERS:
        raise SettingError(
            f"a table of all subsets takes at most {MAX_PLAYERS} players, got {d}; ask for given subsets"
        )
    check_table_size(len(x) + n_held, d)
    if len(x) == 1:
        return exact_estimate(readout.read(one(next(barred_each(x, leaves))).T[None]))
    mean = np.empty((len(x), 2**d))
    for i, barred in enumerate(barred_each(x, leaves)):
        mean[i] = readout.part(slice(i, i + 1)).read(one(barred).T[None])[0]
    return exact_estimate(mean)


def predict_of(
    x: Instances,
    keep: Keep,
    leaves: Leaves,
    readout: Readout,
    one: Callable[[Masks, Bool[np.ndarray, "m d"]], Float64[np.ndarray, "k m"]],
) -> Estimate:
    """f_S(x) of given subsets, one instance after another.

    Args:
        x: The instances.
        keep: The players kept.
        leaves: The leaves.
        readout: Which number is explained.
        one: From the players that keep an instance from each leaf, and subsets, to its outputs.
    """
    shared = np.broadcast_to(keep, (len(x), *keep.shape[1:]))
    mean = np.empty(shared.shape[:2])
    for i, barred in enumerate(barred_each(x, leaves)):
        mean[i] = readout.part(slice(i, i + 1)).read(one(barred, shared[i]).T[None])[0]
    return exact_estimate(mean)


def barred_each(x: Instances, leaves: Leaves) -> Iterator[Masks]:
    """For each instance the players that keep it from each leaf; a few instances are looked at together.

    Args:
        x: The instances.
        leaves: The leaves.

    Raises:
        InputError: if they are no rows of columns.
    """
    if x.ndim != 2:
        raise InputError(f"trees take rows of columns, got instances of shape {tuple(x.shape[1:])}")
    rows, size = leaves.see(doubled(x)), max(1, _BLOCK_ENTRIES // leaves.count)
    for first in range(0, len(x), size):
        yield from np.ascontiguousarray(leaves.unsatisfied(rows.part(slice(first, first + size))).T)


def exact_estimate(mean: Float64[np.ndarray, "b m"]) -> Estimate:
    """An estimate without errors, for which no model was asked.

    Args:
        mean: f_S(x).
    """
    # One zero for all entries: the errors take no memory.
    zero = np.broadcast_to(np.zeros(()), mean.shape)
    return Estimate(mean, zero, zero, 0.0)
