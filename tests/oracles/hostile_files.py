"""Model files with one or two fields changed: each is read and asked for one explanation.

    python hostile_files.py FORMAT,... FIRST LAST FOLDER

It is run in a process of its own, which prints the number of each file before it is read, so that the one
that ends the interpreter is known, and stops at the first error that is none of the library's own.
"""

import copy
import io
import json
import random
import signal
import sys
import warnings
import zipfile
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import pandas as pd
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn import ensemble, linear_model, svm
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import onlyif
from onlyif.files.models import read_model

RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=list("abc"))
FRAME = NUMBERS[["a", "b"]].assign(k=pd.Categorical(RANDOM.choice(list("uvwxy"), 60)))
LABEL = ((FRAME["a"] > 0) ^ FRAME["k"].isin(["u", "x"])).astype(int)
THREE = RANDOM.integers(0, 3, 60)
NASTY = [-1, 0, 1, 2, 3, 7, 64, 255, 10**4, 10**6, 2**31 - 1, 2**31, -(2**31), 2**40, 2**63, -0.5, 1e308, 0.5]
WORDS = ["", "x", "0", "1", "2", "-1", "99999", "1e9", "nan", "inf", "[1,2,3]", "binary:logistic", "é" * 9]
FEW = {"n_estimators": 3, "max_depth": 3, "n_jobs": 1}
SECONDS = 60
OPSET = {"": 18, "ai.onnx.ml": 3}  # also the oldest onnxruntime that is supported reads these


def xgboost_models():
    kinds = {"enable_categorical": True, "max_cat_to_onehot": 1}
    yield xgboost.XGBClassifier(**FEW, **kinds).fit(FRAME, LABEL).get_booster(), FRAME
    yield xgboost.XGBClassifier(**FEW).fit(NUMBERS, THREE).get_booster(), NUMBERS
    yield xgboost.XGBRegressor(**FEW, booster="dart").fit(NUMBERS, LABEL).get_booster(), NUMBERS
    yield xgboost.XGBRegressor(n_estimators=2, booster="gblinear").fit(NUMBERS, LABEL).get_booster(), NUMBERS
    vectors = xgboost.XGBClassifier(**FEW, multi_strategy="multi_output_tree")
    yield vectors.fit(NUMBERS, THREE).get_booster(), NUMBERS


def lightgbm_models():
    few = {**FEW, "verbose": -1, "min_data_per_group": 1, "cat_smooth": 0, "min_child_samples": 5}
    yield lightgbm.LGBMClassifier(**few).fit(FRAME, LABEL).booster_, FRAME
    yield lightgbm.LGBMClassifier(**few).fit(NUMBERS, THREE).booster_, NUMBERS
    yield lightgbm.LGBMRegressor(**few, linear_tree=True).fit(NUMBERS, NUMBERS["a"]).booster_, NUMBERS


def skops_models():
    yield ensemble.RandomForestClassifier(2, max_depth=3, random_state=0).fit(NUMBERS, THREE), NUMBERS
    yield ensemble.GradientBoostingClassifier(n_estimators=2, max_depth=2).fit(NUMBERS, THREE), NUMBERS
    yield (
        ensemble.HistGradientBoostingClassifier(
            max_iter=2, min_samples_leaf=5, categorical_features="from_dtype"
        ).fit(FRAME, LABEL),
        FRAME,
    )
    columns = make_column_transformer((OneHotEncoder(min_frequency=9), ["k"]), remainder="passthrough")
    yield make_pipeline(columns, linear_model.LogisticRegression()).fit(FRAME, LABEL), FRAME
    yield svm.SVC().fit(NUMBERS, THREE), NUMBERS
    few = {**FEW, "verbose": -1, "min_child_samples": 5}
    yield lightgbm.LGBMClassifier(**few).fit(NUMBERS, LABEL), NUMBERS
    yield xgboost.XGBClassifier(**FEW).fit(NUMBERS, LABEL), NUMBERS


def onnx_models():
    values = NUMBERS.to_numpy(np.float32)
    forest = ensemble.RandomForestClassifier(2, max_depth=3, random_state=0).fit(values, THREE)
    yield to_onnx(forest, values[:1], options={"zipmap": False}, target_opset=OPSET), NUMBERS
    boosted = ensemble.GradientBoostingRegressor(n_estimators=2).fit(values, LABEL)
    yield to_onnx(boosted, values[:1], target_opset=OPSET), NUMBERS
    machine = svm.SVC().fit(values, LABEL)
    yield to_onnx(machine, values[:1], options={"zipmap": False}, target_opset=OPSET), NUMBERS


