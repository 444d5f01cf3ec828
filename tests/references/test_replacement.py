"""The user's own function of (x, keep)."""

import numpy as np
import pytest
import torch

from onlyif.core.errors import ModelError, SettingError
from onlyif.references.base import Plan
from onlyif.references.replacement import ReplacementReference

SENTENCE = "Hidden features are noise around the sum of the kept ones."


def _noise(x, keep, n, seed):
    drawn = torch.randn(n, *x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    return drawn + (x * keep).sum()


def _draw(function, plan=Plan(10, 0, 10, 0), chunk=4):  # noqa: B008 (plans are frozen)
    x = torch.tensor([[1.0, 20.0], [5.0, 300.0]])
    keep = np.array([[[True, False], [False, True], [False, False]]])
    return ReplacementReference(function, SENTENCE, chunk).draw(x, keep, plan)


def test_each_instance_and_subset_gets_its_own_x_and_keep():
    draws = _draw(lambda x, keep, n, seed: (x * keep).sum().expand(n, 2))
    assert draws.values[:, :, 0, 0].tolist() == [[1, 20, 0], [5, 300, 0]]
    assert np.all(draws.weights == 0.1)


def test_instances_and_subsets_share_the_noise_and_chunks_do_not():
    noise = _draw(lambda x, keep, n, seed: _noise(x, keep & False, n, seed)).values
    assert torch.equal(noise, noise[:1, :1].expand_as(noise))
    assert len(noise[0, 0].unique(dim=0)) == 10


def test_any_part_is_that_part_of_the_whole():
    whole = _draw(_noise, Plan(30, 0, 30, 1)).values
    for start, stop in ((0, 1), (3, 5), (4, 8), (7, 30)):
        assert torch.equal(_draw(_noise, Plan(99, start, stop, 1)).values, whole[:, :, start:stop])


def test_the_function_cannot_change_x():
    x = torch.ones(1, 2)
    reference = ReplacementReference(lambda x, keep, n, seed: x.zero_().expand(n, 2).clone(), SENTENCE)
    reference.draw(x, np.zeros((1, 1, 2), dtype=bool), Plan(1, 0, 1, 0))
    assert torch.equal(x, torch.ones(1, 2))


def test_functions_of_numpy_are_given_arrays_and_may_answer_for_tensors_too():
    def noise(x, keep, n, seed):
        return np.random.default_rng(seed).normal(size=(n, *x.shape)) + float((x * keep).sum())

    x, keep = np.array([[1.0, 20.0]]), np.array([[[True, False]]])
    reference, plan = ReplacementReference(noise, SENTENCE), Plan(3, 0, 3, 0)
    drawn = reference.draw(x, keep, plan).values
    assert isinstance(drawn, np.ndarray)
    assert np.array_equal(reference.draw(torch.tensor(x), keep, plan).values.numpy(), drawn)


def test_a_missing_value_that_is_kept_is_no_other_answer():
    x, keep = np.array([[np.nan, 20.0]]), np.array([[[True, False]]])
    drawn = ReplacementReference(lambda x, keep, n, seed: np.where(keep, x, 7.0) + np.zeros((n, 2)), SENTENCE)
    assert drawn.draw(x, keep, Plan(1, 0, 1, 0)).values[0, 0, 0, 1] == 7


def _raising(x, keep, n, seed):
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_raising, "raised KeyError: 'lost'"),
        (lambda x, keep, n, seed: torch.zeros(n, 3), r"of shape \(4, 2\), got torch.float32 \(4, 3\)"),
        (lambda x, keep, n, seed: torch.zeros(n, 2).int(), "got torch.int32"),
        (lambda x, keep, n, seed: [[0.0, 0.0]] * n, "got list"),
        (lambda x, keep, n, seed: torch.full((n, 2), torch.nan), "4 hidden entries that are not finite"),
        (lambda x, keep, n, seed: torch.rand(n, 2), "answered one seed with different draws"),
    ],
)
def test_a_function_that_breaks_its_contract_is_named(function, message):
    with pytest.raises(ModelError, match=message):
        _draw(function)


def test_entries_that_are_kept_may_be_anything():
    values = _draw(lambda x, keep, n, seed: torch.where(keep, torch.nan, 7.0).expand(n, 2)).values
    assert torch.equal(values[0, 0, 0].nan_to_num(nan=-1), torch.tensor([-1.0, 7.0]))


def test_settings_are_checked():
    with pytest.raises(SettingError, match="need a sentence"):
        ReplacementReference(_noise, "  ")
    with pytest.raises(SettingError, match="chunk >= 1"):
        ReplacementReference(_noise, SENTENCE, 0)
    with pytest.raises(SettingError, match="give a seed"):
        _draw(_noise, Plan(10, 0, 10, None))
    assert ReplacementReference(_noise, SENTENCE).law.sentence == SENTENCE
