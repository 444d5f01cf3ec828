"""Features of nodes that stand side by side many times, whose linear maps are taken once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from typing_extensions import override

# What may be read off the stand-in, for it does not depend on the features.
OUTSIDE = {
    Tensor.size,
    Tensor.dim,
    Tensor.is_floating_point,
    Tensor.__len__,
    *(
        getattr(Tensor, name).__get__
        for name in ("shape", "dtype", "device", "ndim", "layout", "is_sparse", "is_cuda", "requires_grad")
    ),
}


@final
class TiledFeatures(TorchFunctionMode):
    """While this lasts, `x` stands for rows of features, each of them any number of times.

    Copies of an ego graph differ in their edges alone, and most networks begin with a linear map of all
    features, which is the same for every copy. `x` has the shape of the repeated rows and takes no memory. A
    linear map of it is taken of the distinct rows and repeated; whatever else is done with it is done with
    the repeated rows. Where the weights are parameters the map is kept for the next call.

    Args:
        features: The distinct rows.
        index: Which of them stands at each place.
    """

    def __init__(self, features: Float[Tensor, "u *f"], index: Int64[Tensor, "n"]) -> None:
        super().__init__()
        self.features, self.index = features, index
        self.x = features[:1].expand(len(index), *features.shape[1:])
        self.kept: list[tuple[Tensor, Tensor | None, Tensor]] = []
        self.whole: Tensor | None = None

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if args and (args[0] is self.x or (self.whole is not None and args[0] is self.whole)):
            if func is functional.linear:
                return self._linear(*args[1:], **named)
            if func in OUTSIDE:
                return func(*args, **named)
            if func is functional.dropout and not named.get("training", args[2] if len(args) > 2 else True):
                return args[0]
        if self._in((*args, *named.values())):
            leaves, shape = tree.tree_flatten((tuple(args), named))
            args, named = tree.tree_unflatten(
                [self._repeated() if leaf is self.x else leaf for leaf in leaves], shape
            )
        return func(*args, **named)

    def _in(self, values: Iterable[Any]) -> bool:
        """Whether the stand-in is among some arguments: asked of every function that the model calls."""
        return any(
            value is self.x
            or (isinstance(value, tuple | list) and self._in(value))
            or (isinstance(value, dict) and self._in(value.values()))
            for value in values
        )

    def _repeated(self) -> Tensor:
        if self.whole is None:
            self.whole = self.features[self.index]
        return self.whole

    def _linear(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        for one, other, mapped in self.kept:
            if one is weight and other is bias:
                return mapped[self.index]
        # Nobody asks for the slope in the weights.
        with torch.no_grad():
            mapped = functional.linear(self.features, weight, bias)
        if isinstance(weight, nn.Parameter):
            self.kept.append((weight, bias, mapped))
        return mapped[self.index]
