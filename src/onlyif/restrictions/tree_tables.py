"""What the restrictions of trees share: one instance after another, exact estimates, memory."""

from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

from onlyif.core.errors import InputError, SettingError
from onlyif.core.shapes import Instances, Keep
from onlyif.predictors.readouts import Readout
from onlyif.predictors.tree_leaves import Leaves, SeenRow
from onlyif.restrictions.base import Estimate, check_table_size

MAX_PLAYERS = 25


def table_of(
    x: Instances,
    leaves: Leaves,
    readout: Readout,
    one: Callable[[SeenRow], Float64[Tensor, "k two_to_d"]],
    n_held: int,
) -> Estimate:
    """f_S(x) of all subsets, one instance after another: memory does not grow with the instances.

    Args:
        x: The instances.
        leaves: The leaves.
        readout: Which number is explained.
        one: From one instance to its outputs for every subset.
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
    rows = _rows(x, leaves)
    if len(rows) == 1:
        return _exact(readout.read(one(rows[0]).T.unsqueeze(0)).to(x.device))
    mean = torch.empty(len(x), 2**d, dtype=torch.float64)
    for i, row in enumerate(rows):
        mean[i] = readout.part(slice(i, i + 1)).read(one(row).T.unsqueeze(0))[0]
    return _exact(mean.to(x.device))


def predict_of(
    x: Instances,
    keep: Keep,
    leaves: Leaves,
    readout: Readout,
    one: Callable[[SeenRow, Tensor], Float64[Tensor, "k m"]],
) -> Estimate:
    """f_S(x) of given subsets, one instance after another.

    Args:
        x: The instances.
        keep: The players kept.
        leaves: The leaves.
        readout: Which number is explained.
        one: From one instance and its subsets to its outputs.
    """
    shared = keep.detach().cpu().expand(len(x), -1, -1)
    mean = torch.empty(shared.shape[:2], dtype=torch.float64)
    for i, row in enumerate(_rows(x, leaves)):
        mean[i] = readout.part(slice(i, i + 1)).read(one(row, shared[i]).T.unsqueeze(0))[0]
    return _exact(mean.to(x.device))


def _rows(x: Instances, leaves: Leaves) -> list[SeenRow]:
    if x.ndim != 2:
        raise InputError(f"trees take rows of columns, got instances of shape {tuple(x.shape[1:])}")
    return leaves.see(x.double())


def _exact(mean: Float64[Tensor, "b m"]) -> Estimate:
    # One zero for all entries: the errors take no memory.
    zero = torch.zeros(1, 1, dtype=mean.dtype, device=mean.device).expand_as(mean)
    return Estimate(mean, zero, zero, 0.0)
