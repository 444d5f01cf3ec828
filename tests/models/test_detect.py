"""Models are known by their type, checked against the table, and asked as their users ask them."""

import json
import subprocess
import sys
import warnings

import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
import torch
import xgboost
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn

import onlyif
from onlyif.core.errors import InputError, SettingError
from onlyif.modalities.table import fit_schema
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor
from onlyif.models.outputs import AutoOutput, LogitOutput, MarginOutput, ProbabilityOutput, ValueOutput
from onlyif.testing.predictors import check_predictor

OPSET = {"": 18, "ai.onnx.ml": 3}  # also the oldest onnxruntime that is supported reads these
RNG = np.random.default_rng(0)
ARRAY = RNG.normal(size=(120, 4)).round(3)
NAMES = ["alpha", "beta one", "gamma", "delta"]
FRAME = pd.DataFrame(ARRAY, columns=NAMES)
POLARS = pl.from_pandas(FRAME)
TWO = np.array(["no", "yes"])[(ARRAY[:, 0] + ARRAY[:, 1] > 0).astype(int)]
THREE = np.digitize(ARRAY[:, 0], [-0.5, 0.5])
NUMBER = ARRAY[:, 0] * 2 + ARRAY[:, 1] ** 2
TABLES = {"pandas": FRAME, "polars": POLARS, "numpy": ARRAY}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)

XGB, LGB = xgboost.XGBClassifier, lightgbm.LGBMClassifier
SMALL = {"n_estimators": 4, "verbose": -1}


def _proba(model, table):
    return model.predict_proba(table)


def _scores(model, table):
    return model.decision_function(table)


def _predict(model, table):
    return model.predict(table)


def _log_odds(model, table):
    return np.log(model.predict_proba(table) / (1 - model.predict_proba(table)))


def _xgb_margin(model, table):
    return model.predict(table, output_margin=True)


def _lgb_margin(model, table):
    return model.predict(table, raw_score=True)


# kind -> (untrained model, targets, output, the user's own way to ask)
MODELS = {
    "forest": (RandomForestClassifier(5, random_state=0), TWO, AutoOutput(), _proba),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), TWO, MarginOutput(), _scores),
    "log-odds": (LogisticRegression(), TWO, LogitOutput(1e-12), _log_odds),
    "three classes": (LogisticRegression(), THREE, MarginOutput(), _scores),
    "no probability": (LinearSVC(), TWO, AutoOutput(), _scores),
    "regressor": (GradientBoostingRegressor(n_estimators=4), NUMBER, AutoOutput(), _predict),
    "outliers": (IsolationForest(n_estimators=5), TWO, AutoOutput(), _scores),
    "xgboost": (XGB(n_estimators=4), TWO == "yes", AutoOutput(), _proba),
    "xgboost three": (XGB(n_estimators=4), THREE, AutoOutput(), _proba),
    "xgboost margin": (XGB(n_estimators=4), THREE, MarginOutput(), _xgb_margin),
    "xgboost regressor": (xgboost.XGBRegressor(n_estimators=4), NUMBER, ValueOutput(), _predict),
    "lightgbm": (LGB(**SMALL), TWO, AutoOutput(), _proba),
    "lightgbm three": (LGB(**SMALL), THREE, AutoOutput(), _proba),
    "lightgbm margin": (LGB(**SMALL), TWO, MarginOutput(), _lgb_margin),
    "lightgbm regressor": (lightgbm.LGBMRegressor(**SMALL), NUMBER, AutoOutput(), _predict),
}


def _columns(answer):
    answer = np.asarray(answer)
    return answer.reshape(len(answer), -1)


@every_table
@pytest.mark.parametrize("kind", MODELS)
def test_the_answer_is_the_one_the_user_gets(kind, table):
    model, targets, output, ask = MODELS[kind]
    model = clone(model).fit(table, targets)
    schema = fit_schema(table)
    predictor = detect(model, schema, output)
    batch = schema.encode(table)
    np.testing.assert_allclose(predictor.predict(batch), _columns(ask(model, table)), rtol=1e-6, atol=1e-7)
    check_predictor(predictor, batch[:6])


