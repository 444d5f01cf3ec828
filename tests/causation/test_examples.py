"""The two examples of the paper: Example 1 in closed form, Example 2 with its threshold corrected."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from onlyif.causation.change import NormChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import HardEvents, Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.models.function import FunctionPredictor
from onlyif.samples.background import PopulationSample
from oracles import causation as oracle
from oracles.causal_cases import players_of, stacked

GRID = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * 3)
X = torch.ones(1, 3, dtype=torch.float64)
STEP = FunctionPredictor(lambda rows: (rows[:, 0] - rows[:, 1] > 1).double())
SETS = [*combinations(range(3), 1), *combinations(range(3), 2)]
SUBSETS = np.array([[[i in s for i in range(3)] for s in SETS]])
# PNS(x1), PNS(x2), PNS(x3) of the paper.
SINGLES = {0.5: (0, 1.5 / 27, 0), 1.0: (2 / 27, 4 / 27, 0), 1.4: (2 / 27, 4 / 27, 0)}
SINGLES |= {2**0.5: (1 / 9, 2 / 9, 0), 7.0: (1 / 9, 2 / 9, 0)}


def _test(events, perturbations=None, seed=0):
    return DualStageTest(
        STEP,
        players_of((0, 1, 2)),
        PopulationSample(GRID),
        torch.zeros(1, 3, dtype=torch.float64),
        Neighbourhood(events),
        perturbations or Perturbations(),
        seed=seed,
    )


def _asked(b, c, *, soft):
    return oracle.Asked(
        lambda row: [float(row[0] - row[1] > 1)],
        lambda one, other: abs(one[0] - other[0]),
        GRID.tolist(),
        [1.0] * 3,
        [0.0] * 3,
        [0, 1, 2],
        3,
        b,
        c,
        soft,
    )


@pytest.mark.parametrize("b", SINGLES)
@pytest.mark.parametrize("c", [1e-9, 0.5, 0.999])
def test_example_1_in_exact_mode(b, c):
    found = _test(HardEvents(b, c)).measure(X, SUBSETS, NormChange())
    assert bool(found.exact.all())
    slow = [oracle.probabilities(_asked(b, c, soft=False), set(s)) for s in SETS]
    np.testing.assert_allclose(stacked(found.values)[0], slow, rtol=0, atol=1e-9)
    assert found.pns[0, :3].tolist() == pytest.approx(SINGLES[b], abs=1e-9)
    table = _test(HardEvents(b, c)).table(X, NormChange())
    codes = [sum(1 << i for i in s) for s in SETS]
    np.testing.assert_allclose(stacked(table.values)[0, codes], stacked(found.values)[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("b", [0.3, 0.9, 1.2, 3.0])
def test_example_1_with_soft_neighbours(b):
    found = _test(SoftEvents(b, 0.5)).measure(X, SUBSETS, NormChange())
    slow = [oracle.probabilities(_asked(b, 0.5, soft=True), set(s)) for s in SETS]
    np.testing.assert_allclose(stacked(found.values)[0], slow, rtol=0, atol=1e-9)
    # Below 1 the hard PNS of x1 is 0, the soft one is not; that of x3 always is.
    assert float(found.pns[0, 0]) > 0
    assert float(found.pns[0, 2]) == 0


@pytest.mark.parametrize("events", [HardEvents(1.2, 0.5), SoftEvents(1.2, 0.5), HardEvents(7.0, 0.5)])
def test_example_1_in_sampled_mode(events):
    exact = _test(events).measure(X, SUBSETS, NormChange())
    away = []
    for seed in range(20):
        found = _test(events, Perturbations(most_masks=0), seed).measure(X, SUBSETS, NormChange())
        assert not bool(found.exact.any())
        apart, stderr = np.abs(stacked(found.values) - stacked(exact.values)), stacked(found.stderr)
        assert not bool((apart[stderr == 0] > 1e-9).any())
        away.append(np.divide(apart, stderr, where=stderr > 0, out=np.zeros_like(apart)))
    # The numbers of one seed hang together: of 20 seeds, one may lie just outside of 3 standard errors.
    away = np.stack(away)
    assert (away > 3).any((1, 2, 3)).sum() <= 1
    assert float(away.max()) < 4
    # Not too large either.
    assert 0.7 < np.sqrt((away[..., 4][:, :, [0, 1, 3, 4, 5]] ** 2).mean()) < 1.3


@pytest.mark.parametrize(("c", "vacuous"), [(0.1, True), (0.0089, False)])
def test_example_2_is_vacuous_at_the_printed_threshold(c, vacuous):
    """|σ(.04) - σ(0)| = .0100 is the largest change there is."""
    squash = FunctionPredictor(lambda rows: torch.sigmoid(rows[:, 0] * rows[:, 1]))
    grid = GRID[:, :2] * 0.1
    test = DualStageTest(
        squash,
        players_of((0, 1)),
        PopulationSample(grid),
        torch.zeros(1, 2, dtype=torch.float64),
        Neighbourhood(HardEvents(1.0, c)),
    )
    found = test.table(grid[-1:], NormChange())
    assert (float(found.pns.max()) == 0) is vacuous
    soft = replace(test, neighbourhood=Neighbourhood(SoftEvents(1.0, c))).table(grid[-1:], NormChange())
    assert (float(soft.ps.max()) == 0) is vacuous
