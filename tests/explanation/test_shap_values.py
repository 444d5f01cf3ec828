"""Shapley values in shap's own class, beside shap's own explainer."""

import warnings

import numpy as np
import pandas as pd
import pytest

import onlyif
from onlyif.core.errors import AbsentError, ExtraError, SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.testing.explanations import example_explanations

RANDOM = np.random.default_rng(3)
TABLE = pd.DataFrame(
    {"a": RANDOM.normal(size=12), "b": RANDOM.integers(0, 9, 12), "c": RANDOM.choice(list("xyz"), 12)}
)


def _model(table):
    return (2.0 * table["a"] + table["b"] * (table["c"] == "x")).to_numpy()


@pytest.fixture(scope="module")
def shap():
    with warnings.catch_warnings():
        # Its import asks others for names that they are about to drop.
        warnings.simplefilter("ignore")
        return pytest.importorskip("shap")


def test_it_is_an_explanation_of_shap(shap):
    made = onlyif.explain(_model, TABLE[:4], background=TABLE)
    given = made.to_shap()
    assert isinstance(given, shap.Explanation)
    assert given.feature_names == ["a", "b", "c"]
    np.testing.assert_allclose(given.values.sum(1) + given.base_values, _model(TABLE[:4]), atol=1e-12)
    np.testing.assert_array_equal(given.values, [item.shapley for item in made])
    assert given.display_data[0].tolist() == list(made[0].values)
    assert given.data[:, 1].tolist() == TABLE["b"][:4].tolist()
    assert given.data[:, 2].tolist() == TABLE["c"][:4].tolist()


def test_its_values_are_those_of_shaps_exact_explainer(shap):
    rows = TABLE[["a", "b"]].to_numpy()

    def product(table):
        return table[:, 0] * table[:, 1] - table[:, 0]

    theirs = shap.explainers.Exact(product, shap.maskers.Independent(rows, max_samples=100))(
        rows[:3], silent=True
    )
    ours = onlyif.explain(product, rows[:3], background=rows).to_shap()
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-10)
    np.testing.assert_allclose(ours.base_values, theirs.base_values, atol=1e-10)


def test_missing_values_are_missing_numbers(shap):
    holed = TABLE[["a", "b"]].astype(float)
    holed.loc[0, "a"] = np.nan
    made = onlyif.explain(lambda t: t.fillna(0.0)["a"].to_numpy(), holed[:2], background=holed)
    assert np.isnan(made.to_shap().data[0, 0])


def test_what_has_no_shapley_values_is_refused(shap):
    with pytest.raises(SettingError, match="not all subsets were compared"):
        onlyif.explain(_model, TABLE[:1], background=TABLE, search="greedy").to_shap()
    with pytest.raises(AbsentError, match="'pns' has no 'shapley'"):
        onlyif.explain(_model, TABLE[:1], background=TABLE, criterion="pns").to_shap()
    with pytest.raises(SettingError, match="got none"):
        Explanations(()).to_shap()
    other = onlyif.explain(_model, TABLE[:1], background=TABLE)
    with pytest.raises(SettingError, match="of the same players"):
        (other + example_explanations()[:1]).to_shap()


def test_a_missing_shap_is_named(monkeypatch):
    monkeypatch.setattr("onlyif.core.extras.find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"pip install 'onlyif\[shap\]'"):
        example_explanations().to_shap()
