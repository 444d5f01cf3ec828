"""A .skops file is audited record by record: what is not allowed by name is listed and refused."""

import json
import operator
import zipfile
from functools import partial

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from onlyif.core.errors import StorageError
from onlyif.files.models import read_model
from onlyif.files.sklearn_checks import check_sklearn_model
from onlyif.files.skops_types import ALLOWED, allowed_types

FRAME = pd.DataFrame(
    {
        "age": np.random.default_rng(0).normal(40.0, 10.0, 120),
        "hours": np.random.default_rng(1).normal(size=120),
        "job": pd.Categorical(np.random.default_rng(2).choice(list("abc"), 120)),
    }
)
NUMBERS = FRAME[["age", "hours"]]
LABEL = np.where((FRAME["age"] > 40) | (FRAME["job"] == "b"), "rich", "poor")
NUMBER = (LABEL == "rich").astype(int)


def encoded():
    return make_column_transformer((OneHotEncoder(), ["job"]), (StandardScaler(), ["age", "hours"]))


MODELS = {
    "pipeline": lambda: make_pipeline(encoded(), RandomForestClassifier(3, random_state=0)).fit(FRAME, LABEL),
    "forest": lambda: RandomForestClassifier(3, random_state=0).fit(NUMBERS, LABEL),
    "regression forest": lambda: RandomForestRegressor(3, random_state=0).fit(NUMBERS, NUMBER),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=3).fit(NUMBERS, LABEL),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=3).fit(NUMBERS, LABEL),
    "histogram of sets": lambda: HistGradientBoostingClassifier(
        max_iter=3, categorical_features="from_dtype"
    ).fit(FRAME, LABEL),
    "bag": lambda: BaggingClassifier(DecisionTreeClassifier(), 3, max_features=1).fit(NUMBERS, LABEL),
    "stack": lambda: StackingClassifier(
        [("tree", DecisionTreeClassifier()), ("line", LogisticRegression())], cv=2
    ).fit(NUMBERS, LABEL),
    "calibrated": lambda: CalibratedClassifierCV(DecisionTreeClassifier(), cv=2).fit(NUMBERS, LABEL),
    "machine": lambda: SVC().fit(NUMBERS, LABEL),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(NUMBERS, LABEL),
    "gradient descent": lambda: SGDClassifier(random_state=0).fit(NUMBERS, LABEL),
    "function": lambda: make_pipeline(FunctionTransformer(np.arcsinh), Ridge()).fit(NUMBERS, NUMBER),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=3, enable_categorical=True, n_jobs=1).fit(
        FRAME, NUMBER
    ),
    "xgboost booster": lambda: xgboost.train({"nthread": 1}, xgboost.DMatrix(NUMBERS, NUMBER), 3),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(FRAME, LABEL),
}


def ask(model):
    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(NUMBERS))
    n_columns = getattr(model, "n_features_in_", 2)
    method = getattr(model, "predict_proba", model.predict)
    return method(FRAME if n_columns == 3 else NUMBERS)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_read_without_trusting_anything_by_hand(tmp_path, name):
    model = MODELS[name]()
    skops.io.dump(model, tmp_path / "model.skops")
    np.testing.assert_array_equal(ask(read_model(tmp_path / "model.skops")), ask(model))


def test_a_network_is_read(tmp_path):
    model = MLPClassifier((4,), max_iter=2, early_stopping=True, solver="sgd").set_params(max_iter=1)
    with pytest.warns(match="Maximum iterations"):
        model.fit(NUMBERS, LABEL)
    skops.io.dump(model, tmp_path / "model.skops")
    np.testing.assert_array_equal(ask(read_model(tmp_path / "model.skops")), ask(model))


def test_the_lists_name_nothing_that_runs_code():
    dangerous = {
        "builtins.eval", "builtins.exec", "builtins.getattr", "os.system", "operator.methodcaller",
        "operator.attrgetter", "subprocess.Popen", "joblib.memory.Memory", "numpy.load",
    }  # fmt: skip
    assert not dangerous & allowed_types()
    assert not {"MethodNode", "OperatorFuncNode", "ConstructorFromReduceNode", "SparseMatrixNode"} & set(
        ALLOWED
    )


