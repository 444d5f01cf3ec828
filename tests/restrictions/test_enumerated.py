"""Exact restricted predictions against one row at a time."""

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from onlyif.core.errors import LimitError, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import keep_of_codes, members
from onlyif.models.function import FunctionPredictor
from onlyif.models.readouts import DecisionReadout, TargetReadout
from onlyif.references.base import Draws, Law, Reference
from onlyif.references.baseline import BaselineReference
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.sampled import SampledRestriction
from oracles.cases import Watched, watched_row
from oracles.restriction import restricted

B, C, N = 3, 5, 6
EQUAL = torch.full((N,), 1 / N, dtype=torch.float64)
GROUPED = Players(np.array([0, 1, 1, 2, 3]), ("a", "bc", "d", "e"))


@dataclass(frozen=True, eq=False)
class WeightedReference(Reference):
    """Rows with weights that depend on x and on what is kept."""

    rows: torch.Tensor

    def draw(self, x, keep, plan):
        raw = _weights(x[:, None, None], torch.tensor(keep)[:, :, None], self.rows)
        weights = raw / raw.sum(2, keepdim=True)
        part = slice(plan.start, plan.stop)
        return Draws(self.rows[None, None, part], weights[:, :, part].numpy())

    @property
    def law(self):
        return Law("Hidden features come from weighted rows.", len(self.rows), depends_on_x=True)


def _weights(x, keep, rows):
    return 1 / (0.1 + (torch.where(keep, x - rows, 0.0) ** 2).sum(-1))


