"""Names and values are drawn as they are: dollar signs start no formula, control characters are shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text

import onlyif
from onlyif.explanation.mask import GapPair, Mask, MaskProvenance, Masks
from onlyif.explanation.selection import Gap
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

BAD = "US$ \\frac{ ^ $\x1b"


def named(item):
    """The same explanation, every text of which is bad."""
    rename = lambda chosen: replace(chosen, names=tuple(f"{name} {BAD}" for name in chosen.names))  # noqa: E731
    made = replace(item.provenance, output=BAD, predictor=BAD)
    texts = {"row": BAD, "target_label": BAD, "provenance": made, "values": (BAD,) * len(item.names)}
    if hasattr(item, "baseline"):
        parts = {name: tuple(map(rename, getattr(item, name))) for name in ("path", "singles")}
        made, texts["baseline"] = replace(made, baseline=BAD), (BAD,) * len(item.names)
    else:
        parts = {name: rename(getattr(item, name)) for name in ("sufficient", "necessary", "unified")}
        made = replace(made, reference=BAD)
    return replace(rename(item), **{**texts, "provenance": made}, **parts)


def masks():
    hard = torch.zeros(8, 8, dtype=torch.bool)
    hard[2, 2:4] = True
    pair = GapPair(Gap(0.1), Gap(0.2))
    made = MaskProvenance(BAD, BAD, BAD, BAD, BAD, 0, 1, "0")
    return tuple(
        Mask(0, alpha, 0, 0.9, Gap(0.1), hard.double(), pair, 0.3, hard, pair, 1, 1, made)
        for alpha in (0.0, 0.5, 1.0)
    )


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
    "montage": lambda: plot_mask_montage(IMAGE, Masks(masks())),
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
