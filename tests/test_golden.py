"""What `onlyif.explain` says of given models has not changed."""

import json
import os
from numbers import Real

import pytest
import xgboost

import onlyif
from oracles import golden
from oracles.golden import answers, cases, kept

CASES, KEPT = cases(), kept()
# Kernels differ in the last digits, and numbers are kept to twelve.
SAME = {"rel": 1e-9, "abs": 1e-9}


def _assert_same(found, expected, where):
    match expected:
        case dict():
            assert found.keys() == expected.keys(), where
            for name, value in expected.items():
                _assert_same(found[name], value, f"{where}, {name}")
        case list():
            assert len(found) == len(expected), where
            for number, (one, other) in enumerate(zip(found, expected, strict=True)):
                _assert_same(one, other, f"{where}, {number}")
        case Real() if not isinstance(expected, bool):
            assert found == pytest.approx(expected, nan_ok=True, **SAME), where
        case _:
            assert found == expected, where


def test_every_case_has_an_answer_and_every_answer_a_case():
    assert CASES.keys() == KEPT.keys()
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    case, folder = CASES[name], os.environ.get("ONLYIF_DATA")
    if case.data == "adult" and not folder:
        pytest.skip("no data sets: ONLYIF_DATA is not set")
    if name.startswith("xgboost") and xgboost.__version__ < "3":
        pytest.skip("the model was written by XGBoost 3, which version 2 would read as another model")
    found = json.loads(json.dumps(answers(case, folder)))
    _assert_same(found, KEPT[name], name)


def test_golden_of_saved_files(tmp_path):
    """What is saved and loaded again says the same."""
    rows, background = golden.table("diabetes")
    for settings in (
        {"reference": golden.WHOLE, "keep_table": True},
        {"criterion": onlyif.PNS(**golden.CAUSE)},
    ):
        found = onlyif.explain(golden.function("diabetes"), rows, background=background, **settings)
        onlyif.save(found, tmp_path / "saved")
        loaded = onlyif.load(tmp_path / "saved")
        for one, other in zip(found, loaded, strict=True):
            assert golden.record(one) == golden.record(other)
