"""Regions of pixels side by side: how many a set has, and sets that have few."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, Int64
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from onlyif.core.arrays import doubled

# Pixels of one set touch at their sides.
SIDE_BY_SIDE = np.zeros((3, 3, 3), dtype=np.bool_)
SIDE_BY_SIDE[1] = ndimage.generate_binary_structure(2, 1)


def regions(sets: Bool[Tensor, "*m d"], plane: tuple[int, int]) -> Int64[Tensor, "*m"]:
    """How many regions of pixels side by side each set has.

    Args:
        sets: The sets.
        plane: Height and width of the pixels.

    Example:
        >>> regions(torch.tensor([[True, True, False, True]]), (1, 4))
        tensor([2])
    """
    masks = sets.reshape(-1, *plane).cpu().numpy()
    # All sets in one call: they lie behind each other, and pixels of two sets never touch.
    labels, count = ndimage.label(masks, SIDE_BY_SIDE)
    owner = np.zeros(count + 1, dtype=np.int64)
    owner[labels] = np.arange(len(masks))[:, None, None]
    counts = np.bincount(owner[1:], minlength=len(masks))
    return torch.from_numpy(counts).view(sets.shape[:-1]).to(sets.device)


def euler_number(sets: Bool[Tensor, "*m d"], plane: tuple[int, int]) -> Int64[Tensor, "*m"]:
    """How many regions each set has, less the holes in them: far cheaper than to count regions.

    Args:
        sets: The sets.
        plane: Height and width of the pixels.

    Example:
        >>> euler_number(torch.tensor([[True, True, False, True]]), (1, 4))
        tensor([2])

    References:
        [gray1971] for pixels side by side: pixels less pairs plus squares of four.
    """
    masks = sets.reshape(-1, *plane)
    across, down = masks[:, :, 1:] & masks[:, :, :-1], masks[:, 1:] & masks[:, :-1]
    counts = [part.sum((1, 2)) for part in (masks, across, down, across[:, 1:] & across[:, :-1])]
    return (counts[0] - counts[1] - counts[2] + counts[3]).view(sets.shape[:-1])


def euler_changes(sets: Bool[Tensor, "*m d"], plane: tuple[int, int]) -> Int64[Tensor, "*m d"]:
    """How the Euler number changes if a pixel comes in, and the opposite of it if a pixel goes.

    Args:
        sets: The sets.
        plane: Height and width of the pixels.

    Example:
        >>> euler_changes(torch.tensor([[True, False, True, False, False]]), (1, 5))
        tensor([[ 1, -1,  1,  0,  1]])
    """
    around = functional.pad(sets.reshape(-1, *plane).to(torch.int8), (1, 1, 1, 1))
    height, width = plane

    def at(row: int, column: int) -> Int8[Tensor, "m h w"]:
        return around[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    change = torch.ones(around.shape[0], *plane, dtype=torch.int8, device=sets.device)
    for side in (at(-1, 0), at(1, 0), at(0, -1), at(0, 1)):
        change -= side
    for row in (-1, 1):
        for column in (-1, 1):
            change += at(row, 0) & at(0, column) & at(row, column)
    return change.long().view(sets.shape)


def smoothed(scores: Float[Tensor, "p d"], plane: tuple[int, int], width: float) -> Float[Tensor, "p d"]:
    """Scores averaged over a Gaussian around each pixel; beyond an edge the nearest pixel counts.

    Args:
        scores: One score a pixel.
        plane: Height and width of the pixels.
        width: The Gaussian's standard deviation, in pixels.

    Example:
        >>> spot = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]])
        >>> [round(value, 2) for value in smoothed(spot, (1, 5), 1.0)[0].tolist()]
        [0.05, 0.24, 0.4, 0.24, 0.05]
    """
    planes = doubled(scores).reshape(-1, *plane)
    found = ndimage.gaussian_filter(planes, width, mode="nearest", axes=(1, 2))
    return torch.from_numpy(found.reshape(scores.shape)).to(scores)


def few_regions(
    scores: Float[Tensor, "p d"], sizes: tuple[int, ...], plane: tuple[int, int], most: int
) -> Bool[Tensor, "p z d"]:
    """Nested sets of high scores with at most so many regions each.

    The largest set is made first, each smaller one within it. Of the highest scores the largest regions are
    kept, and grow at their borders to the size that is needed.

    Args:
        scores: One score a pixel.
        sizes: How many pixels each set has, the smallest first.
        plane: Height and width of the pixels.
        most: How many regions a set has at most.

    Example:
        >>> scores = torch.tensor([[0.9, 0.8, 0.1, 0.7, 0.0]])
        >>> few_regions(scores, (2, 3), (1, 5), 1)
        tensor([[[ True,  True, False, False, False],
                 [ True,  True,  True, False, False]]])
    """
    found = []
    for field in doubled(scores).reshape(-1, *plane):
        within, of_one = np.ones(plane, dtype=bool), []
        for size in reversed(sizes):
            within = _few(field, within, size, most)
            of_one.append(within.ravel())
        found.append(np.stack(of_one[::-1]))
    return torch.from_numpy(np.stack(found)).to(scores.device)


def _few(
    field: Float[np.ndarray, "h w"], within: Bool[np.ndarray, "h w"], size: int, most: int
) -> Bool[np.ndarray, "h w"]:
    chosen = _highest(field, within, size)
    labels, count = ndimage.label(chosen)
    if count > most:
        largest = np.argsort(-np.bincount(labels.ravel())[1:], kind="stable")[:most] + 1
        chosen = np.isin(labels, largest)
    while (needed := size - int(chosen.sum())) > 0:
        rim = ndimage.binary_dilation(chosen) & within & ~chosen
        # Where all that can be reached is full, another part of what is allowed is begun.
        pool, count = (rim, min(needed, int(rim.sum()))) if rim.any() else (within & ~chosen, 1)
        chosen = chosen | _highest(field, pool, count)
    return chosen


def _highest(
    field: Float[np.ndarray, "h w"], among: Bool[np.ndarray, "h w"], count: int
) -> Bool[np.ndarray, "h w"]:
    order = np.argsort(-np.where(among, field, -np.inf), axis=None, kind="stable")[:count]
    chosen = np.zeros(field.size, dtype=np.bool_)
    chosen[order] = True
    return chosen.reshape(field.shape)
