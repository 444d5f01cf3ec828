"""The draws of a modality as a reference: what hides is its own affair, and which draw is what is drawn."""

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.arrays import like
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.references.base import Draws, Law, Plan, Reference


@final
@dataclass(frozen=True)
class FillingReference(Reference):
    """Hidden players take the code of one of n draws, all of them the same, whatever is kept.

    Rows are those of `RenderedRows`: the code of an instance that is shown, plus 1 + j for draw j.

    Args:
        n_draws: n, each of weight 1 / n.
        sentence: What becomes of a hidden player.

    Example:
        >>> reference = FillingReference(2, "Words are deleted.")
        >>> keep = np.array([[[True, False]]])
        >>> reference.draw(np.array([[3.0, 3.0]]), keep, Plan(total=2, start=0, stop=2, seed=None)).values
        array([[[[4., 4.],
                 [5., 5.]]]])
    """

    n_draws: int
    sentence: str

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        numbers = np.arange(plan.start, plan.stop) % self.n_draws
        if plan.seed is not None:
            # Every draw once, in random order, before any comes again.
            rounds = range(plan.start // self.n_draws, -(-plan.stop // self.n_draws))
            orders = [generator(plan.seed, "fillings", i).permutation(self.n_draws) for i in rounds]
            first = rounds.start * self.n_draws
            numbers = np.concatenate(orders)[plan.start - first : plan.stop - first]
        codes = like(1.0 + numbers, x).reshape(1, 1, -1, *[1] * (x.ndim - 1))
        return Draws(x[:, None, None] + codes, plan.equal_weights)

    @property
    @override
    def law(self) -> Law:
        return Law(self.sentence, self.n_draws, depends_on_x=False)
