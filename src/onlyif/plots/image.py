"""Explanations of images: overlays, the continuum as a film strip, and answers to what is kept and hidden."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba

from onlyif.core.arrays import Array, doubled
from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import measure_text, number, share_text
from onlyif.explanation.pixels import PixelNames, rgb, value_range
from onlyif.explanation.selection import Selection
from onlyif.explanation.status import StatusKind
from onlyif.plots import captions, style

# How much of a set's own colour lies on its pixels.
TINT = 0.3
# Height of a line below an image, in points, and the smallest letters that are read.
LABEL_LINE, LEAST_LETTERS = 12.0, 4.5
# Of the height of axes so much is left for pictures and labels, and of that so much for labels.
OF_HEIGHT, OF_ROW = 0.6, 0.6
SMALL_AXES = "The axes are too small for labels: the numbers are in the explanation's text."


def plot_masks(
    image: Float[Array, "*channels h w"],
    sufficient: Explanation,
    necessary: Explanation,
    unified: Explanation,
    ax: Axes | None = None,
    *,
    title: str = "",
    class_names: Sequence[str] = (),
) -> Axes:
    """An image and its sufficient, necessary and unified sets, side by side.

    A set is outlined and tinted in its colour; below stand its size, its gaps, and whether it holds within a
    tenth of |f(x) - f_0|.

    Args:
        image: The image.
        sufficient: Its mask for α = 1.
        necessary: Its mask for α = 0.
        unified: Its mask for an α between.
        ax: Where to draw; None makes a figure of fitting size.
        title: What to call the image; "" is its number.
        class_names: What to call the model's outputs, in their order; none are called as the model does.

    Returns:
        The axes given, or the new ones; the panels are its `child_axes`.

    Raises:
        SettingError: if a mask is for an image of another size.

    References:
        [bharti2024] figure 2b.
    """
    picture = _picture(image, (sufficient, necessary, unified))
    ax = style.axes_or_new(ax, 9.0, 3.7)
    original, *rest = _row(ax, 4, 5)
    _show(original, picture, "image", f"f(x) = {number(sufficient.prediction)}")
    sets = (
        ("sufficient", sufficient, style.SUFFICIENT),
        ("necessary", necessary, style.NECESSARY),
        (f"unified, α = {number(unified.alpha)}", unified, style.UNIFIED),
    )
    for panel, (name, item, colour) in zip(rest, sets, strict=True):
        _overlay(panel, picture, item.hard, colour)
        _label(panel, name, f"{_gaps(item)}\n{captions.mask_verdict(item)}")
    heading = captions.heading(unified, title, class_names)
    _words(ax, "What is enough, what is needed, and both", heading, unified, _caption(unified))
    return ax


def plot_mask_montage(
    image: Float[Array, "*channels h w"],
    masks: Explanations,
    ax: Axes | None = None,
    *,
    title: str = "",
    class_names: Sequence[str] = (),
) -> Axes:
    """The masks of one image from α = 0 to α = 1, as a film strip: soft masks below, sets above.

    Args:
        image: The image.
        masks: Its masks, one for each α, in any order.
        ax: Where to draw; None makes a figure of fitting size. In smaller axes letters are smaller, and
            where they could not be read labels are left out, which the picture says.
        title: What to call the image; "" is its number.
        class_names: What to call the model's outputs, in their order; none are called as the model does.

    Returns:
        The axes given, or the new ones; the panels are children of its `child_axes`.

    Raises:
        SettingError: if there is no mask, they are of several images, or for another size.
    """
    if not isinstance(masks, Explanations):
        raise SettingError(f"need the masks of one image, got {type(masks).__name__}")
    rows = {item.row for item in masks}
    if len(rows) != 1:
        raise SettingError(f"need masks of one image, got {len(masks)} of {len(rows)} images")
    picture = _picture(image, masks.items)
    items = sorted(masks.items, key=lambda item: item.alpha)
    ax = style.axes_or_new(ax, 1.7 * len(items) + 1.0, 5.4)
    above, below = style.panels(ax, (1.0, 1.5), 4.0)
    n = len(items)
    for top, bottom, item in zip(_row(above, n, 0), _row(below, n, 5), items, strict=True):
        _overlay(top, picture, item.hard, _between(item.alpha))
        _label(top, f"α = {number(item.alpha)}", "")
        bottom.imshow(item.soft, cmap="gray", vmin=0.0, vmax=1.0)
        _bare(bottom)
        _label(bottom, "", f"{_gaps(item)}\n{captions.mask_verdict(item)}")
    caption = f"Above: the sets, to which the numbers belong. Below: the soft masks S. {_caption(items[0])}"
    heading = captions.heading(items[0], title, class_names)
    _words(ax, "From necessary (α = 0) to sufficient (α = 1)", heading, items[0], caption)
    return ax


def plot_image_sets(
    image: Float[Array, "*channels h w"],
    item: Explanation | Explanations,
    sizes: Sequence[int | float] = (0.02, 0.05, 0.1, 0.2),
    ax: Axes | None = None,
    *,
    title: str = "",
    class_names: Sequence[str] = (),
) -> Axes:
    """The nested sets of an image: a row each for necessary, unified and sufficient, or for causes.

    Args:
        image: The image.
        item: Its explanation by `onlyif.explain`.
        sizes: Sizes that were looked for, as shares of the pixels or as numbers of them.
        ax: Where to draw; None makes a figure of fitting size. In smaller axes letters are smaller, and
            where they could not be read labels are left out, which the picture says.
        title: What to call the image; "" is its number.
        class_names: What to call the model's outputs, in their order; none are called as the model does.

    Returns:
        The axes given, or the new ones; the panels are children of its `child_axes`.

    Raises:
        SettingError: if a size was not looked for, or the explanation is of no image or one of another size.
    """
    one = captions.one_row(item, "plot_image_sets", "sized")
    if not sizes or not isinstance(one.names, PixelNames) or one.names.shape != tuple(image.shape[-2:]):
        raise SettingError(
            f"need at least one size and sets of pixels of an image of {tuple(image.shape[-2:])}, got "
            f"{len(sizes)} sizes and {len(one.names)} players"
        )
    heading = captions.heading(one, title, class_names)
    if one.status.kind is StatusKind.NOTHING:
        ax = style.axes_or_new(ax, 7.0, 3.0)
        style.blank(ax, captions.no_answer(one))
        style.words(ax, captions.status_title(one), heading, captions.credit(one))
        return ax
    picture, shape = rgb(image, *value_range(image)), one.names.shape
    rows = _kinds(one)
    ax = style.axes_or_new(ax, 1.7 * len(sizes) + 0.6, 2.0 * len(rows) + 0.8)
    found = [[one.at_size(size, alpha) for size in sizes] for alpha, _ in rows]
    letters = _letters(ax, [[_measured(chosen) for chosen in each] for each in found])
    for row, (alpha, name), each in zip(style.panels(ax, (1.0,) * len(rows), 4.0), rows, found, strict=True):
        for panel, chosen in zip(_row(row, len(sizes), 3, letters), each, strict=True):
            _overlay(panel, picture, chosen.keep.reshape(shape), _between(alpha))
            if letters:
                _label(panel, name, _measured(chosen), letters)
    words = f"{captions.hiding(one)} Found by a search, not certified."
    warning = " ".join(filter(None, (captions.warning(one), "" if letters else SMALL_AXES)))
    style.words(ax, "Sets of pixels by size", heading, words, warning)
    return ax


def _letters(ax: Axes, labels: Sequence[Sequence[str]]) -> float:
    """The size of letters by which rows of labels, below a picture and a word each, fit the axes; or 0."""
    lines = [line for row in labels for label in row for line in label.splitlines()]
    width, height = style.points(ax)
    n_lines = 1 + max(label.count("\n") + 1 for row in labels for label in row)
    high = OF_ROW * OF_HEIGHT * height / len(labels) / (style.LINE * n_lines)
    wide = (width / len(labels[0]) - 6.0) / (style.LETTER * max(map(len, lines)))
    size = min(style.SMALL, high, wide)
    return size if size >= LEAST_LETTERS else 0.0


def _kinds(item: Explanation) -> tuple[tuple[float, str], ...]:
    """The α of each row of sets with its name; causes have one row."""
    if "cause" in item.sets:
        return ((0.5, "cause"),)
    return ((0.0, "necessary"), (item.alpha, f"α = {number(item.alpha)}"), (1.0, "sufficient"))


def _measured(chosen: Selection) -> str:
    if "pns" not in chosen.measures:
        return _gaps_of(chosen)
    # Both errors in one line are wider than a picture.
    told = measure_text(chosen.pns).replace(" (", "\n(")
    return f"{share_text(chosen.size, len(chosen.among))}\nPNS {told}"


def plot_kept_and_hidden(
    image: Float[Array, "*channels h w"],
    baseline: Float[Array, "..."],
    item: Explanation,
    answers: tuple[float, float],
    ax: Axes | None = None,
    *,
    title: str = "",
    class_names: Sequence[str] = (),
) -> Axes:
    """The image with only the set kept, and with only the set hidden, with both predictions.

    Args:
        image: The image.
        baseline: What hidden pixels are replaced by, or one draw of it.
        item: The mask.
        answers: The model's output for the image with only the set kept, and with the set hidden.
        ax: Where to draw; None makes a figure of fitting size.
        title: What to call the image; "" is its number.
        class_names: What to call the model's outputs, in their order; none are called as the model does.

    Returns:
        The axes given, or the new ones; the panels are its `child_axes`.

    Raises:
        SettingError: if mask or baseline are for an image of another size.
    """
    if image.shape != baseline.shape:
        raise SettingError(f"the baseline has shape {tuple(baseline.shape)}, the image {tuple(image.shape)}")
    low, high = value_range(image)
    _check(image, (item,))
    whole, black = doubled(image), doubled(baseline)
    kept, hidden = np.where(item.hard, whole, black), np.where(item.hard, black, whole)
    shown = (
        (image, "image", f"f(x) = {number(item.prediction)}"),
        (kept, "set kept", f"f_S = {number(answers[0])}"),
        (hidden, "set hidden", f"f_Sc = {number(answers[1])}"),
        (baseline, "all hidden", f"f_0 = {number(item.base)}"),
    )
    ax = style.axes_or_new(ax, 9.0, 3.4)
    for panel, (part, name, below) in zip(_row(ax, 4, 1), shown, strict=True):
        _show(panel, rgb(part, low, high), name, below)
    heading = captions.heading(item, title, class_names)
    _words(ax, "What the model says to what is kept and hidden", heading, item, _caption(item))
    return ax


def _words(ax: Axes, title: str, heading: str, item: Explanation, caption: str) -> None:
    style.words(ax, title, heading, caption, captions.warning(item))


def _row(ax: Axes, n: int, n_lines: int, letters: float = style.SMALL) -> list[Axes]:
    """Panels side by side, with a line of words above and room for `n_lines` below, of letters of a size."""
    share = letters / style.SMALL
    return style.columns(ax, (1.0,) * n, 6.0, above=14.0 * share, below=(4.0 + LABEL_LINE * n_lines) * share)


def _overlay(
    ax: Axes,
    picture: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    hard: Bool[np.ndarray, "h w"],
    colour: str,
) -> None:
    ax.imshow(picture, interpolation="nearest")
    ax.imshow(hard[..., None] * np.array(to_rgba(colour, TINT)), interpolation="nearest")
    # Outlines of sets that are empty or everything do not exist.
    if hard.any() and not hard.all():
        edges = _edges(hard)
        # Light around the colour, so that it is seen on dark and on bright pixels.
        ax.add_collection(LineCollection(edges, colors="white", linewidths=3.0, capstyle="projecting"))
        ax.add_collection(LineCollection(edges, colors=colour, linewidths=1.6, capstyle="projecting"))
    ax.set_xlim(-0.5, hard.shape[1] - 0.5)
    ax.set_ylim(hard.shape[0] - 0.5, -0.5)
    _bare(ax)
    for side in ax.spines.values():
        side.set_color(colour)


def _edges(hard: Bool[np.ndarray, "h w"]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The sides of pixels that lie between the set and the rest, or the border of the image."""
    padded = np.pad(hard, 1)
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist()
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist()
    return [((x - 0.5, y - 0.5), (x - 0.5, y + 0.5)) for y, x in upright] + [
        ((x - 0.5, y - 0.5), (x + 0.5, y - 0.5)) for y, x in level
    ]


