"""Exact restricted predictions of trees, against every subset and row, one at a time."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from onlyif.answers.shapley import shapley_values
from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes, members
from onlyif.models.function import FunctionPredictor
from onlyif.models.links import ExpLink, IdentityLink, SoftmaxLink, TwoClassLink
from onlyif.models.output_links import LogOddsLink
from onlyif.models.readouts import TargetReadout
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.groups import groups_of
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.testing.restrictions import check_batch_equals_singles, check_restriction
from onlyif.trees import cubes as tree_cubes
from onlyif.trees import linked_restriction as tree_linked
from onlyif.trees.linked_restriction import TreeLinkedRestriction, compile_tree_linked
from onlyif.trees.marginal_restriction import TreeMarginalRestriction, compile_tree_marginal
from onlyif.trees.path_restriction import TreePathRestriction, compile_tree_path
from oracles.trees import Leaf, Split, ensemble_of, forest_arrays, rows_of, trees, walk, walk_both_ways

MIXED = (False, True, False, False)
GROUPS = st.sampled_from([[0, 1, 2, 3], [0, 1, 0, 1], [1, 1, 0, 2], [2, 0, 1, 2], [0, 0, 0, 0]])
FORESTS = st.lists(trees(MIXED, k=2, depth=3), min_size=1, max_size=3)


def _players(index):
    return Players(np.array(index), tuple(f"p{i}" for i in range(max(index) + 1)))


def _readout(rows, target=0):
    return TargetReadout(np.full(len(rows), target))


def _doubles(rows):
    return np.array(rows, dtype=np.float64)


def _slow(grown, base, link, x, background, weights, index, k):  # noqa: PLR0917 - an oracle spells out all
    """f_S(x) by walking every tree for every subset and background row."""

    def f(row):
        margins = sum(walk(tree, row) for tree in grown) + np.array(base)
        return float(link.outputs(margins[None])[0, k])

    def mean(row, kept):
        blends = [[row[c] if index[c] in kept else z[c] for c in range(len(row))] for z in background]
        return sum(weight * f(blend) for weight, blend in zip(weights, blends, strict=True))

    return [[mean(row, set(members(code))) for code in range(2 ** (max(index) + 1))] for row in x]


@given(FORESTS, rows_of(MIXED, 3), rows_of(MIXED, 5), GROUPS, st.data())
@settings(max_examples=25, deadline=None)
def test_table_is_the_mean_over_walks_for_every_subset(grown, x, background, index, data):
    k = data.draw(st.integers(0, 1))
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(background), max_size=len(background)))
    weights = [count / sum(counts) for count in counts]
    ensemble, base = ensemble_of(grown, 4, base=[1.0, -2.0]), [1.0, -2.0]
    # A row of the background may be x itself.
    background = [*background[:-1], x[0]]
    made = compile_tree_marginal(ensemble, _players(index), np.array(background), np.array(weights))
    found = made.table(_doubles(x), _readout(x, k))
    expected = _slow(grown, base, IdentityLink(), x, background, weights, index, k)
    np.testing.assert_allclose(found.mean, expected, rtol=0, atol=1e-12)
    assert found.model_rows == made.method.rows == 0
    assert not found.stderr.any()


@pytest.mark.parametrize("link", [TwoClassLink(0.5), SoftmaxLink(), ExpLink()])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_linked_table_is_the_mean_of_the_links(link, data):
    outputs = 1 if isinstance(link, TwoClassLink) else 2
    grown = data.draw(st.lists(trees(MIXED, k=outputs, depth=3), min_size=1, max_size=2))
    x, background, index = data.draw(rows_of(MIXED, 2)), data.draw(rows_of(MIXED, 4)), data.draw(GROUPS)
    base = [0.25] * outputs
    ensemble = ensemble_of(grown, 4, base=base, link=link)
    made = compile_tree_linked(ensemble, _players(index), np.array(background))
    for k in range(2):
        weights = [1 / len(background)] * len(background)
        expected = np.array(_slow(grown, base, link, x, background, weights, index, k))
        np.testing.assert_allclose(
            made.table(_doubles(x), _readout(x, k)).mean, expected, rtol=1e-9, atol=1e-9
        )
        every = keep_of_codes(np.arange(2 ** (max(index) + 1)), max(index) + 1)[None]
        asked = made.predict(_doubles(x), every, _readout(x, k)).mean
        np.testing.assert_allclose(asked, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "link", [TwoClassLink(0.5), SoftmaxLink(), ExpLink(), LogOddsLink(TwoClassLink(), 1e-6)]
)
@pytest.mark.parametrize("entries", [1, 40, 2**20])
def test_a_background_taken_in_parts_is_the_whole_background(link, entries, monkeypatch):
    monkeypatch.setattr(tree_linked, "_BLOCK_ENTRIES", entries)
    outputs = 1 if isinstance(link, TwoClassLink | LogOddsLink) else 2
    leaves = [Leaf((0.5, -1.0)[:outputs]), Leaf((-2.0, 0.75)[:outputs]), Leaf((1.5, 0.25)[:outputs])]
    grown = [
        Split(0, 0.1, leaves[0], Split(1, 0.2, leaves[1], leaves[2])),
        Split(2, 0.0, leaves[1], leaves[0]),
    ]
    rng = np.random.default_rng(0)
    x, background = rng.normal(size=(2, 3)).tolist(), rng.normal(size=(7, 3)).tolist()
    weights = [share / 28 for share in range(1, 8)]
    made = compile_tree_linked(
        ensemble_of(grown, 3, base=[0.25] * outputs, link=link),
        _players([0, 1, 2]),
        np.array(background),
        np.array(weights),
    )
    every = keep_of_codes(np.arange(8), 3)[None]
    for k in range(2):
        expected = np.array(_slow(grown, [0.25] * outputs, link, x, background, weights, [0, 1, 2], k))
        found = made.table(_doubles(x), _readout(x, k)).mean
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            made.predict(_doubles(x), every, _readout(x, k)).mean, expected, rtol=0, atol=1e-12
        )


@given(FORESTS, rows_of(MIXED, 3), GROUPS, st.integers(0, 1))
@settings(max_examples=25, deadline=None)
def test_path_table_goes_both_ways_at_hidden_splits(grown, x, index, k):
    made = compile_tree_path(ensemble_of(grown, 4, base=[1.0, 0.0]), _players(index))
    d = max(index) + 1
    expected = [
        [
            sum(walk_both_ways(tree, row, columns) for tree in grown)[k] + (k == 0)
            for columns in ({c for c in range(4) if code >> index[c] & 1} for code in range(2**d))
        ]
        for row in x
    ]  # fmt: skip
    np.testing.assert_allclose(made.table(_doubles(x), _readout(x, k)).mean, expected, rtol=0, atol=1e-9)
    every = keep_of_codes(np.arange(2**d), d)[None]
    asked = made.predict(_doubles(x), every, _readout(x, k)).mean
    np.testing.assert_allclose(asked, expected, rtol=0, atol=1e-9)


@given(FORESTS, st.lists(rows_of(MIXED, 1), min_size=2, max_size=3), rows_of(MIXED, 3), GROUPS)
@settings(max_examples=10, deadline=None)
def test_members_keep_the_contract(grown, x, background, index):
    players, rows, background = _players(index), _doubles([row[0] for row in x]), np.array(background)
    softmax = ensemble_of(grown, 4, link=SoftmaxLink())
    plain = replace(softmax, link=IdentityLink())
    together = TargetReadout(np.arange(len(rows)) % 2)
    alone = [together.part(slice(i, i + 1)) for i in range(len(rows))]
    made = {
        TreeMarginalRestriction: compile_tree_marginal(plain, players, background),
        TreeLinkedRestriction: compile_tree_linked(softmax, players, background),
        TreePathRestriction: compile_tree_path(plain, players),
    }
    rows = np.where(np.isfinite(rows), rows, 0.0)  # the contract compares x with itself, and NaN differs
    for restriction in made.values():
        check_restriction(restriction, rows, together, players.count)
        check_batch_equals_singles(restriction, rows, alone, together)


@given(st.integers(0, 10**6), st.sampled_from([1, 3, 4, 5, 9]))
@settings(max_examples=15, deadline=None)
def test_given_subsets_of_many_players(seed, n_trees):
    """Beyond 40 players each leaf numbers its own; the oracle is the model on blended rows."""
    rng, c = np.random.default_rng(seed), 70
    fitted = RandomForestRegressor(n_trees, max_depth=6, random_state=seed).fit(
        rng.normal(size=(80, c)), rng.normal(size=80)
    )
    x, background = rng.normal(size=(2, c)).astype(np.float32), rng.normal(size=(7, c)).astype(np.float32)
    keep = rng.random((2, 5, 60)) < 0.5
    index = np.concatenate([np.arange(60), rng.integers(0, 60, 10)])
    players, rows, others = (
        _players(index.tolist()),
        x.astype(np.float64),
        background.astype(np.float64),
    )
    ensemble = forest_arrays(fitted)
    marginal = compile_tree_marginal(ensemble, players, others).predict(rows, keep, _readout(x)).mean
    linked = compile_tree_linked(replace(ensemble, link=ExpLink()), players, others)
    for b in range(2):
        for m in range(5):
            kept = keep[b, m][index]
            blended = fitted.predict(np.where(kept, x[b], background))
            assert marginal[b, m] == pytest.approx(blended.mean(), abs=1e-9)
            exps = linked.predict(rows, keep, _readout(x)).mean
            assert exps[b, m] == pytest.approx(np.exp(blended).mean(), rel=1e-9)


@pytest.fixture(scope="module")
def tree_explainer():
    with warnings.catch_warnings():
        # shap asks matplotlib for a name that it is about to drop.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return pytest.importorskip("shap").TreeExplainer


@pytest.fixture(scope="module")
def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    # Single precision, in which scikit-learn and shap compare.
    x = x[:, :9].astype(np.float32).astype(np.float64)
    return x, y, RandomForestClassifier(20, max_depth=6, random_state=0).fit(x, y)


def test_efficiency_and_shap_interventional(cancer, tree_explainer):
    x, _, model = cancer
    # shap rounds thresholds to single precision, which moves values that lie on one; none of these does.
    rows, background = x[:6], x[130:160]
    made = compile_tree_marginal(forest_arrays(model), _players(list(range(9))), background)
    for k in range(2):
        table = made.table(rows, _readout(rows, k)).mean
        np.testing.assert_allclose(table[:, -1], model.predict_proba(rows)[:, k], rtol=0, atol=1e-9)
        blends = np.where(keep_of_codes(np.arange(512), 9)[:, None], rows[2], background)
        brute = model.predict_proba(blends.reshape(-1, 9))[:, k].reshape(512, -1).mean(1)
        np.testing.assert_allclose(table[2], brute, rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            table[:, 0], model.predict_proba(background)[:, k].mean(), rtol=0, atol=1e-9
        )
        explainer = tree_explainer(model, background, feature_perturbation="interventional")
        np.testing.assert_allclose(
            shapley_values(table),
            explainer.shap_values(rows, check_additivity=False)[:, :, k],
            rtol=0,
            atol=1e-6,
        )


def test_path_dependent_shapley_values_are_those_of_shap(cancer, tree_explainer):
    x, _, model = cancer
    made = compile_tree_path(forest_arrays(model), _players(list(range(9))))
    table = made.table(x[:6], _readout(x[:6], 1)).mean
    explainer = tree_explainer(model, feature_perturbation="tree_path_dependent")
    np.testing.assert_allclose(
        shapley_values(table), explainer.shap_values(x[:6])[:, :, 1], rtol=0, atol=1e-6
    )


def test_the_sampled_restriction_agrees_within_its_errors(cancer):
    x, _, model = cancer
    players, background = _players(list(range(9))), x[100:400]
    made = compile_tree_marginal(forest_arrays(model), players, background)
    predictor = FunctionPredictor(model.predict_proba)
    keep = np.random.default_rng(0).random((1, 60, 9)) < 0.5
    rows = x[:4]
    sampled = SampledRestriction(predictor, MarginalReference(background), players, n_draws=400, seed=3)
    rough = sampled.predict(rows, keep, _readout(x[:4], 1))
    exact = made.predict(rows, keep, _readout(x[:4], 1)).mean
    wrong = abs(rough.mean - exact) > 4 * rough.stderr + 1e-12
    assert wrong.mean() < 0.01
    assert (abs(rough.mean - exact) > 1e-6).any()


def test_a_large_table_is_summed_part_by_part():
    """17 players and more are summed in parts; the oracle is the list of given subsets."""
    rng, c = np.random.default_rng(1), 19
    x = rng.normal(size=(200, c))
    model = RandomForestRegressor(10, max_depth=7, random_state=0).fit(x, x @ rng.normal(size=c))
    made = compile_tree_marginal(forest_arrays(model), _players(list(range(c))), x[:20])
    codes = rng.integers(0, 2**c, 300)
    table = made.table(x[50:51], _readout(x[:1])).mean[0, codes]
    asked = made.predict(x[50:51], keep_of_codes(codes, c)[None], _readout(x[:1])).mean[0]
    np.testing.assert_allclose(table, asked, rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [7, 10])
@pytest.mark.parametrize("entries", [300, 2**20])
@pytest.mark.parametrize("link", [TwoClassLink(), SoftmaxLink()])
def test_background_rows_that_share_values_with_x(d, entries, link, monkeypatch):
    """Players on which a row does not differ change none of its margins; the oracle asks the trees."""
    monkeypatch.setattr(tree_linked, "_BLOCK_ENTRIES", entries)
    rng = np.random.default_rng(d)
    x = rng.integers(0, 3, (120, d)).astype(np.float64)
    # The first row differs from x nowhere, the second everywhere.
    background = np.concatenate([x[:1], 2 - x[:1] + (x[:1] == 1), x[1:30]])
    k = 1 if isinstance(link, TwoClassLink) else 3
    fitted = RandomForestRegressor(9, max_depth=5, random_state=0).fit(x, rng.normal(size=120))
    made = forest_arrays(fitted)
    value = made.value * np.linspace(-2, 3, k)
    ensemble = replace(made, value=value, base=np.linspace(0, 1, k), link=link)
    weights = rng.dirichlet(np.ones(len(background)))
    restriction = compile_tree_linked(ensemble, _players(list(range(d))), background, weights)
    blends = np.where(keep_of_codes(np.arange(2**d), d)[:, None], x[0], background)
    expected = weights @ ensemble.predict(blends.reshape(-1, d)).reshape(2**d, len(background), -1)
    for output in range(expected.shape[-1]):
        found = restriction.table(x[:1], _readout(x[:1], output)).mean[0]
        np.testing.assert_allclose(found, expected[:, output], rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_thresholds", [100, 300])
def test_columns_with_few_and_many_thresholds(n_thresholds):
    """The cells of 128 or more take wider numbers; rows lie below, between and above all thresholds."""
    grown = [Split(0, float(t), Leaf((0.0,)), Leaf((2.0**-t,))) for t in range(0, n_thresholds, 2)]
    grown += [
        Split(0, float(t), Split(1, 0.5, Leaf((1.0,)), Leaf((3.0,))), Leaf((0.0,)))
        for t in range(1, n_thresholds, 2)
    ]
    x = np.array([[n_thresholds / 3, 0.0]])
    background = np.array([[-5.0, 1.0], [n_thresholds + 9.0, 1.0], [n_thresholds / 2, 0.0], [math.nan, 1.0]])
    ensemble = ensemble_of(grown, 2)
    blends = np.where(keep_of_codes(np.arange(4), 2)[:, None], x[0], background)
    expected = ensemble.predict(blends.reshape(-1, 2)).reshape(4, 4).mean(1)
    found = compile_tree_marginal(ensemble, _players([0, 1]), background).table(x, _readout(x, 0)).mean[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("worth", [0, np.inf])
@pytest.mark.parametrize("k", [1, 3])
def test_cubes_multiplied_out_by_what_is_kept_or_hidden(worth, k, monkeypatch):
    """Each over the smaller of its two sets, or all over what must not be kept; the oracle asks the trees."""
    monkeypatch.setattr(tree_cubes, "_WORTH", worth)
    rng, d = np.random.default_rng(3), 8
    x = rng.normal(size=(150, d))
    made = forest_arrays(RandomForestRegressor(7, max_depth=7, random_state=0).fit(x, rng.normal(size=150)))
    ensemble = replace(made, value=made.value * np.linspace(-2, 3, k), base=np.linspace(0, 1, k))
    background, weights = x[1:40], rng.dirichlet(np.ones(39))
    table = compile_tree_marginal(ensemble, _players(list(range(d))), background, weights)
    blends = np.where(keep_of_codes(np.arange(2**d), d)[:, None], x[0], background)
    of_rows = ensemble.predict(blends.reshape(-1, d)).reshape(2**d, 39, k)
    expected, groups = weights @ of_rows, groups_of(39, 0, seed=0)
    of_groups = compile_tree_marginal(ensemble, _players(list(range(d))), background, groups=groups)
    for output in range(k):
        readout = _readout(x[:1], output)
        found = table.table(x[:1], readout).mean[0]
        np.testing.assert_allclose(found, expected[:, output], rtol=0, atol=1e-12)
        alone = of_groups.grouped_table(x[:1], readout, groups).of_groups(0)[:, :, 0]
        wanted = np.stack([of_rows[:, rows, output].mean(1) for rows in groups.members], axis=1)
        np.testing.assert_allclose(alone, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("link", [TwoClassLink(), SoftmaxLink(), LogOddsLink(TwoClassLink(), 1e-6)])
def test_margins_beyond_what_an_exponential_holds(link):
    """Zeros of both signs and the smallest numbers stand on their sides of a threshold of 0."""
    wide = (0.0,) if isinstance(link, SoftmaxLink) else ()
    grown = [
        Split(0, 0.0, Leaf((-1e4, *wide)), Leaf((1e4, *wide))),
        Split(1, 0.0, Leaf((0.0, *wide)), Leaf((2e4, *wide))),
    ]
    x, background = [[1e-320, -0.0]], [[0.0, 1e-320], [-0.0, -1e-320], [math.nan, 0.0]]
    made = compile_tree_linked(ensemble_of(grown, 2, link=link), _players([0, 1]), np.array(background))
    every = keep_of_codes(np.arange(4), 2)[None]
    for k in range(2):
        expected = _slow(grown, [0.0] * (1 + len(wide)), link, x, background, [1 / 3] * 3, [0, 1], k)
        assert np.isfinite(expected).all()
        for found in (
            made.table(_doubles(x), _readout(x, k)),
            made.predict(_doubles(x), every, _readout(x, k)),
        ):
            np.testing.assert_allclose(found.mean, expected, rtol=1e-12, atol=1e-12)


def _stump_and(link=None):
    return ensemble_of([Split(0, 0.0, Leaf((1.0,)), Split(1, 0.0, Leaf((2.0,)), Leaf((3.0,))))], 2, link=link)


def test_bad_backgrounds_and_settings_are_refused():
    players, rows = _players([0, 1]), np.zeros((2, 2))
    with pytest.raises(InputError, match="at least one background row, got none"):
        compile_tree_marginal(_stump_and(), players, rows[:0])
    with pytest.raises(SettingError, match="one weight a background row, got 3 for 2 rows"):
        compile_tree_linked(_stump_and(), players, rows, np.full(3, 1 / 3))
    with pytest.raises(SettingError, match="sum to 1, got a sum of 2"):
        compile_tree_marginal(_stump_and(), players, rows, np.ones(2))
    with pytest.raises(SettingError, match="use TreeLinkedRestriction"):
        compile_tree_marginal(_stump_and(ExpLink()), players, rows)
    with pytest.raises(SettingError, match="explain the margin"):
        compile_tree_path(_stump_and(ExpLink()), players)
    with pytest.raises(InputError, match="compare 2 columns, got rows of 3"):
        compile_tree_marginal(_stump_and(), players, rows).table(np.zeros((1, 3)), _readout([0]))
    uncovered = _stump_and()
    uncovered = replace(uncovered, nodes=replace(uncovered.nodes, cover=np.zeros(5)))
    with pytest.raises(SettingError, match="training weight of every node"):
        compile_tree_path(uncovered, players)


def test_tables_of_too_many_players_or_rows_are_refused():
    grown = [Split(c, 0.0, Leaf((1.0,)), Leaf((2.0,))) for c in range(26)]
    made = compile_tree_marginal(ensemble_of(grown, 26), _players(list(range(26))), np.zeros((1, 26)))
    with pytest.raises(SettingError, match="at most 25 players, got 26"):
        made.table(np.ones((1, 26)), _readout([0]))
    made = compile_tree_marginal(ensemble_of(grown[:25], 25), _players(list(range(25))), np.zeros((1, 25)))
    with pytest.raises(LimitError, match=r"2\^25 subsets"):
        made.table(np.ones((20, 25)), _readout([0] * 20))


def test_a_single_leaf_is_a_constant():
    made = compile_tree_marginal(
        ensemble_of([Leaf((4.0,))], 2, base=[0.5]), _players([0, 1]), np.zeros((3, 2))
    )
    x = _doubles([[math.nan, 1.0]])
    assert made.table(x, _readout(x)).mean.tolist() == [[4.5] * 4]
    assert made.predict(x, np.ones((1, 1, 2), dtype=np.bool_), _readout(x)).mean.tolist() == [[4.5]]
