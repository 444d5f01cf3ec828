"""Models are rebuilt from the fields that were checked: they answer as before, and nothing else is kept."""

import json

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from onlyif.core.errors import StorageError
from onlyif.files import xgboost as xgboost_files
from onlyif.files.lightgbm_checks import checked_text
from onlyif.files.models import read_model
from onlyif.files.tree_arrays import MAX_DEPTH, reached
from onlyif.files.xgboost import checked_json
from onlyif.files.xgboost_rebuilt import rebuilt_model

RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(200, 3)), columns=list("abc"))
FRAME = NUMBERS.assign(
    k=pd.Categorical(RANDOM.choice(list("uvwxé"), 200)), n=pd.Categorical(RANDOM.integers(0, 4, 200))
)
LABEL = (FRAME["a"] > 0).astype(int) ^ FRAME["k"].isin(list("ux"))
THREE = RANDOM.integers(0, 3, 200)
PLAIN = (
    *("reg:squarederror", "reg:absoluteerror", "reg:logistic", "binary:hinge", "binary:logistic"),
    *("binary:logitraw", "count:poisson", "reg:tweedie", "survival:cox"),
)
OBJECTIVES = {
    **{name: {} for name in PLAIN},
    "reg:quantileerror": {"quantile_alpha": [0.2, 0.5]},
    "multi:softmax": {"num_class": 3},
    "multi:softprob": {"num_class": 3},
    "rank:ndcg": {"lambdarank_unbiased": True},
}


def _xgboost(settings, frame=FRAME, label=LABEL, rounds=3):
    data = xgboost.DMatrix(frame, label, enable_categorical=True)
    if str(settings.get("objective")).startswith("rank"):
        data.set_group([len(frame)])
    deep = {} if settings.get("booster") == "gblinear" else {"max_depth": 4}
    return xgboost.train({"nthread": 1, **deep, **settings}, data, rounds), frame


XGBOOST = {
    **{
        name: lambda name=name, more=more: _xgboost(
            {"objective": name, "max_cat_to_onehot": 2, **more}, label=THREE if "num_class" in more else LABEL
        )
        for name, more in OBJECTIVES.items()
    },
    "linear": lambda: _xgboost(
        {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}, NUMBERS, THREE
    ),
    "dart": lambda: _xgboost({"booster": "dart", "rate_drop": 0.5}),
    "vectors": lambda: _xgboost({"multi_strategy": "multi_output_tree"}, NUMBERS, NUMBERS[["a", "b"]]),
    "parallel": lambda: _xgboost({"num_parallel_tree": 2, "subsample": 0.5}, NUMBERS, NUMBERS[["a", "b"]]),
    "pruned": lambda: _xgboost({"tree_method": "exact", "gamma": 1, "max_depth": 6}, NUMBERS),
    "empty": lambda: _xgboost({}, NUMBERS, rounds=0),
}


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("name", XGBOOST)
def test_rebuilt_xgboost_models_answer_as_before(tmp_path, name, suffix):
    booster, frame = XGBOOST[name]()
    booster.save_model(tmp_path / f"m.{suffix}")
    read = read_model(tmp_path / f"m.{suffix}")
    data = xgboost.DMatrix(frame, enable_categorical=True)
    for margin in (False, True):
        found, needed = (each.predict(data, output_margin=margin) for each in (read, booster))
        np.testing.assert_array_equal(found, needed)
    assert (read.feature_names, read.feature_types) == (booster.feature_names, booster.feature_types)


def _document(name="binary:logistic"):
    return json.loads(bytes(XGBOOST[name]()[0].save_raw("json")))


def _trees(document):
    return document["learner"]["gradient_booster"]["model"]["trees"]


def test_numbers_that_no_one_should_read_are_made_anew():
    document = _document()
    meant = rebuilt_model(document)
    for tree in _trees(document):
        tree["id"] = 1
        leaf = tree["left_children"].index(-1)
        tree["split_type"][leaf], tree["split_indices"][leaf] = 1, 10**6
        tree["unknown"] = document["unknown"] = [1]
    assert rebuilt_model(document) == meant


def test_nodes_that_nothing_reaches_become_leaves():
    document = _document("pruned")
    assert any(int(tree["tree_param"]["num_deleted"]) for tree in _trees(document))
    for tree, held in zip(_trees(rebuilt_model(document)), _trees(document), strict=True):
        left, right = (np.array(tree[name]) for name in ("left_children", "right_children"))
        alive = reached(left, right, left != -1, "tree")
        assert tree["tree_param"]["num_deleted"] == "0"
        assert (~alive).sum() == int(held["tree_param"]["num_deleted"])
        assert (left[~alive] == -1).all()
        assert max(tree["parents"][1:], default=0) < len(left)


