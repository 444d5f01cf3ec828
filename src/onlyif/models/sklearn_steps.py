"""The steps of a scikit-learn pipeline before its last one, where each looks at one column at a time.

Steps are known by their exact class, with no method replaced: what a subclass or an unknown step does with
a column may depend on others, or on the rows of a call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from onlyif.core.errors import SettingError
from onlyif.modalities.sklearn_groups import groups_from
from onlyif.models.own_methods import own_methods

# What each of these makes of a column depends on no other column of the row.
COLUMN_BY_COLUMN: frozenset[type] = frozenset(
    {
        *(Binarizer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, PowerTransformer),
        *(QuantileTransformer, RobustScaler, SplineTransformer, StandardScaler),
        *(OneHotEncoder, OrdinalEncoder, TargetEncoder),
        *(MissingIndicator, SimpleImputer),
        *(GenericUnivariateSelect, RFE, RFECV, SelectFdr, SelectFpr, SelectFromModel),
        *(SelectFwe, SelectKBest, SelectPercentile, SequentialFeatureSelector, VarianceThreshold),
    }
)


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """A model whose table goes through steps that keep columns apart.

    Args:
        transform: From the model's table to what its last step takes.
        source: For each column behind the steps the number of the column it comes from.
        last: The last step.
    """

    transform: Callable[[Any], Any]
    source: tuple[int, ...]
    last: Any


def steps_of(model: Any, n_columns: int) -> Steps | None:
    """The steps before a model, through pipelines in one another and searches over settings.

    None where a step is not known to keep columns apart, or a pipeline, a search or a step has methods of
    its own. A model that is no pipeline has no steps.

    Args:
        model: A fitted model.
        n_columns: The columns of its table.
    """
    source, transforms = tuple(range(n_columns)), list[Callable[[Any], Any]]()
    while type(model) in (Pipeline, GridSearchCV, RandomizedSearchCV):
        if own_methods(model):
            return None
        if type(model) is not Pipeline:
            model = model.best_estimator_
            continue
        steps = model[:-1]
        if steps.steps:
            # Only steps that are known are asked for the number of their columns: others need not tell it.
            if mixing(steps) is not None or len(names := column_names(model)) != len(source):
                return None
            try:
                source = tuple(source[column] for column in sources(steps, names))
            except SettingError:
                return None
            transforms.append(steps.transform)
        model = model.steps[-1][1]

    def transform(native: Any) -> Any:
        for each in transforms:
            native = each(native)
        return native

    return Steps(transform, source, model)


def column_names(pipeline: Any) -> tuple[str, ...]:
    """Names of the columns that a pipeline was fitted on; x0, x1, ... where they had none."""
    names = getattr(pipeline, "feature_names_in_", None)
    count = pipeline.n_features_in_
    return tuple(f"x{i}" for i in range(count)) if names is None else tuple(str(name) for name in names)


def sources(steps: Any, names: tuple[str, ...]) -> list[int]:
    """For each transformed column the number of the column it comes from.

    Args:
        steps: A pipeline of transformers.
        names: Names of the columns it takes.

    Raises:
        SettingError: if a transformed column comes from no one column.
    """
    groups = groups_from(steps)
    made = [str(name) for name in steps.get_feature_names_out()]
    owner = {column: names.index(source) for source, columns in groups.items() for column in columns}
    mixed = [column for column in made if column not in owner]
    if mixed or len(set(made)) < len(made):
        raise SettingError(f"the pipeline's columns {mixed[:3] or made[:3]} come from no one column")
    return [owner[column] for column in made]


def mixing(step: Any) -> str | None:
    """What is not known to look at one column at a time: the class of the first such step.

    Args:
        step: A transformer, or the word that stands for one.
    """
    if step is None or isinstance(step, str):
        return None
    if own_methods(step):
        return type(step).__name__
    if isinstance(step, Pipeline):
        parts = [part for _, part in step.steps]
    elif isinstance(step, ColumnTransformer):
        parts = [part for _, part, columns in step.transformers_ if np.size(columns)]
    elif isinstance(step, FeatureUnion):
        parts = [part for _, part in step.transformer_list]
    else:
        # Without a function it hands its table on: so a column transformer writes "passthrough".
        idle = type(step) is FunctionTransformer and step.func is None
        return None if idle or type(step) in COLUMN_BY_COLUMN else type(step).__name__
    return next((found for part in parts if (found := mixing(part)) is not None), None)
