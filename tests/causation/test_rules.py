"""The rules for b, c and x'."""

import math

import numpy as np
import pytest
import torch

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import NormChange, TargetChange, predicted_targets
from onlyif.causation.dissimilarity import entry_scale
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.errors import ModelError, SettingError
from onlyif.models.function import FunctionPredictor
from onlyif.references.baseline import uniform_baseline

ROWS = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SLOPE = FunctionPredictor(lambda batch: torch.stack([2 * batch[:, 0], batch[:, 1]], dim=1))


def test_scott_falls_with_n_and_rises_with_d():
    assert scott_boundary(100, 1) == pytest.approx(1.06 * 100 ** (-1 / 5))
    assert scott_boundary(1, 7) == 1.06
    assert scott_boundary(2000, 784) == pytest.approx(1.06 * math.exp(-math.log(2000) / 788))
    for n, d in ((0, 1), (5, 0)):
        with pytest.raises(SettingError, match="Scott's rule needs n >= 1 and d >= 1"):
            scott_boundary(n, d)


def test_the_threshold_is_the_largest_change_under_noise():
    # The largest of 200 normal numbers lies between 2 and 4 standard deviations.
    found = noise_threshold(SLOPE, ROWS, TargetChange(np.array([0])), sigma=0.01)
    assert 2 * 0.02 < found < 4.5 * 0.02
    half = noise_threshold(SLOPE, ROWS, TargetChange(np.array([1])), sigma=0.01)
    assert 2 * 0.01 < half < 4.5 * 0.01
    assert noise_threshold(SLOPE, ROWS, NormChange(), sigma=0.01) >= found
    larger = noise_threshold(SLOPE, ROWS, TargetChange(np.array([0])), sigma=0.1)
    assert larger == pytest.approx(10 * found)


def test_the_threshold_does_not_depend_on_the_split_and_has_a_floor():
    found = {noise_threshold(SLOPE, ROWS, NormChange(), max_rows=rows) for rows in (1, 7, 1000)}
    assert len(found) == 1
    assert found != {noise_threshold(SLOPE, ROWS, NormChange(), seed=1)}
    assert noise_threshold(SLOPE, ROWS, NormChange(), sigma=1e-9) == 1e-6
    assert noise_threshold(SLOPE, ROWS, NormChange(), sigma=1e-9, floor=0.5) == 0.5


def test_entries_without_noise_stay_as_they_are():
    noisy = np.array([False, True, True])
    found = noise_threshold(SLOPE, ROWS, TargetChange(np.array([0])), noisy=noisy, floor=1e-9)
    assert found == 1e-9


def test_the_rows_are_left_as_they_are():
    before = ROWS.clone()
    spoiling = FunctionPredictor(lambda batch: batch.mul_(2.0).sum(1))
    noise_threshold(spoiling, ROWS, NormChange())
    predicted_targets(spoiling, ROWS)
    assert torch.equal(before, ROWS)


def test_models_for_which_the_rule_says_nothing_are_refused():
    constant = FunctionPredictor(lambda batch: 0 * batch[:, 0] + 0.3)
    with pytest.raises(ModelError, match="the same answer to all 50 inputs of E: no subset causes anything"):
        noise_threshold(constant, ROWS, NormChange())
    decision = FunctionPredictor(lambda batch: (batch[:, 0] > 0).double())
    with pytest.raises(SettingError, match=r"outputs are only 0 and 1.*give c, say 0.5"):
        noise_threshold(decision, ROWS, NormChange())
    for sigma, floor in ((0.0, 1e-6), (0.1, 0.0), (math.nan, 1.0)):
        with pytest.raises(SettingError, match="need sigma > 0 and floor > 0"):
            noise_threshold(SLOPE, ROWS, NormChange(), sigma=sigma, floor=floor)
    with pytest.raises(SettingError, match="at least one input and max_rows >= 1, got 0"):
        noise_threshold(SLOPE, ROWS[:0], NormChange())
    with pytest.raises(SettingError, match="at least one input and max_rows >= 1, got 50 and 0"):
        noise_threshold(SLOPE, ROWS, NormChange(), max_rows=0)


def test_baselines_are_seeded_and_in_range():
    one = uniform_baseline((1, 20, 20), low=-1.0, high=3.0, seed=5)
    assert np.array_equal(one, uniform_baseline((1, 20, 20), low=-1.0, high=3.0, seed=5))
    assert not np.array_equal(one, uniform_baseline((1, 20, 20), low=-1.0, high=3.0, seed=6))
    assert -1 <= float(one.min()) < -0.9
    assert 2.9 < float(one.max()) <= 3
    with pytest.raises(SettingError, match="need low < high"):
        uniform_baseline((1,), low=1.0, high=1.0)


def test_scales_and_targets():
    rows = torch.tensor([[0.0, 5.0], [4.0, 5.0]])
    assert entry_scale(rows).tolist() == [2.0, 1.0]
    assert predicted_targets(SLOPE, ROWS, max_rows=7).tolist() == [
        int(b > 2 * a) for a, b, _ in ROWS.tolist()
    ]
