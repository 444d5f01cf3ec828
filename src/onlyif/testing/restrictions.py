"""What every restriction promises, as checks; and games by table, to try criteria and searches on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from onlyif.core.arrays import on_host
from onlyif.core.shapes import Instances
from onlyif.core.subsets import keep_of_codes
from onlyif.models.readouts import Readout, TargetReadout
from onlyif.restrictions.base import Estimate, Method, Restriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tabulated import TabulatedRestriction

TOLERANCE = 1e-12


def game_of_tables(
    tables: Sequence[Sequence[float]], errors: Sequence[Sequence[float]] | None = None
) -> SetFunction:
    """Restricted predictions that are given: one table an instance, by bit code.

    Args:
        tables: f_S(x) for all 2^d subsets (bit i of the place set: player i is kept).
        errors: Their standard errors, those of the differences from f_0 too; None where they are exact.

    Example:
        >>> game_of_tables([[0.0, 1.0, 0.5, 1.0]]).predict(np.array([[[False, True]]])).mean
        array([[0.5]])
    """
    mean = np.array(tables, dtype=np.float64)
    stderr = np.zeros_like(mean) if errors is None else np.array(errors, dtype=np.float64)
    method = Method("given", exact=errors is None, rows=0)
    restriction = TabulatedRestriction(Estimate(mean, stderr, stderr, 0.0), method)
    n_players = mean.shape[1].bit_length() - 1
    readout = TargetReadout(np.zeros(len(mean), dtype=np.int64))
    return SetFunction(restriction, np.zeros((len(mean), n_players)), readout, n_players)


def check_restriction(restriction: Restriction, x: Instances, readout: Readout, n_players: int) -> None:
    """The contract of `Restriction`, on some instances.

    Args:
        restriction: The member.
        x: Instances, two at least.
        readout: What is explained of each.
        n_players: d, small enough for a table.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    before = on_host(x).copy()
    table = restriction.table(x, readout)
    every = keep_of_codes(np.arange(2**n_players), n_players)[None]
    _check_shape_and_errors(table, restriction.method.exact, (len(x), 2**n_players))
    _check_ends(table)
    _same(restriction.predict(x, every, readout), table, "predict and table disagree")
    repeated = every.repeat(len(x), axis=0)
    _same(restriction.predict(x, repeated, readout), table, "keep shared and keep repeated disagree")
    _check_lists(restriction, x, readout, every, table)
    assert np.array_equal(on_host(x), before), "x was changed"
    assert restriction.method.sentence, "the method needs a sentence"


def _check_shape_and_errors(table: Estimate, exact: bool, shape: tuple[int, int]) -> None:
    for values in (table.mean, table.stderr, table.stderr_from_base):
        assert values.shape == shape, f"need shape {shape}, got {tuple(values.shape)}"
    for errors in (table.stderr, table.stderr_from_base):
        assert bool((errors >= 0).all()), "a standard error is negative or NaN"
        assert not exact or not bool(errors.any()), "exact values have no error"
    assert np.isfinite(table.mean).all(), "a restricted prediction is NaN or infinite"
    assert table.model_rows >= 0, "model rows are counted"


def _check_ends(table: Estimate) -> None:
    assert bool((table.stderr[:, -1] < TOLERANCE).all()), "f(x) itself has no error"
    assert bool((table.stderr_from_base[:, 0] < TOLERANCE).all()), "f_0 - f_0 has no error"
    base = (table.stderr[:, 0], table.stderr_from_base[:, -1])
    assert np.allclose(*base, rtol=1e-9, atol=TOLERANCE), "f(x) - f_0 has the error of f_0"


def _check_lists(
    restriction: Restriction,
    x: Instances,
    readout: Readout,
    every: Bool[np.ndarray, "1 m d"],
    table: Estimate,
) -> None:
    """What is asked together does not matter, nor in which order."""
    m = every.shape[1]
    shuffled = np.arange(m)[::-1] if m < 3 else np.random.default_rng(0).permutation(m)
    found = restriction.predict(x, every[:, shuffled], readout)
    _same(found, _taken(table, shuffled), "the order of subsets matters")
    for code in {0, m // 2, m - 1}:
        one = restriction.predict(x, every[:, code : code + 1], readout)
        _same(one, _taken(table, np.array([code])), "a subset alone differs")


def check_batch_equals_singles(
    restriction: Restriction, x: Instances, readouts: Sequence[Readout], together: Readout
) -> None:
    """Whether explaining instances together gives what each gives alone.

    Args:
        restriction: The member.
        x: The instances.
        readouts: The readout of each instance when it is alone.
        together: The readout of all of them.

    Raises:
        AssertionError: if an instance depends on its neighbours.
    """
    table = restriction.table(x, together)
    for i, readout in enumerate(readouts):
        alone = restriction.table(x[i : i + 1], readout)
        row = Estimate(table.mean[i : i + 1], table.stderr[i : i + 1], table.stderr_from_base[i : i + 1], 0.0)
        _same(alone, row, f"instance {i} alone differs")


def _taken(table: Estimate, numbers: Int64[np.ndarray, "_"]) -> Estimate:
    columns = (table.mean, table.stderr, table.stderr_from_base)
    mean, stderr, from_base = (column[:, numbers] for column in columns)
    return Estimate(mean, stderr, from_base, table.model_rows)


def _same(got: Estimate, needed: Estimate, message: str) -> None:
    scale = float(abs(needed.mean).max()) + 1.0
    for one, other in (
        (got.mean, needed.mean),
        (got.stderr, needed.stderr),
        (got.stderr_from_base, needed.stderr_from_base),
    ):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-9 * scale), message
