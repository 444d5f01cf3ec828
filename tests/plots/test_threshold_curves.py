"""The picture of threshold curves shows the numbers of the curves."""

import pytest
import torch
from matplotlib import pyplot

from onlyif.core.errors import SettingError
from onlyif.metrics.curves import Curve, ThresholdCurves
from onlyif.plots.threshold_curves import plot_threshold_curves


def made(seed, floor=1e-3, images=3):
    t = torch.tensor([0.0, 0.5, 1.0]).double()
    values = torch.rand(3, images, 3, generator=torch.Generator().manual_seed(seed)).double()
    return ThresholdCurves(*(Curve(t, each) for each in values), floor, 100)


def test_three_panels_with_one_line_and_band_a_method():
    curves = {f"method {i}": made(i) for i in range(8)}
    ax = plot_threshold_curves(curves, bold=["method 7"], subtitle="some faces")
    *panels, legend = ax.child_axes
    for panel, kind in zip(panels, ("log_sufficiency", "log_necessity", "log_size"), strict=True):
        lines = {line.get_label(): line for line in panel.lines}
        for name, each in curves.items():
            curve = getattr(each, kind)
            assert list(lines[name].get_ydata()) == curve.mean.tolist()
        band = {tuple(point) for point in panel.collections[0].get_paths()[0].vertices}
        first = getattr(curves["method 0"], kind)
        assert (0.5, (first.mean + first.stderr)[1].item()) in band
        assert len({(line.get_color(), line.get_linestyle()) for line in panel.lines}) == 8
        assert lines["method 7"].get_linewidth() > lines["method 6"].get_linewidth()
    assert [text.get_text() for text in legend.get_legend().get_texts()] == list(curves)
    words = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    assert "some faces" in words
    assert "A gap below 0.001 counts as 0.001" in words


def test_given_axes_are_used_and_one_image_has_no_band():
    ax = pyplot.figure(figsize=(12, 4)).add_subplot()
    assert plot_threshold_curves({"one": made(0, images=1)}, ax, reference="Hidden is grey.") is ax
    assert "Hidden is grey." in " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    corners = ax.child_axes[0].collections[0].get_paths()[0].vertices
    mean = made(0, images=1).log_sufficiency.mean.tolist()
    assert {round(y, 9) for _, y in corners} == {round(y, 9) for y in mean}


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingError, match=r"one floor of the gaps, got \[0.001, 0.01\]"):
        plot_threshold_curves({"a": made(0), "b": made(1, floor=0.01)})
    with pytest.raises(SettingError, match=r"one floor of the gaps, got \[\]"):
        plot_threshold_curves({})
    with pytest.raises(SettingError, match=r"bold methods \['c'\] have no curves"):
        plot_threshold_curves({"a": made(0)}, bold=["c"])
