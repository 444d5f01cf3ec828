"""The contracts of the small families, over all of their members."""

import importlib
import pkgutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_matrix

import onlyif
from extending.sentences import Sentences
from onlyif.criteria.distances import (
    AbsoluteDistance,
    DiscreteDistance,
    Distance,
    FunctionDistance,
    LogitDistance,
    SideDistance,
)
from onlyif.modalities.rendered import RenderedForm
from onlyif.modalities.table import fit_schema
from onlyif.modalities.table_forms import BatchForm, Form
from onlyif.modalities.table_tensor import TensorForm
from onlyif.models.links import (
    ExpLink,
    IdentityLink,
    Link,
    NetworkLink,
    OneVersusRestLink,
    SigmoidLink,
    SoftmaxLink,
    SquaredLink,
    TwoClassLink,
)
from onlyif.models.output_links import DecisionLink, LogOddsLink
from onlyif.models.outputs import (
    AutoOutput,
    Head,
    HeadKind,
    Heads,
    LogitOutput,
    MarginOutput,
    Output,
    ProbabilityOutput,
    ValueOutput,
)
from onlyif.models.readouts import DecisionReadout, MomentsReadout, Readout, TargetReadout
from onlyif.references.base import Finished, ReferenceRecipe
from onlyif.references.marginal import MarginalReference
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.testing.choices import (
    check_distance,
    check_form,
    check_link,
    check_output,
    check_readout,
    check_recipe,
)
from onlyif.trees.path_reference import TreePath

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(30, 3))
DISTANCES = [
    AbsoluteDistance(),
    DiscreteDistance(),
    LogitDistance(),
    SideDistance(0.5),
    FunctionDistance(lambda a, b: (a - b) ** 2, "(a - b)²"),
    FunctionDistance(lambda a, b: 2 * abs(a - b), "2 |a - b|", is_metric=True),
]
READOUTS = [TargetReadout(np.array([0, 1, 1])), MomentsReadout(np.array([0, 1, 1]), 2), DecisionReadout()]
OUTPUTS = [AutoOutput(), ProbabilityOutput(), MarginOutput(), ValueOutput(), LogitOutput()]
WIDE_LINKS = [IdentityLink(), SigmoidLink(), SoftmaxLink(), OneVersusRestLink(), ExpLink()]
WIDE_LINKS.append(NetworkLink((RANDOM.normal(size=(3, 2)),), (np.ones(2),), np.tanh, SoftmaxLink()))
WIDE_LINKS.append(SquaredLink(SoftmaxLink()))
NARROW_LINKS = [TwoClassLink(), LogOddsLink(SigmoidLink(), 1e-6), DecisionLink(TwoClassLink())]
FRAME = {"n": [1.0, 2.0, 3.5], "c": ["u", "v", "u"]}
TABLES = [TABLE, torch.as_tensor(TABLE), csr_matrix(TABLE), pd.DataFrame(FRAME), pl.DataFrame(FRAME)]
RECIPES = [
    onlyif.Marginal(10),
    onlyif.Baseline(),
    onlyif.Gaussian(),
    onlyif.Empirical(10),
    onlyif.Replacement(lambda x, keep, n, seed: np.repeat(x * 0.5, n, axis=0), "Hidden features are halved."),
    Finished(MarginalReference(torch.as_tensor(TABLE[:7]))),
]

ROOMS = {"causation", "core", "criteria", "modalities", "models", "references", "setup", "trees"}


def members_of(base):
    """Every final class of a family that the library defines."""
    for package in pkgutil.walk_packages(onlyif.__path__, "onlyif."):
        if package.name.split(".")[1] in ROOMS:
            importlib.import_module(package.name)
    return {one for one in base.__subclasses__() if one.__module__.startswith("onlyif.")}


