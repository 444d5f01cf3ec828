"""The restricted prediction f_S(x) = E[f(x_S, X_Sc)], X_Sc ~ V_Sc."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import LimitError, SettingError
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.groups import Groups


@final
@dataclass(frozen=True, eq=False)
class Estimate:
    """Restricted predictions, with what is known of their errors.

    Args:
        mean: f_S(x).
        stderr: Its standard error; 0 when exact.
        stderr_from_base: Standard error of f_S(x) - f_0(x). Both share their draws, so
            it is smaller than their separate errors suggest.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.
    """

    mean: Float64[np.ndarray, "b m"]
    stderr: Float64[np.ndarray, "b m"]
    stderr_from_base: Float64[np.ndarray, "b m"]
    model_rows: float


@final
@dataclass(frozen=True, eq=False)
class GroupedTable:
    """f_S(x) of all subsets, and over each group of the reference's atoms alone.

    Args:
        whole: f_S(x).
        of_groups: For the number of an instance the averaged outputs that are read, of every subset over each
            group; it may compute them only then.
    """

    whole: Estimate
    of_groups: Callable[[int], Float64[np.ndarray, "two_to_d g c"]]


@final
@dataclass(frozen=True)
class Method:
    """How a restriction computes f_S(x).

    Args:
        sentence: One sentence for the reader.
        exact: Whether f_S(x) is exact for the stated reference.
        rows: Model rows that one subset of one instance costs.
        tables: Tables of 2^d numbers that are held, beside the results, while one of all subsets is made.
    """

    sentence: str
    exact: bool
    rows: int
    tables: int = 1


class Restriction(ABC):
    """What a model says when it sees only a part of x.

    The two ways of asking agree: `table(x, readout)[:, code]` is `predict` at the
    subset with that code.
    """

    @abstractmethod
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        """f_S(x) for given subsets.

        Args:
            x: The instances.
            keep: The players kept, for each subset; size 1 in b means shared.
            readout: Which number is explained, from the averaged outputs.
        """

    @abstractmethod
    def table(self, x: Instances, readout: Readout) -> Estimate:
        """f_S(x) for all 2^d subsets, by bit code (bit i set: player i is kept).

        Raises:
            LimitError: if the table would not fit the memory limit.
        """

    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        """The same table, with what it would be over each group of the reference's atoms alone.

        Args:
            x: The instances.
            readout: Which number is explained.
            groups: The atoms of the reference in groups.

        Raises:
            SettingError: if f_S(x) is no exact mean over atoms of equal weight.
        """
        raise SettingError(
            "stability needs f_S(x) as an exact mean over background rows of equal weight, here it is "
            f"computed as: {self.method.sentence}"
        )

    def with_squares(self) -> "Restriction | None":
        """The same of the model's outputs and, after them, their squares; None where it knows no way to.

        The mean of the squares tells how outputs are spread over the atoms of the reference.
        """
        return None

    @property
    @abstractmethod
    def method(self) -> Method:
        """How it computes, in words."""

    def distinct_share(self, x: Instances) -> float:
        """The share of the model rows of all subsets that are asked for: the others are equal to these.

        Args:
            x: The instances.
        """
        return 1.0


MAX_TABLE_BYTES = 4 * 2**30


def check_table_size(n_instances: int, n_players: int, max_bytes: int = MAX_TABLE_BYTES) -> None:
    """Refuse a table over all subsets that would not fit, before anything is computed.

    Raises:
        LimitError: if `n_instances` tables of 2^`n_players` numbers of 8 bytes exceed `max_bytes`.
    """
    needed = n_instances * 8 * 2**n_players
    if needed > max_bytes:
        raise LimitError(
            f"a table of all 2^{n_players} subsets for {n_instances} instance(s) needs "
            f"{needed / 2**30:,.1f} GiB, the limit is {max_bytes / 2**30:,.1f} GiB; "
            f"group columns into fewer players, or search with beam"
        )
