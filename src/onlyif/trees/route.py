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
from onlyif.trees.linked_restriction import compile_tree_linked
from onlyif.trees.marginal_restriction import compile_tree_marginal
from onlyif.trees.path_reference import TreePathReference
from onlyif.trees.path_restriction import compile_tree_path
from onlyif.trees.question import TreeModel, TreeQuestion, UnreadableTreesError
from onlyif.trees.reading import trees_of

MOST_PLAYERS_ADDED, MOST_PLAYERS_LINKED = 25, 20


@final
@dataclass(frozen=True, eq=False)
class TreeRoute:
    """What came of looking for trees.

    Args:
        restriction: f_S(x) from the trees, or None.
        notes: Why not, where the model has trees.
    """

    restriction: EncodedRestriction | None
    notes: tuple[str, ...] = ()


def tree_route(question: TreeQuestion, players: Players, reference: Reference) -> TreeRoute:
    """f_S(x) from the trees of a model, where it has some and the reference is a fixed set of rows.

    Args:
        question: The model.
        players: How players tile the table's columns.
        reference: What a hidden player is replaced by.

    Raises:
        SettingError: if the reference needs trees that cannot be had.
    """
    by_cover, law = isinstance(reference, TreePathReference), reference.law
    if not by_cover and (law.n_atoms is None or law.depends_on_x):
        return TreeRoute(None)
    model, reason = question.predictor.meaning.model, "it is no tree ensemble that is known here"
    try:
        trees = trees_of(question)
        if trees is not None:
            return TreeRoute(_restriction(trees, players, reference, question.meter))
    except (UnreadableTreesError, LimitError) as error:
        reason = str(error)
        if not by_cover:
            return TreeRoute(None, (f"{model} is asked row by row instead of tree by tree: {reason}",))
    if by_cover:
        raise SettingError(f"the tree-path reference needs the model's trees; {model}: {reason}")
    return TreeRoute(None)


def _restriction(
    trees: TreeModel, players: Players, reference: Reference, meter: Meter
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
        added = compile_tree_marginal(ensemble, own, rows, weights)
        return EncodedRestriction(added, trees.encode, MOST_PLAYERS_ADDED)
    linked = replace(compile_tree_linked(ensemble, own, rows, weights), meter=meter)
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