@pytest.mark.parametrize("fit", ["xgboost", "lightgbm", "forest", "regressor"])
def test_a_model_of_arrays_takes_frames_of_numbers_without_a_warning(fit):
    model, targets, output, ask = MODELS[fit]
    model = clone(model).fit(ARRAY, targets)
    predictor = detect(model, fit_schema(FRAME), output)
    np.testing.assert_allclose(predictor.predict(ARRAY), _columns(ask(model, ARRAY)), rtol=1e-6)


def test_labels_thresholds_digits_and_names():
    def meaning(model, targets, output):
        return detect(model.fit(FRAME, targets), fit_schema(FRAME), output).meaning

    forest = meaning(RandomForestClassifier(2), TWO, AutoOutput())
    assert (forest.model, forest.output) == ("sklearn RandomForestClassifier", "probability")
    assert (forest.labels, forest.threshold, forest.digits) == (("no", "yes"), None, 30)
    margin = meaning(make_pipeline(LogisticRegression()), TWO, MarginOutput())
    assert (margin.model, margin.output) == ("sklearn Pipeline to LogisticRegression", "margin")
    assert (margin.labels, margin.threshold) == (("yes",), 0.0)
    logit = meaning(LogisticRegression(), TWO, LogitOutput(0.01))
    assert logit.output == "log-odds of the probability, clipped to [0.01, 1 - 0.01]"
    assert meaning(xgboost.XGBRegressor(n_estimators=2), NUMBER, AutoOutput()).digits == 20
    four = np.digitize(ARRAY[:, 0], [-0.5, 0, 0.5])
    pairs = meaning(SVC(decision_function_shape="ovo"), four, MarginOutput())
    assert pairs.labels == ("0 vs 1", "0 vs 2", "0 vs 3", "1 vs 2", "1 vs 3", "2 vs 3")
    assert pairs.exclusive is False
    assert meaning(SVC(decision_function_shape="ovr"), four, MarginOutput()).labels == ("0", "1", "2", "3")


XGB_OBJECTIVES = {
    "binary:logistic": TWO == "yes",
    "binary:logitraw": TWO == "yes",
    "multi:softprob": THREE,
    "multi:softmax": THREE,
    "reg:squarederror": NUMBER,
    "count:poisson": THREE,
}


@pytest.mark.parametrize("objective", XGB_OBJECTIVES)
def test_native_xgboost_boosters(objective):
    target = XGB_OBJECTIVES[objective].astype(float)
    matrix = xgboost.DMatrix(FRAME, target)
    classes = {"num_class": 3} if objective.startswith("multi") else {}
    booster = xgboost.train({"objective": objective, **classes}, matrix, 4)
    schema = fit_schema(FRAME)
    margin = detect(booster, schema, MarginOutput()).predict(schema.encode(FRAME)).astype(np.float64)
    np.testing.assert_allclose(margin, _columns(booster.predict(matrix, output_margin=True)), rtol=1e-6)
    predictor = detect(booster, schema, AutoOutput())
    check_predictor(predictor, schema.encode(FRAME)[:6])
    p, powers = 1 / (1 + np.exp(-margin)), np.exp(margin)
    shares = powers / powers.sum(1, keepdims=True)
    oracle = {
        "binary:logistic": np.concatenate([1 - p, p], axis=1),
        "binary:logitraw": np.concatenate([1 - p, p], axis=1),
        "multi:softprob": shares,
        "multi:softmax": shares,
        "reg:squarederror": margin,
        "count:poisson": powers,
    }[objective]
    np.testing.assert_allclose(predictor.predict(schema.encode(FRAME)), oracle, rtol=1e-4, atol=1e-6)
    kind = "probability" if objective.startswith(("binary", "multi")) else "value"
    assert predictor.meaning.output == kind


