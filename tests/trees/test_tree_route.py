"""f_S(x) from the model's own trees: the numbers are those of its predictions; and why not, where not."""

import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.core.errors import InputError, SettingError, StorageError
from onlyif.core.players import Players
from onlyif.files.models import read_model
from onlyif.models.outputs import HeadKind, MarginOutput
from onlyif.references.base import Plan
from onlyif.restrictions.encoded import EncodedRestriction
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.setup.choose import choose_search
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.trees import sklearn_trees as tree_sklearn
from onlyif.trees.lightgbm_trees import read_lightgbm_booster
from onlyif.trees.path_reference import TreePath, TreePathReference
from onlyif.trees.question import UnreadableTreesError
from onlyif.trees.xgboost_trees import read_xgboost_booster

BY_TREES = "exactly, from the"


@pytest.fixture(scope="module")
def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return x[:, :8], y


@pytest.fixture(scope="module")
def forest(cancer):
    return RandomForestClassifier(15, max_depth=5, random_state=0).fit(*cancer)


def _tables(model, rows, background, **settings):
    # Where the model is asked fewer background rows are taken, unless their number is given.
    settings = {"reference": onlyif.Marginal(100), **settings}
    found = onlyif.explain(model, rows, background=background, keep_table=True, **settings)
    return found, np.stack([item.table for item in found])


MODELS = {
    "forest": RandomForestClassifier(15, max_depth=5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=10),
    "histogram": HistGradientBoostingClassifier(max_iter=10),
    "lightgbm": lgb.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1),
    "xgboost": xgb.XGBClassifier(n_estimators=10, max_depth=4, n_jobs=1),
}


@pytest.mark.parametrize("name", MODELS)
def test_all_256_subsets_are_those_of_the_models_own_predictions(cancer, name):
    x, y = cancer
    model = MODELS[name].fit(x, y)
    found, by_trees = _tables(model, x[:3], x)
    assert found[0].provenance.restriction.startswith(BY_TREES)
    assert "all 100 background rows" in found[0].provenance.restriction
    assert found[0].notes == ()
    asked, by_rows = _tables(model.predict_proba, x[:3], x)
    assert not asked[0].provenance.restriction.startswith(BY_TREES)
    tolerance = 1e-6 if name == "xgboost" else 1e-9
    np.testing.assert_allclose(by_trees, by_rows, rtol=0, atol=tolerance)
    assert [item.sufficient.players for item in found] == [item.sufficient.players for item in asked]
    assert [item.necessary.players for item in found] == [item.necessary.players for item in asked]


@pytest.mark.parametrize("output", ["margin", "logit"])
def test_other_outputs_of_boosted_trees(cancer, output):
    x, y = cancer
    model = GradientBoostingClassifier(n_estimators=10).fit(x, y)
    found, by_trees = _tables(model, x[:2], x, output=output)
    assert found[0].provenance.restriction.startswith(BY_TREES)

    def ask(table):
        p = model.predict_proba(table).clip(1e-6, 1 - 1e-6)
        return model.decision_function(table) if output == "margin" else np.log(p / (1 - p))

    targets = None if output == "margin" else [item.target for item in found]
    _, by_rows = _tables(ask, x[:2], x, target=targets)
    np.testing.assert_allclose(by_trees, by_rows, rtol=0, atol=1e-8)


def test_groups_of_columns_and_a_baseline(cancer, forest):
    x, _ = cancer
    groups = {"pair": ["x1", "x4"], "three": ["x0", "x6", "x7"]}
    for settings in ({"groups": groups}, {"reference": "baseline"}):
        found, by_trees = _tables(forest, x[:2], x, **settings)
        assert found[0].provenance.restriction.startswith(BY_TREES)
        np.testing.assert_allclose(
            by_trees, _tables(forest.predict_proba, x[:2], x, **settings)[1], rtol=0, atol=1e-9
        )


