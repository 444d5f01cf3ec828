"""Where x and draws are mixed under a mask: the only place."""

from typing import Any

import numpy as np
from array_api_compat import is_numpy_array
from jaxtyping import Bool, Float

from onlyif.core.arrays import Array, where_kept

# From about this many draws a subset on, writing what is kept over copies of the draws is the faster way.
_MANY_DRAWS = 16


def blend(
    x: Float[Array, "b *x"],
    draws: Float[Array, "#b #m n *x"],
    keep: Bool[np.ndarray, "#b m *x"],
) -> Float[Array, "b m n *x"]:
    """x where keep is True, the draw elsewhere; for every subset and draw.

    Args:
        x: The instances.
        draws: Values for what is hidden, in x's dtype; size 1 in b or m means shared.
        keep: True stays at x's value; size 1 in b means shared by all instances.

    Example:
        >>> x, draws = np.array([[1.0, 2.0]]), np.zeros((1, 1, 1, 2))
        >>> blend(x, draws, np.array([[[True, False]]]))
        array([[[[1., 0.]]]])
    """
    if is_numpy_array(draws) and draws.shape[2] >= _MANY_DRAWS:
        return _written_over(x, draws, keep)
    return where_kept(keep[:, :, None], x[:, None, None], draws)


def _written_over(
    x: Float[np.ndarray, "b *x"],
    draws: Float[np.ndarray, "#b #m n *x"],
    keep: Bool[np.ndarray, "#b m *x"],
) -> Float[np.ndarray, "b m n *x"]:
    mixed = np.empty((len(x), keep.shape[1], *draws.shape[2:]), dtype=x.dtype)
    mixed[...] = draws
    instance, subset, *entry = np.nonzero(np.broadcast_to(keep, (len(x), *keep.shape[1:])))
    every_draw: tuple[Any, ...] = (instance, subset, slice(None), *entry)
    mixed[every_draw] = x[(instance, *entry)][:, None]
    return mixed