def _stopped_early(objective, targets):
    parameters = {"objective": objective, "eta": 1.0, "max_depth": 6}
    train, held = xgboost.DMatrix(FRAME[:60], targets[:60]), xgboost.DMatrix(FRAME[60:], targets[60:])
    return xgboost.train(
        parameters, train, 40, evals=[(held, "held")], early_stopping_rounds=3, verbose_eval=False
    )


def test_a_booster_answers_as_its_own_predict_whatever_its_best_iteration():
    booster = _stopped_early("reg:squarederror", RNG.permutation(NUMBER))
    rounds = booster.num_boosted_rounds()
    assert booster.best_iteration + 1 < rounds
    schema = fit_schema(FRAME)
    predictor = detect(booster, schema, AutoOutput())
    own = booster.predict(xgboost.DMatrix(FRAME))
    np.testing.assert_array_equal(predictor.predict(schema.encode(FRAME)), _columns(own))
    (note,) = predictor.notes
    assert f"all {rounds} rounds" in note
    assert f"best_iteration {booster.best_iteration} is not respected" in note
    best = detect(booster[: booster.best_iteration + 1], schema, AutoOutput())
    assert best.notes == ()


def test_a_lightgbm_booster_says_which_trees_it_leaves_out():
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(FRAME, NUMBER), 9)
    schema = fit_schema(FRAME)
    assert detect(booster, schema, AutoOutput()).notes == ()
    booster.best_iteration = 4
    predictor = detect(booster, schema, AutoOutput())
    np.testing.assert_array_equal(predictor.predict(schema.encode(FRAME))[:, 0], booster.predict(FRAME))
    (note,) = predictor.notes
    assert "4 of the 9 rounds" in note


LGB_OBJECTIVES = {"binary": TWO == "yes", "multiclass": THREE, "regression": NUMBER, "poisson": THREE}


@pytest.mark.parametrize("objective", LGB_OBJECTIVES)
def test_native_lightgbm_boosters(objective):
    parameters = {"objective": objective, "verbose": -1}
    parameters |= {"num_class": 3} if objective == "multiclass" else {}
    booster = lightgbm.train(parameters, lightgbm.Dataset(FRAME, LGB_OBJECTIVES[objective]), 4)
    booster = lightgbm.Booster(model_str=booster.model_to_string())
    schema = fit_schema(FRAME)
    predictor = detect(booster, schema, AutoOutput())
    answer = _columns(booster.predict(FRAME))
    oracle = np.hstack([1 - answer, answer]) if objective == "binary" else answer
    np.testing.assert_array_equal(predictor.predict(schema.encode(FRAME)), oracle)
    raw = detect(booster, schema, MarginOutput()).predict(schema.encode(FRAME))
    np.testing.assert_array_equal(raw, _columns(booster.predict(FRAME, raw_score=True)))
    assert predictor.meaning.output == ("probability" if objective in ("binary", "multiclass") else "value")


@pytest.mark.parametrize("make", [
    lambda: xgboost.XGBClassifier(n_estimators=4, enable_categorical=True),
    lambda: lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, min_child_samples=1),
])  # fmt: skip
@pytest.mark.parametrize("native", [False, True])
def test_boosters_take_pandas_categories(make, native):
    city = pd.Categorical(np.array(["Rome", "Oslo", "Bern"])[THREE], categories=["x", "Oslo", "Bern", "Rome"])
    frame = FRAME.assign(city=city)
    model = make().fit(frame, THREE == 1)
    booster = model.get_booster() if hasattr(model, "get_booster") else model.booster_
    schema = fit_schema(frame)
    predictor = detect(booster if native else model, schema, AutoOutput())
    np.testing.assert_allclose(
        predictor.predict(schema.encode(frame)), model.predict_proba(frame), rtol=1e-6, atol=1e-7
    )


def _session(model, inputs, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skl2onnx import convert_sklearn

        converted = convert_sklearn(
            model,
            initial_types=inputs,
            options={id(model): options} if options else None,
            target_opset=OPSET,
        )
    return onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])


