"""Sums over tables of few players are those of plain loops over all subsets."""

import numpy as np
import pytest

from onlyif.engine.small_tables import small_tables

D, N, J, S = 5, 14, 2, 3


@pytest.mark.parametrize("most", [1, 40, 10_000])
def test_weighted_sums_of_tables_are_those_of_plain_loops(most):
    rng = np.random.default_rng(most)
    # Rows that differ nowhere and everywhere, and several that differ alike.
    differs = np.concatenate([[0, 31, 31, 6, 6], rng.integers(0, 32, N - 5)])
    group, weights = rng.integers(0, 2, N), rng.normal(size=(S, N))
    of_subsets = rng.normal(size=(N, 2**D, J))
    expected = np.zeros((2, S, J, 2**D))
    for row in range(N):
        for code in range(2**D):
            expected[group[row], :, :, code] += np.outer(
                weights[:, row], of_subsets[row, code & differs[row]]
            )
    found, rows = np.zeros_like(expected), []
    for tables in small_tables(differs, group, D, most):
        outputs = np.empty((tables.runs[-1].entries.stop, J))
        for run in tables.runs:
            at = tables.rows[run.rows]
            assert (tables.differs_of(run) == differs[at]).all()
            outputs[run.entries] = of_subsets[at, tables.codes(run)].reshape(-1, J)
            # A row's own entries, by where they begin and how far they stand from each other.
            for column, row in enumerate(at.tolist()):
                step = tables.steps[tables.kind[row]]
                places = tables.start[row] + step * np.arange(run.width)
                assert (outputs[places] == of_subsets[row, tables.codes(run)[:, column]]).all()
        assert len(outputs) <= most or len(tables.rows) == 1
        tables.add_sums(outputs, weights[:, tables.rows], found)
        rows += tables.rows.tolist()
    assert sorted(rows) == list(range(N))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
