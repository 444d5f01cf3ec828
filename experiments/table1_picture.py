"""The maps of all methods for a few images: what the numbers of Table 1 are numbers of."""

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

COLUMNS = 9


def picture(images: Tensor, maps: dict[str, np.ndarray]) -> Figure:
    """A block of pictures an image: the image, then the map of each method from its least to its largest.

    Args:
        images: A few images.
        maps: By method, one map an image; NaN where there is none.
    """
    names = ["image", *maps]
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(1.25 * COLUMNS, 1.45 * rows * len(images)), layout="constrained")
    axes = figure.subplots(rows * len(images), COLUMNS, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, image in enumerate(images):
        for place, name in enumerate(names):
            ax = axes[number * rows + place // COLUMNS][place % COLUMNS]
            ax.set_title(name.replace(", ", ",\n"), fontsize=7)
            if name == "image":
                ax.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
            elif np.isfinite(maps[name][number]).all():
                ax.imshow(maps[name][number], cmap="viridis")
    return figure
