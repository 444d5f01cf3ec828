"""The stability curve draws the numbers it is given."""

import numpy as np
import pytest

from onlyif.core.errors import SettingError
from onlyif.plots.curves import plot_stability


def test_one_line_and_one_band_a_label():
    x = [0.0, 0.5, 1.0]
    mean, low, high = (
        [[0, 0.2, 0.3], [0, 0.4, 0.5]],
        [[0, 0.1, 0.2], [0, 0.3, 0.4]],
        [[0, 0.3, 0.4], [0, 0.5, 0.7]],
    )
    ax = plot_stability(x, mean, low, high, labels=("τ = 3", "τ = 6"))
    for i, line in enumerate(ax.lines):
        assert list(line.get_xdata()) == x
        assert list(line.get_ydata()) == mean[i]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["τ = 3", "τ = 6"]
    assert not any("income" in text.get_text() for text in ax.texts)
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 2
    band = ax.collections[1].get_paths()[0].vertices
    assert {tuple(point) for point in band} >= {(0.5, 0.3), (0.5, 0.5), (1.0, 0.4), (1.0, 0.7)}


def test_a_single_line_may_be_flat():
    ax = plot_stability([0, 1], [0.0, 0.5], [0.0, 0.4], [0.0, 0.6], labels=["τ = 3"], subtitle="income data")
    assert "income data" in [text.get_text() for text in ax.texts]
    assert list(ax.lines[0].get_ydata()) == [0.0, 0.5]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_shapes_that_do_not_fit_are_refused(part):
    lines = [np.zeros((2, 3)) for _ in range(3)]
    lines[part] = np.zeros((2, 4))
    with pytest.raises(SettingError, match=r"need curves of shape \(2, 3\), got .*\(2, 4\)"):
        plot_stability([0, 0.5, 1], *lines, labels=("a", "b"))
