"""Trees out of the documents that CatBoost saves, against the answers of the models that saved them.

`data/catboost.json` holds documents of CatBoost 1.2.10, of which what is not read was left out, and what
the models answered to a few rows: missing values, values on borders and next to them, and categories that
training never showed are among them.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import onlyif
from onlyif.models.outputs import HeadKind
from onlyif.trees.catboost_hashes import hash_of
from onlyif.trees.catboost_trees import read_document
from onlyif.trees.question import UnreadableTreesError

MODELS = {
    each["name"]: each
    for each in json.loads((Path(__file__).parent / "data/catboost.json").read_text("utf-8"))
}
ANSWERED = [name for name, model in MODELS.items() if "answers" in model]


@pytest.mark.parametrize("name", ANSWERED)
def test_documents_answer_as_their_models_did(name):
    model = MODELS[name]
    read = read_document(model["document"], HeadKind(model["kind"]))
    rows = pd.DataFrame(model["columns"])
    answers = read.ensemble.predict(read.encode(rows))
    np.testing.assert_allclose(answers, model["answers"], rtol=0, atol=1e-12)


def test_the_documents_hold_what_is_read():
    """Otherwise the test above would pass without asking for it."""
    kinds = {
        each["ctr_type"]
        for name in ANSWERED
        for each in MODELS[name]["document"]["features_info"].get("ctrs", [])
    }
    treatments = {
        column["nan_value_treatment"]
        for name in ANSWERED
        for column in MODELS[name]["document"]["features_info"]["float_features"]
    }
    splits = {
        split["split_type"]
        for name in ANSWERED
        for tree in MODELS[name]["document"].get("oblivious_trees", [])
        for split in tree["splits"]
    }
    assert kinds == {"Borders", "Buckets", "BinarizedTargetMeanValue", "Counter"}
    assert treatments >= {"AsFalse", "AsTrue"}
    assert splits == {"FloatFeature", "OneHotFeature", "OnlineCtr"}
    assert any("trees" in MODELS[name]["document"] for name in ANSWERED)


def test_statistics_that_combine_columns_are_refused():
    with pytest.raises(UnreadableTreesError, match="combine columns"):
        read_document(MODELS["combinations"]["document"], HeadKind.PROBABILITY)


def test_what_is_not_known_is_refused():
    plain = MODELS["classes"]["document"]
    with pytest.raises(UnreadableTreesError, match="value of its loss MultiClass"):
        read_document(plain, HeadKind.VALUE)
    texts = {**plain, "features_info": {**plain["features_info"], "text_features": [{"feature_index": 0}]}}
    with pytest.raises(UnreadableTreesError, match="text features"):
        read_document(texts, HeadKind.MARGIN)
    statistics = json.loads(json.dumps(MODELS["statistics"]["document"]))
    statistics["features_info"]["ctrs"][0]["ctr_type"] = "Unheard"
    with pytest.raises(UnreadableTreesError, match="Unheard"):
        read_document(statistics, HeadKind.PROBABILITY)
    encode = read_document(MODELS["one-hot"]["document"], HeadKind.PROBABILITY).encode
    rows = pd.DataFrame(MODELS["one-hot"]["columns"])
    with pytest.raises(UnreadableTreesError, match="more than 64 bytes"):
        encode(rows.assign(c="a" * 65))
    with pytest.raises(UnreadableTreesError, match="from frames only"):
        encode(rows.to_numpy())


# What CatBoost itself writes beside the texts, one of each length that its hash treats in its own way.
HASHES = {
    "u": 1981898051,
    "ab": -204718274,
    "abc": 978243121,
    "four": 526146423,
    "abcdefg": 163411706,
    "12345678": 1054993967,
    "123456789": 1389760245,
    "sixteen bytes ab": 2114168343,
    "éééééééééé": 1057439460,
    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww": -1312077007,
    "thirty-three bytes are in this te": 1499421403,
    "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq": -2065218029,
}


@pytest.mark.parametrize(("category", "number"), HASHES.items())
def test_hashes_of_categories(category, number):
    assert hash_of(category) == number


def _models(catboost):
    settings = {"verbose": 0, "random_seed": 0, "allow_writing_files": False, "thread_count": 1, "depth": 3}
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"a": rng.normal(size=200), "b": rng.choice(["u", "v", "w"], 200), "c": rng.integers(0, 5, 200)}
    )
    labels = (rows.a + (rows.b == "v") + (rows.c == 3) > 0.5).astype(int)
    columns = {"cat_features": ["b", "c"], "max_ctr_complexity": 1}
    for size in (2, 9):
        model = catboost.CatBoostClassifier(iterations=10, one_hot_max_size=size, **columns, **settings)
        yield model.fit(rows, labels), rows
    yield catboost.CatBoostRegressor(iterations=10, **settings).fit(rows[["a"]], labels), rows[["a"]]


def test_models_are_explained_from_their_trees():
    catboost = pytest.importorskip("catboost", reason="CatBoost is no dependency of the tests")
    for model, rows in _models(catboost):
        function = getattr(model, "predict_proba", model.predict)
        found = onlyif.explain(
            model, rows[:3], background=rows, reference=onlyif.Marginal(100), keep_table=True
        )
        asked = onlyif.explain(
            function,
            rows[:3],
            background=rows,
            reference=onlyif.Marginal(100),
            keep_table=True,
            target=[each.target for each in found],
        )
        assert found[0].notes == ()
        for each, other in zip(found, asked, strict=True):
            assert each.provenance.restriction.startswith("exactly, from the")
            np.testing.assert_allclose(each.table, other.table, rtol=0, atol=1e-12)


class CatBoost:
    """An object as CatBoost's are found, whose saved document says something else than it answers."""

    def __init__(self, document):
        self._document = document

    def save_model(self, path, format):  # noqa: A002 - the name is CatBoost's
        assert format == "json"
        Path(path).write_text(self._document, "utf-8")

    def predict(self, table):
        return np.asarray(table)[:, 0]


CatBoost.__module__ = "catboost.core"


@pytest.mark.parametrize("document", ["{", "{}", json.dumps(MODELS["classes"]["document"])])
def test_documents_that_are_damaged_or_of_another_model_are_not_used(document):
    rows = np.random.default_rng(0).normal(size=(30, 2))
    (found,) = onlyif.explain(CatBoost(document), rows[:1], background=rows)
    assert "row by row instead of tree by tree" in found.notes[0]
    assert found.sufficient.players == (0,)