def _float_input(rows=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skl2onnx.common.data_types import FloatTensorType
    return [("X", FloatTensorType([rows, 4]))]


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("rows", [None, 4])
@pytest.mark.parametrize("table", [FRAME, ARRAY], ids=["pandas", "numpy"])
def test_onnx_classifiers(zipmap, rows, table):
    model = LogisticRegression().fit(ARRAY, TWO)
    schema = fit_schema(table)
    predictor = detect(_session(model, _float_input(rows), zipmap=zipmap), schema, AutoOutput())
    batch = schema.encode(table)[:11]
    np.testing.assert_allclose(predictor.predict(batch), model.predict_proba(ARRAY[:11]), atol=1e-6)
    assert predictor.meaning.output == "probability"
    assert predictor.meaning.labels == (("no", "yes") if zipmap else ())
    check_predictor(predictor, batch)


def test_onnx_regressors_and_margins():
    schema = fit_schema(ARRAY)
    regressor = LinearRegression().fit(ARRAY, NUMBER)
    predictor = detect(_session(regressor, _float_input()), schema, AutoOutput())
    np.testing.assert_allclose(
        predictor.predict(schema.encode(ARRAY))[:, 0], regressor.predict(ARRAY), atol=1e-5
    )
    assert predictor.meaning.output == "value"
    machine = LinearSVC().fit(ARRAY, TWO)
    predictor = detect(_session(machine, _float_input()), schema, AutoOutput())
    assert predictor.meaning.output == "margin"
    np.testing.assert_allclose(
        predictor.predict(schema.encode(ARRAY))[:, -1], machine.decision_function(ARRAY), atol=1e-5
    )
    with pytest.raises(SettingError, match="offers no probability; it offers margin"):
        detect(_session(machine, _float_input()), schema, ProbabilityOutput())


def test_onnx_inputs_that_do_not_fit_the_table():
    session = _session(LogisticRegression().fit(ARRAY, TWO), _float_input())
    with pytest.raises(InputError, match="takes 4 columns, the table has 3"):
        detect(session, fit_schema(ARRAY[:, :3]), AutoOutput())
    with pytest.raises(InputError, match="an ONNX model with one tensor input takes numbers"):
        detect(session, fit_schema(FRAME.assign(alpha="Rome")), AutoOutput())


@every_table
def test_torch_modules(table):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 3))
    schema = fit_schema(table)
    batch = schema.encode(table)
    with torch.no_grad():
        logits = net.eval()(torch.tensor(ARRAY).float())
    net.train()
    raw = detect(net, schema, AutoOutput())
    assert np.array_equal(raw.predict(batch), logits)
    assert (raw.meaning.model, raw.meaning.output, raw.meaning.digits) == ("torch Sequential", "value", 20)
    assert np.array_equal(detect(net, schema, ProbabilityOutput()).predict(batch), logits.softmax(1))
    assert np.array_equal(detect(net, schema, MarginOutput()).predict(batch), logits)
    assert net.training
    check_predictor(raw, batch[:6])


def test_torch_modules_take_numbers_only():
    with pytest.raises(InputError, match="a torch module takes numbers"):
        detect(nn.Linear(4, 1), fit_schema(FRAME.assign(alpha="Rome")), AutoOutput())


def test_functions_get_the_users_own_table():
    def ask(frame):
        assert isinstance(frame, pd.DataFrame)
        return frame["alpha"] * 2 + frame["delta"]

    schema = fit_schema(FRAME)
    predictor = detect(ask, schema, AutoOutput())
    np.testing.assert_array_equal(
        predictor.predict(schema.encode(FRAME))[:, 0], FRAME["alpha"] * 2 + FRAME["delta"]
    )
    assert predictor.meaning.model.endswith("ask")
    with pytest.raises(SettingError, match="offers no probability; it offers value"):
        detect(ask, schema, ProbabilityOutput())


def test_a_predictor_is_taken_as_it_is():
    predictor = FunctionPredictor(lambda batch: batch)
    assert detect(predictor, fit_schema(FRAME), AutoOutput()) is predictor


