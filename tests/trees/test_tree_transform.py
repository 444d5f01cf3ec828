"""The subset-sum transform, against the sum over every subset of every entry."""

import numpy as np
import pytest

from onlyif.trees.transform import add_subsets


@pytest.mark.parametrize("n_bits", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("n_rows", [1, 3, 300])
def test_each_entry_is_the_sum_of_its_subsets(n_bits, n_rows):
    table = np.random.default_rng(n_bits).normal(size=(n_rows, 2**n_bits))
    expected = [
        sum(table[:, part] for part in range(code + 1) if part & code == part) for code in range(2**n_bits)
    ]
    add_subsets(table)
    np.testing.assert_allclose(table, np.stack(expected, 1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_bits", [17, 18, 21, 23])
def test_large_tables_are_summed_over_every_bit(n_bits):
    """One coefficient at T is added to every superset of T, whichever bits T has."""
    for code in (
        0,
        1,
        1 << (n_bits - 1),
        (1 << n_bits) - 1,
        0b1001011 | 1 << 16,
        1 << 17 & (1 << n_bits) - 1,
    ):
        table = np.zeros((2, 2**n_bits))
        table[1, code] = 2.0
        add_subsets(table)
        held = (np.arange(2**n_bits) & code) == code
        assert np.array_equal(table[1], 2.0 * held)
        assert not table[0].any()
