"""The reference of tree SHAP without a background: hidden splits are taken both ways."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe


@final
@dataclass(frozen=True)
class TreePathReference(Reference):
    """No distribution of rows: what is hidden is averaged inside the trees, by training weight.

    The one reference that cannot be drawn, and so an exception to the contract of its family: it
    tells `TreePathRestriction` what is meant, and every other restriction is refused. Choose
    `MarginalReference` unless you compare with tree SHAP without a background: its rows are rows.

    Raises:
        SettingError: from `draw`, always.
    """

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        raise SettingError(
            "the tree-path reference has no rows to draw, only shares of training weight in a model's trees; "
            "use the marginal reference with a background"
        )

    @property
    @override
    def law(self) -> Law:
        sentence = (
            "Splits on hidden features are taken both ways, in proportion to the training rows that "
            "went there (tree-path reference)."
        )
        return Law(sentence, None, depends_on_x=True)


@final
@dataclass(frozen=True)
class TreePath(ReferenceRecipe):
    """Splits on hidden players are followed in both directions, weighted by training rows.

    This is the "tree_path_dependent" game of tree SHAP. It takes nothing from the background and fits
    only tree ensembles whose output is a sum over trees: averaged probabilities of a forest, margins
    and values of boosted trees.
    """

    @property
    @override
    def needs_background(self) -> bool:
        return False

    @override
    def build(self, background: Background) -> Reference:
        return TreePathReference()

    @override
    def fresh(self, background: Background) -> Reference | None:
        return None
