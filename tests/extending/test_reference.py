"""A reference that is written in one file goes all the way: explanations, text, files, pictures."""

import doctest
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import onlyif
from extending.reference import Product, ProductReference
from onlyif.plots import plot_continuum, plot_explanation
from onlyif.testing.references import check_reference

ROWS = np.random.default_rng(0).normal(size=(60, 3)) @ np.array(
    [[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]]
)
TABLE = pd.DataFrame(ROWS, columns=list("abc"))
PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def model(table):
    return table["a"] * table["b"] + table["c"]


@pytest.fixture(scope="module", params=[Product(), ProductReference(ROWS)], ids=["settings", "finished"])
def found(request):
    return onlyif.explain(
        model, TABLE.iloc[:2], background=TABLE, reference=request.param, keep_table=True, seed=3
    )


def test_the_contract():
    keep = np.array([[[True, False, False], [True, True, False]]])
    check_reference(ProductReference(ROWS), ROWS[:2], keep)


def test_each_subset_has_the_mean_of_a_product(found):
    """Columns are independent: E[ab] = E[a] E[b], whatever their correlation in the background."""
    mean = ROWS.mean(0)
    for item, x in zip(found, ROWS[:2], strict=True):
        assert item.certificate.basis.name == "SAMPLED"
        for code in range(8):
            a, b, c = np.where([code >> i & 1 for i in range(3)], x, mean)
            assert item.table[code] == pytest.approx(a * b + c, abs=0.6)
    assert np.mean(ROWS[:, 0] * ROWS[:, 1]) > mean[0] * mean[1] + 0.7, "the columns are not independent"


def test_what_was_chosen_is_estimated_on_other_draws(found):
    assert all(item.sufficient.fresh is not None for item in found)


def test_text_files_and_pictures(found, tmp_path):
    sentence = "Each hidden feature is replaced by that of a background row of its own."
    assert sentence in onlyif.explanation_text(found[0]).replace("\n  ", " ")
    onlyif.save(found, tmp_path / "found.json")
    again = onlyif.load(tmp_path / "found.json")
    assert [str(item) for item in again] == [str(item) for item in found]
    for draw in (plot_explanation, plot_continuum):
        drawn = draw(again[0], ax=Figure().subplots())
        assert any(sentence in text.get_text().replace("\n", " ") for text in drawn.texts)


def test_causes_keep_their_own_reference():
    with pytest.raises(onlyif.SettingError):
        onlyif.explain(model, TABLE.iloc[:1], background=TABLE, reference=Product(), criterion="pns")


def test_the_page_shows_this_file():
    shown = [example.source for example in doctest.DocTestParser().get_examples(PAGE.read_text("utf-8"))]
    assert {inspect.getsource(one) for one in (ProductReference, Product)} <= set(shown)
