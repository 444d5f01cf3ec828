"""Equal rows are asked for once, and nothing else changes by it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.neural_network import MLPRegressor

from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.engine import distinct
from onlyif.engine import engine as module
from onlyif.engine.distinct import Differences, equal_rows
from onlyif.engine.engine import Engine, outputs_of
from onlyif.modalities.table import fit_schema
from onlyif.models.checked import CheckedPredictor
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor
from onlyif.models.outputs import AutoOutput
from onlyif.models.readouts import TargetReadout
from onlyif.references.empirical import fit_empirical
from onlyif.references.gaussian import fit_gaussian
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.samples.background import BackgroundSample

PLAYERS = Players(np.array([0, 1, 1, 2, 3]), ("a", "b", "c", "d"))
WEIGHTS = np.random.default_rng(0).normal(size=(5, 2))
READOUT = TargetReadout(np.array([0, 1, 1]))


class Recorder:
    """A model that remembers every row it was given."""

    def __init__(self):
        self.rows = []

    def __call__(self, batch):
        self.rows.extend(map(bytes, np.ascontiguousarray(batch)))
        return np.tanh(batch @ WEIGHTS + batch[:, :1] * batch[:, 3:4])


def tables(seed, n, b=3, levels=2):
    random = np.random.default_rng(seed)
    return (random.integers(0, levels, (size, 5)).astype(float) for size in (n, b))


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_blends_are_those_of_plain_loops(seed, n, max_rows):
    other, x = tables(seed, n)
    model = Recorder()
    engine = Engine(FunctionPredictor(model), PLAYERS, max_rows)
    differ = engine.differing(x, other)
    if differ is None:
        return
    for i in range(3):
        for j in range(n):
            expected = [PLAYERS.names[p] for p in range(4) if (x[i] != other[j])[PLAYERS.index == p].any()]
            assert [PLAYERS.names[p] for p in np.flatnonzero(differ.players[i, j])] == expected
    wanted, blended = {}, {}
    for i in range(3):
        for j in range(n):
            keep = keep_of_codes(np.arange(16), 4)[:, PLAYERS.index]
            blended[i, j] = np.where(keep, x[i], other[j])
            wanted[i, j] = Recorder()(blended[i, j])
    model.rows.clear()
    equal = engine.equal(other)
    for blends in engine.all_blends(x, other, differ, equal):
        inputs, each = blends.one_by_one()
        assert (
            len(inputs) == len(each.outputs) == (2 ** differ.players[each.instance, each.other].sum(1)).sum()
        )
        for size in (1, 4, 16):
            blocks = [slice(start, start + size) for start in range(0, 16, size)]
            held = np.concatenate([blends.of(block) for block in blocks], axis=1)
            places = np.concatenate([each.of_pairs.places(block) for block in blocks], axis=1)
            assert (inputs[places] == each.other[:, None]).all()
            assert (each.outputs[places] == held).all()
            for i, j, table in zip(blends.instance, blends.other, held, strict=True):
                np.testing.assert_allclose(table, wanted[i, j], atol=1e-12)
    assert differ.rows.sum() == (2 ** differ.players.sum(2)).sum()
    assert len(model.rows) <= differ.rows.sum()
    assert engine.n_asked(other, differ, equal) == len(model.rows)
    if equal is not None:
        # All pairs are looked at together: no instance is asked for a blend twice.
        assert len(model.rows) == sum(
            len(np.unique(np.concatenate([blended[i, j] for j in range(n)]), axis=0)) for i in range(3)
        )
    hidden = np.arange(16)[::-1][None, None]
    which = np.arange(3)[:, None, None], np.arange(n)[:, None]
    before = len(model.rows)
    outputs = engine.distinct(x, other, which, hidden, differ)
    for i in range(3):
        for j in range(n):
            np.testing.assert_allclose(outputs[i, j], wanted[i, j], atol=1e-12)
    assert len(model.rows) - before == sum(2 ** int(k) for k in differ.players.sum(2).ravel())


def test_rows_are_joined_from_both_halves_of_the_players_bit_by_bit(monkeypatch):
    """Zeros of both signs and the smallest numbers stay what they are; players have several entries."""
    rng, d = np.random.default_rng(0), 8
    levels = np.array([-0.0, 0.0, 5e-324, -1.5, 2.0])
    players = Players(np.array([7, 0, 1, 2, 3, 3, 4, 5, 6, 1]), tuple("abcdefgh"))
    x, other = (levels[rng.integers(0, 5, (n, 10))] for n in (2, 12))
    # Players of two entries hold one value in both, so that rows have values in common.
    x[:, 9], x[:, 5], other[:, 9], other[:, 5] = x[:, 2], x[:, 4], other[:, 2], other[:, 4]
    joined, of = [], module._Halves.of
    monkeypatch.setattr(module._Halves, "of", staticmethod(lambda *made: joined.append(1) or of(*made)))
    rows = []

    def model(batch):
        rows.extend(map(bytes, batch))
        return batch.sum(1)

    engine = Engine(FunctionPredictor(model), players, 100)
    differ, equal = engine.differing(x, other), engine.equal(other)
    for _ in engine.all_blends(x, other, differ, equal):
        pass
    keep = keep_of_codes(np.arange(2**d), d)[:, players.index]
    expected = [{bytes(row) for z in other for row in np.where(keep, one, z)} for one in x]
    assert joined
    assert len(rows) == sum(map(len, expected))
    assert set(rows) == expected[0] | expected[1]


def both_ways(monkeypatch, made):
    """What is made where equal rows are looked for, and where they are not."""
    found = made()
    with monkeypatch.context() as without:
        without.setattr(module, "MOST_DISTINCT", 0.0)
        plain = made()
    return found, plain


REFERENCES = {
    "marginal": MarginalReference,
    "weighted": lambda rows: fit_empirical(rows, bandwidth=0.7),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("max_rows", [7, 4096])
def test_tables_and_lists_do_not_change(monkeypatch, name, max_rows):
    rows, x = tables(1, 12)
    keep = np.random.default_rng(2).random((3, 9, 4)) < 0.5

    def made():
        model = Recorder()
        restriction = EnumeratedRestriction(
            FunctionPredictor(model), REFERENCES[name](rows), PLAYERS, max_rows
        )
        table = restriction.table(x, READOUT)
        asked = len(model.rows)
        return table, restriction.predict(x, keep, READOUT), asked

    (table, some, asked), (plain, plain_some, plainly) = both_ways(monkeypatch, made)
    np.testing.assert_allclose(table.mean, plain.mean, atol=1e-12)
    np.testing.assert_allclose(some.mean, plain_some.mean, atol=1e-12)
    assert not table.stderr.any()
    assert table.model_rows * 3 == plain.model_rows * 3 == plainly
    assert plainly == 3 * 16 * 12
    keep = keep_of_codes(np.arange(16), 4)[:, PLAYERS.index]
    every = [np.where(keep[:, None], one, rows).reshape(-1, 5) for one in x]
    # Of an instance no blend is asked for twice, but by another call; the rows of a call of 7 are few.
    assert asked == sum(len(np.unique(one, axis=0)) for one in every)


def test_values_are_told_apart_by_their_bits():
    one, another = np.array([0x7FF8000000000000, 0x7FF8000000000001], dtype=np.uint64).view(np.float64)
    column = np.array([0.0, -0.0, 0.0, one, another, one, 1e-320, 0.0, -0.0, 1e-320])
    other = np.stack([column, *np.zeros((3, 10)), np.arange(10) % 2], axis=1)
    x, rows = np.full((1, 5), 7.0), []

    def model(batch):
        rows.extend(map(bytes, np.ascontiguousarray(batch)))
        return np.zeros(len(batch))

    players = column_players(list("abcde"))
    differ = Differences(x[:, None] != other)
    list(
        Engine(FunctionPredictor(model), players, 4096).all_blends(
            x, other, differ, equal_rows(other, players)
        )
    )
    keep = keep_of_codes(np.arange(32), 5)
    wanted = {bytes(row) for row in np.where(keep[:, None], x[0], other).reshape(-1, 5)}
    assert set(rows) == wanted
    assert len(rows) == len(wanted) < 160


@pytest.mark.parametrize("slots", [1, 2**20])
def test_rows_that_are_equal_in_some_players_have_one_in_common(monkeypatch, slots):
    monkeypatch.setattr(distinct, "SLOTS_AT_ONCE", slots)
    rows = np.random.default_rng(0).integers(0, 3, (20, 5)).astype(float)
    equal = equal_rows(rows, PLAYERS)
    assert (equal.same % 16 == np.arange(16)).all()
    for code, first in enumerate(equal.same.T // 16):
        own = rows[:, np.isin(PLAYERS.index, [p for p in range(4) if code >> p & 1])]
        assert ((own[:, None] == own).all(2) == (first[:, None] == first)).all()
        assert (own[first] == own).all()


def test_equal_rows_are_not_looked_for_where_few_are_or_the_table_would_be_large(monkeypatch):
    players = column_players(list("abcd"))
    assert equal_rows(np.arange(16.0).reshape(4, 4), players) is None
    rows = np.zeros((9, 4))
    assert equal_rows(rows, players) is not None
    monkeypatch.setattr(distinct, "MOST_ENTRIES", 100)
    assert equal_rows(rows, players) is None


def test_no_row_of_one_background_row_is_asked_twice():
    rows, x = tables(3, 1, levels=2)
    model = Recorder()
    EnumeratedRestriction(FunctionPredictor(model), MarginalReference(rows), PLAYERS).table(
        x[:1], READOUT.part(slice(1))
    )
    assert (
        len(model.rows)
        == len(set(model.rows))
        == 2 ** sum((rows[0] != x[0])[PLAYERS.index == p].any() for p in range(4))
    )


def test_errors_of_draws_do_not_change(monkeypatch):
    rows, x = tables(4, 12)

    def made():
        model = Recorder()
        restriction = SampledRestriction(
            FunctionPredictor(model), MarginalReference(rows), PLAYERS, 30, 64, seed=5
        )
        return restriction.table(x, READOUT), len(model.rows)

    (found, asked), (plain, plainly) = both_ways(monkeypatch, made)
    for name in ("mean", "stderr", "stderr_from_base"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), atol=1e-12)
    assert asked < 0.6 * plainly


@pytest.mark.parametrize("change", [TargetChange(np.array([0, 1])), NormChange()], ids=["target", "norm"])
@pytest.mark.parametrize("own", [False, True], ids=["one baseline", "a baseline each"])
def test_the_dual_stage_test_does_not_change(monkeypatch, change, own):
    rows, x = tables(6, 14, b=2)
    baseline = np.array([[0.0, 1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0, 1.0]])[: 2 if own else 1]
    keep = np.random.default_rng(2).random((2, 5, 4)) < 0.5

    def made():
        model = Recorder()
        test = DualStageTest(
            FunctionPredictor(model),
            PLAYERS,
            BackgroundSample(rows),
            baseline,
            Neighbourhood(SoftEvents(2.0, 0.1)),
            Perturbations(most_masks=4, n_perturbations=5),
            max_rows=50,
        )
        return test.table(x, change), test.measure(x, keep, change), len(model.rows)

    (table, some, asked), (plain, plain_some, plainly) = both_ways(monkeypatch, made)
    np.testing.assert_allclose(table.pns, plain.pns, atol=1e-12)
    np.testing.assert_allclose(some.pns, plain_some.pns, atol=1e-12)
    assert table.model_rows == plain.model_rows
    assert asked < plainly


def test_only_the_same_bits_are_the_same():
    engine = Engine(FunctionPredictor(Recorder()), column_players(list("abcd")), 10)
    quiet, other = np.array([0x7FF8000000000000, 0x7FF8000000000001], dtype=np.int64).view(np.float64)
    x = np.array([[0.0, quiet, 1e-320, 5.0]])
    rows = np.array([[-0.0, quiet, 1e-320, 5.0], [0.0, other, 0.0, np.nextafter(5.0, 6.0)]])
    differ = engine.differing(x, rows)
    assert differ.players[0].tolist() == [[True, False, False, False], [False, True, True, True]]


def test_nothing_is_looked_for_where_nothing_repeats():
    random = np.random.default_rng(0)
    engine = Engine(FunctionPredictor(Recorder()), PLAYERS, 10)
    assert engine.differing(random.normal(size=(3, 5)), random.normal(size=(9, 5))) is None
    tensors = torch.zeros(2, 5, dtype=torch.float64)
    assert engine.differing(tensors, tensors) is None
    assert engine.differing(np.zeros((2, 5), dtype=np.float32), np.zeros((2, 5))) is None
    wide = Engine(FunctionPredictor(Recorder()), column_players([str(i) for i in range(50)]), 10)
    assert wide.differing(np.zeros((1, 50)), np.zeros((1, 50))) is None


def test_draws_of_their_own_for_each_subset_are_asked_for_as_they_are():
    rows, x = tables(7, 30)
    model = Recorder()
    reference = fit_gaussian(rows + np.random.default_rng(0).normal(size=rows.shape))
    SampledRestriction(FunctionPredictor(model), reference, PLAYERS, 4, 64).table(x, READOUT)
    assert len(model.rows) == 3 * (16 + 1) * 4


def test_bad_answers_and_settings():
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        Engine(FunctionPredictor(Recorder()), PLAYERS, 0)
    broken = FunctionPredictor(lambda batch: np.where(batch[:, 0] > 1, np.nan, 1.0))
    with pytest.raises(ModelError, match="answered NaN or infinite for 1 of 2 rows; need finite outputs"):
        outputs_of(broken, np.array([[0.0], [1.5], [2.0]]), 2)


def test_calls_are_as_large_as_the_kind_of_model_likes_best():
    x = np.random.default_rng(0).normal(size=(30, 3))
    net = MLPRegressor(hidden_layer_sizes=(4,), max_iter=50, tol=1e9, n_iter_no_change=1).fit(x, x[:, 0])
    forest = RandomForestRegressor(2).fit(x, x[:, 0])
    asked = {"network": net, "forest": forest, "torch": torch.nn.Linear(3, 1)}
    players, sizes = column_players(list("abc")), {}
    for name, model in asked.items():
        predictor = CheckedPredictor(detect(model, fit_schema(x), AutoOutput()))
        sizes[name] = Engine(predictor, players, 16_384).rows_a_call
    assert sizes == {"network": 4096, "forest": 16_384, "torch": 4096}
    small = Engine(detect(net, fit_schema(x), AutoOutput()), players, 100)
    assert small.rows_a_call == 100


def test_rows_stay_as_they_are():
    def greedy(batch):
        batch += 1
        return batch.sum(1)

    rows = np.zeros((3, 2))
    with FunctionPredictor(greedy).opened() as opened:
        outputs_of(opened, rows, 2)
    assert not rows.any()
