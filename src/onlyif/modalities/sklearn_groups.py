"""Which columns of an encoded table come from one column: groups read off scikit-learn transformers.

A model on an already encoded table sees one-hot columns. Hiding some columns of one
block makes rows that mean nothing, so each block should be one player.
"""

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from onlyif.core.errors import SettingError

# For each output column the number of the input column it comes from; None where it comes from several.
Sources = list[int | None]


def groups_from(transformer: Any) -> dict[str, list[str]]:
    """The output columns that come from each one input column of a fitted transformer.

    Output columns are named as in `transformer.get_feature_names_out()`. Those that mix
    several input columns, as principal components do, are in no group. Of a pipeline that
    ends in a model the steps before the model are read.

    Args:
        transformer: A fitted ColumnTransformer, OneHotEncoder, or pipeline of transformers.

    Raises:
        SettingError: if it is not fitted, or its columns have no names.

    Example:
        >>> encoder = OneHotEncoder().fit([["Rome"], ["Oslo"]])
        >>> groups_from(encoder)
        {'x0': ['x0_Oslo', 'x0_Rome']}
    """
    steps = _without_model(transformer)
    kind = type(steps).__name__
    try:
        check_is_fitted(steps)
        names = [str(name) for name in steps.get_feature_names_out()]
        inputs = _input_names(steps)
        sources = _sources(steps, len(inputs))
    except (NotFittedError, AttributeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise SettingError(
            f"cannot read columns off the {kind} ({error}); need a fitted transformer "
            "with get_feature_names_out"
        ) from error
    if len(sources) != len(names):
        raise SettingError(
            f"the {kind} makes {len(names)} columns, but {len(sources)} were traced to their origin; "
            "give the groups as a dictionary"
        )
    groups: dict[str, list[str]] = {}
    for name, source in zip(names, sources, strict=True):
        if source is not None:
            groups.setdefault(inputs[source], []).append(name)
    return groups


def _without_model(transformer: Any) -> Any:
    ends_in_model = isinstance(transformer, Pipeline) and hasattr(transformer.steps[-1][1], "predict")
    return transformer[:-1] if ends_in_model else transformer


def _input_names(transformer: Any) -> list[str]:
    if isinstance(transformer, Pipeline):
        steps = [step for _, step in transformer.steps if step is not None and not isinstance(step, str)]
        transformer = steps[0] if steps else transformer
    names = getattr(transformer, "feature_names_in_", None)
    return (
        [f"x{i}" for i in range(transformer.n_features_in_)]
        if names is None
        else [str(name) for name in names]
    )


def _sources(transformer: Any, count: int) -> Sources:
    """The input column of each output column, by the kind of transformer."""
    if transformer is None or isinstance(transformer, str | OneToOneFeatureMixin):
        # The only words are "passthrough" and "drop", and what is dropped is not asked.
        return list(range(count))
    if isinstance(transformer, Pipeline):
        traced: Sources = list(range(count))
        for _, step in transformer.steps:
            traced = [None if place is None else traced[place] for place in _sources(step, len(traced))]
        return traced
    if isinstance(transformer, ColumnTransformer):
        return _of_columns(transformer, count)
    if isinstance(transformer, FeatureUnion):
        parts = [part for _, part in transformer.transformer_list if not _is_dropped(part)]
        return [source for part in parts for source in _sources(part, count)]
    if isinstance(transformer, OneHotEncoder):
        sizes = _one_hot_sizes(transformer)
        return [i for i, size in enumerate(sizes) for _ in range(size)]
    return _by_names(transformer, count)


def _of_columns(transformer: ColumnTransformer, count: int) -> Sources:
    names = list(getattr(transformer, "feature_names_in_", ()))
    sources: Sources = []
    for _, part, columns in transformer.transformers_:
        places = _places(columns, names, count)
        if places and not _is_dropped(part):
            found = _sources(part, len(places))
            sources += [None if source is None else places[source] for source in found]
    return sources


def _is_dropped(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def _places(columns: Any, names: list[Any], count: int) -> list[int]:
    """The numbers of selected columns: names, numbers, a slice of either, or booleans."""
    if isinstance(columns, slice) and isinstance(columns.start or columns.stop, str):
        first = 0 if columns.start is None else names.index(columns.start)
        last = count - 1 if columns.stop is None else names.index(columns.stop)
        return list(range(first, last + 1, columns.step or 1))
    if not isinstance(columns, slice):
        chosen = np.atleast_1d(
            np.asarray(columns, dtype=object if len(np.atleast_1d(columns)) == 0 else None)
        )
        if chosen.dtype.kind not in "biu":
            return [names.index(name) for name in chosen.tolist()]
        columns = chosen
    return [int(place) for place in np.arange(count)[columns]]


def _one_hot_sizes(encoder: OneHotEncoder) -> list[int]:
    """How many columns each input column becomes: rare levels share one, a dropped level has none."""
    rare = getattr(encoder, "infrequent_categories_", None) or [None] * len(encoder.categories_)
    dropped = [None] * len(encoder.categories_) if encoder.drop_idx_ is None else encoder.drop_idx_
    return [
        len(levels) - (0 if few is None else len(few) - 1) - (0 if drop is None else 1)
        for levels, few, drop in zip(encoder.categories_, rare, dropped, strict=True)
    ]


def _by_names(transformer: Any, count: int) -> Sources:
    """By the names of outputs: those of the inputs, alone, before "_" or after "missingindicator_"."""
    inputs = [
        str(name) for name in getattr(transformer, "feature_names_in_", [f"x{i}" for i in range(count)])
    ]
    outputs = [str(name) for name in transformer.get_feature_names_out(np.array(inputs, dtype=object))]
    if count == 1:
        return [0] * len(outputs)
    return [_named_source(output.removeprefix("missingindicator_"), inputs) for output in outputs]


def _named_source(output: str, inputs: list[str]) -> int | None:
    if output in inputs:
        return inputs.index(output)
    begun = [name for name in inputs if output.startswith(f"{name}_")]
    return inputs.index(max(begun, key=len)) if begun else None
