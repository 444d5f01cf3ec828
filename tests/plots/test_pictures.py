"""What holds for every picture: the axes given come back, the reference is named, nothing is cut off."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot

from onlyif.explanation.explanations import Explanations
from onlyif.explanation.summary import summary
from onlyif.plots.beeswarm import plot_beeswarm
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.curves import plot_stability
from onlyif.plots.plane import plot_plane
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.explanations import PROVENANCE, GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import chain_subsets

# Pixels by which letters may differ from what was measured.
SLACK = 3.0
LONG = tuple(f"the mean over all days of the measurement with number {i}" for i in range(30))


def many_features(stderr=0.0):
    case = GameCase(
        LONG, ("a rather long text as value",) * 30, "a long label of a row", size=25, stderr=stderr
    )
    item = explanation_of_game(lambda kept: sum((0.9**i for i in kept), 0.0), case, chain_subsets(30))
    return replace(item, target_label="one of the classes, with a name that never ends at all")


def with_shapley():
    return replace(many_features(), scores={"shapley": np.linspace(-1, 1, 30)})


def curves(_, ax=None):
    x = np.linspace(0, 1, 5)
    lines = np.stack([x, x**2])
    return plot_stability(
        x, lines, lines - 0.1, lines + 0.1, labels=("τ = 3", "τ = 6"), ax=ax, reference=PROVENANCE.reference
    )


def over_rows(item, ax=None):
    return plot_summary(summary(Explanations((item,) * 3)), ax)


def dots(item, ax=None):
    return plot_beeswarm(Explanations((item,) * 3), ax)


PLOTS = (plot_continuum, plot_plane, plot_explanation, curves, over_rows, dots)
ITEMS = {
    "small": example_explanations()[1],
    "sampled": example_explanations(stderr=0.05)[0],
    "uninformative": example_explanations()[2],
    "many features": many_features(),
    "many features with errors": many_features(0.01),
    "many features with Shapley values": with_shapley(),
    "one feature": explanation_of_game(lambda kept: float(len(kept)), GameCase(("only",))),
    "no set allowed": explanation_of_game(lambda kept: float(len(kept)), GameCase(("a", "b"), size=0)),
    "tie at one end": explanation_of_game(
        lambda kept: {0: 0.0, 1: 1.0}.get(sum(kept), 0.5), GameCase(("a", "b"))
    ),
}
each_plot = pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
each_item = pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)


def texts(ax):
    return " ".join(" ".join(text.get_text().split()) for text in ax.texts)


def drawn_texts(axes):
    """The texts of one axes that are really drawn, its tick labels among them."""
    yield from axes.texts
    if not axes.axison:
        return
    yield from (axes.title, axes.xaxis.label, axes.yaxis.label)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False):
            if low <= place <= high:
                yield label


@each_plot
@pytest.mark.parametrize("name", ["small", "uninformative"])
def test_the_axes_given_are_returned_and_no_figure_is_made(plot, name):
    figure, (ax, other) = pyplot.subplots(1, 2, layout="constrained")
    assert plot(ITEMS[name], ax=ax) is ax
    assert ax.figure is figure
    assert pyplot.get_fignums() == [figure.number]
    assert not other.has_data()
    assert not other.texts


@each_plot
@each_item
def test_a_picture_names_the_reference_and_no_text_is_cut_off(plot, item):
    ax = plot(item)
    assert PROVENANCE.reference in texts(ax)
    ax.figure.canvas.draw()
    whole = ax.figure.bbox.padded(2.0)
    for axes in ax.figure.axes + ax.child_axes:
        for text in drawn_texts(axes):
            box = text.get_window_extent()
            assert not text.get_text().strip() or (whole.x0 <= box.x0 and box.x1 <= whole.x1), text.get_text()
            assert not text.get_text().strip() or (whole.y0 <= box.y0 and box.y1 <= whole.y1), text.get_text()


@each_plot
@pytest.mark.parametrize("name", ["small", "many features"])
def test_title_subtitle_and_caption_do_not_cover_each_other(plot, name):
    ax = plot(ITEMS[name])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text().strip()]
    # The small example has a status: all features.
    warned = name == "small" and plot in PLOTS[:3]
    assert len(boxes) == (2 if plot is curves else 3 + warned)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("plot", PLOTS[:3])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("small", "All sets were compared, each exactly for these rows."),
        ("sampled", "Estimated from draws"),
        ("many features", "Not certified: only some sets were compared."),
    ],
)
def test_pictures_of_one_row_say_what_they_rest_on_and_which_row_it_is(plot, name, sentence):
    said = texts(plot(ITEMS[name]))
    assert sentence in said
    assert f"Row {ITEMS[name].row}: probability of" in said
    assert "f(x) = " in said
    assert "f_0 = " in said


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("small", None),
        ("uninformative", "tight"),
        pytest.param("small", "tight", marks=pytest.mark.slow),
        pytest.param("small", "constrained", marks=pytest.mark.slow),
        pytest.param("many features", None, marks=pytest.mark.slow),
        pytest.param("many features", "constrained", marks=pytest.mark.slow),
    ],
)
def test_all_words_and_labels_lie_within_the_place_of_axes_in_a_grid(name, layout):
    figure, axes = pyplot.subplots(2, 3, figsize=(24, 18), layout=layout)
    for ax, plot in zip(axes.flat, PLOTS, strict=True):
        plot(ITEMS[name], ax)
    figure.canvas.draw()
    places = [_place(ax) for ax in axes.flat]
    for ax, place in zip(axes.flat, places, strict=True):
        assert (
            min(ax.get_window_extent().width / place.width, ax.get_window_extent().height / place.height)
            > 0.2
        )
        for part in [ax, *ax.child_axes]:
            for text in filter(lambda text: text.get_text().strip(), drawn_texts(part)):
                box = text.get_window_extent()
                inside = (
                    place.x0 <= box.x0 and box.x1 <= place.x1 and place.y0 <= box.y0 and box.y1 <= place.y1
                )
                assert inside, (ax.get_subplotspec(), text.get_text())
    cells = [place.padded(-SLACK) for place in places]
    assert not any(a.overlaps(b) for i, a in enumerate(cells) for b in cells[:i])


def _place(ax):
    """What belongs to axes, in pixels, with a little around it."""
    return ax.get_position(original=True).transformed(ax.figure.transFigure).padded(SLACK)


def test_axes_outside_a_grid_and_figures_without_a_layout_work_too():
    figure = pyplot.figure()
    ax = figure.add_axes((0.2, 0.3, 0.6, 0.5))
    assert plot_continuum(ITEMS["small"], ax) is ax
    part = pyplot.figure().subfigures(1, 2)[1]
    ax = part.subplots()
    assert plot_explanation(ITEMS["small"], ax) is ax
