"""Trees at the end of a scikit-learn pipeline whose every column comes from one column."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from onlyif.core.errors import SettingError
from onlyif.modalities.sklearn_groups import groups_from
from onlyif.trees.question import Rows, TreesRead, UnreadableTreesError

# What each of these makes of a column depends on no other column of the row.
COLUMN_BY_COLUMN = frozenset(
    {
        *("Binarizer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler", "PowerTransformer"),
        *("QuantileTransformer", "RobustScaler", "SplineTransformer", "StandardScaler"),
        *("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"),
        *("MissingIndicator", "SimpleImputer"),
        *("GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel"),
        *("SelectFwe", "SelectKBest", "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold"),
    }
)


def behind_steps(pipeline: Any, names: tuple[str, ...], inner: TreesRead) -> TreesRead:
    """The trees of a pipeline's last step, behind the steps before it.

    Args:
        pipeline: The fitted pipeline.
        names: Names of the columns it takes.
        inner: What was read from its last step.

    Raises:
        UnreadableTreesError: if a transformed column mixes columns, or may do so.
    """
    steps = pipeline[:-1]
    if not steps.steps:
        return inner
    foreign = _mixing(steps)
    if foreign is not None:
        raise UnreadableTreesError(f"a {foreign} in the pipeline may mix columns")
    made = _sources(steps, names)

    def encode(native: Any) -> Rows:
        return inner.encode(steps.transform(native))

    return replace(inner, source=tuple(made[column] for column in inner.source), encode=encode)


def column_names(pipeline: Any) -> tuple[str, ...]:
    """Names of the columns that a pipeline was fitted on; x0, x1, ... where they had none.

    Args:
        pipeline: The fitted pipeline.
    """
    names = getattr(pipeline, "feature_names_in_", None)
    count = pipeline.n_features_in_
    return tuple(f"x{i}" for i in range(count)) if names is None else tuple(str(name) for name in names)


def _sources(steps: Any, names: tuple[str, ...]) -> list[int]:
    """For each transformed column the number of the column it comes from."""
    try:
        groups = groups_from(steps)
        made = [str(name) for name in steps.get_feature_names_out()]
    except SettingError as error:
        raise UnreadableTreesError(str(error)) from error
    owner = {column: names.index(source) for source, columns in groups.items() for column in columns}
    mixed = [column for column in made if column not in owner]
    if mixed or len(set(made)) < len(made):
        raise UnreadableTreesError(f"the pipeline's columns {mixed[:3] or made[:3]} come from no one column")
    return [owner[column] for column in made]


def _mixing(step: Any) -> str | None:
    """The first step that is not known to look at one column at a time."""
    if step is None or isinstance(step, str):
        return None
    if isinstance(step, Pipeline):
        parts = [part for _, part in step.steps]
    elif isinstance(step, ColumnTransformer):
        parts = [part for _, part, columns in step.transformers_ if np.size(columns)]
    elif isinstance(step, FeatureUnion):
        parts = [part for _, part in step.transformer_list]
    else:
        name = type(step).__name__
        plain = type(step).__module__.startswith("sklearn.") and name in COLUMN_BY_COLUMN
        # Without a function it hands its table on: so a column transformer writes "passthrough".
        idle = name == "FunctionTransformer" and step.func is None
        return None if plain or idle else name
    return next((found for part in parts if (found := _mixing(part)) is not None), None)