def _given(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(B, C, generator=generator, dtype=torch.float64)
    return x, torch.randn(N, C, generator=generator, dtype=torch.float64), np.array([0, 1, 1])


def _slow(instance, rows, weights, *, kept, players):
    """f_S(x) of one instance, given with its target."""
    x, target = instance
    return restricted(
        lambda row: watched_row(row, int(target)),
        x.tolist(),
        rows.tolist(),
        weights.tolist(),
        kept=kept,
        group_of=players.index.tolist(),
    )[0]


def _slow_table(x, rows, target, players, weigh):
    subsets = [set(members(code)) for code in range(2**players.count)]
    return [
        [_slow(one, rows, weigh(one[0], kept), kept=kept, players=players) for kept in subsets]
        for one in zip(x, target, strict=True)
    ]


def _close(got, needed):
    np.testing.assert_allclose(got, needed, rtol=0, atol=1e-12)


@pytest.mark.parametrize("max_rows", [1, 4, 7, 16, 64, 1_000_000])
@pytest.mark.parametrize("players", [GROUPED, column_players(list("abcde"))], ids=["groups", "columns"])
def test_every_subset_of_every_instance_is_the_mean_over_all_rows(players, max_rows):
    x, rows, target = _given()
    model = Watched()
    restriction = EnumeratedRestriction(model, MarginalReference(rows), players, max_rows)
    found = restriction.table(x, TargetReadout(target))
    _close(found.mean, _slow_table(x, rows, target, players, lambda *_: EQUAL))
    assert not found.stderr.any()
    assert not found.stderr_from_base.any()
    assert max(model.calls) <= max_rows
    assert sum(model.calls) == found.model_rows * B == 2**players.count * N * B


@pytest.mark.parametrize("max_rows", [1, 5, 13, 10_000])
def test_atoms_with_weights_of_their_own_also_when_they_are_split(max_rows):
    x, rows, target = _given(1)

    def weigh(instance, kept):
        keep = torch.tensor([p in kept for p in GROUPED.index.tolist()])
        raw = _weights(instance, keep, rows)
        return raw / raw.sum()

    restriction = EnumeratedRestriction(Watched(), WeightedReference(rows), GROUPED, max_rows)
    found = restriction.table(x, TargetReadout(target))
    _close(found.mean, _slow_table(x, rows, target, GROUPED, weigh))


@pytest.mark.parametrize("max_rows", [1, 7, 1_000_000])
def test_subsets_of_their_own_for_each_instance(max_rows):
    x, rows, target = _given(2)
    keep = np.random.default_rng(3).random((B, 7, 4)) < 0.5
    restriction = EnumeratedRestriction(Watched(), MarginalReference(rows), GROUPED, max_rows)
    found = restriction.predict(x, keep, TargetReadout(target))
    needed = [
        [
            _slow(one, rows, EQUAL, kept={p for p in range(4) if kept[p]}, players=GROUPED)
            for kept in subsets.tolist()
        ]
        for one, subsets in zip(zip(x, target, strict=True), keep, strict=True)
    ]
    _close(found.mean, needed)


def test_both_ends_are_the_prediction_and_the_mean_over_the_background():
    x, rows, target = _given(4)
    found = EnumeratedRestriction(Watched(), MarginalReference(rows), GROUPED).table(x, TargetReadout(target))
    chosen = Watched().predict(x)[torch.arange(B), target]
    _close(found.mean[:, -1], chosen)
    everywhere = Watched().predict(rows).mean(0)[target]
    _close(found.mean[:, 0], everywhere)


def test_x_equal_to_the_baseline_makes_every_subset_alike():
    x, *_ = _given(5)
    for row in x:
        restriction = EnumeratedRestriction(Watched(), BaselineReference(row), GROUPED)
        table = restriction.table(row.unsqueeze(0), TargetReadout(np.array([1]))).mean
        _close(table, np.broadcast_to(table[:, :1], table.shape))


def test_decisions_are_made_from_averaged_outputs_not_averaged():
    """Two rows for class 0 by a little, one for class 1 by much: the mean decides 1."""
    rows = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    scores = torch.tensor([[0.5, 0.4], [0.5, 0.4], [0.1, 0.9]], dtype=torch.float64)
    model = FunctionPredictor(lambda batch: scores[batch[:, 0].long()])
    restriction = EnumeratedRestriction(model, MarginalReference(rows), column_players(["a"]))
    assert restriction.table(rows, DecisionReadout()).mean.tolist() == [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("kind", ["enumerated", "sampled"])
def test_a_table_never_holds_all_subsets_as_booleans(kind):
    d, players = 16, column_players([f"c{i}" for i in range(16)])
    rows = np.random.default_rng(0).normal(size=(2, d))
    model, reference = FunctionPredictor(lambda batch: batch.sum(1)), MarginalReference(rows)
    restriction = (
        EnumeratedRestriction(model, reference, players, 4096)
        if kind == "enumerated"
        else SampledRestriction(model, reference, players, 2, 4096)
    )
    # What is imported at a first call is not meant.
    restriction.predict(rows[:1], np.ones((1, 1, d), dtype=bool), TargetReadout(np.array([0])))
    tracemalloc.start()
    try:
        restriction.table(rows[:1] + 1, TargetReadout(np.array([0])))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The table, with its two errors where it is sampled, and little beside it.
    assert peak < 8 * 2**d * (1 if kind == "enumerated" else 3) + 2**d * d


def test_a_table_too_large_is_refused_before_the_model_is_asked():
    x, rows, target = torch.zeros(1, 30), torch.zeros(1, 30), np.array([0])
    model = Watched()
    restriction = EnumeratedRestriction(
        model, MarginalReference(rows), column_players([f"c{i}" for i in range(30)])
    )
    with pytest.raises(
        LimitError, match=r"2\^30 subsets for 1 instance\(s\) needs 8.0 GiB, the limit is 4.0 GiB"
    ):
        restriction.table(x, TargetReadout(target))
    assert not model.calls


def test_a_law_without_atoms_and_bad_settings_are_refused():
    gaussian = GaussianReference(np.zeros(2), np.eye(2))
    with pytest.raises(SettingError, match="can only be sampled"):
        EnumeratedRestriction(Watched(), gaussian, column_players(["a", "b"]))
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        EnumeratedRestriction(Watched(), MarginalReference(torch.zeros(2, 2)), column_players(["a", "b"]), 0)


def test_the_method_says_how_many_atoms_and_what_a_subset_costs():
    method = EnumeratedRestriction(Watched(), MarginalReference(torch.zeros(7, 4)), GROUPED).method
    assert (method.exact, method.rows) == (True, 7)
    assert "7 rows of the reference" in method.sentence


def test_single_precision_rows_are_averaged_in_double():
    rows = torch.tensor([[1e8], [1.0], [-1e8], [1.0]])
    restriction = EnumeratedRestriction(
        FunctionPredictor(lambda batch: batch), MarginalReference(rows), column_players(["a"]), 1
    )
    keep = keep_of_codes(np.array([0]), 1)[None]
    assert restriction.predict(torch.zeros(1, 1), keep, TargetReadout(np.array([0]))).mean.item() == 0.5
