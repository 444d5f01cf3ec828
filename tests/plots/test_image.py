"""What the pictures of masks show, read off their artists."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import pyplot

import onlyif
from onlyif.core.errors import SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Measure
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.plots import style
from onlyif.plots.image import TINT, plot_image_sets, plot_kept_and_hidden, plot_mask_montage, plot_masks
from onlyif.plots.tabular import plot_explanation
from onlyif.testing.masks import example_mask

IMAGE = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))


def _mask(alpha, image=0, seed=0):
    soft = torch.rand(6, 8, generator=torch.Generator().manual_seed(seed))
    return example_mask(soft.numpy(), alpha, image)


def _pictures(ax):
    return [image.get_array() for image in ax.findobj(lambda artist: hasattr(artist, "get_array"))]


def _sides(hard):
    """How many sides of pixels lie between a set and the rest, one pixel after the other."""
    near = ((0, 1), (1, 0), (0, -1), (-1, 0))
    inside = set(zip(*(axis.tolist() for axis in np.nonzero(hard)), strict=True))
    return sum((y + dy, x + dx) not in inside for y, x in inside for dy, dx in near)


def _texts(ax):
    return " ".join(text.get_text() for text in ax.findobj(pyplot.Text))


def test_overlays_outline_and_tint_sets_and_leave_the_image_as_it_is():
    items = [_mask(alpha, seed=i) for i, alpha in enumerate((1.0, 0.0, 0.5))]
    ax = plot_masks(IMAGE, *items)
    panels = ax.child_axes
    assert len(panels) == 4
    plain = IMAGE.permute(1, 2, 0).double().numpy()
    assert np.allclose(panels[0].images[0].get_array(), plain)
    for panel, item in zip(panels[1:], items, strict=True):
        assert np.allclose(panel.images[0].get_array(), plain)
        assert np.allclose(panel.images[1].get_array()[..., 3], TINT * item.hard)
        halo, outline = (lines.get_segments() for lines in panel.collections)
        assert len(halo) == len(outline) == _sides(item.hard)
        assert f"{item.hard.mean():.1%} of pixels" in panel.get_xlabel()
        assert "Δsuf 0.12\nΔnec 0.25" in panel.get_xlabel()
    colours = [panel.spines["left"].get_edgecolor()[:3] for panel in panels[1:]]
    wanted = [style.SUFFICIENT, style.NECESSARY, style.UNIFIED]
    assert [pyplot.matplotlib.colors.to_hex(colour).upper() for colour in colours] == wanted
    assert "Black." in _texts(ax) and "f(x) = 0.75" in _texts(ax)


def test_a_film_strip_goes_from_necessary_to_sufficient():
    masks = Explanations(tuple(_mask(alpha, seed=int(4 * alpha)) for alpha in (1.0, 0.25, 0.0)))
    ax = plot_mask_montage(IMAGE, masks)
    above, below = (row.child_axes for row in ax.child_axes)
    assert [panel.get_title() for panel in above] == ["α = 0", "α = 0.25", "α = 1"]
    for panel, item in zip(below, (masks.items[2], masks.items[1], masks.items[0]), strict=True):
        assert np.allclose(panel.images[0].get_array(), item.soft)
    assert above[0].spines["left"].get_edgecolor() == pyplot.matplotlib.colors.to_rgba(style.NECESSARY)
    assert above[2].spines["left"].get_edgecolor() == pyplot.matplotlib.colors.to_rgba(style.SUFFICIENT)


def test_kept_and_hidden_images_are_blends():
    item, baseline = _mask(0.5), torch.full_like(IMAGE, 0.5)
    ax = plot_kept_and_hidden(IMAGE, baseline, item, (0.71, 0.52))
    keep = item.hard
    keep = torch.from_numpy(keep)
    wanted = [IMAGE, torch.where(keep, IMAGE, baseline), torch.where(keep, baseline, IMAGE), baseline]
    for panel, image in zip(ax.child_axes, wanted, strict=True):
        assert np.allclose(panel.images[0].get_array(), image.permute(1, 2, 0).double().numpy())
    titles = [panel.get_xlabel() for panel in ax.child_axes]
    assert "f_S = 0.71" in titles[1] and "f_Sc = 0.52" in titles[2] and "f_0 = 0.5" in titles[3]


def test_grey_images_and_other_ranges_are_scaled_and_shown_alike():
    grey = 255 * IMAGE[0]
    ax = plot_masks(grey, _mask(1.0), _mask(0.0), _mask(0.5))
    shown = ax.child_axes[0].images[0].get_array()
    scaled = (grey - grey.min()) / (grey.max() - grey.min())
    assert np.allclose(shown, scaled.double().numpy()[..., None].repeat(3, 2), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_sets_have_no_outline(value):
    item = example_mask(np.full((6, 8), value), 0.5)
    ax = plot_masks(IMAGE, item, item, item)
    assert all(not panel.collections for panel in ax.child_axes)
    said = "all pixels" if value else "empty: no pixel"
    assert said in ax.child_axes[1].get_xlabel()


def test_what_a_reader_should_know_first_stands_above_the_images():
    item = replace(_mask(0.5), settings={**_mask(0.5).settings, "stopped": True})
    assert item.status.advice in " ".join(_texts(plot_masks(IMAGE, item, item, item)).split())


def test_given_axes_are_used_and_given_back():
    _, (one, two) = pyplot.subplots(1, 2, figsize=(16, 5))
    assert plot_masks(IMAGE, _mask(1.0), _mask(0.0), _mask(0.5), one) is one
    assert plot_kept_and_hidden(IMAGE, IMAGE, _mask(1.0), (1.0, 0.0), two) is two
    one.figure.draw_without_rendering()


def test_images_and_classes_have_the_names_that_they_are_given():
    items = _mask(1.0), _mask(0.0), _mask(0.5)
    named = _texts(plot_masks(IMAGE, *items, title="Ada's photograph", class_names=["cat", "dog", "owl"]))
    assert "Ada's photograph: probability of 'owl', f(x) = 0.75" in " ".join(named.split())
    with pytest.raises(SettingError, match="need a name for output 2, got 1 names"):
        plot_masks(IMAGE, *items, class_names=["cat"])


def test_below_a_mask_stands_whether_it_holds_within_a_tenth_of_the_whole_gap():
    # |f(x) - f_0| is .25, the gaps are .125 and .25 with errors of .01.
    item = _mask(0.5)
    small = {**item.unified.measures, "sufficiency": Measure(0.001, 0.001), "necessity": Measure(0.02, 0.01)}
    held = replace(item, sets={"unified": replace(item.unified, measures=small)})
    enough, needed, both = (
        panel.get_xlabel() for panel in plot_masks(IMAGE, _mask(1.0), _mask(0.0), held).child_axes[1:]
    )
    assert enough.endswith("sufficient: does not hold") and "necessary" not in enough
    assert needed.endswith("necessary: does not hold") and "sufficient" not in needed
    assert both.endswith("sufficient: holds\nnecessary: cannot tell")


def test_masks_of_another_size_are_refused():
    small = IMAGE[:, :5]
    with pytest.raises(SettingError, match=r"a mask has \(6, 8\) pixels, the image \(5, 8\)"):
        plot_masks(small, _mask(1.0), _mask(0.0), _mask(0.5))
    with pytest.raises(SettingError, match="the baseline has shape"):
        plot_kept_and_hidden(IMAGE, small, _mask(1.0), (0.0, 0.0))


@pytest.mark.parametrize("masks", [Explanations(()), Explanations((_mask(0.0), _mask(1.0, image=1)))])
def test_a_film_strip_is_of_one_image(masks):
    with pytest.raises(SettingError, match="need masks of one image"):
        plot_mask_montage(IMAGE, masks)


def test_nested_sets_are_drawn_by_kind_and_size():
    bright = DifferentiablePredictor(lambda batch: batch[:, :, :3, :4].mean((1, 2, 3)))
    found = onlyif.explain(bright, IMAGE[None], background=0 * IMAGE[None], size=12, budget=600)
    ax = plot_image_sets(IMAGE, found, (5, 12))
    panels = [panel for row in ax.child_axes for panel in row.child_axes]
    assert [panel.get_title() for panel in panels[::2]] == ["necessary", "α = 0.5", "sufficient"]
    plain = IMAGE.permute(1, 2, 0).double().numpy()
    kept = found[0].at_size(12, 1.0)
    assert np.allclose(panels[-1].images[0].get_array(), plain)
    assert np.allclose(panels[-1].images[1].get_array()[..., 3], TINT * kept.keep.reshape(6, 8))
    assert f"Δsuf {kept.sufficiency.value:.2g}" in panels[-1].get_xlabel()
    for image, sizes in ((IMAGE, ()), (IMAGE[:, 1:], (12,)), (IMAGE, (7,))):
        with pytest.raises(SettingError):
            plot_image_sets(image, found, sizes)


@pytest.mark.parametrize("criterion", ["sne", "pns"])
@pytest.mark.parametrize(("size", "there"), [((8.0, 6.0), True), ((5.0, 4.5), True), ((1.8, 1.6), False)])
def test_labels_of_nested_sets_fit_or_are_left_out_which_is_said(criterion, size, there):
    bright = DifferentiablePredictor(lambda batch: batch[:, :, :3, :4].mean((1, 2, 3)))
    noise = IMAGE[None] * torch.rand(3, *IMAGE.shape, generator=torch.Generator().manual_seed(0))
    found = onlyif.explain(
        bright, IMAGE[None], background=noise, size=12, budget=3000, criterion=criterion, reference="marginal"
    )
    figure = pyplot.figure(figsize=size)
    ax = plot_image_sets(IMAGE, found, (2, 5, 12), figure.add_subplot())
    figure.canvas.draw()
    panels = [panel for row in ax.child_axes for panel in row.child_axes]
    words = [" ".join(text.get_text().split()) for text in ax.texts]
    said = [one for one in words if "too small for labels" in one]
    assert bool(said) is not there and all(bool(panel.get_xlabel()) is there for panel in panels)
    boxes = [panel.xaxis.label.get_window_extent() for panel in panels if there]
    for one, two in itertools.combinations(boxes, 2):
        assert not one.overlaps(two), (one, two)
    pyplot.close(figure)


def test_what_draws_no_pixels_names_the_picture_that_does():
    bright = DifferentiablePredictor(lambda batch: batch[:, :, :3, :4].mean((1, 2, 3)))
    found = onlyif.explain(bright, IMAGE[None], background=0 * IMAGE[None], size=12, budget=300)
    with pytest.raises(SettingError, match=r"named players.*use plot_image_sets"):
        plot_explanation(found)
