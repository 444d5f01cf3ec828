"""One fixed value: the simplest reference, and the least honest about what the model has seen."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from typing_extensions import override

from onlyif.core.arrays import Array, like, namespace
from onlyif.core.errors import InputError
from onlyif.core.shapes import InputKeep, Instances
from onlyif.references.base import Draws, Law, Plan, Reference


@final
@dataclass(frozen=True, eq=False)
class BaselineReference(Reference):
    """Every hidden entry takes one fixed value, whatever is kept: V has one atom.

    Choose it for images (a mean image, a blur) or where a value means "absent".
    For tables prefer `MarginalReference`: a row of means is often unlike any row.

    Args:
        value: The value of every entry of an instance when it is hidden.
        name: What the value is, for the sentence in results, as "the mean image".

    Raises:
        InputError: from `draw`, if the instances have another shape than the value.

    Example:
        >>> import numpy as np
        >>> zero = BaselineReference(np.zeros(2), "zero")
        >>> keep = np.array([[[True, False]]])
        >>> zero.draw(np.ones((1, 2)), keep, Plan(total=1, start=0, stop=1, seed=None)).values
        array([[[[0., 0.]]]])
    """

    value: Float[Array, "*x"]
    name: str = "a fixed baseline"

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if x.shape[1:] != self.value.shape:
            raise InputError(
                f"the baseline has shape {tuple(self.value.shape)}, "
                f"got instances of shape {tuple(x.shape[1:])}; both must be the same"
            )
        shape = (1, 1, plan.stop - plan.start, *self.value.shape)
        return Draws(namespace(x).broadcast_to(like(self.value, x), shape), plan.equal_weights)

    @property
    @override
    def law(self) -> Law:
        return Law(f"Hidden features are replaced by {self.name}, whatever is kept.", 1, depends_on_x=False)
