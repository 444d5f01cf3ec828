"""Groups read off transformers, against groups found by encoding tables that differ in one column."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

from onlyif.core.errors import SettingError
from onlyif.core.players import column_players
from onlyif.modalities.sklearn_groups import groups_from

RNG = np.random.default_rng(0)
N = 200
CITIES = np.array(["Rome", "Oslo", "Bern", "rare 1", "rare 2"])
FRAME = pd.DataFrame(
    {
        "age": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "city": CITIES[RNG.choice(5, N, p=[0.4, 0.3, 0.28, 0.01, 0.01])],
        "age_group": RNG.choice(["a", "b"], N),
        "n": RNG.integers(0, 9, N).astype(float),
    }
)
CATEGORIES, NUMBERS = ["city", "age_group"], ["age", "n"]


def _dense(**settings):
    return OneHotEncoder(sparse_output=False, **settings)


def _two(category, number, **settings):
    parts = [("c", category, CATEGORIES), ("n", number, NUMBERS)]
    return ColumnTransformer(parts, sparse_threshold=0, **settings)


FILLED = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
BINNED = make_pipeline(SimpleImputer(), KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"))
TRANSFORMERS = {
    "one-hot": _two(_dense(), SimpleImputer()),
    "no prefixes": _two(_dense(), SimpleImputer(), verbose_feature_names_out=False),
    "drop first": _two(_dense(drop="first"), SimpleImputer()),
    "drop if binary": _two(_dense(drop="if_binary"), SimpleImputer()),
    "infrequent": _two(_dense(min_frequency=5, handle_unknown="infrequent_if_exist"), SimpleImputer()),
    "infrequent and drop": _two(_dense(min_frequency=5, drop="first"), SimpleImputer()),
    "at most": _two(_dense(max_categories=3), SimpleImputer()),
    "indicator": _two(_dense(), FILLED),
    "bins": _two(OrdinalEncoder(), BINNED),
    "splines": _two(_dense(), make_pipeline(SimpleImputer(), SplineTransformer(3))),
    "nested": _two(make_pipeline(_dense(drop="first"), StandardScaler()), SimpleImputer()),
    "passthrough": make_column_transformer((_dense(), CATEGORIES), ("passthrough", ["n"])),
    "remainder": make_column_transformer((_dense(), CATEGORIES), remainder="passthrough", sparse_threshold=0),
    "drop": make_column_transformer((_dense(), CATEGORIES), ("drop", ["n"])),
    "numbers": make_column_transformer((_dense(), [1, 2]), (SimpleImputer(), [0, -1])),
    "slice": make_column_transformer(
        (_dense(), slice("city", "age_group")), (SimpleImputer(), slice(3, None))
    ),
    "booleans": make_column_transformer((_dense(), [False, True, True, False])),
    "selector": make_column_transformer((_dense(), make_column_selector(dtype_exclude="number"))),
    "nothing selected": make_column_transformer((StandardScaler(), []), (_dense(), CATEGORIES)),
    "union": FeatureUnion([("o", _dense()), ("p", "passthrough"), ("d", "drop")]),
    "same column twice": make_column_transformer((SimpleImputer(), ["n"]), (SplineTransformer(3), ["n"])),
    "identity": make_column_transformer((FunctionTransformer(feature_names_out="one-to-one"), NUMBERS)),
    "selection": _two(
        _dense(),
        make_pipeline(
            SimpleImputer(), StandardScaler(), SelectKBest(lambda x, y: np.arange(x.shape[1]), k=1)
        ),
    ),
}


def _oracle(transformer, frame):
    """An output comes from the columns whose change, one at a time, ever changes it."""
    names = list(transformer.get_feature_names_out())
    before = np.asarray(transformer.transform(frame))
    moved = {}
    for column in frame.columns:
        other = frame.copy()
        other[column] = frame[column].to_numpy()[::-1]
        after = np.asarray(transformer.transform(other))
        same = (before == after) | (pd.isna(before) & pd.isna(after))
        moved[column] = [name for name, kept in zip(names, same.all(0), strict=True) if not kept]
    sources = {name: [column for column in moved if name in moved[column]] for name in names}
    assert all(sources.values()), "the table must show every dependence"
    return {
        column: block
        for column in frame.columns
        if (block := [name for name in moved[column] if len(sources[name]) == 1])
    }


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_blocks_are_those_that_change_with_their_column(kind):
    frame = FRAME[CATEGORIES] if kind == "union" else FRAME
    transformer = TRANSFORMERS[kind].fit(frame, FRAME["n"])
    assert groups_from(transformer) == _oracle(transformer, frame)


@pytest.mark.parametrize("kind", ["one-hot", "infrequent and drop", "indicator"])
def test_the_groups_make_one_player_a_column(kind):
    transformer = TRANSFORMERS[kind].fit(FRAME)
    players = column_players(list(transformer.get_feature_names_out()), groups_from(transformer))
    assert sorted(players.names) == sorted(FRAME.columns)


def test_mixtures_are_in_no_group():
    mixed = _two(_dense(), make_pipeline(SimpleImputer(), PCA(2))).fit(FRAME)
    assert set(groups_from(mixed)) == set(CATEGORIES)
    powers = make_pipeline(SimpleImputer(), PolynomialFeatures(2, include_bias=False)).fit(FRAME[NUMBERS])
    assert set(groups_from(powers)) <= set(NUMBERS)
    assert all("age n" not in block for block in groups_from(powers).values())


def test_an_encoder_alone_and_arrays():
    assert groups_from(_dense().fit(FRAME[["age_group"]])) == {"age_group": ["age_group_a", "age_group_b"]}
    array = FRAME[CATEGORIES].to_numpy(dtype=object)
    transformer = make_column_transformer((_dense(), [1]), remainder="drop").fit(array)
    assert groups_from(transformer) == {"x1": ["onehotencoder__x1_a", "onehotencoder__x1_b"]}


def test_the_model_at_the_end_of_a_pipeline_is_left_out():
    steps = [("prepare", TRANSFORMERS["indicator"]), ("model", LogisticRegression())]
    pipeline = Pipeline(steps).fit(FRAME, FRAME["city"] == "Rome")
    assert groups_from(pipeline) == _oracle(pipeline[:-1], FRAME)


def test_pipelines_that_pass_through():
    pipeline = Pipeline([("nothing", "passthrough"), ("scale", StandardScaler())]).fit(FRAME[["n"]])
    assert groups_from(pipeline) == {"n": ["n"]}


class _Nameless(FunctionTransformer):
    pass


@pytest.mark.parametrize(
    "transformer",
    [
        OneHotEncoder(),
        make_column_transformer((OneHotEncoder(), CATEGORIES)),
        _Nameless().fit(FRAME),
        "city",
        3,
    ],
)
def test_what_cannot_be_read_is_refused(transformer):
    with pytest.raises(SettingError, match="need a fitted transformer with get_feature_names_out"):
        groups_from(transformer)


@pytest.mark.parametrize("index", [64, -(2**63)])
def test_a_transformer_whose_parts_do_not_fit_one_another_is_refused(index):
    """As a file may hold it: rare levels that are numbered beyond the levels."""
    encoder = OneHotEncoder(min_frequency=5).fit(FRAME[["city"]])
    encoder._infrequent_indices = [np.array([index])]
    with pytest.raises(SettingError, match="cannot read columns off the OneHotEncoder"):
        groups_from(encoder)
