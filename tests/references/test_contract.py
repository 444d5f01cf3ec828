"""Every reference keeps the contract of its base class."""

import importlib
import pkgutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import onlyif.references
from onlyif.core.errors import SettingError
from onlyif.references.base import Draws, Law, Plan, Reference
from onlyif.references.baseline import BaselineReference
from onlyif.references.blur import BlurReference
from onlyif.references.empirical import EmpiricalReference, fit_empirical
from onlyif.references.filling import FillingReference
from onlyif.references.gaussian import GaussianReference, fit_gaussian
from onlyif.references.marginal import MarginalReference, fit_marginal
from onlyif.references.replacement import ReplacementReference
from onlyif.testing.references import check_reference
from onlyif.trees.path_reference import TreePathReference


def _rows(n, seed, shape=(3,)):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def _noise(x, keep, n, seed):
    return np.random.default_rng(seed).normal(size=(n, *x.shape))


MEMBERS = {
    BaselineReference: lambda: BaselineReference(_rows(1, 0)[0]),
    MarginalReference: lambda: fit_marginal(_rows(30, 0)),
    GaussianReference: lambda: fit_gaussian(_rows(30, 0)),
    EmpiricalReference: lambda: fit_empirical(_rows(30, 0)),
    ReplacementReference: lambda: ReplacementReference(_noise, "Hidden features are noise."),
    FillingReference: lambda: FillingReference(3, "Hidden words are deleted."),
}
# The one exception to the contract: it says what is meant and is computed inside the trees.
WITHOUT_ROWS = [TreePathReference]
FOR_IMAGES = [BlurReference]
X = _rows(3, 1)
KEEP = np.array([[[False, False, False], [True, False, True], [False, True, False], [True, True, True]]])


@pytest.mark.parametrize("x", [X, torch.tensor(X), torch.tensor(X).float()], ids=lambda x: str(x.dtype))
@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.__name__)
def test_every_member_keeps_the_contract(member, x):
    check_reference(MEMBERS[member](), x, KEEP)


@pytest.mark.parametrize("made", [BaselineReference, BlurReference, MarginalReference, ReplacementReference])
def test_members_that_take_any_shape_take_images(made):
    images, keep = (
        torch.tensor(_rows(2, 1, (2, 2))).float(),
        np.random.default_rng(0).random((1, 3, 2, 2)) < 0.5,
    )
    keep[0, 0] = False
    background = torch.tensor(_rows(9, 0, (2, 2))).float()
    check_reference(
        {
            BaselineReference: BaselineReference(background[0]),
            BlurReference: BlurReference(1.0),
            MarginalReference: MarginalReference(background),
            ReplacementReference: ReplacementReference(_noise, "Hidden pixels are noise."),
        }[made],
        images,
        keep,
    )


def test_no_member_is_missing():
    for module in pkgutil.iter_modules(onlyif.references.__path__):
        importlib.import_module(f"onlyif.references.{module.name}")
    found = {one for one in Reference.__subclasses__() if one.__module__.startswith("onlyif.")}
    assert found == {*MEMBERS, *WITHOUT_ROWS, *FOR_IMAGES}


@pytest.mark.parametrize("member", WITHOUT_ROWS, ids=lambda member: member.__name__)
def test_a_member_without_rows_says_so_and_is_never_taken_for_finite(member):
    reference = member()
    with pytest.raises(SettingError, match="has no rows to draw"):
        reference.draw(X, KEEP, Plan(4, 0, 4, 0))
    law = reference.law
    # Nothing may be enumerated, and no draws may be shared between subsets or instances.
    assert law.n_atoms is None
    assert law.depends_on_x
    assert law.sentence.endswith(".")
    assert reference.effective_sample_size(X, KEEP) is None


@dataclass(frozen=True)
class _Broken(Reference):
    """Right unless told to be wrong, to see each check fail."""

    wrong: str = ""
    sentence: str = "Hidden features are noise."

    def draw(self, x, keep, plan):
        seed = 0 if self.wrong == "seed" else plan.seed
        start = 0 if self.wrong == "split" else plan.start
        noise = _noise(x[0], keep, 1000, seed)[start : start + plan.stop - plan.start]
        values = np.broadcast_to(noise, (len(x), keep.shape[1], *noise.shape)).copy()
        if self.wrong == "batch":
            values += x.sum()
        if self.wrong == "subsets":
            values += keep.sum()
        if self.wrong == "total":
            values += plan.total
        if self.wrong == "finite":
            values[0, 0, 0, 0] = np.nan
        if self.wrong == "changes":
            x += 1
        share = 1 / (plan.total if self.wrong != "weights" else 2 * plan.total)
        return Draws(values, np.full(values.shape[:3], share))

    @property
    def law(self):
        return Law(self.sentence, None, depends_on_x=False)

    def effective_sample_size(self, x, keep):
        return np.zeros((len(x), keep.shape[1])) if self.wrong == "size" else None


SAID = {
    "seed": "another seed must give other draws",
    "split": "depend on the split",
    "batch": "depend on the other instances",
    "subsets": "depend on the other subsets",
    "total": "depend on the split or the total",
    "finite": "must be finite",
    "changes": "must not be changed",
    "weights": "weigh 1 / total",
    "size": "effective sample size lies between",
}


@pytest.mark.parametrize("wrong", SAID)
def test_a_broken_reference_is_found_out(wrong):
    with pytest.raises(AssertionError, match=SAID[wrong]):
        check_reference(_Broken(wrong), X.copy(), KEEP)


def test_the_right_one_passes_and_a_bad_law_does_not():
    check_reference(_Broken(), X.copy(), KEEP)
    with pytest.raises(AssertionError, match="needs a sentence"):
        check_reference(_Broken(sentence=""), X, KEEP)
    with pytest.raises(AssertionError, match="full stop"):
        check_reference(_Broken(sentence="Noise"), X, KEEP)


@dataclass(frozen=True, eq=False)
class _Lopsided(Reference):
    """A finite law whose atoms, draws or weights can be made to disagree."""

    inner: MarginalReference
    shift: float = 0.0
    scale: float = 1.0

    def draw(self, x, keep, plan):
        drawn = self.inner.draw(x, keep, plan)
        atoms = plan.seed is None
        return replace(
            drawn, values=drawn.values + self.shift * atoms, weights=drawn.weights * self.scale**atoms
        )

    @property
    def law(self):
        return self.inner.law


def test_a_finite_law_must_agree_with_its_draws():
    inner = MEMBERS[MarginalReference]()
    check_reference(_Lopsided(inner), X, KEEP)
    with pytest.raises(AssertionError, match="mean of the atoms"):
        check_reference(_Lopsided(inner, shift=0.2), X, KEEP)
    with pytest.raises(AssertionError, match="sum to 1"):
        check_reference(_Lopsided(inner, scale=0.9), X, KEEP)
