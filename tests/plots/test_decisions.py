"""Pictures of the reasons for a decision speak of decisions and probabilities."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.plots import plot_continuum, plot_explanation, plot_plane

FLOWERS, KIND = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KIND]


def reasons(names):
    """The reasons for one decision between the classes of some names."""
    x, y = FLOWERS[np.isin(NAMES, names)], NAMES[np.isin(NAMES, names)]
    model = LogisticRegression(max_iter=1000).fit(x, y)
    return onlyif.explain(model, x[-1:], background=x, against="other decisions", keep_table=True)[0]


TWO, THREE = reasons(["versicolor", "virginica"]), reasons(["setosa", "versicolor", "virginica"])


def said(ax):
    texts = [*ax.texts, ax.xaxis.label, ax.yaxis.label]
    for panel in ax.child_axes:
        texts += [*panel.get_xticklabels(), *(panel.get_legend() or panel).texts]
    return " ".join(" ".join(text.get_text().split()) for text in texts)


@pytest.mark.parametrize("plot", [plot_continuum, plot_plane, plot_explanation])
@pytest.mark.parametrize("item", [TWO, THREE], ids=["two classes", "three classes"])
def test_headings_name_the_decision_and_the_rows_that_it_stands_against(plot, item):
    told = said(plot(item))
    assert "is decided as 'virginica'" in told
    assert "rows decided otherwise than 'virginica'" in told
    assert "f(x)" not in told and "any class" not in told
    if item is TWO:
        assert f"probability {item.prediction:.4g}; {item.base:.4g} on average" in told
    else:
        assert item.value_text(item.base) in NAMES
        assert f"as '{item.value_text(item.base)}' most often" in told


def test_the_columns_of_the_table_say_what_becomes_of_the_decision():
    heads = [label.get_text() for label in plot_explanation(TWO).child_axes[0].get_xticklabels()]
    kept, hidden = TWO.sufficient.measure("kept").value, TWO.necessary.measure("hidden").value
    assert heads[0].split("\n")[1:2] == [f"stays: {kept:.2g}"] and kept > 0.5
    assert heads[1].split("\n")[1:2] == [f"gone: {hidden:.2g}"] and hidden < 0.5
    ax = plot_explanation(THREE)
    assert [label.get_text().split("\n")[1] for label in ax.child_axes[0].get_xticklabels()[:2]] == [
        "decision stays",
        "decision gone",
    ]
    # Shares in numbers of classes would tell nothing.
    assert len(ax.child_axes) == 1


@pytest.mark.parametrize("item", [TWO, THREE], ids=["two classes", "three classes"])
def test_the_plane_knows_the_distance_of_the_explanation(item):
    ax = plot_plane(item)
    codes = [sum(1 << i for i in chosen.players) for chosen in item.sets.values()]
    points = np.asarray(ax.collections[0].get_offsets())
    gaps = [(chosen.sufficiency.value, chosen.necessity.value) for chosen in item.sets.values()]
    assert points[codes] == pytest.approx(np.array(gaps))
    assert "½ the decision stays" in ax.get_xlabel() and "½ the decision is gone" in ax.get_ylabel()
