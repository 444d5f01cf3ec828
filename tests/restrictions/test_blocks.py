"""The walk over instances, subsets and draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.core.players import column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.engine.engine import Engine
from onlyif.models.readouts import TargetReadout
from onlyif.references.base import Plan
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.blocks import Moments, Subsets, Walk
from oracles.cases import Watched, watched_row
from oracles.restriction import stderr_of_mean

NUMBERS = st.floats(-100, 100, width=32)


def _moments(values):
    array = np.broadcast_to(np.array(values, dtype=np.float64), (2, 1, 1, 1, len(values)))
    mean = array.mean(4)
    return Moments(len(values), mean, np.square(array - mean[..., None]).sum(4))


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=5), min_size=1, max_size=6))
@settings(deadline=None)
def test_moments_merged_part_by_part_are_those_of_the_whole(parts):
    whole = [value for part in parts for value in part]
    merged = _moments(parts[0])
    for part in parts[1:]:
        merged = merged.merge(_moments(part))
    assert merged.count == len(whole)
    np.testing.assert_allclose(merged.mean, _moments(whole).mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged.spread, _moments(whole).spread, rtol=1e-9, atol=1e-7)
    if len(whole) > 1:
        assert merged.stderr.flat[0] == pytest.approx(stderr_of_mean(whole), abs=1e-4, rel=1e-6)


def test_large_means_with_small_spreads_keep_their_errors():
    """The textbook formula E[y²] - E[y]² would lose every digit here."""
    generator = torch.Generator().manual_seed(0)
    values = (1e9 + torch.randn(100, generator=generator, dtype=torch.float64)).tolist()
    merged = _moments(values[:37]).merge(_moments(values[37:]))
    assert merged.stderr.flat[0] == pytest.approx(stderr_of_mean(values), rel=1e-6)


def test_one_draw_has_an_unknown_error():
    assert np.isnan(_moments([3.0]).stderr).all()


def _walk(max_rows, n_rows=4):
    rows = torch.arange(n_rows * 4).reshape(n_rows, 4).double() / 7
    model, players = Watched(), column_players(list("abcd"))
    return model, Walk(
        Engine(model, players, max_rows), MarginalReference(rows), Plan(n_rows, 0, n_rows, None)
    )


@pytest.mark.parametrize(
    ("b", "m", "max_rows"), [(50, 1, 40), (50, 3, 40), (7, 16, 20), (1, 16, 1000), (3, 16, 9), (2, 5, 1)]
)
def test_calls_are_filled_and_never_too_large(b, m, max_rows):
    """A rectangle of instances and subsets cannot fill every call, but at least half of it."""
    model, walk = _walk(max_rows)
    x = torch.randn(b, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    walk.run(x, Subsets(keep_of_codes(np.arange(m), 4)[None], 4), TargetReadout(np.zeros(b, dtype=np.int64)))
    assert sum(model.calls) == b * m * 4
    assert max(model.calls) <= max_rows
    least_calls = -(-b * m * 4 // max_rows)
    assert len(model.calls) <= 2 * least_calls + 1 or max_rows < 8


@pytest.mark.parametrize(("columns", "most"), [(1500, 2**21 // 1500), (4000, 1024)])
@pytest.mark.parametrize("seed", [None, 3])
def test_calls_of_wide_rows_hold_few_of_them(columns, most, seed):
    """Also where one subset has more draws than a call takes; the answer is that of all draws at once."""
    n, players = 2 * most + 7, column_players([str(i) for i in range(columns)])
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((n, columns)))
    x, keep = rows[:1] + 1, np.arange(columns)[None, None] % 2 < [[[1], [2]]]
    model, plan = Watched(), Plan(n, 0, n, seed)
    got = Walk(Engine(model, players, 10_000), MarginalReference(rows), plan).run(
        x, Subsets(keep, columns), TargetReadout(np.zeros(1, dtype=np.int64))
    )
    assert max(model.calls) == most
    drawn = MarginalReference(rows).draw(x, np.zeros((1, 1, columns), dtype=bool), plan).values[0, 0]
    wanted = [watched_row(np.where(kept, x[0], drawn).T, 0).mean() for kept in keep[0]]
    np.testing.assert_allclose(got.mean[0], wanted, rtol=1e-12)


def test_many_small_instances_share_one_call():
    model, walk = _walk(1000)
    x = torch.zeros(100, 4, dtype=torch.float64)
    walk.run(
        x,
        Subsets(keep_of_codes(np.array([0, 15]), 4)[None], 4),
        TargetReadout(np.zeros(100, dtype=np.int64)),
    )
    assert len(model.calls) == 1


def test_parts_of_a_list_and_of_all_subsets_are_the_same():
    every = keep_of_codes(np.arange(16), 4)[None]
    for start, stop in ((0, 16), (3, 9), (15, 16)):
        part = Subsets(None, 4).part(slice(0, 1), slice(start, stop))
        assert np.array_equal(part, every[:, start:stop])
        assert np.array_equal(Subsets(every, 4).part(slice(2, 5), slice(start, stop)), part)
    own = np.random.default_rng(0).random((5, 16, 4)) < 0.5
    assert np.array_equal(Subsets(own, 4).part(slice(2, 4), slice(3, 9)), own[2:4, 3:9])


def test_counts_of_subsets():
    assert Subsets(None, 5).count == 32
    assert Subsets(np.ones((1, 3, 5), dtype=np.bool_), 5).count == 3


def test_bad_settings_are_refused():
    reference, players = MarginalReference(torch.zeros(2, 4)), column_players(list("abcd"))
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        Engine(Watched(), players, 0)
    with pytest.raises(SettingError, match="at least 1 draw a subset, got 0"):
        Walk(Engine(Watched(), players, 10), reference, Plan(0, 0, 0, 1))
