"""Recall: how much of a known truth is among the highest entries of a map."""

from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.core.errors import InputError
from onlyif.metrics.controls import top_mask


def top_recall(maps: Float[Tensor, "b *x"], truth: Bool[Tensor, "b *x"], size: int) -> Float[Tensor, "b"]:
    """The share of each truth that is among the `size` highest entries of its map; ties go to the first.

    It asks nothing about the model: a network may rely on other entries than those that were planted. A map
    of equal values, or one drawn at random, has about `size` divided by the number of entries.

    Args:
        maps: The maps.
        truth: Which entries are known to matter, at least one in each.
        size: How many entries count as found.

    Raises:
        InputError: if maps and truth differ in shape, or a truth is empty.
        SettingError: unless 0 <= size <= the number of entries.

    Example:
        >>> import torch
        >>> top_recall(torch.tensor([[0.9, 0.1, 0.5]]), torch.tensor([[True, True, False]]), 2)
        tensor([0.5000])

    References:
        [wang2021]
    """
    if maps.shape != truth.shape:
        raise InputError(
            f"maps of shape {tuple(maps.shape)} need a truth of that shape, got {tuple(truth.shape)}"
        )
    known = truth.flatten(1).sum(1)
    if not bool((known > 0).all()):
        number = int((known == 0).nonzero()[0])
        raise InputError(f"the truth of instance {number} has no entry; need one or more")
    hit = (top_mask(maps, size).flatten(1) > 0) & truth.flatten(1)
    return hit.sum(1).to(maps.dtype) / known
