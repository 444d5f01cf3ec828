"""Sparse tables: what is not stored stays not stored, whatever stands in between."""

import lightgbm
import numpy as np
import pytest
import scipy.sparse as ss
import torch
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.core.errors import InputError
from onlyif.modalities.table import fit_schema, row_labels

RNG = np.random.default_rng(0)
DENSE = RNG.choice([0, 0, 0, 1.0, 2.0], (120, 5))
TWO = ((DENSE[:, 0] > 0) ^ (DENSE[:, 1] > 1)).astype(int)
KINDS = {
    f"{kind} {what}": getattr(ss, f"{kind}_{what}")
    for kind in ("csr", "csc", "coo")
    for what in ("matrix", "array")
}


def _with_zeros(kind=ss.csr_matrix):
    """In the first column some zeros are stored and others are not; nowhere else any."""
    rows, columns = np.nonzero(DENSE)
    empty = np.flatnonzero(DENSE[:, 0] == 0)[::2]
    values = np.concatenate([DENSE[rows, columns], np.zeros(len(empty))])
    places = np.concatenate([rows, empty]), np.concatenate([columns, np.zeros(len(empty), dtype=int)])
    return kind(ss.coo_matrix((values, places), shape=DENSE.shape))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_a_table_comes_back_as_it_was_stored(kind, dtype):
    table = _with_zeros(KINDS[kind]).astype(dtype)
    schema = fit_schema(table, table[:3] if table.format != "coo" else table)
    again = schema.decode(schema.encode(table))
    assert (type(again), again.dtype, again.nnz) == (type(table), table.dtype, table.nnz)
    one, other = again.tocsr(), table.tocsr()
    one.sort_indices()
    other.sort_indices()
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    assert row_labels(table)[-1] == 119


def test_a_zero_that_is_made_is_not_stored_where_none_is():
    schema = fit_schema(_with_zeros())
    made = schema.decode(np.zeros((1, 5)))
    assert made.nnz == 1
    assert made.indices.tolist() == [0]
    assert schema.text(schema.encode(ss.csr_matrix(([0.0], ([0], [0])), shape=(1, 5)))[0]) == (
        "0",
        *["not stored"] * 4,
    )


MODELS = {
    "xgboost": (xgboost.XGBClassifier(n_estimators=5, max_depth=3), {}),
    "xgboost rows": (xgboost.XGBClassifier(n_estimators=5, max_depth=3), {"search": "beam", "budget": 9000}),
    "lightgbm": (lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=2), {}),
    "forest": (RandomForestClassifier(4, random_state=0), {}),
    "linear": (LogisticRegression(), {}),
    "causes": (xgboost.XGBClassifier(n_estimators=5, max_depth=3), {"criterion": "pns"}),
    "baseline": (xgboost.XGBClassifier(n_estimators=5, max_depth=3), {"reference": "baseline"}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_see_the_sparse_table(kind):
    model, settings = MODELS[kind]
    table = _with_zeros()
    own = model.fit(table, TWO).predict_proba(table[:6])
    found = onlyif.explain(model, table[:6], background=table, **settings)
    np.testing.assert_allclose([one.prediction for one in found], own.max(1), rtol=1e-5)
    if settings == {}:
        whole = onlyif.explain(model, table[:1], background=table, reference=onlyif.Marginal(n_rows=None))[0]
        mean = model.predict_proba(table).mean(0)[own[0].argmax()]
        assert whole.base == pytest.approx(mean, rel=1e-5)


def test_a_function_gets_the_kind_of_table_it_was_given():
    table = _with_zeros(ss.csc_array)

    def stored(given):
        assert type(given) is ss.csc_array
        return np.diff(given.tocsr().indptr) + 0.25 * given.sum(1)

    found = onlyif.explain(stored, table[:2], background=table)
    np.testing.assert_allclose([one.prediction for one in found], stored(table[:2]))


def test_what_does_not_fit_is_refused():
    table = _with_zeros()
    for background, rows in (
        (DENSE, table),
        (table, DENSE),
        (table, table[:, :4]),
        (table.astype(int), table * 0.5),
    ):
        with pytest.raises(InputError) as told:
            fit_schema(background, rows)
        assert ".toarray()" not in str(told.value)
    for bad in (ss.csr_matrix([[np.inf, 1.0]]), table.astype(complex)):
        with pytest.raises(InputError):
            fit_schema(bad)
    with pytest.raises(InputError, match="dense numbers"):
        onlyif.explain(torch.nn.Linear(5, 1), table[:1], background=table)
