"""`onlyif explain --criterion pns`: the same as the library, saved, shown and drawn."""

import json

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.cli.main import main

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))


@pytest.fixture(scope="module")
def model():
    return LogisticRegression().fit(FRAME, FRAME["a"] + FRAME["b"] > 0)


@pytest.fixture
def folder(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    skops.io.dump(model, "model.skops")
    FRAME.to_parquet("train.parquet")
    FRAME.head(5).to_parquet("rows.parquet")
    return tmp_path


BASE = (
    "explain",
    "model.skops",
    "--data",
    "rows.parquet",
    "--background",
    "train.parquet",
    "--criterion",
    "pns",
)


def test_json_is_what_the_library_says(folder, capsys, model):
    FRAME.iloc[[30]].to_parquet("one.parquet")
    asked = ["--b", "0.2", "--c", "0.05", "--background-rows", "20", "--baseline", "one.parquet"]
    assert main([*BASE, "--rows", "2,0", "--json", "--size", "2", *asked]) == 0
    found = json.loads(capsys.readouterr().out)["explanations"]
    choice = onlyif.PNS(b=0.2, c=0.05, sample=onlyif.BackgroundRows(20), baseline=FRAME.iloc[[30]])
    expected = onlyif.explain(model, FRAME.iloc[[2, 0]], background=FRAME, criterion=choice, size=2)
    for item, one in zip(found, expected, strict=True):
        assert item["cause"]["pns"]["value"] == one.cause.pns.value
        assert item["cause"]["names"] == [*one.cause.names]
        assert len(item["path"]) == 3
        assert item["provenance"]["n_sample"] == 21


def test_results_are_saved_shown_drawn_and_gone_on_with(folder, capsys):
    assert main([*BASE, "--out", "saved", "--plots", "--rows", "0-2"]) == 0
    first = capsys.readouterr().out
    assert "PNS" in first and len(list((folder / "saved").glob("*.png"))) == 3
    assert main(["show", "saved"]) == 0
    assert capsys.readouterr().out == first
    assert main(["show", "saved", "--rows", "1"]) == 0
    assert "THE MOST PROBABLE CAUSE" in capsys.readouterr().out
    assert main([*BASE, "--out", "saved", "--rows", "0-2", "--resume"]) == 0
    assert capsys.readouterr().out == first
    assert main([*BASE, "--out", "saved", "--rows", "0-2", "--resume", "--c", "0.2"]) == 2
    assert "another run (different: setting c)" in capsys.readouterr().err


def test_lines_fit_the_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*BASE]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--b", "0"], "b must be above 0"),
        (["--c", "-1"], "c must be a finite number above 0"),
        (["--size", "4"], "must be 1 to 3"),
        (["--reference", "empirical"], "reference has no use with the criterion pns"),
        (["--epsilon", "1"], "epsilon has no use with the criterion pns"),
        (["--criterion", "sne", "--c", "1"], "--c has no use without --criterion pns"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(folder, capsys, options, message):
    assert main([*BASE, *options]) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_number_nor_name_is_refused(folder, capsys):
    assert main([*BASE, "--b", "wide"]) == 2
    assert "need a number or typical, scott, got 'wide'" in capsys.readouterr().err


def test_a_background_is_needed(folder, capsys):
    assert main([*BASE[:4], "--criterion", "pns"]) == 2
    assert "--background" in capsys.readouterr().err


def test_a_sample_by_name(folder, capsys):
    assert main([*BASE, "--rows", "0", "--json", "--sample", "nearest", "--background-rows", "10"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["explanations"]
    assert "10 nearest of 60" in item["provenance"]["sample"]