UNKNOWN = {
    "builtins.str for predictions; need a scikit-learn estimator": "model",
    r"class sklearn\.ensemble.*\(not an instance of it\)": RandomForestClassifier,
    "sklearn LogisticRegression is not fitted": LogisticRegression(),
    "xgboost XGBClassifier is not fitted": xgboost.XGBClassifier(),
    "lightgbm LGBMRegressor is not fitted": lightgbm.LGBMRegressor(),
    "StandardScaler has neither predict nor predict_proba": StandardScaler().fit(FRAME),
    "NearestNeighbors has neither predict": NearestNeighbors().fit(FRAME),
    "several targets of classes": RandomForestClassifier(2).fit(FRAME, np.stack([TWO, TWO], 1)),
}


@pytest.mark.parametrize("said", UNKNOWN)
def test_what_cannot_be_asked_is_refused(said):
    with pytest.raises(SettingError, match=said):
        detect(UNKNOWN[said], fit_schema(FRAME), AutoOutput())


FITTED = {
    "sklearn": LogisticRegression().fit(FRAME, TWO),
    "xgboost": xgboost.XGBClassifier(n_estimators=2).fit(FRAME, THREE),
    "xgboost booster": xgboost.XGBClassifier(n_estimators=2).fit(FRAME, THREE).get_booster(),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(FRAME, THREE),
    "lightgbm booster": lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(FRAME, THREE).booster_,
}


@pytest.mark.parametrize("kind", FITTED)
def test_other_columns_than_those_of_training_are_refused(kind):
    with pytest.raises(InputError, match=rf"lacks columns \['{NAMES[3]}'\] that .* was fitted on; it has"):
        detect(FITTED[kind], fit_schema(FRAME[NAMES[:3]]), AutoOutput())
    with pytest.raises(InputError, match="was fitted on 4 columns, the table has 3"):
        detect(FITTED[kind], fit_schema(ARRAY[:, :3]), AutoOutput())
    with pytest.raises(InputError, match=r"was fitted on the columns \['alpha', .* the table has \['delta'"):
        detect(FITTED[kind], fit_schema(FRAME[NAMES[::-1]]), AutoOutput())
    with pytest.raises(InputError, match="pass a data frame with these columns, the table is a plain array"):
        detect(FITTED[kind], fit_schema(ARRAY), AutoOutput())
    detect(FITTED[kind], fit_schema(ARRAY, names=NAMES), AutoOutput())


def test_no_library_but_the_models_own_is_imported():
    script = (
        "import json, sys, torch\n"
        "from onlyif.modalities.table import fit_schema\n"
        "from onlyif.models.outputs import AutoOutput\n"
        "from onlyif.models.detect import detect\n"
        "detect(torch.nn.Linear(2, 1), fit_schema(torch.zeros(1, 2)), AutoOutput())\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    )
    assert {"sklearn", "xgboost", "lightgbm", "onnxruntime", "pandas", "polars"} & set(loaded) == set()


@pytest.mark.parametrize("kind", FITTED)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_background_gives_the_columns_that_the_model_was_fitted_on_in_its_order(kind, library):
    wide = FRAME[NAMES[::-1]].assign(label=1.0)
    rows, background = wide[:2], wide
    if library == "polars":
        rows, background = pl.from_pandas(rows), pl.from_pandas(background)
    found = onlyif.explain(FITTED[kind], rows, background=background, target=0)
    want = onlyif.explain(FITTED[kind], FRAME[:2], background=FRAME, target=0)
    assert found[0].names == tuple(NAMES)
    for item, other in zip(found, want, strict=True):
        assert (item.prediction, item.sets) == (other.prediction, other.sets)
    notes = found[0].notes
    assert any("in another order than those of the model" in note for note in notes)
    assert "columns ['label'] of the background, which the model was not fitted on, were ignored" in notes


@pytest.mark.parametrize(
    "model", [lightgbm.LGBMClassifier(), LogisticRegression()], ids=["lightgbm", "sklearn"]
)
def test_a_model_that_is_not_fitted_is_told_so_by_explain_too(model):
    with pytest.raises(SettingError, match="is not fitted"):
        onlyif.explain(model, FRAME[:1], background=FRAME)