def test_frames_with_categories(cancer):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=200),
            "city": pd.Categorical(rng.choice(list("xyz"), 200)),
            "n": rng.integers(0, 9, 200),
        }
    )
    model = lgb.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1, min_data_per_group=5)
    model.fit(frame, (frame.a > 0) ^ (frame.city == "y"))
    found, by_trees = _tables(model, frame[:3], frame)
    assert found[0].provenance.restriction.startswith(BY_TREES)
    np.testing.assert_allclose(by_trees, _tables(model.predict_proba, frame[:3], frame)[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("reference", ["empirical", "gaussian"])
def test_references_that_look_at_what_is_kept_ask_the_model(cancer, forest, reference):
    x, _ = cancer
    found = onlyif.explain(forest, x[:1], background=x[:60], reference=reference, budget=20_000)[0]
    assert not found.provenance.restriction.startswith(BY_TREES)
    assert not any("tree by tree" in note for note in found.notes)


def test_what_is_found_is_estimated_again_on_other_rows(cancer, forest):
    x, _ = cancer
    found = onlyif.explain(forest, x[:1], background=x, reference=onlyif.Marginal(100))[0]
    assert found.sufficient.fresh is not None
    assert found.sufficient.fresh[0].stderr > 0


# ---- falling back


def test_trees_that_answer_otherwise_are_not_used(cancer, forest, monkeypatch):
    x, _ = cancer
    true_reader = tree_sklearn._grown

    def wrong(estimator, columns, value):
        return true_reader(estimator, columns, value * 1.01)

    monkeypatch.setattr(tree_sklearn, "_grown", wrong)
    found, table = _tables(forest, x[:2], x)
    assert not found[0].provenance.restriction.startswith(BY_TREES)
    assert "differ from the model by up to 0.01 on rows given" in found[0].notes[0]
    np.testing.assert_allclose(table, _tables(forest.predict_proba, x[:2], x)[1], rtol=0, atol=1e-12)


def test_a_difference_on_thresholds_alone_is_seen(cancer, forest, monkeypatch):
    x, _ = cancer
    # Without the rounding to single precision, only values next to a threshold go another way.
    monkeypatch.setattr(tree_sklearn, "rounded_to_single", lambda thresholds: thresholds)
    found = onlyif.explain(
        forest, x[:1].astype(np.float32).astype(float), background=x.astype(np.float32).astype(float)
    )
    assert "on rows made on the trees' thresholds" in found[0].notes[0]


def test_trees_that_cannot_be_read_are_asked_as_a_function(cancer):
    x, y = cancer
    model = lgb.LGBMRegressor(n_estimators=5, linear_tree=True, n_jobs=1, verbose=-1).fit(x, y)
    found, table = _tables(model, x[:2], x)
    assert found[0].notes == (
        "lightgbm LGBMRegressor is asked row by row instead of tree by tree: its leaves hold linear models",
    )
    np.testing.assert_allclose(table, _tables(model.predict, x[:2], x)[1], rtol=0, atol=1e-9)


def test_models_without_trees_get_no_note(cancer):
    x, y = cancer
    assert onlyif.explain(LogisticRegression(max_iter=9000).fit(x, y), x[:1], background=x)[0].notes == ()


def test_a_model_of_no_trees_is_asked_as_a_function(cancer):
    x, y = cancer
    model = xgb.XGBRegressor(n_estimators=3, booster="gblinear", n_jobs=1).fit(x, y)
    assert "gblinear has no trees" in onlyif.explain(model, x[:1], background=x)[0].notes[0]


def test_no_call_of_the_model_is_larger_than_allowed(cancer, forest, monkeypatch):
    x, _ = cancer
    sizes, kind = [], type(forest)
    ask = kind.predict_proba
    monkeypatch.setattr(
        kind, "predict_proba", lambda self, table: sizes.append(len(table)) or ask(self, table)
    )
    found = onlyif.explain(forest, x[:2], background=x, max_rows=20)
    assert found[0].provenance.restriction.startswith(BY_TREES)
    assert max(sizes) == 20


# ---- cover weights


def _by_cover(tree, row, kept, node=0):
    if tree.children_left[node] < 0:
        return tree.value[node, 0, 0]
    left, right = tree.children_left[node], tree.children_right[node]
    if tree.feature[node] in kept:
        goes_left = np.float32(row[tree.feature[node]]) <= tree.threshold[node]
        return _by_cover(tree, row, kept, left if goes_left else right)
    cover = tree.weighted_n_node_samples
    both = [cover[child] * _by_cover(tree, row, kept, child) for child in (left, right)]
    return sum(both) / cover[node]


def test_tree_paths_take_hidden_splits_both_ways(cancer):
    x, y = cancer
    x = x[:, :5]
    model = RandomForestRegressor(4, max_depth=4, random_state=0, bootstrap=False, max_features=2).fit(x, y)
    for reference in ("tree-path", TreePath()):
        found = onlyif.explain(model, x[:2], reference=reference, keep_table=True)
        assert "tree-path reference" in found[0].provenance.reference
        assert "cover weights" in found[0].provenance.restriction
        for item, row in zip(found, x, strict=False):
            for code in range(32):
                kept = {i for i in range(5) if code >> i & 1}
                slow = np.mean([_by_cover(tree.tree_, row, kept) for tree in model.estimators_])
                assert item.table[code].item() == pytest.approx(slow, abs=1e-12)
            assert item.notes == ()


def test_tree_paths_need_trees_and_a_sum(cancer):
    x, y = cancer
    boosted = MODELS["boosting"].fit(x, y)
    with pytest.raises(
        SettingError, match="GradientBoostingClassifier: its output is no sum over trees; explain"
    ):
        onlyif.explain(boosted, x[:1], reference="tree-path")
    margin = onlyif.explain(boosted, x[:1], reference="tree-path", output=MarginOutput())[0]
    assert margin.prediction == pytest.approx(boosted.decision_function(x[:1])[0], abs=1e-9)
    with pytest.raises(SettingError, match="tree-path reference needs the model's trees; the function"):
        onlyif.explain(boosted.decision_function, x[:1], reference="tree-path")


def test_tree_paths_cannot_be_drawn():
    with pytest.raises(SettingError, match="no rows to draw"):
        TreePathReference().draw(np.zeros((1, 2)), np.zeros((1, 1, 2), dtype=bool), Plan(1, 0, 1, 0))


# ---- sizes and bad input


def _wide(d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, d))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


@pytest.mark.parametrize(("d", "search"), [(21, ExhaustiveSearch), (25, ExhaustiveSearch), (26, BeamSearch)])
def test_sums_of_trees_are_searched_exhaustively_up_to_25_players(d, search):
    x, y = _wide(d)
    forest = prepare(RandomForestClassifier(3, max_depth=3).fit(x, y), x[:1], x, Options())
    assert isinstance(forest.whole.criterion.set_function.restriction, EncodedRestriction)
    assert isinstance(forest.whole.search, search)
    boosted = prepare(GradientBoostingClassifier(n_estimators=3).fit(x, y), x[:1], x, Options())
    assert isinstance(boosted.whole.search, BeamSearch)
    assert isinstance(
        choose_search(20, boosted.whole.criterion.set_function.restriction, 1), ExhaustiveSearch
    )


def test_more_than_25_players_are_refused_when_every_subset_is_asked_for():
    x, y = _wide(26)
    model = RandomForestClassifier(3, max_depth=3).fit(x, y)
    with pytest.raises(SettingError, match="at most 25 players"):
        onlyif.explain(model, x[:1], background=x, search="exhaustive")
    found = onlyif.explain(model, x[:1], background=x, budget=200, size=2)[0]
    assert found.provenance.restriction.startswith(BY_TREES)


def test_a_background_of_100_000_rows_is_taken_whole():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 6)).round(1)
    model = RandomForestClassifier(8, max_depth=7, random_state=0).fit(x[:2_000], x[:2_000, 0] > x[:2_000, 1])
    found = onlyif.explain(model, x[:1], background=x, reference=onlyif.Marginal(None), keep_table=True)[0]
    assert found.provenance.restriction.endswith("all 100000 background rows")
    kept = np.array([True, False, True, False, False, True])
    for code, keep in ((0, ~kept & kept), (0b100101, kept), (63, kept | ~kept)):
        asked = model.predict_proba(np.where(keep, x[:1], x))[:, found.target].mean()
        assert found.table[code] == pytest.approx(asked, abs=1e-12)


