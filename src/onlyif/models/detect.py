"""The one table from a model's type to the file of its predictor.

A library is imported only when the model is its own, so that `import onlyif` and
other models never need it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from onlyif.core.errors import ModelError, OnlyIfError, SettingError
from onlyif.modalities.table import Schema
from onlyif.modalities.table_arrays import ArrayForm
from onlyif.modalities.table_forms import Form
from onlyif.models.base import Predictor
from onlyif.models.formed import formed
from onlyif.models.function import predictor_of, taking_arguments
from onlyif.models.methods import method_heads
from onlyif.models.outputs import Head, HeadKind, Heads, Output
from onlyif.models.own_methods import is_of_library, parts_of

Detected = tuple[Heads, Form]
# The names of the columns that a model was fitted on, if it knows them, and what stands for a blank in them.
Names = tuple[Sequence[Any] | None, str]


def detect(model: Any, schema: Schema, output: Output) -> Predictor:
    """The predictor of a model, by its type.

    Args:
        model: A fitted model of a known library, an object with `predict` or `predict_proba`, or a
            callable; the latter two take the user's own kind of table and return one row of numbers
            an instance. An object that is callable and has `predict` is asked by `predict`.
        schema: The kind of table the model is given.
        output: What is explained.

    Raises:
        SettingError: if the type is unknown, the model is not fitted, or it does not offer the output.
        InputError: if the model was fitted on other columns.
        ModelError: if the model raises when it is looked at.

    Example:
        >>> from onlyif.modalities.table import fit_schema
        >>> from onlyif.models.outputs import AutoOutput
        >>> schema = fit_schema(np.zeros((2, 3)))
        >>> predictor = detect(lambda array: array.sum(axis=1), schema, AutoOutput())
        >>> predictor.predict(np.ones((1, 3)))
        array([[3.]])
    """
    if isinstance(model, Predictor):
        return formed(model, schema.form)
    with _looked_at(model):
        return _detected(model, schema, output)


@contextmanager
def _looked_at(model: Any) -> Iterator[None]:
    """While a model is looked at, whatever it raises is an error of its own."""
    try:
        yield
    except (OnlyIfError, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # whatever a library or the user's class raises when it is looked at
        raise ModelError(
            f"a {_named(model)} could not be described: {type(error).__name__}: {error}"
        ) from error


def _detected(model: Any, schema: Schema, output: Output) -> Predictor:
    for kind in type(model).__mro__:
        reader = READERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if reader is not None:
            heads, form = reader(model, schema)
            return predictor_of(heads, output, form)
    asked = None if isinstance(model, type) else method_heads(model, _called(model))
    # Of frames each call costs much, whatever the model behind them.
    known = not isinstance(schema.form, ArrayForm)
    if asked is not None:
        return predictor_of(replace(asked, of_known_kind=known), output, schema.form)
    if isinstance(model, type) or not callable(model):
        raise SettingError(
            f"cannot tell how to ask a {_named(model)} for predictions; need {SUPPORTED}, an object with "
            "predict or predict_proba, or a function from a table to one row of numbers an instance"
        )
    ask = model if schema.form.of_tables else taking_arguments(model)
    head = Head(HeadKind.VALUE, ask)
    function = Heads(f"the function {_name(model)}", (head,), of_known_kind=known)
    return predictor_of(function, output, schema.form)


def column_places(model: Any, columns: Sequence[str]) -> list[int] | None:
    """Where the columns that a model was fitted on stand among those of a table, in the model's order.

    None where the model does not know their names, or one of them is not there.

    Args:
        model: The user's model.
        columns: The names of the table's columns.

    Raises:
        ModelError: if the model raises when it is looked at.
    """
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(model).__mro__)
    reader = next((NAMES[kind] for kind in kinds if kind in NAMES), None)
    with _looked_at(model):
        names, blank = (None, " ") if reader is None else reader(model)
    places = {name.replace(" ", blank): place for place, name in enumerate(columns)}
    if names is None or len(places) < len(columns) or not all(str(name) in places for name in names):
        return None
    return [places[str(name)] for name in names]


def _fitted_names(model: Any) -> Names:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names), " "


def _xgboost_names(booster: Any) -> Names:
    return booster.feature_names, " "


def _lightgbm_names(booster: Any) -> Names:
    names: Sequence[str] | None = import_module("onlyif.models.lightgbm_booster").trained_columns(booster)
    return names, "_"


def _lightgbm_model_names(model: Any) -> Names:
    booster = getattr(model, "booster_", None)  # there is none before it is fitted
    return (None, "_") if booster is None else _lightgbm_names(booster)


def _sklearn(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.sklearn_estimator")
    heads: Heads = file.estimator_heads(model)
    names, _ = _fitted_names(model)
    schema.need_columns(heads.model, getattr(model, "n_features_in_", None), names)
    return _as_fitted(model, heads, schema)


def _xgboost_model(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.xgboost_booster")
    heads: Heads = file.xgboost_heads(model)
    names, _ = _fitted_names(model)
    schema.need_columns(heads.model, model.n_features_in_, names)
    return _as_fitted(model, heads, schema)


def _xgboost_booster(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.xgboost_booster")
    heads: Heads = file.booster_heads(model)
    names, blank = _xgboost_names(model)
    schema.need_columns(heads.model, model.num_features(), names, blank)
    return heads, schema.form


def _lightgbm_model(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.lightgbm_booster")
    heads: Heads = file.lightgbm_heads(model)
    return heads, _lightgbm_form(model.booster_, heads, schema)


def _lightgbm_booster(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.lightgbm_booster")
    heads: Heads = file.booster_heads(model)
    return heads, _lightgbm_form(model, heads, schema)


def _lightgbm_form(booster: Any, heads: Heads, schema: Schema) -> Form:
    names, blank = _lightgbm_names(booster)
    schema.need_columns(heads.model, booster.num_feature(), names, blank)
    return schema.form


def _torch(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.torch_module")
    schema.need_numbers("a torch module")
    return file.module_heads(model), file.module_form(model) if schema.form.of_tables else schema.form


def _onnx(model: Any, schema: Schema) -> Detected:
    file = import_module("onlyif.models.onnx_session")
    form = schema.form
    if not file.takes_columns(model, schema.columns) and model.get_inputs()[0].type != "tensor(string)":
        schema.need_numbers("an ONNX model with one tensor input")
        form = ArrayForm(np.dtype(np.float64), schema.described, (None,) * len(schema.columns))
    row = form.decode(np.zeros((1, len(schema.columns))))
    return file.session_heads(model, schema.columns, row), form


def _as_fitted(model: Any, heads: Heads, schema: Schema) -> Detected:
    """The table as it is; an array instead of a frame only for what is known to have been fitted on arrays.

    That is known where every part is a library's own, for these keep the names of a frame's columns. A
    class of the user's own may find its columns by their names and keep none.
    """
    names, count = (getattr(model, name, None) for name in ("feature_names_in_", "n_features_in_"))
    if names is not None or count is None or not _is_frame_of_numbers(schema):
        return heads, schema.form
    if not all(is_of_library(part) for part in parts_of(model)):
        return heads, schema.form
    note = (
        f"{heads.model} was fitted on arrays without names, so that it is given arrays of the frame's numbers"
    )
    form = ArrayForm(np.dtype(np.float64), schema.described, (None,) * len(schema.columns))
    return replace(heads, notes=(*heads.notes, note)), form


def _is_frame_of_numbers(schema: Schema) -> bool:
    """Whether it is a frame, with text for names, for by no other names does a library know one."""
    row = schema.form.decode(np.zeros((1, len(schema.columns))))
    names = getattr(row, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return False
    return all(column.levels is None for column in schema.described)


def _called(model: Any) -> str:
    """The name of an object in results."""
    package, name = type(model).__module__.partition(".")[0], type(model).__name__
    return name if package in {"__main__", "builtins"} else f"{package} {name}"


def _named(model: Any) -> str:
    kind = model if isinstance(model, type) else type(model)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return f"class {name} (not an instance of it)" if isinstance(model, type) else name


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


READERS: dict[tuple[str, str], Callable[[Any, Schema], Detected]] = {
    ("sklearn", "BaseEstimator"): _sklearn,
    ("xgboost", "XGBModel"): _xgboost_model,
    ("xgboost", "Booster"): _xgboost_booster,
    ("lightgbm", "LGBMModel"): _lightgbm_model,
    ("lightgbm", "Booster"): _lightgbm_booster,
    ("torch", "Module"): _torch,
    ("onnxruntime", "InferenceSession"): _onnx,
}
# How each kind of model tells the names of the columns that it was fitted on.
NAMES: dict[tuple[str, str], Callable[[Any], Names]] = {
    ("lightgbm", "LGBMModel"): _lightgbm_model_names,
    ("lightgbm", "Booster"): _lightgbm_names,
    ("xgboost", "Booster"): _xgboost_names,
    ("sklearn", "BaseEstimator"): _fitted_names,
}
SUPPORTED = (
    "a scikit-learn estimator or pipeline, an XGBoost or LightGBM model, a torch.nn.Module, "
    "an ONNX InferenceSession"
)
