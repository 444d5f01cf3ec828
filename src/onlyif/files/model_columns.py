"""What a trained model knows of the columns of its table: which hold text, numbers, or which levels.

A CSV file says nothing of types, and a guess by content would turn the zip code 01234 into a number and the
word TRUE into a boolean. Encoders know the categories that they were fitted on, boosted trees those
of their category columns, an ONNX file the types of its inputs.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from onlyif.core.errors import InputError
from onlyif.modalities.table_fit import Sort
from onlyif.modalities.table_values import is_missing

# Attributes under which wrappers hold the fitted estimator that gets the table as it is.
_INNER = ("best_estimator_", "estimator_", "_preprocessor", "classifier_", "regressor_", "pipeline_")


@final
@dataclass(frozen=True)
class Known:
    """What is known of one column.

    Args:
        sort: TEXT, REAL (any numbers), FLAG or LEVEL.
        levels: The levels of a category column, in order of code.
    """

    sort: Sort
    levels: tuple[Any, ...] = ()


def known_columns(model: Any, columns: Sequence[str]) -> dict[str, Known]:
    """What a model knows of the columns of a table; columns of which it knows nothing are left out.

    Args:
        model: The model.
        columns: The columns of its table, in order.

    Raises:
        InputError: if it has category columns and does not say which, or with which levels.
    """
    return dict(_known(model, list(columns)))


def _known(step: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    """By what the object has, so that no library is imported for it."""
    for wrapper in ("get_booster", "booster_"):
        held = getattr(step, wrapper, None)
        step = step if held is None else held() if callable(held) else held
    for attributes, reader in _READERS.items():
        if all(hasattr(step, name) for name in attributes):
            yield from reader(step, columns)
            return
    for name in _INNER:
        if getattr(step, name, None) is not None:
            yield from _known(getattr(step, name), columns)


def _branches(step: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    for _, transformer, chosen in step.transformers_:
        yield from _known(transformer, _chosen(step, chosen, columns))


def _union(step: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    for _, transformer in step.transformer_list:
        yield from _known(transformer, columns)


def _pipeline(pipeline: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    """The steps that still see the columns as they are: up to the first that makes others of them."""
    for _, step in pipeline.steps:
        yield from _known(step, columns)
        same = step is None or step == "passthrough" or _keeps_columns(step)
        if not same:
            return


def _keeps_columns(step: Any) -> bool:
    """An imputer, which fills in values of the columns' own kind."""
    statistics = getattr(step, "statistics_", None)
    return statistics is not None and not getattr(step, "add_indicator", False)


def _chosen(step: Any, chosen: Any, columns: list[str]) -> list[str]:
    """The columns that a transformer of a ColumnTransformer was given."""
    fitted = [str(name) for name in getattr(step, "feature_names_in_", columns)]
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice) and not all(
        isinstance(end, int | None) for end in (chosen.start, chosen.stop)
    ):
        first = 0 if chosen.start is None else fitted.index(chosen.start)
        last = len(fitted) if chosen.stop is None else fitted.index(chosen.stop) + 1
        return fitted[first:last]
    if isinstance(chosen, slice):
        return fitted[chosen]
    held = np.atleast_1d(np.asarray(chosen))
    if held.dtype.kind in "biu":
        return [str(name) for name in np.array(fitted, dtype=object)[held] if len(fitted)]
    return [str(name) for name in held]


def _encoder(step: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    names = [str(name) for name in getattr(step, "feature_names_in_", columns)]
    for name, categories in zip(names, step.categories_, strict=False):
        held = [level for level in np.asarray(categories).tolist() if not is_missing(level)]
        if held and all(isinstance(level, str) for level in held):
            yield name, Known(Sort.TEXT)
        elif held and all(isinstance(level, bool) for level in held):
            yield name, Known(Sort.FLAG)
        elif held and all(isinstance(level, int | float) for level in held):
            yield name, Known(Sort.REAL)


def _onnx(session: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    held = {entry.name: entry.type for entry in session.get_inputs()}
    for name in columns:
        kind = held.get(name, next(iter(held.values())) if len(held) == 1 else None)
        if kind is not None:
            yield name, Known(Sort.TEXT if kind == "tensor(string)" else Sort.REAL)


def _lightgbm(booster: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    names, levels = _names(booster.feature_name(), columns), booster.pandas_categorical or []
    found = re.search(r"^feature_infos=(.*)$", booster.model_to_string(num_iteration=1), re.MULTILINE)
    infos = found[1].split() if found else []
    coded = [
        name for name, info in zip(names, infos, strict=False) if not info.startswith("[") and info != "none"
    ]
    blank = [name for name, info in zip(names, infos, strict=False) if info == "none"]
    if len(levels) == len(coded) + len(blank):
        # A category column of one level has no information there.
        coded = [name for name in names if name in {*coded, *blank}]
    if levels and len(coded) != len(levels):
        raise InputError(
            f"the LightGBM model has {len(levels)} category columns and does not say which; give the "
            "background as a Parquet file, whose columns have their types"
        )
    named = dict(zip(coded, levels, strict=False))
    for name in names:
        yield name, Known(Sort.LEVEL, tuple(named[name])) if name in named else Known(Sort.REAL)


def _xgboost(booster: Any, columns: list[str]) -> Iterator[tuple[str, Known]]:
    names, kinds = _names(booster.feature_names or [], columns), booster.feature_types or []
    if "c" not in kinds:
        return
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    model = model.get("gbtree", model)["model"]
    encoders = model.get("cats", {}).get("enc") or [{"values": []}] * len(names)
    for name, kind, encoder in zip(names, kinds, encoders, strict=False):
        levels = _xgboost_levels(encoder)
        if kind == "c" and not levels:
            raise InputError(
                f"column {name!r} is a category column of the XGBoost model, which has not kept its levels; "
                "give the background as a Parquet file, whose columns have their types"
            )
        if kind != "i":  # a boolean, which reads as such
            yield name, Known(Sort.LEVEL, levels) if kind == "c" else Known(Sort.REAL)


def _xgboost_levels(encoder: Mapping[str, Any]) -> tuple[Any, ...]:
    values = encoder["values"]
    if "offsets" not in encoder:
        return tuple(values)
    text = bytes(each & 255 for each in values)
    return tuple(text[first:last].decode() for first, last in pairwise(encoder["offsets"]))


def _names(given: Sequence[str], columns: list[str]) -> list[str]:
    """The table's name of each of the model's columns; by position where the model's are made up or none."""
    unblanked = {name.replace(" ", "_"): name for name in columns}
    found = [name if name in columns else unblanked.get(name, "") for name in given]
    return found if found and all(found) else list(columns)


_READERS: Mapping[tuple[str, ...], Callable[[Any, list[str]], Iterator[tuple[str, Known]]]] = {
    ("get_inputs", "get_outputs"): _onnx,
    ("pandas_categorical", "feature_name"): _lightgbm,
    ("feature_types", "save_raw"): _xgboost,
    ("steps",): _pipeline,
    ("transformers_",): _branches,
    ("transformer_list",): _union,
    ("categories_",): _encoder,
}
