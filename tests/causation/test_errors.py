"""Standard errors are estimates too: their intervals must cover the truth about as often as they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from onlyif.causation.abduction import PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.change import NormChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.models.function import FunctionPredictor
from onlyif.samples.background import BackgroundSample
from oracles.causal_cases import Settings, case_of, every_subset, players_of, stacked

Z, LEAST = 1.96, 0.9 * 0.95


def _covered(values, stderr, truth):
    return (np.abs(values - truth) <= Z * stderr + 1e-9).mean(0)


@pytest.mark.parametrize(
    ("abduction", "b"),
    [
        (WeightedMean(), 0.7),  # ratios of few, very unequal weights
        pytest.param(WeightedMean(), 3.0, marks=pytest.mark.slow),
        (Resampling(100), 3.0),
        pytest.param(Unweighted(), 3.0, marks=pytest.mark.slow),
        pytest.param(PlainConditional(), 3.0, marks=pytest.mark.slow),
    ],
)
def test_errors_of_perturbations_cover(abduction, b):
    chosen = Settings(seed=11, b=1, n=20, owner=(0, 1, 2), boundary=b, threshold=0.25, most_masks=0, t=40)
    test, x, change, _ = case_of(chosen)
    subset = every_subset(3)[:, 1:-1]
    # Resampling estimates what the weighted mean does.
    target = WeightedMean() if abduction.n_resampled else abduction
    exact = replace(test, perturbations=Perturbations(), abduction=target).measure(x, subset, change)
    found = [replace(test, seed=seed, abduction=abduction).measure(x, subset, change) for seed in range(60)]
    values = np.stack([stacked(one.values)[0] for one in found])
    stderr = np.stack([stacked(one.stderr)[0] for one in found])
    covered = _covered(values, stderr, stacked(exact.values)[0])
    assert bool((covered.mean(0) >= LEAST).all()), covered
    # Nor are they too large: on average they are the spread.
    said, spread = np.sqrt((stderr**2).mean(0)), values.std(0, ddof=1)
    ratio = np.divide(said, spread, where=spread > 0, out=np.full_like(said, np.nan))
    assert bool((np.nanmean(ratio, axis=0) < 1.4).all()), ratio


def test_errors_of_the_sample_cover():
    """Fresh inputs of E from a law that is known: the truth is a sum over the law."""
    law = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * 3)
    x = torch.ones(1, 3, dtype=torch.float64)

    def test_of(rows):
        return DualStageTest(
            FunctionPredictor(lambda batch: batch[:, 0] * batch[:, 1] - batch[:, 2]),
            players_of((0, 1, 2)),
            BackgroundSample(rows),
            torch.zeros(1, 3, dtype=torch.float64),
            Neighbourhood(SoftEvents(1.0, 0.8)),
        )

    # x itself is one of 10,000 inputs: the law with hardly anything added.
    truth = test_of(law.repeat(370, 1)).table(x, NormChange()).values
    made = torch.Generator().manual_seed(0)
    found = [
        test_of(law[torch.randint(27, (400,), generator=made)]).table(x, NormChange()) for _ in range(120)
    ]
    values = np.stack([stacked(one.values)[0, 1:-1] for one in found])
    stderr = np.stack([stacked(one.sample_stderr)[0, 1:-1] for one in found])
    covered = _covered(values, stderr, stacked(truth)[0, 1:-1])
    assert bool((covered >= LEAST).all()), covered
    ratio = np.sqrt((stderr**2).mean(0)) / values.std(0, ddof=1)
    assert bool(((ratio > 0.75) & (ratio < 1.3)).all()), ratio


def test_a_single_perturbation_has_no_known_error():
    chosen = Settings(seed=1, b=1, n=5, most_masks=0, t=1)
    test, x, change, _ = case_of(chosen)
    assert np.isnan(stacked(test.measure(x, every_subset(3), change).stderr)).any()


def test_more_perturbations_bring_it_nearer_to_the_exact_value():
    chosen = Settings(seed=4, b=1, n=5, most_masks=0)
    test, x, change, _ = case_of(chosen)
    subset = every_subset(3)
    exact = replace(test, perturbations=Perturbations()).measure(x, subset, change).pns
    apart = [
        np.abs(
            replace(test, perturbations=Perturbations(0.5, t, 0)).measure(x, subset, change).pns - exact
        ).max()
        for t in (10, 5_000)
    ]
    assert apart[1] < 0.02
    assert apart[1] < apart[0]