def _show(
    ax: Axes, picture: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", title: str, below: str
) -> None:
    ax.imshow(picture, interpolation="nearest")
    _bare(ax)
    _label(ax, title, below)


def _label(ax: Axes, above: str, below: str, letters: float = style.SMALL) -> None:
    ax.set_title(above, fontsize=letters, color=style.INK, pad=3.0)
    ax.set_xlabel(below, fontsize=letters, color=style.INK)


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])


def _picture(
    image: Array, items: tuple[Explanation, ...]
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    _check(image, items)
    return rgb(image, *value_range(image))


def _check(image: Array, items: tuple[Explanation, ...]) -> None:
    for item in items:
        captions.one_row(item, "a picture of masks", "soft")
        if item.hard.shape != image.shape[-2:]:
            raise SettingError(
                f"a mask has {tuple(item.hard.shape)} pixels, "
                f"the image {tuple(image.shape[-2:])}; both must agree"
            )


def _between(alpha: float) -> str:
    """From the colour of necessity, through that of both, to that of sufficiency."""
    names = (style.NECESSARY, style.UNIFIED) if alpha < 0.5 else (style.UNIFIED, style.SUFFICIENT)
    share = 2.0 * alpha if alpha < 0.5 else 2.0 * alpha - 1.0
    ends = zip(*(to_rgb(name) for name in names), strict=True)
    mixed = [round(255 * ((1 - share) * a + share * b)) for a, b in ends]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _gaps(item: Explanation) -> str:
    return _gaps_of(item.unified)


def _gaps_of(chosen: Selection) -> str:
    share = share_text(chosen.size, len(chosen.among))
    return f"{share}\nΔsuf {chosen.sufficiency.value:.2g}\nΔnec {chosen.necessity.value:.2g}"


def _caption(item: Explanation) -> str:
    return (
        f"{captions.hiding(item)} Sets: {item.provenance.sentences['cut']}. Found by descent, not certified."
    )
