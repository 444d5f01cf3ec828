"""Sums over players in closed form, against every blend."""

import numpy as np
import pytest

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.players import Players
from onlyif.core.progress import Meter, TimeUpError
from onlyif.models.function import FunctionPredictor
from onlyif.models.links import (
    ExpLink,
    IdentityLink,
    NetworkLink,
    OneVersusRestLink,
    SigmoidLink,
    SoftmaxLink,
    TwoClassLink,
)
from onlyif.models.output_links import LogOddsLink
from onlyif.models.readouts import TargetReadout
from onlyif.references.empirical import fit_empirical
from onlyif.references.gaussian import GaussianReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions import additive
from onlyif.restrictions.additive import AdditiveRestriction, compile_additive
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.testing.restrictions import check_restriction

RNG = np.random.default_rng(0)
ROWS = RNG.integers(0, 3, (23, 6)).astype(float)
X = RNG.integers(0, 3, (4, 6)).astype(float)
PLAYERS = Players(np.array([0, 1, 2, 1, 3, 4]), ("a", "b", "c", "d", "e"))
MARGINAL = MarginalReference(ROWS)
NEAR = fit_empirical(ROWS)


def margins(k):
    def of(rows):
        parts = [rows[:, 0] ** 2, rows[:, 1] * rows[:, 3], np.sin(rows[:, 2]), rows[:, 4], 0 * rows[:, 5]]
        return np.stack(parts, axis=1) @ np.random.default_rng(1).normal(size=(5, k)) - 0.5

    return of


def pair(link, k, reference):
    """The closed form, and the same outputs asked for every blend."""
    outputs = FunctionPredictor(lambda rows: link.outputs(margins(k)(rows)))
    closed = compile_additive(FunctionPredictor(margins(k)), link, reference, PLAYERS, X)
    return closed, EnumeratedRestriction(outputs, reference, PLAYERS)


LINKS = [
    (IdentityLink(), 2),
    (SigmoidLink(), 1),
    (TwoClassLink(2.0), 1),
    (SoftmaxLink(), 3),
    (OneVersusRestLink(), 3),
    (ExpLink(), 1),
    (LogOddsLink(TwoClassLink(), 0.2), 1),
    (NetworkLink((RNG.normal(size=(4, 1)),), (RNG.normal(size=1),), np.tanh, TwoClassLink()), 4),
]


@pytest.mark.parametrize("reference", [MARGINAL, NEAR], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(("link", "k"), LINKS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("entries", [2**20, 40])
def test_every_subset(link, k, reference, entries, monkeypatch):
    monkeypatch.setattr(additive, "_BLOCK_ENTRIES", entries)
    closed, asked = pair(link, k, reference)
    readout = TargetReadout(np.arange(4) % link.outputs(np.zeros((1, k))).shape[1])
    found, wanted = closed.table(X, readout), asked.table(X, readout)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=0, atol=1e-13)
    assert not found.stderr.any() and found.model_rows == (32 * 23 if link.costly else 5)
    assert isinstance(closed, AdditiveRestriction)
    check_restriction(closed, X, readout, 5)
    keep = RNG.random((4, 7, 5)) < 0.5
    found, wanted = closed.predict(X, keep, readout), asked.predict(X, keep, readout)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=0, atol=1e-13)


def test_classes_none_of_which_is_probable_at_all_are_alike():
    """As scikit-learn has it."""
    np.testing.assert_array_equal(OneVersusRestLink().outputs(np.full((1, 4), -800.0)), [[0.25] * 4])


def test_links_that_leave_the_numbers():
    ask = FunctionPredictor(lambda rows: 900 * rows[:, :1])
    closed = compile_additive(ask, ExpLink(), MARGINAL, PLAYERS, X)
    readout = TargetReadout(np.zeros(1, dtype=int))
    with pytest.raises(ModelError, match="answered NaN or infinite"):
        closed.table(np.full((1, 6), 2.0), readout)
    with pytest.raises(ModelError, match="answered NaN or infinite"):
        closed.predict(np.full((1, 6), 2.0), np.ones((1, 1, 5), dtype=bool), readout)


def test_references_that_have_no_atoms_to_share():
    ask = FunctionPredictor(margins(1))
    with pytest.raises(SettingError, match="finitely many atoms"):
        compile_additive(ask, IdentityLink(), GaussianReference(np.zeros(6), np.eye(6)), PLAYERS, X)


def test_a_table_ends_when_time_is_up():
    ticks = iter(range(100))
    meter = Meter(until=3.0, limit=3.0, clock=lambda: float(next(ticks)))
    ask = FunctionPredictor(margins(1))
    closed = compile_additive(ask, SigmoidLink(), MARGINAL, PLAYERS, X, meter=meter)
    meter.begin(4, 0)
    with pytest.raises(TimeUpError):
        closed.table(X, TargetReadout(np.zeros(4, dtype=int)))