def bend(value, choose):
    """Change one place of a plain document, wherever chance leads; lists and objects are changed in place."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = choose.choice(keys)
        held = value[key]
        if isinstance(held, dict | list) and held and choose.random() < 0.9:
            value = held
            continue
        change(value, key, choose)
        return


def change(value, key, choose):
    """Replace, delete, repeat or move one entry."""
    held, way = value[key], choose.random()
    if way < 0.1:
        del value[key]
    elif way < 0.2 and isinstance(value, list):
        value.insert(key, copy.deepcopy(held))
    elif way < 0.3 and isinstance(value, dict):
        value[key] = copy.deepcopy(value[choose.choice(list(value))])
    elif way < 0.4:
        value[key] = choose.choice([None, True, [], {}, [[]], {"a": 1}, "x", float("nan")])
    elif isinstance(held, str):
        value[key] = (
            choose.choice(WORDS) if way < 0.7 else scratched(held.encode(), choose).decode("utf-8", "replace")
        )
    else:
        value[key] = choose.choice(NASTY)


def scratched(data, choose):
    """One byte changed, a piece cut out, or the end cut off."""
    if not data:
        return data
    at, way = choose.randrange(len(data)), choose.random()
    if way < 0.2:
        return data[:at]
    if way < 0.4:
        return data[:at] + data[at + choose.randint(1, 9) :]
    return data[:at] + bytes([choose.choice([0, 45, 48, 57, 127, 128, 255, data[at] ^ 1])]) + data[at + 1 :]


def bent_xgboost(booster, choose):
    if choose.random() < 0.3:
        return "m.ubj", scratched(bytes(booster.save_raw("ubj")), choose)
    document = json.loads(bytes(booster.save_raw("json")))
    for _ in range(choose.randint(1, 2)):
        bend(document, choose)
    return "m.json", json.dumps(document).encode()


def bent_lightgbm(booster, choose):
    lines = booster.model_to_string().split("\n")
    for _ in range(choose.randint(1, 2)):
        at = choose.randrange(len(lines))
        parts = lines[at].replace("=", "= ").split(" ")
        if len(parts) == 1 or choose.random() < 0.2:
            change(lines, at, choose)
            lines = [str(line) for line in lines]
        else:
            change(parts, choose.randrange(len(parts)), choose)
            lines[at] = " ".join(map(str, parts)).replace("= ", "=")
    return "m.txt", "\n".join(lines).encode("utf-8", "replace")


def bent_skops(model, choose):
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in files if name.endswith(".npy")]
    if choose.random() < 0.4 and arrays:
        name = choose.choice(arrays)
        files[name] = bent_array(files[name], choose)
    else:
        schema = json.loads(files["schema.json"])
        for _ in range(choose.randint(1, 2)):
            bend(schema, choose)
        files["schema.json"] = json.dumps(schema).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return "m.skops", scratched(buffer.getvalue(), choose) if choose.random() < 0.1 else buffer.getvalue()


def bent_array(data, choose):
    array = np.load(io.BytesIO(data), allow_pickle=False).copy()
    way, flat = choose.random(), array.reshape(-1)
    if way < 0.3 or not flat.size:
        return scratched(data[:128], choose) + data[128:]
    if way < 0.5:
        array = choose.choice(
            [flat[:1], np.concatenate([array, array]) if array.ndim else array, array[None]]
        )
    else:
        held = flat[choose.choice(array.dtype.names)] if array.dtype.names else flat
        with np.errstate(all="ignore"):
            held[choose.randrange(len(held))] = np.array(choose.choice(NASTY[:15])).astype(held.dtype)
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def bent_onnx(model, choose):
    if choose.random() < 0.4:
        return "m.onnx", scratched(model.SerializeToString(), choose)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    node = choose.choice([node for node in made.graph.node if node.attribute])
    attribute = choose.choice(list(node.attribute))
    for name in ("ints", "floats", "strings"):
        values = getattr(attribute, name)
        if len(values):
            held = list(values)
            change(held, choose.randrange(len(held)), choose)
            kind = {"ints": int, "floats": float, "strings": bytes}[name]
            del values[:]
            values.extend(each for each in held if type(each) is kind and in_range(each))
    if attribute.type == onnx.AttributeProto.INT:
        attribute.i = choose.choice([-1, 0, 1, 2, 2**31, 2**62])
    return "m.onnx", made.SerializeToString()


def in_range(value):
    return not isinstance(value, int) or -(2**63) <= value < 2**63


FORMATS = {
    "xgboost": (xgboost_models, bent_xgboost),
    "lightgbm": (lightgbm_models, bent_lightgbm),
    "skops": (skops_models, bent_skops),
    "onnx": (onnx_models, bent_onnx),
}


def asked(path, frame):
    """ "read" or the name of our error; any other error is let through."""
    try:
        model = read_model(path)
        onlyif.explain(model, frame[:1], background=frame[:8])
    except onlyif.OnlyIfError as error:
        return type(error).__name__
    return "read"


def run(name, first, last, folder):
    models, bent = FORMATS[name]
    made = list(models())
    for seed in range(first, last):
        choose = random.Random(seed)
        model, frame = made[seed % len(made)]
        file, data = bent(model, choose)
        path = Path(folder) / file
        path.write_bytes(data)
        sys.stdout.write(f"{name} {seed} ")
        sys.stdout.flush()
        signal.alarm(SECONDS)
        sys.stdout.write(asked(path, frame) + "\n")
        sys.stdout.flush()
        signal.alarm(0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[1].split(","):
        run(name, int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
