"""Jumps: a region comes in where the slope is steepest, for one whose loss costs least, in nested sets."""

from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy import ndimage
from torch import Tensor

from onlyif.core.arrays import doubled

# What a new region is of its set.
SHARES = (0.1, 0.25)
# Proposals: at the best place or the next one, a small or a large region, for one region more or none.
PLACES, GOES = 2, 2
COUNT = PLACES * len(SHARES) * GOES
# Slopes are averaged over squares of this side.
WIDTH = 3
# Who touches whom: all around a set, and side by side.
AROUND, BESIDE = (ndimage.generate_binary_structure(2, number) for number in (2, 1))

_Plane: TypeAlias = Bool[np.ndarray, "h w"]
_Worth: TypeAlias = Float64[np.ndarray, "h w"]


def jump_proposals(
    sets: Bool[Tensor, "p z d"], slope: Float[Tensor, "p z d"], plane: tuple[int, int], level: int, most: int
) -> Bool[Tensor, "p c z d"]:
    """Nested sets of the same sizes, in which a region came in elsewhere from one size on.

    Args:
        sets: Nested sets, the smallest first.
        slope: Of the cost of each set, pixel by pixel.
        plane: Height and width of the pixels.
        level: The number of the smallest set that changes.
        most: How many regions a set may have: where there are more, those go whose loss costs least.
    """
    found = [
        _of_one(chain, worth, level, most)
        for chain, worth in zip(
            sets.cpu().numpy().reshape(*sets.shape[:2], *plane),
            -doubled(slope).reshape(*sets.shape[:2], *plane),
            strict=True,
        )
    ]
    return torch.from_numpy(np.stack(found)).flatten(3).to(sets.device)


def _of_one(
    chain: Bool[np.ndarray, "z h w"], worth: Float64[np.ndarray, "z h w"], level: int, most: int
) -> Bool[np.ndarray, "c z h w"]:
    smooth = ndimage.uniform_filter(worth, WIDTH, mode="nearest", axes=(1, 2))
    sizes = chain.sum((1, 2)).tolist()
    found = np.repeat(chain[None], COUNT, axis=0)
    for number, share in enumerate(SHARES):
        count, largest = (max(1, int(share * size)) for size in (sizes[level], sizes[-1]))
        for which, start in enumerate(_starts(smooth[level], chain[level], count)):
            grown = _growth(smooth[level], start, largest)
            for goes in range(GOES):
                proposed = found[(number * PLACES + which) * GOES + goes]
                inner = proposed[level - 1] if level else np.zeros_like(chain[0])
                for z in range(level, len(chain)):
                    region = grown[: max(1, int(share * sizes[z]))]
                    proposed[z] = inner = _with_region(chain[z], inner, region, smooth[z], (goes, most))
    return found


def _starts(smooth: _Worth, members: _Plane, count: int) -> list[int]:
    """The pixels of most worth away from the set, each away from regions of so many pixels at the former."""
    left = np.where(ndimage.binary_dilation(members, AROUND), -np.inf, smooth)
    starts: list[int] = []
    reach = 1 + int(np.ceil((count / np.pi) ** 0.5))
    for _ in range(PLACES):
        place = int(left.argmax())
        row, column = divmod(place, left.shape[1])
        if left[row, column] == -np.inf:
            break
        starts.append(place)
        left[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = -np.inf
    return starts


def _growth(smooth: _Worth, start: int, count: int) -> Int64[np.ndarray, "n"]:
    """Pixels in the order in which a region grows from one, always by the neighbour of most worth."""
    (height, width), values = smooth.shape, smooth.ravel().tolist()
    seen, edge = {start}, [(0.0, start)]
    order: list[int] = []
    while edge and len(order) < count:
        _, place = heappop(edge)
        order.append(place)
        row, column = divmod(place, width)
        for near, inside in (
            (place - width, row > 0),
            (place + width, row < height - 1),
            (place - 1, column > 0),
            (place + 1, column < width - 1),
        ):
            if inside and near not in seen:
                seen.add(near)
                heappush(edge, (-values[near], near))
    return np.array(order, dtype=np.int64)


def _with_region(
    old: _Plane, inner: _Plane, region: Int64[np.ndarray, "n"], smooth: _Worth, regions: tuple[int, int]
) -> _Plane:
    """A set of the size of an old one, with the inner one and as much of a region as there is room for."""
    size = int(old.sum())
    comes = np.zeros(old.size, dtype=np.bool_)
    comes[region] = True
    room = size - int((inner & ~comes.reshape(old.shape)).sum())
    kept = inner.copy()
    kept.reshape(-1)[region[:room]] = True
    now = _fewer(old | kept, kept, smooth, regions)
    while (more := int(now.sum()) - size) > 0:
        rim = now & ~kept & ndimage.binary_dilation(~now, BESIDE, border_value=1)
        pool = rim if rim.any() else now & ~kept
        now = now & ~_highest(-smooth, pool, min(more, max(1, int(pool.sum()) // 2)))
    while (more := size - int(now.sum())) > 0:
        rim = ndimage.binary_dilation(now, BESIDE) & ~now
        now = now | _highest(smooth, rim, min(more, max(1, int(rim.sum()) // 2)))
    return now


def _fewer(now: _Plane, kept: _Plane, smooth: _Worth, regions: tuple[int, int]) -> _Plane:
    """Without some regions that may go, those of least worth first."""
    goes, most = regions
    labels, count = ndimage.label(now, BESIDE)
    n_gone = max(goes, count - most)
    if n_gone <= 0:
        return now
    worth, held = (np.bincount(labels.ravel(), each.ravel(), count + 1) for each in (smooth, kept))
    free = np.flatnonzero(held[1:] == 0) + 1
    gone = np.zeros(count + 1, dtype=np.bool_)
    gone[free[np.argsort(worth[free], kind="stable")[:n_gone]]] = True
    left: _Plane = now & ~gone[labels]
    return left


def _highest(values: Float[np.ndarray, "h w"], among: _Plane, count: int) -> _Plane:
    places = np.flatnonzero(among)
    chosen = np.zeros(values.size, dtype=np.bool_)
    chosen[places[np.argsort(-values.ravel()[places], kind="stable")[:count]]] = True
    return chosen.reshape(values.shape)