def test_leaves_of_vectors_that_nothing_reaches_name_a_leaf_that_there_is():
    document = _document("vectors")
    for tree in _trees(document):
        tree["left_children"][0], tree["right_children"][0] = -1, 0
        assert any(left != -1 for left in tree["left_children"])
    for tree in _trees(rebuilt_model(document)):
        n_leaves = len(tree["leaf_weights"]) // int(tree["tree_param"]["size_leaf_vector"])
        assert set(tree["left_children"]) == {-1}
        assert 0 <= min(tree["right_children"]) <= max(tree["right_children"]) < n_leaves


def test_levels_of_64_bits_stay_as_they_are(tmp_path):
    levels = [-(2**61), 5, 2**60 + 1, 2**60 + 2, 2**60 + 3]
    frame = pd.DataFrame({"k": pd.Categorical(RANDOM.choice(levels, 200), categories=levels)})
    booster, _ = _xgboost({"max_cat_to_onehot": 1}, frame, frame["k"].cat.codes ** 2)
    booster.save_model(tmp_path / "m.json")
    other = frame.assign(k=frame["k"].cat.reorder_categories(levels[::-1]))
    for rows in (frame, other):
        data = xgboost.DMatrix(rows, enable_categorical=True)
        found, needed = (each.predict(data) for each in (read_model(tmp_path / "m.json"), booster))
        np.testing.assert_array_equal(found, needed)


def test_category_sets_that_overlap_are_refused():
    document = _document()
    tree = next(tree for tree in _trees(document) if len(tree["categories_nodes"]) > 1)
    n_sets, n_codes = len(tree["categories_nodes"]), len(tree["categories"])
    tree["categories_segments"], tree["categories_sizes"] = [0] * n_sets, [n_codes] * n_sets
    with pytest.raises(StorageError, match=f"number of all categories .* got {n_sets * n_codes}"):
        rebuilt_model(document)


def test_category_sets_out_of_proportion_are_refused(monkeypatch):
    document = json.dumps(_document()).encode()
    checked_json(document)
    monkeypatch.setattr(xgboost_files, "MAX_BITS", 3)
    with pytest.raises(StorageError, match="out of proportion"):
        checked_json(document)


def test_splits_need_the_columns_that_they_ask_for():
    document = _document("parallel")
    params = [document["learner"]["learner_model_param"], *(each["tree_param"] for each in _trees(document))]
    for name in ("feature_names", "feature_types"):
        del document["learner"][name]
    for each in params:
        del each["num_feature"]
    with pytest.raises(StorageError, match="column in tree 0"):
        rebuilt_model(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("learner_model_param", "base_score"), "99"),
        (("learner_model_param", "base_score"), "[0E0]"),
        (("learner_model_param", "base_score"), "1e999"),
        (("objective", "name"), "reg:unknown"),
        (("objective", "reg_loss_param"), {"scale_pos_weight": "1\n"}),
        (("attributes",), {"best_iteration": "99"}),
        (("attributes",), {"best_iteration": "-1"}),
        (("attributes",), {"note": 1}),
        (("feature_types",), ["x"] * 5),
        (("feature_names",), [1] * 5),
        (("gradient_booster", "model", "trees", 0, "base_weights", 0), "1"),
        (("gradient_booster", "model", "trees", 0, "split_conditions", 0), 10**400),
        (("gradient_booster", "model", "trees", 0, "sum_hessian"), [1.0]),
    ],
)
def test_fields_out_of_range_are_refused(path, value):
    document = _document()
    *above, last = path
    held = document["learner"]
    for key in above:
        held = held[key]
    held[last] = value
    with pytest.raises(StorageError):
        rebuilt_model(document)


@pytest.mark.parametrize("name", ["sum_hessian", "loss_changes", "base_weights", "split_conditions"])
def test_what_the_library_reads_without_asking_must_be_there(name):
    document = _document()
    del _trees(document)[1][name]
    with pytest.raises(StorageError):
        rebuilt_model(document)


def _as_version_2(document):
    """A model of trees of vectors as version 2 wrote them: without what the leaves say, and whose numbers."""
    for tree in _trees(document):
        for name in ("sum_hessian", "loss_changes", "leaf_weights"):
            tree.pop(name, None)
        for node, child in enumerate(tree["left_children"]):
            if child == -1:
                tree["right_children"][node] = -1
    document["version"] = [2, 1, 4]
    return document


