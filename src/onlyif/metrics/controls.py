"""Maps that explain nothing, and maps cut to a size: what stands beside every result."""

import torch
from jaxtyping import Float
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.core.precision import as_floats
from onlyif.core.shapes import Numbers
from onlyif.core.torch_seeds import torch_generator


def random_maps(x: Numbers, seed: int, first: int = 0) -> Float[Tensor, "b *x"]:
    """Uniform noise on [0, 1), independent from one instance to the next.

    Args:
        x: The instances; only their shape matters.
        seed: The seed.
        first: The number of the first instance among all, so that parts of a batch get what the whole does.
    """
    numbers = range(first, first + len(x))
    drawn = [torch.rand(x.shape[1:], generator=torch_generator(seed, "random map", i)) for i in numbers]
    wanted = as_floats(x[:0])
    return torch.stack(drawn).to(device=x.device, dtype=wanted.dtype)


def sanity_maps(x: Numbers, seed: int) -> dict[str, Float[Tensor, "b *x"]]:
    """The maps by name that no explanation of worth may lose to: "ones", "zeros" and "random".

    Args:
        x: The instances; only their shape matters.
        seed: Seed of the random ones.

    Example:
        >>> sorted(sanity_maps(torch.zeros(2, 3), seed=0))
        ['ones', 'random', 'zeros']
    """
    random = random_maps(x, seed)
    return {"ones": torch.ones_like(random), "zeros": torch.zeros_like(random), "random": random}


def top_mask(maps: Float[Tensor, "b *x"], size: int) -> Float[Tensor, "b *x"]:
    """1 on the entries with the `size` largest values of each map, 0 elsewhere; ties go to the first.

    Args:
        maps: The maps.
        size: Entries marked in each.

    Raises:
        SettingError: unless 0 <= size <= the number of entries.

    Example:
        >>> top_mask(torch.tensor([[0.3, -0.9, 0.5]]), 2)
        tensor([[1., 0., 1.]])
    """
    flat = maps.detach().flatten(1)
    _check_size(size, flat.shape[1])
    first = flat.sort(dim=1, descending=True, stable=True).indices[:, :size]
    return torch.zeros_like(flat).scatter(1, first, 1.0).view(maps.shape)


def soft_threshold(maps: Float[Tensor, "b *x"], size: int) -> Float[Tensor, "b *x"]:
    """sign(a) · max(|a| - t, 0), with t of each map such that at most `size` entries are left.

    t is the next largest absolute value, 0 if there is none; with ties at t, or fewer than `size` entries
    that are not 0, fewer are left.

    Args:
        maps: The maps.
        size: Most entries left in each.

    Raises:
        SettingError: unless 0 <= size <= the number of entries.

    Example:
        >>> soft_threshold(torch.tensor([[0.25, -1.0, 0.5]]), 2)
        tensor([[ 0.0000, -0.7500,  0.2500]])
    """
    flat = maps.detach().flatten(1)
    _check_size(size, flat.shape[1])
    sizes = flat.abs().sort(1, descending=True).values
    t = sizes[:, size : size + 1] if size < flat.shape[1] else torch.zeros_like(sizes[:, :1])
    return (flat.sign() * (flat.abs() - t).clamp_min(0)).view(maps.shape)


def soft_mask(maps: Float[Tensor, "b *x"], size: int) -> Float[Tensor, "b *x"]:
    """The soft threshold of the positive part of each map, divided by its largest value: a mask in [0, 1].

    Args:
        maps: The maps.
        size: Most entries above 0 in each.

    Raises:
        SettingError: unless 0 <= size <= the number of entries.

    Example:
        >>> soft_mask(torch.tensor([[0.25, -1.0, 0.5]]), 1)
        tensor([[0., 0., 1.]])
    """
    left = soft_threshold(maps.clamp_min(0), size)
    largest = left.flatten(1).amax(1).view(-1, *[1] * (maps.dim() - 1))
    return left / torch.where(largest > 0, largest, 1.0)


def _check_size(size: int, entries: int) -> None:
    if not 0 <= size <= entries:
        raise SettingError(f"size must lie in 0 to {entries}, the number of entries, got {size}")
