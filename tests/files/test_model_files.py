"""Models from files: read as their own library reads them, or refused in a sentence."""

import bz2
import gzip
import json
import lzma
import pickle
import random
import re
import zipfile
import zlib

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
import xgboost
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from onlyif.core.errors import ExtraError, OnlyIfError, StorageError
from onlyif.files import models as model_files
from onlyif.files.lightgbm_checks import checked_text
from onlyif.files.models import read_model
from onlyif.files.ubjson import decode_ubjson
from onlyif.files.xgboost import checked_json, decoded
from onlyif.files.xgboost_rebuilt import rebuilt_model

OPSET = {"": 18, "ai.onnx.ml": 3}  # also the oldest onnxruntime that is supported reads these
LEVELS = list("uvwxyz")


@pytest.fixture(scope="module")
def table():
    random_state = np.random.default_rng(0)
    frame = pd.DataFrame(random_state.normal(size=(300, 4)), columns=list("abcd"))
    frame["level"] = pd.Categorical(random_state.choice(LEVELS, 300), categories=LEVELS)
    return frame


@pytest.fixture(scope="module")
def label(table):
    noise = np.random.default_rng(1).normal(size=len(table))
    return (table["a"] + 2 * table["level"].isin(list("uxz")) + noise > 1).astype(int)


@pytest.fixture(scope="module")
def xgboost_models(table, label):
    numbers, three = table[list("abcd")], np.arange(len(table)) % 3
    few = {"n_estimators": 3, "max_depth": 3, "n_jobs": 1}
    sets = xgboost.XGBClassifier(**few, enable_categorical=True, max_cat_to_onehot=2).fit(table, label)
    return {
        "sets": (sets.get_booster(), table),
        "dart": (xgboost.XGBRegressor(**few, booster="dart").fit(numbers, label).get_booster(), numbers),
        "linear": (
            xgboost.XGBRegressor(n_estimators=3, booster="gblinear").fit(numbers, label).get_booster(),
            numbers,
        ),
        "classes": (xgboost.XGBClassifier(**few).fit(numbers, three).get_booster(), numbers),
        "vectors": (
            xgboost.XGBClassifier(**few, multi_strategy="multi_output_tree")
            .fit(numbers, three)
            .get_booster(),
            numbers,
        ),
    }


@pytest.fixture(scope="module")
def lightgbm_models(table, label):
    numbers, three = table[list("abcd")], np.arange(len(table)) % 3
    few = {
        "n_estimators": 3,
        "max_depth": 3,
        "verbose": -1,
        "n_jobs": 1,
        "min_data_per_group": 1,
        "cat_smooth": 0,
    }
    return {
        "sets": (lightgbm.LGBMClassifier(**few).fit(table, label).booster_, table),
        "linear": (lightgbm.LGBMRegressor(**few, linear_tree=True).fit(numbers, label).booster_, numbers),
        "classes": (lightgbm.LGBMClassifier(**few).fit(table, three).booster_, table),
        "leaf": (lightgbm.LGBMRegressor(**few, min_child_samples=400).fit(numbers, label).booster_, numbers),
        "root": (lightgbm.LGBMRegressor(**few, reg_sqrt=True).fit(numbers, label).booster_, numbers),
    }


def rows(frame):
    return xgboost.DMatrix(frame, enable_categorical=True)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("name", ["sets", "dart", "linear", "classes", "vectors"])
def test_xgboost_predicts_as_before(xgboost_models, tmp_path, name, suffix):
    booster, frame = xgboost_models[name]
    booster.save_model(tmp_path / f"model.{suffix}")
    read = read_model(tmp_path / f"model.{suffix}")
    np.testing.assert_array_equal(read.predict(rows(frame)), booster.predict(rows(frame)))


