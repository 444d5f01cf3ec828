"""What trees may cost: budgets of searches that ask no model, memory, and input that is refused."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.core.errors import InputError, LimitError, SettingError, StorageError
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.files.models import read_model
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import ForwardGreedySearch
from onlyif.setup import choose
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare

BY_TREES = "exactly, from the"


def _wide(d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, d))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)


def _work(d, **settings):
    x, y = _wide(d)
    return prepare(
        RandomForestClassifier(5, max_depth=4, random_state=0).fit(x, y), x[:1], x, Options(**settings)
    )


# ---- budgets where the model is not asked


@pytest.mark.parametrize("budget", [20_000, 60_000])
def test_a_subset_that_asks_no_model_counts_as_a_hundred_rows(budget):
    d, function = 30, _work(30).whole.criterion.set_function
    assert function.restriction.method.rows == 0
    criterion = Unified(function, AbsoluteDistance())
    compared = BeamSearch(budget=budget).compare(criterion, d, 30)
    # A complement comes for nothing, so that twice as many points are known.
    pairs = len(compared.clouds[0].parts) / 2
    assert 0.75 * budget <= 100 * pairs <= budget
    assert compared.model_rows == 0


def test_a_budget_below_the_ends_leaves_the_ends():
    d = 30
    criterion = Unified(_work(d).whole.criterion.set_function, AbsoluteDistance())
    for search in (BeamSearch(budget=1), ForwardGreedySearch(budget=1), BeamSearch(budget=3_300)):
        cloud = search.compare(criterion, d, 30).clouds[0]
        assert 2 * (d + 1) <= len(cloud.parts) <= 2 * (d + 3)


# ---- memory


def test_exhaustive_search_counts_its_own_memory(monkeypatch):
    # A table of 2^21 numbers fits this limit, the search through it does not.
    monkeypatch.setattr(choose, "MAX_TABLE_BYTES", 8 * 2**21 * 2)
    assert isinstance(_work(21).whole.search, BeamSearch)
    with pytest.raises(LimitError, match=r"2\^21 subsets of a row needs 0.1 GiB, the limit is 0.0 GiB"):
        _work(21, search="exhaustive")
    assert isinstance(_work(18).whole.search, ExhaustiveSearch)


GROWTH = """
import resource
import numpy as np
import onlyif
from sklearn.ensemble import RandomForestClassifier

rng = np.random.default_rng(0)
x = rng.normal(size=(400, 12))
model = RandomForestClassifier(5, max_depth=4, random_state=0).fit(x, x[:, 0] + x[:, 1] * x[:, 2] > 0)
for n in (64, 64, 400):
    onlyif.explain(model, x[:n], background=x[:50])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read in the units of Linux")
def test_memory_does_not_grow_with_the_rows_explained():
    answer = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    _, few, many = (int(line) / 2**10 for line in answer.stdout.split())
    # Explanations are kept, about 20 KiB each; 336 tables and their gaps would be over 60 MiB.
    assert many - few < 25


# ---- the digits that ties are decided on


def test_pipelines_around_xgboost_are_trusted_as_far_as_xgboost():
    x, y = _wide(4)
    boosted = xgb.XGBClassifier(n_estimators=3, n_jobs=1)
    scaled = make_pipeline(StandardScaler(), boosted).fit(x, y)
    search = GridSearchCV(make_pipeline(StandardScaler(), boosted), {"xgbclassifier__max_depth": [2]}, cv=2)
    for model, digits in (
        (scaled, 20),
        (search.fit(x, y), 20),
        (make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=3)).fit(x, y), 30),
    ):
        assert prepare(model, x[:1], x, Options()).whole.digits == digits


# ---- bad input


def test_models_without_trees_are_asked_and_say_so():
    x, y = _wide(4)
    empty = xgb.train({"nthread": 1}, xgb.DMatrix(x, y), 0)
    found = onlyif.explain(empty, x[:1], background=x)[0]
    assert found.notes == (
        "xgboost Booster (reg:squarederror) is asked row by row instead of tree by tree: it has no trees",
    )
    assert found.sufficient.players == ()
    with pytest.raises(SettingError, match="needs the model's trees; xgboost Booster"):
        onlyif.explain(empty, x[:1], reference=onlyif.TreePath())


@pytest.mark.parametrize("code", [77.0, -3.0])
def test_categories_beyond_the_models_range_are_as_the_model_takes_them(code):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    x[:, 2] = rng.integers(0, 5, 200)
    y = (x[:, 0] + (x[:, 2] == 3) > 0).astype(int)
    settings = {"verbose": -1, "num_threads": 1, "objective": "binary", "min_data_per_group": 5}
    model = lgb.train(settings, lgb.Dataset(x, y, categorical_feature=[2]), 10)
    row = x[:1].copy()
    row[0, 2] = code
    found = onlyif.explain(model, row, background=x, reference=onlyif.Marginal(100), keep_table=True)[0]
    asked = onlyif.explain(model.predict, row, background=x, reference=onlyif.Marginal(100), keep_table=True)[
        0
    ]
    assert found.provenance.restriction.startswith(BY_TREES)
    np.testing.assert_allclose(found.table, asked.table, rtol=0, atol=1e-9)


@pytest.mark.parametrize("columns", [["a", "b"], ["a", "b", "c", "d"]])
def test_boosters_of_more_or_fewer_columns_than_the_frame_are_refused(columns):
    x, y = _wide(3)
    model = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(x, y), 2)
    wide = np.zeros((5, len(columns)))
    with pytest.raises(InputError, match=f"fitted on 3 columns, the table has {len(columns)}"):
        onlyif.explain(model, wide[:1], background=wide)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.95])
def test_model_files_that_are_cut_short_are_refused(tmp_path, keep):
    x, y = _wide(3)
    lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(x, y), 2).save_model(tmp_path / "model.txt")
    xgb.train({"nthread": 1}, xgb.DMatrix(x, y), 2).save_model(tmp_path / "model.ubj")
    for name in ("model.txt", "model.ubj"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
        with pytest.raises(StorageError):
            read_model(tmp_path / name, [])
