"""The contract of every restriction, and that none is left out."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest
import torch

from onlyif.core.players import Players
from onlyif.models.function import FunctionPredictor
from onlyif.models.links import IdentityLink, SoftmaxLink
from onlyif.models.readouts import TargetReadout
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.additive import compile_additive
from onlyif.restrictions.base import Restriction
from onlyif.restrictions.encoded import EncodedRestriction
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.linear_gaussian import LinearGaussianRestriction
from onlyif.restrictions.sampled import SampledRestriction
from onlyif.restrictions.tabulated import TabulatedRestriction
from onlyif.testing.restrictions import check_batch_equals_singles, check_restriction
from onlyif.trees.linked_restriction import compile_tree_linked
from onlyif.trees.marginal_restriction import compile_tree_marginal
from onlyif.trees.path_restriction import compile_tree_path
from oracles.cases import Watched
from oracles.trees import Leaf, Split, ensemble_of

PLAYERS = Players(np.array([0, 1, 1, 2]), ("a", "bc", "d"))
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(3, 4, generator=GENERATOR, dtype=torch.float64)
ROWS = MarginalReference(np.random.default_rng(1).normal(size=(6, 4)))
ROOT = np.random.default_rng(0).normal(size=(4, 4))
GAUSSIAN = GaussianReference(np.zeros(4), ROOT @ ROOT.T + np.eye(4))
TARGET = TargetReadout(np.array([0, 1, 1]))
SAMPLED = SampledRestriction(Watched(), GAUSSIAN, PLAYERS, 12, 50)
MEMBERS = [
    EnumeratedRestriction(Watched(), ROWS, PLAYERS, 7),
    SAMPLED,
    SampledRestriction(Watched(), ROWS, PLAYERS, 9, 4),
    LinearGaussianRestriction(ROOT[:, :2], np.ones(2), GAUSSIAN, PLAYERS),
]


def _doubled(rows):
    return 2 * rows


PAIR = (Leaf((0.5, 1.0), 2.0), Leaf((-1.0, 0.25), 3.0))
GROWN = [Split(0, 0.1, Split(2, -0.3, *PAIR), Split(1, 0.2, *PAIR)), Split(3, 0.0, PAIR[1], PAIR[0])]
MEMBERS += [
    compile_tree_marginal(ensemble_of(GROWN, 4), PLAYERS, ROWS.rows),
    compile_tree_linked(ensemble_of(GROWN, 4, link=SoftmaxLink()), PLAYERS, ROWS.rows),
    compile_tree_path(ensemble_of(GROWN, 4), PLAYERS),
    EncodedRestriction(compile_tree_marginal(ensemble_of(GROWN, 4), PLAYERS, 2 * ROWS.rows), _doubled, 25),
]


def _margins(rows):
    """Sums over players, with products inside one of them."""
    a, b, c, d = rows.T
    return np.stack([a**2 + b * c + d, np.sin(a) - np.abs(b - c), 0.3 * d], axis=1)


ADDED = FunctionPredictor(_margins)
MEMBERS += [
    compile_additive(ADDED, link, ROWS, PLAYERS, X.numpy(), 7) for link in (SoftmaxLink(), IdentityLink())
]
KNOWN = TabulatedRestriction(SAMPLED.table(X, TARGET), SAMPLED.method)


@pytest.mark.parametrize("member", [*MEMBERS, KNOWN], ids=lambda member: type(member).__name__)
def test_the_contract(member):
    check_restriction(member, X, TARGET, PLAYERS.count)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: type(member).__name__)
def test_instances_together_are_as_they_are_alone(member):
    alone = [TargetReadout(TARGET.target[i : i + 1]) for i in range(len(X))]
    check_batch_equals_singles(member, X, alone, TARGET)


def test_no_member_is_left_out():
    for room in ("restrictions", "trees"):
        for found in pkgutil.iter_modules(import_module(f"onlyif.{room}").__path__, f"onlyif.{room}."):
            import_module(found.name)
    members = {
        one
        for one in Restriction.__subclasses__()
        if one.__module__.startswith(("onlyif.restrictions.", "onlyif.trees."))
    }
    assert members == {type(member) for member in [*MEMBERS, KNOWN]}
