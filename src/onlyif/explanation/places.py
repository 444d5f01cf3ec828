"""Which positions of a collection are chosen by what stands between its brackets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onlyif.core.errors import SettingError


def one_place(which: Any) -> int | None:
    """The position that a single number means; None where more than one item is asked for.

    Example:
        >>> one_place(-1), one_place([0, 2])
        (-1, None)

    Raises:
        SettingError: for a single thing that is no whole number.
    """
    place = np.asarray(which)
    if place.ndim:
        return None
    if place.dtype.kind not in "iu":
        raise SettingError(f"an explanation is chosen by its position, a whole number; got {which!r}")
    return int(place)


def many_places(which: Any, count: int) -> list[int]:
    """The positions that a slice, a list of numbers or a mask means.

    Example:
        >>> many_places(slice(1, None), 3), many_places([True, False, True], 3)
        ([1, 2], [0, 2])

    Raises:
        SettingError: for anything else.
    """
    if isinstance(which, slice):
        return list(range(count)[which])
    places: NDArray[Any] = np.asarray(which)
    if places.dtype.kind == "b" and places.shape == (count,):
        return [int(i) for i in np.flatnonzero(places)]
    if places.ndim == 1 and (places.dtype.kind in "iu" or not places.size):
        return [int(i) for i in places]
    raise SettingError(
        f"need a number, a slice, a list of numbers or {count} booleans, "
        f"got {places.dtype} of shape {places.shape}"
    )
