"""Inputs in Captum's convention, as one row of numbers an instance, and the same the other way round.

A call gives one tensor or a tuple of tensors, whose first dimension counts instances. Here they
lie side by side as `(b, entries)`, in their widest dtype, on the device of the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.arguments import Number
from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError
from onlyif.core.players import Players
from onlyif.core.precision import at_least_single

Tensors: TypeAlias = Tensor | tuple[Tensor, ...]
Baselines: TypeAlias = int | float | Tensor | tuple[int | float | Tensor, ...]


@final
@dataclass(frozen=True)
class Layout:
    """Where each tensor of a call lies in a row.

    Args:
        shapes: The shape of one instance in each tensor.
        dtypes: The dtype of each tensor.
        devices: Where each tensor lies.
        in_tuple: Whether they were given in a tuple, as attributions then are: a tuple of one means what the
            tensor in it means.
    """

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]
    devices: tuple[torch.device, ...]
    in_tuple: bool

    @property
    def alone(self) -> bool:
        """Whether an input is one tensor."""
        return len(self.shapes) == 1

    @property
    def sizes(self) -> list[int]:
        """Entries of one instance in each tensor."""
        return [prod(shape) for shape in self.shapes]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of rows: the widest, float32 at least, for rows are mixed and moved in it."""
        widest = self.dtypes[0]
        for one in self.dtypes[1:]:
            widest = torch.promote_types(widest, one)
        return at_least_single(widest)

    def pack(self, tensors: Sequence[Tensor]) -> Float[Tensor, "b entries"]:
        """Tensors as rows that share no memory with them.

        Args:
            tensors: One tensor each, with one leading dimension.
        """
        flat = [
            _plain(one).to(self.devices[0], self.dtype).reshape(len(one), size)
            for one, size in zip(tensors, self.sizes, strict=True)
        ]
        return torch.cat(flat, dim=1).clone()

    def unpack(self, rows: Float[Tensor, "r entries"]) -> tuple[Tensor, ...]:
        """Rows as the tensors that a model takes, in memory of their own."""
        parts = torch.split(rows, self.sizes, dim=1)
        return tuple(
            part.reshape(len(rows), *shape).to(device, dtype, copy=True)
            for part, shape, device, dtype in zip(parts, self.shapes, self.devices, self.dtypes, strict=True)
        )

    def given_back(self, rows: Float[Tensor, "b entries"]) -> Tensors:
        """Rows as what was given: one tensor, or a tuple."""
        tensors = self.unpack(rows)
        return tensors if self.in_tuple else tensors[0]

    def baselines(self, baselines: Any, b: int) -> Float[Tensor, "b entries"]:
        """The baseline of every instance, from numbers and tensors that fit the inputs.

        Args:
            baselines: One for each tensor; of all instances, or of each.
            b: Number of instances.

        Raises:
            InputError: if one does not fit its input.
        """
        return self.pack([self._expanded(one, place, b, "baseline") for place, one in self._each(baselines)])

    def features(self, feature_mask: Any, b: int) -> Int64[Tensor, "b entries"]:
        """The feature of every entry; each entry is one of its own by default.

        Args:
            feature_mask: The feature of the entries of each tensor; of all instances, or of each.
            b: Number of instances.

        Raises:
            InputError: if a mask does not fit its input, or holds no integers.
        """
        if feature_mask is None:
            return torch.arange(sum(self.sizes)).expand(b, -1)
        parts = []
        for place, one in self._each(feature_mask):
            if not isinstance(one, Tensor) or one.is_floating_point() or one.dtype is torch.bool:
                found = f"dtype {one.dtype}" if isinstance(one, Tensor) else f"a {type(one).__name__}"
                raise InputError(f"a feature mask needs to be a tensor of integers, got {found}")
            parts.append(self._expanded(one, place, b, "feature mask").reshape(b, -1).cpu().long())
        return torch.cat(parts, dim=1)

    def _each(self, given: Any) -> list[tuple[int, Any]]:
        parts = given if isinstance(given, tuple) else (given,)
        if len(parts) != len(self.shapes):
            raise InputError(f"the inputs are {len(self.shapes)} tensors, got {len(parts)} for them")
        return list(enumerate(parts))

    def _expanded(self, one: Any, place: int, b: int, name: str) -> Tensor:
        shape = (b, *self.shapes[place])
        if not isinstance(one, Tensor):
            if not Number().fits(one):
                raise InputError(f"a {name} must be a number or a tensor, got a {type(one).__name__}")
            return torch.full(shape, float(one), dtype=self.dtypes[place], device=self.devices[place])
        try:
            return _plain(one).expand(shape)
        except RuntimeError as error:
            raise InputError(
                f"a {name} has shape {tuple(one.shape)}, its input {shape}; need the same, or one that "
                "can be expanded to it"
            ) from error


