"""The tree-path reference, as `onlyif.explain(reference=...)` takes it."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.recipes.background import Background
from onlyif.recipes.references import ReferenceRecipe
from onlyif.references.base import Reference
from onlyif.references.tree_path import TreePathReference


@final
@dataclass(frozen=True)
class TreePaths(ReferenceRecipe):
    """Splits on hidden players are taken both ways, by training weight.

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