def test_a_model_of_more_columns_or_other_names_is_refused(cancer, forest):
    x, y = cancer
    with pytest.raises(InputError, match="fitted on 8 columns, the table has 7"):
        onlyif.explain(forest, x[:1, :7], background=x[:, :7])
    named = RandomForestClassifier(2).fit(pd.DataFrame(x[:, :2], columns=["a", "b"]), y)
    other = pd.DataFrame(x[:, :2], columns=["a", "c"])
    with pytest.raises(InputError, match=r"lacks columns \['b'\] that .* was fitted on; it has \['a', 'c'\]"):
        onlyif.explain(named, other[:1], background=other)


def test_an_empty_background_is_refused(cancer, forest):
    x, _ = cancer
    with pytest.raises(InputError, match="0 rows"):
        onlyif.explain(forest, x[:1], background=x[:0])


def test_a_truncated_model_file_is_refused(cancer, tmp_path):
    x, y = cancer
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(x, y)
    model.save_model(tmp_path / "model.json")
    text = (tmp_path / "model.json").read_bytes()
    (tmp_path / "model.json").write_bytes(text[: len(text) // 2])
    with pytest.raises(StorageError):
        read_model(tmp_path / "model.json", [])


class _Saved:
    """A booster that saves what it is told."""

    pandas_categorical = None

    def __init__(self, text):
        self.text = text

    def save_raw(self, kind):
        return bytearray(self.text.encode())

    def model_to_string(self):
        return self.text


def test_unknown_formats_are_not_read(cancer):
    x, y = cancer
    with pytest.raises(UnreadableTreesError, match=r"XGBoost \[9, 0, 0\] saves is not known"):
        read_xgboost_booster(_Saved(json.dumps({"version": [9, 0, 0], "learner": {}})), HeadKind.MARGIN)
    text = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(x, y), 2).model_to_string()
    with pytest.raises(UnreadableTreesError, match="LightGBM saves is not known here"):
        read_lightgbm_booster(_Saved(text.replace("\nend of trees\n", "\n")), HeadKind.MARGIN)


def test_the_restriction_passes_rows_on_in_the_trees_encoding(cancer, forest):
    x, _ = cancer
    case = prepare(forest, x[:2], x, Options()).whole
    function = case.criterion.set_function
    keep = np.array([[[True] * 8, [False] * 8, [True] + [False] * 7]])
    asked, table = function.predict(keep).mean, function.table().mean
    np.testing.assert_allclose(asked, table[:, [255, 0, 1]], rtol=0, atol=1e-12)
    assert case.names == Players(np.arange(8), tuple(f"x{i}" for i in range(8))).names