def test_trees_of_vectors_from_older_versions_get_what_they_lack(tmp_path):
    booster, frame = XGBOOST["vectors"]()
    document = _as_version_2(json.loads(bytes(booster.save_raw("json"))))
    for tree in _trees(rebuilt_model(document)):
        assert tree["sum_hessian"] == tree["loss_changes"] == [0.0] * len(tree["parents"])
    # Its base score is written as one number there, so two that are equal stand for it.
    document["learner"]["learner_model_param"]["base_score"] = "5E-1"
    (tmp_path / "m.json").write_text(json.dumps(document), "utf-8")
    data = xgboost.DMatrix(frame)
    scores = np.fromstring(
        json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"].strip("[]"), sep=","
    )
    needed = booster.predict(data) - scores + 0.5
    np.testing.assert_allclose(read_model(tmp_path / "m.json").predict(data), needed, atol=1e-6)


def test_leaves_of_older_vectors_have_no_other_child():
    document = _as_version_2(_document("vectors"))
    tree = _trees(document)[0]
    tree["right_children"][tree["left_children"].index(-1)] = 5
    with pytest.raises(StorageError, match="child of a leaf"):
        rebuilt_model(document)


def test_a_model_of_a_newer_library_is_not_read_as_another_one(tmp_path):
    document = _document()
    document["version"] = [99, 1, 0]
    (tmp_path / "m.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(StorageError, match=r"written by XGBoost 99\.1\.0.*install 99\.1 or newer"):
        read_model(tmp_path / "m.json")


def test_classes_of_the_objective_must_fit():
    document = _document("multi:softprob")
    document["learner"]["objective"]["softmax_multiclass_param"]["num_class"] = "0"
    with pytest.raises(StorageError, match="classes of the objective"):
        rebuilt_model(document)


def _lightgbm(settings, frame=FRAME, label=LABEL):
    few = {"verbose": -1, "num_leaves": 6, "min_data_in_leaf": 5, "min_data_per_group": 1, "num_threads": 1}
    group = [len(frame)] if settings.get("objective") == "lambdarank" else None
    data = lightgbm.Dataset(frame, label, group=group)
    return lightgbm.train({**few, "cat_smooth": 0, **settings}, data, 4), frame


LIGHTGBM = {
    **{
        name: lambda name=name: _lightgbm({"objective": name})
        for name in ("regression", "quantile", "poisson", "tweedie", "binary", "cross_entropy", "lambdarank")
    },
    **{
        name: lambda name=name: _lightgbm({"objective": name, "num_class": 3}, label=THREE)
        for name in ("multiclass", "multiclassova")
    },
    "dart": lambda: _lightgbm({"boosting": "dart", "drop_rate": 0.5}),
    "forest": lambda: _lightgbm({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
    "linear": lambda: _lightgbm({"linear_tree": True}, label=FRAME["a"] * FRAME["b"]),
    "linear leaf": lambda: _lightgbm({"linear_tree": True, "min_data_in_leaf": 400}, NUMBERS),
    "leaf": lambda: _lightgbm({"min_data_in_leaf": 400}),
    "monotone": lambda: _lightgbm({"monotone_constraints": [1, 0, -1]}, NUMBERS),
    "names": lambda: _lightgbm({}, NUMBERS.rename(columns={"a": "a b", "b": "ü\u2028x"})),
}


@pytest.mark.parametrize("name", LIGHTGBM)
def test_rebuilt_lightgbm_models_answer_as_before(tmp_path, name):
    booster, frame = LIGHTGBM[name]()
    booster.save_model(tmp_path / "m.txt")
    read = read_model(tmp_path / "m.txt")
    for raw in (False, True):
        found, needed = (each.predict(frame, raw_score=raw) for each in (read, booster))
        np.testing.assert_array_equal(found, needed)
    assert read.pandas_categorical == booster.pandas_categorical
    assert read.feature_name() == booster.feature_name()


def test_only_known_sections_are_taken_over():
    text = LIGHTGBM["binary"]()[0].model_to_string()
    made = checked_text(text)
    assert checked_text(made) == made
    assert "parameters" in text
    assert "parameters" not in made
    assert checked_text(text.replace("[boosting: gbdt]", "[boosting gbdt]")) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pandas_categorical:", "pandas_categorical:" + "[" * 10**5),
        ("pandas_categorical:", "pandas_categorical:1"),
        ("shrinkage=", "shrinkage=x"),
        ("version=v4", "version=4"),
        ("feature_infos=", "feature_infos=x"),
        ("is_linear=0", "is_linear=2"),
        ("objective=binary", "objective=other"),
    ],
)
def test_lines_that_are_damaged_are_refused(old, new):
    text = LIGHTGBM["binary"]()[0].model_to_string()
    assert old in text
    with pytest.raises(StorageError):
        checked_text(text.replace(old, new, 1))


def test_chains_too_deep_for_recursion_are_refused():
    left = np.append(np.arange(1, MAX_DEPTH + 2), [-1])
    with pytest.raises(StorageError, match="deeper"):
        reached(left, np.full(len(left), len(left)), left != -1, "tree 0")