@pytest.mark.parametrize("name", ["sets", "dart", "linear", "classes", "vectors"])
def test_ubjson_and_json_hold_the_same_model(xgboost_models, name):
    booster, _ = xgboost_models[name]
    binary, text = (decoded(bytes(booster.save_raw(form))) for form in ("ubj", "json"))
    single = np.float32  # what both files mean
    flat = [np.array(_floats(one), dtype=single) for one in (binary, text)]
    np.testing.assert_array_equal(*flat)


def _floats(value):
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in _floats(value[key])]
    if isinstance(value, list):
        return [x for item in value for x in _floats(item)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("name", ["sets", "linear", "classes", "leaf", "root"])
def test_lightgbm_predicts_as_before(lightgbm_models, tmp_path, name):
    booster, frame = lightgbm_models[name]
    booster.save_model(tmp_path / "model.txt")
    read = read_model(tmp_path / "model.txt")
    np.testing.assert_array_equal(read.predict(frame), booster.predict(frame))


@pytest.fixture(scope="module")
def forest(table, label):
    return RandomForestClassifier(4, max_depth=4, random_state=0).fit(table[list("abcd")].to_numpy(), label)


def test_onnx_predicts_as_before(table, forest, tmp_path):
    values = table[list("abcd")].to_numpy().astype(np.float32)
    (tmp_path / "model.onnx").write_bytes(
        to_onnx(forest, values[:1], options={"zipmap": False}, target_opset=OPSET).SerializeToString()
    )
    session = read_model(tmp_path / "model.onnx")
    found = session.run(None, {session.get_inputs()[0].name: values})[1]
    np.testing.assert_allclose(found, forest.predict_proba(values), atol=1e-6)


def test_skops_predicts_as_before(table, forest, tmp_path):
    skops.io.dump(forest, tmp_path / "model.skops")
    values = table[list("abcd")].to_numpy()
    read = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(read.predict_proba(values), forest.predict_proba(values))


class Bomb:
    """Raises when it is unpickled, so that a reader that unpickles it is found out."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "model.json", "model.skops", "model.onnx", "model"]
)
def test_pickles_are_refused_whatever_they_are_called(tmp_path, name, protocol):
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(StorageError, match=r"is a pickle .*skops\.io\.dump.*save_model.*skl2onnx"):
        read_model(tmp_path / name)


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_packed_pickles_are_refused(tmp_path, pack):
    (tmp_path / "model.txt").write_bytes(pack(pickle.dumps(Bomb())))
    with pytest.raises(StorageError, match="compressed, as joblib compresses pickles"):
        read_model(tmp_path / "model.txt")


@pytest.mark.parametrize("compress", [0, 3, ("xz", 3), ("bz2", 3), ("gzip", 3)])
def test_what_joblib_writes_is_refused(forest, tmp_path, compress):
    joblib.dump(forest, tmp_path / "model.json", compress=compress)
    with pytest.raises(StorageError, match=r"skops\.io\.dump"):
        read_model(tmp_path / "model.json")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pt2", "model.skops"])
def test_torch_files_are_refused(tmp_path, name):
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / name)
    with pytest.raises(StorageError, match=r"torch file.*torch\.onnx\.export"):
        read_model(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.json", b"", "is empty"),
        ("model.json", b"{}", "'learner' is missing"),
        ("model.json", b'{"learner": 1}', "'learner' is missing"),
        ("model.json", b'{"learner": {', "no whole JSON"),
        ("model.json", b'{"a":' * 5000, "no whole JSON"),
        (
            "model.json",
            b"tree\nversion=v4\n",
            "bears the suffix of a model of xgboost, but holds one of lightgbm",
        ),
        ("model.txt", b"some words", "^model.txt: .*first line is not 'tree'"),
        ("model.json", b'{"learner": ', "^model.json: the file is no whole JSON document"),
        ("model.txt", b"\xff\xfe\x00", "no text file"),
        ("model.ubj", b"{L\x00\x00", "^model.ubj: the file is cut short or damaged"),
        ("model.onnx", b"no protobuf", "^model.onnx: .*no field of a known kind"),
        ("model.skops", b"PK\x03\x04 and then nothing", "no .skops file"),
        ("model.skops", b"no archive", "no .skops file"),
        ("model.exe", b"MZ", "no model file of a known kind"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match=said):
        read_model(tmp_path / name)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(StorageError, match="there is no file"):
        read_model(tmp_path / "model.json")
    with pytest.raises(StorageError, match="is a folder"):
        read_model(tmp_path)


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    def gone(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(model_files, "import_module", gone)
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ExtraError, match=r"onlyif\[onnx\]"):
        read_model(tmp_path / "model.onnx")


def _change(path, value):
    """A change of one entry of an XGBoost document, by its path."""

    def change(document):
        *above, last = path
        for key in above:
            document = document[key]
        document[last] = value

    return change


MODEL = ("learner", "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*TREE, "left_children", 0), 10**6, "child in tree 0: got 1000000"),
        ((*TREE, "left_children", 0), 0, "child in tree 0: got 0"),
        ((*TREE, "left_children", 1), 2, "child of two nodes"),
        ((*TREE, "right_children", 0), -7, "child in tree 0: got -7"),
        ((*TREE, "split_indices", 0), 99, "column in tree 0: got 99, need 0 to 4"),
        ((*TREE, "split_indices", 0), 0.5, "must hold whole numbers"),
        ((*TREE, "parents", 1), 5, "parents and children"),
        ((*TREE, "parents", 0), -2, "parents and children"),
        ((*TREE, "split_type", 0), 7, "split type"),
        ((*TREE, "split_conditions"), [], "'split_conditions' of tree 0: got 0"),
        ((*TREE, "base_weights"), [1.0], "'base_weights' of tree 0: got 1"),
        ((*TREE, "categories_sizes"), [99], "number of categories"),
        ((*TREE, "categories_nodes"), [1], "category splits without categories"),
        ((*TREE, "categories"), [-5], "category in tree 0"),
        ((*TREE, "tree_param", "num_nodes"), "3", "'num_nodes' of tree 0"),
        ((*TREE, "tree_param", "size_leaf_vector"), "9", "outputs of tree 0"),
        ((*MODEL, "tree_info", 0), 4, "number of a tree's class"),
        ((*MODEL, "iteration_indptr", 1), 77, "'iteration_indptr' must rise"),
        ((*MODEL, "gbtree_model_param", "num_trees"), "99", "'trees'"),
        ((*MODEL, "gbtree_model_param", "num_parallel_tree"), "99", "num_parallel_tree"),
        ((*MODEL, "cats", "sorted_idx", 0), 4000, "sorted level"),
        ((*MODEL, "cats", "feature_segments", 1), 40, "feature_segments"),
        (("learner", "learner_model_param", "num_feature"), "3", "need 3"),
        (("learner", "learner_model_param", "num_feature"), "-1", "must be a number"),
        (("learner", "learner_model_param", "num_class"), "999999999", "must be a number"),
        (("learner", "learner_model_param", "base_score"), "[1,2,3]", "'base_score' has 3 entries"),
        (("learner", "feature_names"), ["a"], "'feature_names': got 1"),
        (("learner", "gradient_booster", "name"), "other", "unknown booster 'other'"),
    ],
)
def test_damaged_xgboost_models_are_refused(xgboost_models, path, value, said):
    document = json.loads(bytes(xgboost_models["sets"][0].save_raw("json")))
    rebuilt_model(document)
    if "cats" in path and "cats" not in document["learner"]["gradient_booster"]["model"]:
        pytest.skip(f"XGBoost {xgboost.__version__} keeps no levels of categories")
    _change(path, value)(document)
    with pytest.raises(StorageError, match=said):
        rebuilt_model(document)


@pytest.mark.parametrize(
    ("model", "old", "new", "said"),
    [
        ("sets", "left_child=", "left_child=5000 ", "left of tree 0"),
        ("sets", "left_child=-?[0-9]+", "left_child=4000", "child in tree 0: got 4000"),
        ("sets", "left_child=-?[0-9]+", "left_child=0", "child in tree 0: got 0"),
        ("sets", "max_feature_idx=4", "max_feature_idx=0", "'feature_names'"),
        ("sets", "num_leaves=", "num_leaves=9", "'leaf_value' of tree 0"),
        ("sets", "num_cat=1", "num_cat=0", "category splits"),
        ("sets", "num_cat=1", "num_cat=1\nnum_cat=1", "repeated line"),
        ("sets", "cat_boundaries=0 1", "cat_boundaries=0 900", "'cat_boundaries' of tree 0 must rise"),
        ("sets", "num_class=1", "num_class=3", "3 classes, 1 trees a round"),
        ("classes", "num_class:3", "num_class:900", "does not fit"),
        ("classes", "Tree=1\n", "Tree=7\n", "tree 1 of the LightGBM model is numbered '7'"),
        ("linear", "num_features=", "num_features=9 ", "'num_features' of tree 0"),
        ("linear", "leaf_features=", "leaf_features=77 ", "'leaf_features' of tree 0"),
        ("sets", "objective=binary sigmoid:1", "objective=binary $(x)", "unknown objective"),
        ("sets", "\nend of trees", "\nend of bees", "'end of trees' is missing"),
        ("sets", "\nend of parameters", "\nend of para", "'end of parameters' is missing"),
        ("sets", "tree\n", "tree\r\n", "first line is not 'tree'"),
        ("sets", "shrinkage=1", "shrinkage=1\x00", "control characters"),
    ],
)
def test_damaged_lightgbm_models_are_refused(lightgbm_models, model, old, new, said):
    text = lightgbm_models[model][0].model_to_string()
    checked_text(text)
    changed = re.sub(old, lambda _: new, text, count=1)
    assert changed != text
    with pytest.raises(StorageError, match=said):
        checked_text(changed)


def test_byte_offsets_are_not_taken_from_the_file(lightgbm_models):
    text = lightgbm_models["sets"][0].model_to_string()
    assert "tree_sizes=" in text
    assert "tree_sizes=" not in checked_text(text)


def _mutated(data, seed):
    random_state = random.Random(seed)
    if seed % 4 == 0:
        return data[: random_state.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(random_state.randint(1, 3)):
        changed[random_state.randrange(len(changed))] = random_state.choice((0, 45, 57, 127, 128, 255))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_give_an_error_or_a_model(xgboost_models, lightgbm_models, forest, tmp_path, seed):
    skops.io.dump(forest, tmp_path / "whole.skops")
    files = {
        "model.json": bytes(xgboost_models["sets"][0].save_raw("json")),
        "model.ubj": bytes(xgboost_models["sets"][0].save_raw("ubj")),
        "model.txt": lightgbm_models["sets"][0].model_to_string().encode(),
        "model.skops": (tmp_path / "whole.skops").read_bytes(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(_mutated(data, seed))
        try:
            model = read_model(tmp_path / name)
        except OnlyIfError:
            continue
        assert type(model).__name__ in {"Booster", "RandomForestClassifier"}


def test_json_text_is_what_was_checked():
    hostile = b'{"learner": {}, "learner": {"learner_model_param": {}}}'
    with pytest.raises(StorageError):
        checked_json(hostile)


@pytest.mark.parametrize(
    "data", [b"{", b"[#L", b"[$d#U\xff", b"{U\x01aq}", b"S" + b"L" + b"\xff" * 8, b"[" * 1000]
)
def test_damaged_ubjson(data):
    with pytest.raises(StorageError):
        decode_ubjson(data)


def test_an_archive_that_is_no_skops_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(StorageError, match=r"schema\.json"):
        read_model(tmp_path / "model.skops")