def layout_of(inputs: Any) -> Layout:
    """The layout of inputs, checked.

    Raises:
        InputError: unless they are floating-point tensors of one number of instances, at least 1, and finite.
    """
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    if not tensors or not all(isinstance(one, Tensor) for one in tensors):
        kinds = [type(one).__name__ for one in tensors]
        raise InputError(f"inputs must be a tensor or a tuple of tensors, got {kinds}")
    if any(one.dim() == 0 for one in tensors) or len({len(one) for one in tensors}) != 1:
        shapes = [tuple(one.shape) for one in tensors]
        raise InputError(f"all inputs need the same first dimension, one entry an instance; got {shapes}")
    if not len(tensors[0]):
        raise InputError("need at least 1 instance, got none")
    for one in tensors:
        if one.layout is not torch.strided or one.device.type == "meta":
            raise InputError(f"an input has layout {one.layout} on {one.device}; need dense numbers")
    for one in map(_plain, tensors):
        if not one.is_floating_point():
            raise InputError(
                f"an input has dtype {one.dtype}, through which no gradient flows; need floating-point "
                "numbers (of words, their embeddings), or a search that needs no gradient: BeamSearch over "
                "groups of entries, as superpixels"
            )
        if not bool(one.isfinite().all()):
            raise InputError("an input holds NaN or infinite entries; need finite numbers")
    return Layout(
        tuple(tuple(one.shape[1:]) for one in tensors),
        tuple(one.dtype for one in tensors),
        tuple(one.device for one in tensors),
        isinstance(inputs, tuple),
    )


def _plain(one: Tensor) -> Tensor:
    """A tensor of torch's own class, for classes of others change what operations mean."""
    return one.detach().as_subclass(Tensor)


def like(given: Tensors, found: Tensors) -> Tensors:
    """Tensors in the classes that arithmetic with what was given answers in, as Captum's results are.

    Args:
        given: What was given.
        found: As many plain tensors of the same shapes.
    """
    if isinstance(given, tuple) and isinstance(found, tuple):
        return tuple(_like(*each) for each in zip(given, found, strict=True))
    return _like(given, found)


def _like(given: Any, found: Any) -> Tensor:
    plain: Tensor = found
    if type(given) not in {Tensor, torch.nn.Parameter}:
        with torch.no_grad():
            # The class itself says what becomes of it: some stay what they are, with all that they know.
            plain = given.detach() * 0 + found
    return plain


def as_tuple(inputs: Tensors) -> tuple[Tensor, ...]:
    """The tensors of a call."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


def players_of(features: Int64[Tensor, "entries"]) -> Players:
    """The features of one instance as players, in the order of their numbers.

    Args:
        features: The feature of each entry.
    """
    used, index = torch.unique(features, return_inverse=True)
    return Players(on_host(index), tuple(f"feature {number}" for number in used.tolist()))


def alike(keys: Sequence[Tensor]) -> list[Int64[Tensor, "p"]]:
    """The numbers of the instances that agree in all that is asked with them, group by group.

    Args:
        keys: What must agree, one row an instance.
    """
    kinds = torch.stack([_kinds(key) for key in keys], dim=1)
    _, group = torch.unique(kinds, dim=0, return_inverse=True)
    return [(group == number).nonzero().flatten() for number in range(int(group.max()) + 1)]


def _kinds(key: Tensor) -> Int64[Tensor, "b"]:
    flat = key.detach().cpu().reshape(len(key), -1)
    if bool((flat == flat[:1]).all()):
        return torch.zeros(len(flat), dtype=torch.int64)
    kinds: Int64[Tensor, "b"] = torch.unique(flat, dim=0, return_inverse=True)[1]
    return kinds