def shout(values):
    return values


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (
            KNeighborsClassifier().fit(NUMBERS, LABEL),
            "sklearn.neighbors._classification.KNeighborsClassifier",
        ),
        (make_pipeline(FunctionTransformer(shout), Ridge()), "test_skops_file.shout"),
        (make_pipeline(FunctionTransformer(print), Ridge()), "builtins.print"),
        (make_pipeline(FunctionTransformer(np.load), Ridge()), "numpy.load"),
        (
            make_pipeline(FunctionTransformer(operator.methodcaller("system", "ls")), Ridge()),
            "operator.methodcaller",
        ),
        (
            make_pipeline(FunctionTransformer(partial(np.sum, axis=0)), Ridge()),
            "functools.partial of numpy.sum",
        ),
        (make_pipeline(FunctionTransformer(Ridge().fit), Ridge()), "sklearn.linear_model._ridge.Ridge.fit"),
    ],
)
def test_other_types_are_listed_with_how_to_trust_them(tmp_path, value, named):
    skops.io.dump(value, tmp_path / "model.skops")
    with pytest.raises(StorageError, match=f"not on the allow-list: .*{named}.*--trust"):
        read_model(tmp_path / "model.skops")


def test_trusted_types_are_read(tmp_path):
    model = KNeighborsClassifier(algorithm="brute").fit(NUMBERS, LABEL)
    skops.io.dump(model, tmp_path / "model.skops")
    read = read_model(tmp_path / "model.skops", ["sklearn.neighbors._classification.KNeighborsClassifier"])
    np.testing.assert_array_equal(ask(read), ask(model))


