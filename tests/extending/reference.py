"""A reference of someone else's, with its settings: every hidden column from a background row of its own."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import like
from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe


@final
@dataclass(frozen=True, eq=False)
class ProductReference(Reference):
    """Every hidden column takes the value of a background row of its own.

    Args:
        rows: The background rows.
    """

    rows: Float64[np.ndarray, "rows c"]

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if plan.seed is None:
            raise SettingError("a product has too many atoms to list: give a seed to draw from it")
        count, columns = self.rows.shape
        picks = [
            generator(plan.seed, "product draws", i).integers(count, size=columns)
            for i in range(plan.start, plan.stop)
        ]
        values = np.take_along_axis(self.rows, np.stack(picks), axis=0)
        return Draws(like(values, x)[None, None], plan.equal_weights)

    @property
    @override
    def law(self) -> Law:
        sentence = "Each hidden feature is replaced by that of a background row of its own."
        return Law(sentence, n_atoms=None, depends_on_x=False)


@final
@dataclass(frozen=True)
class Product(ReferenceRecipe):
    """Hidden columns are independent of one another and of what is kept."""

    @override
    def build(self, background: Background) -> Reference:
        return ProductReference(background.values)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.build(background)
