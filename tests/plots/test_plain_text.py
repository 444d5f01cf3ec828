"""Names and values are drawn as they are: dollar signs start no formula, control characters are shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text

import onlyif
from onlyif.plots.causes import plot_causes, plot_path
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.curves import plot_stability
from onlyif.plots.image import plot_kept_and_hidden, plot_mask_montage, plot_masks
from onlyif.plots.plane import plot_plane
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation
from onlyif.plots.threshold_curves import plot_threshold_curves
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import example_explanations
from onlyif.testing.masks import PROVENANCE, example_mask

BAD = "US$ \\frac{ ^ $\x1b"


def named(item):
    """The same explanation, every text of which is bad."""
    names = tuple(f"{name} {BAD}" for name in item.names)
    rename = lambda chosen: replace(chosen, among=names)  # noqa: E731
    said = dict.fromkeys(item.provenance.sentences, BAD)
    made = replace(item.provenance, output=BAD, predictor=BAD, sentences=said)
    details = item.details
    if details.singles:
        path, singles = (tuple(map(rename, sets)) for sets in (details.path, details.singles))
        details = replace(details, path=path, singles=singles, baseline=(BAD,) * len(names))
    texts = {"row": BAD, "target_label": BAD, "names": names, "values": (BAD,) * len(names)}
    sets = {name: rename(chosen) for name, chosen in item.sets.items()}
    return replace(item, **texts, provenance=made, sets=sets, details=details)


def masks():
    made = replace(PROVENANCE, output=BAD, predictor=BAD, sentences={"reference": BAD, "cut": BAD})
    soft = np.zeros((8, 8))
    soft[2, 2:4] = 1.0
    return tuple(replace(example_mask(soft, alpha), provenance=made) for alpha in (0.0, 0.5, 1.0))


def curves():
    from onlyif.metrics.curves import Curve, ThresholdCurves

    t = torch.tensor([0.0, 0.5, 1.0]).double()
    one = Curve(t, torch.tensor([[0.0, 0.2, 0.4]]).double())
    return {BAD: ThresholdCurves(one, one, one, 1e-3, 64)}


def lines():
    x = np.linspace(0, 1, 3)
    return plot_stability(x, [x], [x], [x], labels=[BAD], reference=BAD, subtitle=BAD)


IMAGE = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
DRAWN = {
    "sets": lambda: plot_explanation(named(example_explanations()[0])),
    "continuum": lambda: plot_continuum(named(example_explanations()[0])),
    "plane": lambda: plot_plane(named(example_explanations()[0])),
    "summary": lambda: plot_summary(onlyif.Explanations((named(example_explanations()[0]),))),
    "causes": lambda: plot_causes(named(example_causes()[0])),
    "path": lambda: plot_path(named(example_causes()[0])),
    "masks": lambda: plot_masks(IMAGE, masks()[2], masks()[0], masks()[1]),
    "montage": lambda: plot_mask_montage(IMAGE, onlyif.Explanations(masks())),
    "kept": lambda: plot_kept_and_hidden(IMAGE, 0 * IMAGE, masks()[0], (0.5, 0.2)),
    "curves": lines,
    "thresholds": lambda: plot_threshold_curves(curves(), subtitle=BAD, reference=BAD),
}


@pytest.mark.parametrize("picture", DRAWN)
def test_every_text_is_drawn_as_it_is(picture):
    ax = DRAWN[picture]()
    ax.figure.canvas.draw()
    held = [text for text in ax.figure.findobj(Text) if "$" in text.get_text()]
    assert held
    assert not [text.get_text() for text in held if text.get_parse_math() or "\x1b" in text.get_text()]


def test_numbers_of_a_logarithmic_axis_stay_formulas():
    ax = lines()
    ax.set_yscale("log")
    ax.figure.canvas.draw()
    numbers = [label for label in ax.get_yticklabels() if "mathdefault" in label.get_text()]
    assert numbers
    assert all(label.get_parse_math() for label in numbers)
