"""Whether f_S(x) is computed from a model's own trees, and if not, why."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import LimitError, SettingError
from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.models.output_links import DecisionLink
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.encoded import EncodedRestriction
from onlyif.restrictions.groups import Groups
from onlyif.trees.comparison import compare_on
from onlyif.trees.linked_restriction import TreeLinkedRestriction, compile_tree_linked
from onlyif.trees.marginal_restriction import compile_tree_marginal
from onlyif.trees.path_reference import TreePathReference
from onlyif.trees.path_restriction import TreePathRestriction, compile_tree_path
from onlyif.trees.question import TreeModel, TreeQuestion, UnreadableTreesError
from onlyif.trees.reading import trees_of

MOST_PLAYERS_ADDED, MOST_PLAYERS_LINKED = 25, 20


@final
@dataclass(frozen=True, eq=False)
class TreeRoute:
    """What came of looking for trees.

    Args:
        restriction: f_S(x) from the trees, once it is compiled, or None.
        notes: Why not, where the model has trees.
        question: Which trees were wanted; None where none were.
        trees: The trees, or None.
    """

    restriction: EncodedRestriction | None = None
    notes: tuple[str, ...] = ()
    question: TreeQuestion | None = None
    trees: TreeModel | None = None

    @property
    def additive(self) -> bool | None:
        """Whether trees were found whose sum is what is explained; None where none were."""
        return None if self.trees is None else self.trees.ensemble.link.additive

    def compiled(self, players: Players, reference: Reference, groups: Groups | None = None) -> "TreeRoute":
        """The route with f_S(x) from the trees that were found.

        Args:
            players: How players tile the table's columns.
            reference: What a hidden player is replaced by.
            groups: Its rows in groups, where tables over each of these are wanted.

        Raises:
            SettingError: if the reference needs trees that cannot be had.
        """
        if self.question is None or self.trees is None:
            return self
        try:
            return replace(self, restriction=_restriction(self.trees, players, reference, groups))
        except (UnreadableTreesError, LimitError) as error:
            by_cover = isinstance(reference, TreePathReference)
            return _without(self.question, str(error), by_cover=by_cover)

    def on(self, rows: Float64[np.ndarray, "b c"], outputs: Float64[np.ndarray, "b k"]) -> "TreeRoute":
        """The route for some rows: none by trees that do not answer them as the model does.

        Args:
            rows: The rows to explain.
            outputs: What the model answers to them.

        Raises:
            SettingError: if the reference needs the trees.
        """
        if self.question is None or self.trees is None or self.restriction is None:
            return self
        try:
            compare_on(self.trees, self.question, rows, outputs)
        except UnreadableTreesError as error:
            by_cover = isinstance(self.restriction.inner, TreePathRestriction)
            return _without(self.question, str(error), by_cover=by_cover)
        return self

    def metered(self, meter: Meter) -> "TreeRoute":
        """The same, with what takes long counted.

        Args:
            meter: What counts.
        """
        if self.restriction is None or not isinstance(self.restriction.inner, TreeLinkedRestriction):
            return self
        counted = replace(self.restriction.inner, meter=meter)
        return replace(self, restriction=replace(self.restriction, inner=counted))


def tree_route(question: TreeQuestion, reference: Reference) -> TreeRoute:
    """The trees of a model, where it has some and the reference is a fixed set of rows.

    Args:
        question: The model.
        reference: What a hidden player is replaced by.

    Raises:
        SettingError: if the reference needs trees that cannot be had.
    """
    by_cover, law = isinstance(reference, TreePathReference), reference.law
    if not by_cover and (law.n_atoms is None or law.depends_on_x):
        return TreeRoute()
    try:
        trees = trees_of(question)
    except (UnreadableTreesError, LimitError) as error:
        return _without(question, str(error), by_cover=by_cover)
    if trees is not None:
        return TreeRoute(question=question, trees=trees)
    if by_cover:
        return _without(question, "it is no tree ensemble that is known here", by_cover=True)
    return TreeRoute()


def _without(question: TreeQuestion, reason: str, *, by_cover: bool) -> TreeRoute:
    model = question.predictor.meaning.model
    if by_cover:
        raise SettingError(f"the tree-path reference needs the model's trees; {model}: {reason}")
    return TreeRoute(None, (f"{model} is asked row by row instead of tree by tree: {reason}",))


def _restriction(
    trees: TreeModel, players: Players, reference: Reference, groups: Groups | None
) -> EncodedRestriction:
    ensemble, own = trees.ensemble, trees.players(players)
    if isinstance(reference, TreePathReference):
        if isinstance(ensemble.link, DecisionLink):
            raise UnreadableTreesError("its decisions are no sum over trees; choose another distance")
        if not ensemble.link.additive:
            raise UnreadableTreesError(
                'its output is no sum over trees; explain the margin (output="margin")'
            )
        return EncodedRestriction(compile_tree_path(ensemble, own), trees.encode, MOST_PLAYERS_ADDED)
    rows, weights = _atoms(trees, players, reference)
    if ensemble.link.additive:
        added = compile_tree_marginal(ensemble, own, rows, weights, groups)
        return EncodedRestriction(added, trees.encode, MOST_PLAYERS_ADDED)
    linked = compile_tree_linked(ensemble, own, rows, weights)
    return EncodedRestriction(linked, trees.encode, MOST_PLAYERS_LINKED)


def _atoms(
    trees: TreeModel, players: Players, reference: Reference
) -> tuple[Float64[np.ndarray, "n t"], Float64[np.ndarray, "n"]]:
    """The rows of a fixed reference, encoded, and their weights."""
    n = reference.law.n_atoms or 0
    x = np.zeros((1, len(players.index)))
    hidden = np.zeros((1, *x.shape), dtype=bool)
    draws = reference.draw(x, hidden, Plan(total=n, start=0, stop=n, seed=None))
    return trees.encode(draws.values[0, 0]), draws.weights[0, 0]
