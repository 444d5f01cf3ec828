"""The contracts of the small families of the dual-stage test, over all of their members."""

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch

import onlyif.causation
from onlyif.causation.abduction import Abduction, PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.change import Change, FallChange, NormChange, TargetChange
from onlyif.causation.dissimilarity import (
    Dissimilarity,
    DroppedDifference,
    GowerDifference,
    MeanSquare,
    ScaledDifference,
    SumOfSquares,
    Total,
)
from onlyif.causation.neighbourhood import Events, HardEvents, SoftEvents
from onlyif.causation.samples import PlacedDifference
from onlyif.references.closeness import fit_closeness
from onlyif.testing.causation import (
    check_abduction,
    check_change,
    check_dissimilarity,
    check_events,
    check_total,
)

MADE = torch.Generator().manual_seed(0)
RNG = np.random.default_rng(0)
ROWS = RNG.integers(-2, 3, (8, 3)).astype(float)
LACKING = np.where(RNG.random((8, 3)) < 0.3, np.nan, ROWS)
OUTPUTS, BASE = torch.randn(3, 2, 4, 5, 6, generator=MADE), torch.randn(3, 4, 6, generator=MADE)

ABDUCTIONS = [WeightedMean(), Resampling(3), Unweighted(), PlainConditional()]
CHANGES = [NormChange(), TargetChange(np.array([5, 0, 5])), FallChange(np.array([5, 0, 5]))]
DISSIMILARITIES = [
    ScaledDifference(),
    ScaledDifference(np.array([0.5, 1.0, 2.0])),
    DroppedDifference(),
    DroppedDifference(0.1, 1),
    GowerDifference(fit_closeness(LACKING, np.array([True, False, True]), None)),
    PlacedDifference(lambda rows: 2 * rows, ScaledDifference()),
]
TOTALS = [SumOfSquares(), MeanSquare()]
EVENTS = [SoftEvents(0.5, 2.0), HardEvents(0.5, 2.0), SoftEvents(float("inf"), 1.0)]
FAMILIES = {Abduction: ABDUCTIONS, Change: CHANGES, Dissimilarity: DISSIMILARITIES}
FAMILIES |= {Total: TOTALS, Events: EVENTS}


@pytest.mark.parametrize("member", ABDUCTIONS)
def test_abductions(member):
    check_abduction(member, RNG.random((5, len(member.terms))))


@pytest.mark.parametrize("member", CHANGES)
def test_changes(member):
    check_change(member, OUTPUTS, BASE)
    check_change(member, OUTPUTS.numpy(), BASE.numpy())


@pytest.mark.parametrize("member", DISSIMILARITIES)
@pytest.mark.parametrize("rows", [ROWS, LACKING])
def test_dissimilarities(member, rows):
    check_dissimilarity(member, rows)


@pytest.mark.parametrize("member", TOTALS)
def test_totals(member):
    check_total(member, RNG.random((6, 4)))


@pytest.mark.parametrize("member", EVENTS)
def test_events(member):
    check_events(member, np.array([0.0, 0.1, 0.5, 2.0, 3.0, 1e9]))


@pytest.mark.parametrize("base", FAMILIES, ids=lambda base: base.__name__)
def test_no_member_is_missing_here_or_in_the_guide(base):
    for found in pkgutil.iter_modules(onlyif.causation.__path__, "onlyif.causation."):
        importlib.import_module(found.name)
    members = {one for one in base.__subclasses__() if one.__module__.startswith("onlyif.causation.")}
    assert members == {type(member) for member in FAMILIES[base]}
    guide = (Path(__file__).parents[2] / "docs" / "causation.md").read_text("utf-8")
    assert {one.__name__ for one in members if one.__name__ not in guide} == set()


def test_broken_members_are_found_out():
    class Signed(Change):
        def between(self, outputs, base):
            return (outputs - base[:, None, :, None]).sum(-1)

    class Neighbours(Change):
        def between(self, outputs, base):
            return NormChange().between(outputs, base) + len(outputs)

    for broken in (Signed(), Neighbours()):
        with pytest.raises(AssertionError):
            check_change(broken, OUTPUTS, BASE)

    class Late(Events):
        threshold = 1.0

        def log_near(self, squares):
            return -squares - 1

        def changed(self, change):
            return change / (1 + change)

    with pytest.raises(AssertionError, match="equal to x"):
        check_events(Late(), np.array([0.0, 1.0]))

    class Drawing(Abduction):
        pn, ps = WeightedMean().pn, WeightedMean().ps
        n_resampled = 3

    with pytest.raises(AssertionError, match="go together"):
        check_abduction(Drawing(), RNG.random((2, 4)))