def rewrite(path, change):
    """Change the records of a .skops file by hand, as an attacker would."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema, files)
    files["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def records(value, loader):
    """All records of one kind."""
    if isinstance(value, dict):
        if value.get("__loader__") == loader:
            yield value
        for item in value.values():
            yield from records(item, loader)
    elif isinstance(value, list):
        for item in value:
            yield from records(item, loader)


def stored(path, model):
    skops.io.dump(model, path)
    return path


def test_a_record_cannot_stand_for_another_by_its_number(tmp_path):
    path = stored(tmp_path / "model.skops", [np.arcsinh, 1.5])

    def alias(schema, files):
        function, number = schema["content"]
        number["__id__"] = function["__id__"] = 7

    rewrite(path, alias)
    assert skops.io.load(path) == [np.arcsinh, np.arcsinh]  # what skops itself makes of it
    assert read_model(path) == [np.arcsinh, 1.5]


def test_an_allowed_object_is_no_allowed_function(tmp_path):
    path = stored(tmp_path / "model.skops", {"1": 2})

    def swap(schema, files):
        key = next(records(schema, "TypeNode"))
        key["__module__"], key["__class__"] = "xgboost.core", "Booster"

    rewrite(path, swap)
    with pytest.raises(StorageError, match=r"xgboost\.core\.Booster"):
        read_model(path)


def test_an_unknown_kind_of_record_is_refused(tmp_path):
    path = stored(tmp_path / "model.skops", [1])
    rewrite(path, lambda schema, files: schema.update(__loader__="CachedNode"))
    with pytest.raises(StorageError, match="not on the allow-list"):
        read_model(path)


def test_a_deep_file_is_refused(tmp_path):
    value = []
    for _ in range(150):
        value = [value, np.zeros(1)]
    path = stored(tmp_path / "model.skops", value)
    with pytest.raises(StorageError, match="deeper than"):
        read_model(path)


def change_array(record, files, change):
    import io

    array = np.load(io.BytesIO(files[record["file"]]))
    array = change(array)
    buffer = io.BytesIO()
    np.save(buffer, array)
    files[record["file"]] = buffer.getvalue()


def put(field, index, value):
    def change(array):
        array[field][index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("left_child", 0, 10**9), "child in a tree: got 1000000000"),
        (put("right_child", 0, -5), "child in a tree: got -5"),
        (put("left_child", 0, 0), "child in a tree: got 0"),
        (put("feature", 0, 500), "column in a tree: got 500, need 0 to 1"),
        (lambda array: array[:3], "'node_count' of a tree"),
    ],
)
def test_hostile_trees_are_refused(tmp_path, change, said):
    path = stored(tmp_path / "model.skops", MODELS["forest"]())
    rewrite(
        path,
        lambda schema, files: change_array(
            next(records(schema, "TreeNode"))["content"]["content"]["nodes"], files, change
        ),
    )
    with pytest.raises(StorageError, match=said):
        read_model(path)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (lambda tree: tree["__reduce__"]["args"]["content"][2], "1000000000", "'n_classes' of a tree"),
        (lambda tree: tree["__reduce__"]["args"]["content"][0], "-1", "columns of a tree"),
        (lambda tree: tree["content"]["content"]["node_count"], "100000", "'node_count' of a tree"),
        (lambda tree: tree["content"]["content"]["node_count"], '"many"', "whole number"),
        (lambda tree: tree["__reduce__"]["args"]["content"][0], "1000", "columns of a tree: got 1000"),
    ],
)
def test_hostile_counts_of_trees_are_refused(tmp_path, place, value, said):
    path = stored(tmp_path / "model.skops", MODELS["forest"]())
    rewrite(path, lambda schema, files: place(next(records(schema, "TreeNode"))).update(content=value))
    with pytest.raises(StorageError, match=said):
        read_model(path)


def test_arrays_that_claim_more_than_they_hold_are_refused(tmp_path):
    path = stored(tmp_path / "model.skops", LogisticRegression().fit(NUMBERS, LABEL))

    def cut(schema, files):
        name = next(r for r in records(schema, "NdArrayNode") if "file" in r)["file"]
        files[name] = files[name][:-4]

    rewrite(path, cut)
    with pytest.raises(StorageError, match=r"an array in the .* file is damaged"):
        read_model(path)


def test_hostile_boosters_inside_are_refused(tmp_path):
    path = stored(tmp_path / "model.skops", MODELS["xgboost"]())
    rewrite(
        path,
        lambda schema, files: files.update(
            {next(records(schema, "BytearrayNode"))["file"]: b'{"Model": {"learner": {}}}'}
        ),
    )
    with pytest.raises(StorageError, match="no XGBoost model"):
        read_model(path)
    path = stored(tmp_path / "model.skops", MODELS["lightgbm"]())

    def bend(schema, files):
        for record in records(schema, "JsonNode"):
            if "split_feature" in record["content"]:
                record["content"] = record["content"].replace("split_feature=", "split_feature=99 ", 1)

    rewrite(path, bend)
    with pytest.raises(StorageError, match="column of tree 0"):
        read_model(path)


def test_a_booster_without_a_model_is_refused(tmp_path):
    for name in ("xgboost", "lightgbm"):
        path = stored(tmp_path / "model.skops", MODELS[name]())

        def empty(schema, files):
            for record in records(schema, "ObjectNode"):
                held = record.get("content", {}).get("content", {})
                for key in ("handle", "_handle"):
                    if key in held:
                        held[key] = {
                            "__loader__": "JsonNode", "__module__": "builtins", "__class__": "str",
                            "content": "null",
                        }  # fmt: skip

        rewrite(path, empty)
        with pytest.raises(StorageError, match=r"model in the \.skops file is"):
            read_model(path)


def hostile(name, change):
    model = MODELS[name]()
    check_sklearn_model(model)
    change(model)
    return model


def narrow(model):
    model.estimators_ = [MODELS["forest"]().estimators_[0].fit(np.zeros((4, 9)), [0, 1, 0, 1])]


def bend_histogram(field, value):
    def change(model):
        model._predictors[0][0].nodes[field][0] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("forest", narrow, "columns of a tree: got 9"),
        (
            "boosted",
            lambda m: setattr(m, "estimators_", np.repeat(m.estimators_, 5, 1)),
            "trees of a round: got 5",
        ),
        ("boosted", lambda m: setattr(m, "n_features_in_", 1), "columns of a tree"),
        ("bag", lambda m: setattr(m, "estimators_features_", [np.array([7])] * 3), "column of a bag: got 7"),
        ("histogram", bend_histogram("left", 10**6), "child in a histogram tree: got 1000000"),
        ("histogram", bend_histogram("feature_idx", 5), "column in a histogram tree: got 5"),
        ("histogram", bend_histogram("is_categorical", 1), "category set in a histogram tree"),
        (
            "histogram of sets",
            lambda m: setattr(m, "_preprocessor", StandardScaler()),
            "preprocessor of another kind",
        ),
        ("machine", lambda m: setattr(m, "_dual_coef_", m._dual_coef_[:, :1]), "do not fit"),
        ("machine", lambda m: setattr(m, "_intercept_", np.zeros(9)), "'_intercept_'"),
        (
            "machine",
            lambda m: setattr(m, "support_vectors_", m.support_vectors_[:, :1]),
            "columns of the support",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(name, change, said):
    with pytest.raises(StorageError, match=said):
        check_sklearn_model([hostile(name, change)])
