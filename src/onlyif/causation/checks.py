"""What can be wrong with the inputs of the dual-stage test."""

import numpy as np
from jaxtyping import Bool, Float

from onlyif.causation.change import Change
from onlyif.core.arrays import Array, like, on_host
from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.core.shapes import Instances
from onlyif.restrictions.base import MAX_TABLE_BYTES

# What is known of each input is held for so many instances, subsets and inputs at once.
ENTRIES_AT_ONCE = 2**18
# What is held of every subset and input, the factual and the interventional stage; of those that are read
# at once; and of every subset, five probabilities, two summands and their errors, joined.
TABLES, NUMBERS_AN_ENTRY, NUMBERS_A_SUBSET = 2, 26, 48


def check_instances(x: Instances, baseline: Float[Array, "_ ..."], change: Change) -> None:
    """Refuse instances, baselines and readings that do not fit each other.

    Args:
        x: The instances.
        baseline: x', of each instance or one for all.
        change: How changes are read.

    Raises:
        InputError: if shapes differ, or an instance is equal to its baseline.
        SettingError: if there is no instance, or another number of baselines or targets.
    """
    shape = tuple(baseline.shape[1:])
    if tuple(x.shape[1:]) != shape:
        raise InputError(f"instances have shape {tuple(x.shape[1:])}, the baseline {shape}; need the same")
    if not len(x):
        raise SettingError("need at least one instance, got none")
    if len(baseline) not in {1, len(x)}:
        raise SettingError(f"need one baseline, or as many as the {len(x)} instances; got {len(baseline)}")
    n_read = len(change.distinct(len(x))[1])
    if n_read != len(x):
        raise SettingError(f"need one target an instance: got {n_read} for {len(x)} instances")
    same = on_host(x == like(baseline, x)).reshape(len(x), -1).all(1)
    if same.any():
        raise InputError(
            f"instance {same.argmax()} is equal to the baseline x', so that perturbing it changes "
            "nothing; need another baseline"
        )


def check_subsets(subset: Bool[np.ndarray, "_ m _"], n_instances: int, n_players: int) -> None:
    """Refuse subsets that do not fit the instances and players.

    Args:
        subset: The subsets, of each instance or shared by all.
        n_instances: b.
        n_players: d.

    Raises:
        SettingError: if there is none, one of another number of players, or another number of lists.
    """
    if len(subset) not in {1, n_instances}:
        raise SettingError(
            f"need one list of subsets, or as many as the {n_instances} instances; got {len(subset)}"
        )
    if not subset.shape[1] or subset.shape[2] != n_players:
        raise SettingError(
            f"need at least one subset of {n_players} players, got {subset.shape[1]} of {subset.shape[2]}"
        )


def check_proper(subset: Bool[np.ndarray, "#b m d"]) -> None:
    """Refuse subsets of no player and of all players, for users who ask about given ones.

    Raises:
        SettingError: if a subset is empty or whole.
    """
    if (~subset.any(2)).any():
        raise SettingError("a subset is empty: there is nothing to perturb, and its PNS is 0 by definition")
    if subset.all(2).any():
        raise SettingError(
            "a subset holds all players: nothing is left outside it, so that only PN·P(A, B) is defined; "
            "need a subset that leaves out a player"
        )


def table_bytes(n: int, n_players: int, n_read: int = 1) -> int:
    """Memory of the probabilities of all subsets at its peak.

    Args:
        n: Inputs of E.
        n_players: d.
        n_read: How many different readings of the outputs are wanted.
    """
    tables = TABLES * 8 * n * n_read << n_players
    at_once = min(n << n_players, ENTRIES_AT_ONCE // 2)
    return tables + NUMBERS_AN_ENTRY * 8 * at_once + (NUMBERS_A_SUBSET * 8 << n_players)


def check_table(n: int, n_players: int, n_read: int) -> None:
    """Refuse tables over all subsets that would not fit.

    Args:
        n: Inputs of E.
        n_players: d.
        n_read: How many different readings of the outputs are wanted.

    Raises:
        LimitError: if their memory would exceed the limit.
    """
    needed = table_bytes(n, n_players, n_read)
    if needed > MAX_TABLE_BYTES:
        raise LimitError(
            f"tables over all 2^{n_players} subsets and {n:,} inputs of E need {needed / 2**30:,.1f} GiB, "
            f"the limit is {MAX_TABLE_BYTES / 2**30:,.1f} GiB; take fewer inputs or players, or search with "
            "beam"
        )
