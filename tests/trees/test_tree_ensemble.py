"""Trees as arrays, against a walk of one row at a time and against scikit-learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.core.players import Players
from onlyif.models.links import ExpLink, SigmoidLink, SoftmaxLink, TwoClassLink
from onlyif.trees.ensemble import ZERO
from onlyif.trees.leaves import compile_leaves
from onlyif.trees.thresholds import rounded_to_single, strictly_below
from oracles.trees import Leaf, Split, ensemble_of, forest_arrays, rows_of, trees, walk

MIXED = (False, True, False)


def _two_leaves(column=0, threshold=0.0, missing_left=False):
    return Split(column, threshold, Leaf((1.0,)), Leaf((2.0,)), missing_left)


@given(st.lists(trees(MIXED, k=2), min_size=1, max_size=4), rows_of(MIXED, 6))
@settings(max_examples=60, deadline=None)
def test_predictions_are_those_of_a_plain_walk(grown, rows):
    ensemble = ensemble_of(grown, 3, base=[0.5, -1.0])
    expected = [sum(walk(tree, row) for tree in grown) + np.array([0.5, -1.0]) for row in rows]
    np.testing.assert_allclose(ensemble.predict(np.array(rows)), expected, rtol=0, atol=1e-12)


@given(st.lists(trees(MIXED), min_size=1, max_size=4), rows_of(MIXED, 6))
@settings(max_examples=60, deadline=None)
def test_exactly_one_leaf_of_each_tree_is_free_of_unsatisfied_players(grown, rows):
    ensemble = ensemble_of(grown, 3)
    leaves = compile_leaves(ensemble, Players(np.arange(3), ("a", "b", "c")))
    for row, masks in zip(rows, leaves.unsatisfied(leaves.see(np.array(rows))).T, strict=True):
        reached = masks == 0
        assert reached.sum() == len(grown)
        np.testing.assert_allclose(leaves.value[reached].sum(0), sum(walk(tree, row) for tree in grown))


@pytest.mark.parametrize("model", [RandomForestClassifier, ExtraTreesRegressor])
def test_sklearn_forests_agree_also_on_their_thresholds(model):
    x, y = load_breast_cancer(return_X_y=True)
    fitted = model(20, max_depth=6, random_state=0).fit(x[:, :8], y)
    ensemble = forest_arrays(fitted)
    rows = x[:50, :8].copy()
    for column in range(8):
        at = ensemble.nodes.column == column
        # Values on the thresholds and just above and below, where rounding to single precision decides.
        known = ensemble.nodes.threshold[at][:40]
        near = np.concatenate([known, np.nextafter(known, np.inf), known.astype(np.float32)])
        rows[:, column] = np.resize(near, 50) if len(near) else rows[:, column]
    expected = (
        fitted.predict_proba(rows) if hasattr(fitted, "predict_proba") else fitted.predict(rows)[:, None]
    )
    np.testing.assert_allclose(ensemble.predict(rows), expected, rtol=0, atol=1e-12)


near_single = st.one_of(
    st.floats(width=32, allow_nan=False),
    st.floats(allow_nan=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100).map(
        lambda x: (x + float(np.nextafter(np.float32(x), np.float32(np.inf)))) / 2
    ),
)


@given(near_single.filter(math.isfinite), near_single, st.integers(-3, 3))
@settings(max_examples=500, deadline=None)
def test_single_precision_comparisons_become_double_ones(threshold, value, steps):
    t = np.array([threshold])
    rounded = float(rounded_to_single(t)[0])
    # Also values next to the threshold found, where a mistake would show.
    for x in (value, threshold, _moved(rounded, steps)):
        with np.errstate(over="ignore"):
            single = float(np.float32(x))
        assert (x <= rounded) == (single <= threshold), (x, rounded)
        assert (x <= float(strictly_below(t)[0])) == (x < threshold)
        strict = float(rounded_to_single(strictly_below(t))[0])
        assert (x <= strict) == (single < threshold), (x, strict)


def _moved(value, steps):
    for _ in range(abs(steps)):
        value = float(np.nextafter(value, np.inf if steps > 0 else -np.inf))
    return value


def test_zero_counts_as_missing_where_it_is_said():
    tree = _two_leaves(threshold=5.0, missing_left=False)
    rows = np.array([[0.0], [-ZERO], [3 * ZERO], [np.nan]])
    plain = ensemble_of([tree], 1)
    assert plain.predict(rows)[:, 0].tolist() == [1, 1, 1, 2]
    assert replace(plain, zero_is_missing=(0,)).predict(rows)[:, 0].tolist() == [2, 2, 1, 2]


def test_links():
    margins = np.array([[0.3, -1.2, 2.0]])
    plain = margins[0]
    sigmoid = 1 / (1 + np.exp(-2 * plain))
    np.testing.assert_allclose(SigmoidLink(2.0).outputs(margins)[0], sigmoid)
    np.testing.assert_allclose(SoftmaxLink().outputs(margins)[0], np.exp(plain) / np.exp(plain).sum())
    np.testing.assert_allclose(ExpLink().outputs(margins)[0], np.exp(plain))
    two = TwoClassLink(2.0)
    np.testing.assert_allclose(two.outputs(margins[:, :1])[0], [1 - sigmoid[0], sigmoid[0]])
    draws, weights = np.array([[[0.3]], [[-1.2]]]), np.array([0.25, 0.75])
    expected = 0.25 * two.outputs(draws[0]) + 0.75 * two.outputs(draws[1])
    mean = two.completed(np.tensordot(weights, two.averaged(draws), 1))
    np.testing.assert_allclose(mean, expected, atol=1e-15)


def _broken(**changes):
    ensemble = ensemble_of([_two_leaves()], 1)
    of_nodes = {name: new for name, new in changes.items() if hasattr(ensemble.nodes, name)}
    others = {name: new for name, new in changes.items() if name not in of_nodes}
    return replace(ensemble, nodes=replace(ensemble.nodes, **of_nodes), **others)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column": [1, -1, -1]}, "column: got 1, need -1 to 0"),
        ({"left": [3, 0, 0]}, "child: got 3, need 0 to 2"),
        ({"left": [2, 0, 0]}, "node 1 is 0 times a root or child"),
        ({"left": [0, 0, 0]}, "node 0 is 2 times a root or child"),
        ({"threshold": [float("nan"), 0.0, 0.0]}, "must be numbers"),
        ({"value": [[0.0], [float("inf")], [0.0]]}, "must be numbers"),
        ({"roots": []}, "at least one tree"),
        ({"roots": [7]}, "root: got 7"),
        ({"category_set": [0, -1, -1]}, "category_set: got 0, need -1 to -1"),
        ({"zero_is_missing": (1,)}, "zero_is_missing: got 1"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(changes, message):
    kinds = {"threshold": np.float64, "value": np.float64}
    arrays = {
        name: new if name == "zero_is_missing" else np.array(new, dtype=kinds.get(name, np.int64))
        for name, new in changes.items()
    }
    with pytest.raises(SettingError, match=message):
        _broken(**arrays)


def test_a_cycle_apart_from_the_roots_is_refused():
    ensemble = ensemble_of([Leaf((1.0,)), _two_leaves(), _two_leaves()], 1)
    nodes = ensemble.nodes
    # Nodes 1 and 4 become each other's left child, so neither hangs from the root 0.
    left = nodes.left.copy()
    left[1], left[4] = 4, 1
    with pytest.raises(SettingError, match=r"times a root or child|cannot be reached"):
        replace(ensemble, nodes=replace(nodes, left=left), roots=np.array([0, 2, 5]))


def test_a_column_is_compared_in_one_way_only():
    both = Split(0, 0.0, Leaf((0.0,)), Split(0, 0.0, Leaf((0.0,)), Leaf((1.0,)), codes=frozenset({1})))
    with pytest.raises(SettingError, match=r"columns \[0\] are compared with thresholds and with categories"):
        ensemble_of([both], 1)


def test_rows_with_other_columns_are_refused():
    with pytest.raises(InputError, match="compare 1 columns, got rows of 2"):
        ensemble_of([_two_leaves()], 1).predict(np.zeros((3, 2)))


def test_players_of_other_columns_and_too_long_paths_are_refused():
    with pytest.raises(SettingError, match="the trees compare 1 columns"):
        compile_leaves(ensemble_of([_two_leaves()], 1), Players(np.arange(2), ("a", "b")))
    deep = Leaf((1.0,))
    for column in range(45):
        deep = Split(column, 0.0, deep, Leaf((2.0,)))
    with pytest.raises(LimitError, match="passes 45 of 45 players, at most 40"):
        compile_leaves(ensemble_of([deep], 45), Players(np.arange(45), tuple(map(str, range(45)))))