@pytest.mark.parametrize(
    ("base", "listed"),
    [
        (Distance, DISTANCES),
        (Readout, READOUTS),
        (Output, OUTPUTS),
        (Link, WIDE_LINKS + NARROW_LINKS),
        (Form, [*(fit_schema(table).form for table in TABLES), BatchForm(), RenderedForm(Sentences(), [])]),
        # Tree paths have no background to be built on; tests/trees has them.
        (ReferenceRecipe, [*RECIPES, TreePath()]),
    ],
)
def test_no_member_is_left_out(base, listed):
    assert members_of(base) == {type(member) for member in listed}


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda one: one.kind.name)
def test_distances(distance):
    check_distance(distance, np.array([0.0, 1e-9, 0.2, 0.5, 0.5, 0.97, 1.0]))


def test_a_distance_that_claims_too_much_is_found_out():
    squared = FunctionDistance(lambda a, b: (a - b) ** 2, "(a - b)²", is_metric=True)
    with pytest.raises(AssertionError, match="triangle"):
        check_distance(squared, np.array([0.0, 0.5, 1.0]))


@pytest.mark.parametrize("readout", READOUTS, ids=lambda one: type(one).__name__)
def test_readouts(readout):
    check_readout(readout, RANDOM.normal(size=(3, 4, 2)))


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda one: type(one).__name__)
def test_outputs(output):
    half = lambda rows: torch.full((len(rows), 2), 0.5).double()  # noqa: E731
    heads = Heads("a model", tuple(Head(kind, half) for kind in HeadKind))
    check_output(output, heads, TABLE)


@pytest.mark.parametrize("link", WIDE_LINKS + NARROW_LINKS, ids=lambda one: type(one).__name__)
def test_links(link):
    k = 1 if link in NARROW_LINKS else 3
    check_link(link, RANDOM.normal(size=(5, 4, k)))


@pytest.mark.parametrize("table", TABLES, ids=lambda one: type(one).__module__)
def test_forms(table):
    check_form(fit_schema(table).form, table)


@pytest.mark.parametrize(
    "batch", [TABLE, torch.as_tensor(TABLE, dtype=torch.float32)], ids=["numpy", "torch"]
)
def test_a_batch_as_it_is(batch):
    decoded = BatchForm().decode(batch)
    assert type(decoded) is type(batch)
    assert decoded.dtype == batch.dtype
    np.testing.assert_array_equal(decoded, batch)
    decoded[:] = 0
    assert (batch != 0).any()
    assert BatchForm().of_given().decode(batch) is batch


def test_arrays_of_the_models_own_dtype_are_shared_where_batches_are_given_away():
    form, batch = fit_schema(TABLE).form, TABLE.copy()
    assert not np.shares_memory(form.decode(batch), batch)
    assert form.of_given().decode(batch) is batch
    single = fit_schema(TABLE.astype(np.float32)).form.of_given().decode(batch)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, TABLE.astype(np.float32))


def test_batches_that_no_tensor_may_share():
    form = TensorForm(torch.float64)
    for batch in (np.broadcast_to(np.arange(3.0), (2, 3)), np.arange(6.0).reshape(2, 3)[::-1]):
        np.testing.assert_array_equal(form.decode(batch), batch)


def test_a_tensor_form_names_its_dtype():
    assert TensorForm(torch.float32).batch_dtype == np.float32
    assert TensorForm(torch.bfloat16).batch_dtype == np.float32
    assert TensorForm(torch.int64).batch_dtype == np.float64


class Caught(ReferenceRecipe):
    """Keeps the background that the door builds."""

    def __init__(self):
        self.seen = []

    def build(self, background):
        self.seen.append(background)
        return MarginalReference(background.values)

    def fresh(self, background):
        return None


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: type(one).__name__)
def test_recipes(recipe):
    caught = Caught()
    prepare(lambda table: table.sum(axis=1), TABLE[:1], TABLE, Options(reference=caught))
    check_recipe(recipe, caught.seen[0])
