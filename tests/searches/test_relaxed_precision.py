"""Masks and ascents count in single precision or more, whatever the model does, and on any device."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.errors import OnlyIfWarning
from onlyif.core.players import Players
from onlyif.criteria.soft import SoftObjective
from onlyif.metrics.gaps import Hiding, set_gaps
from onlyif.metrics.infidelity import Infidelity
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import RelaxedSettings

SHORT = RelaxedSettings("short", Schedule(30, 0.1, 0.01), Relaxation(n_draws=4), compare_ends=10)
ASKED = MaskQuestion(alphas=(1.0,), size=0.1, variation=0.1)
X = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def _net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Softmax(1))
    net[1].weight.data *= 6
    return net


def _masks(predictor, x=X):
    restriction = SoftRestriction(predictor, BaselineReference(torch.zeros(1, 4, 4)))
    return find_masks(RelaxedSearch(SoftObjective(restriction), SHORT), x, 1, ASKED).items


def _ascended(predictor, x=X, c=0.05):
    players = Players(np.arange(16).reshape(1, 4, 4), tuple(f"p{i}" for i in range(16)))
    test = DualStageTest(
        predictor, players, NoisySample(4, 0.01), torch.zeros(1, 1, 4, 4), Neighbourhood(SoftEvents(0.5, c))
    )
    settings = recommended_settings(16, steps=8, n_inputs=1)
    return ascend(predictor, test, x, TargetChange(np.array([1, 1])), settings=settings)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masks_of_a_narrow_model_are_those_of_single_precision(dtype):
    wide, narrow = _masks(differentiable_module(_net())), _net().to(dtype)
    for found in (
        _masks(differentiable_module(narrow), X.to(dtype)),
        _masks(DifferentiablePredictor(lambda batch: narrow(batch.to(dtype)))),
    ):
        for one, right in zip(found, wide, strict=True):
            assert one.soft.dtype == np.float32
            assert abs(one.prediction - right.prediction) < 0.02
            assert abs(one.soft.mean() - right.soft.mean()) < 0.1


def test_masks_inside_autocast_are_those_of_single_precision():
    right = _masks(differentiable_module(_net()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _masks(differentiable_module(_net()))
    assert (
        max(abs(one.soft.mean() - other.soft.mean()) for one, other in zip(found, right, strict=True)) < 0.1
    )


def test_draws_do_not_depend_on_the_default_dtype():
    wanted = Relaxation().noise(5, 0, 0, 0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert torch.equal(Relaxation().noise(5, 0, 0, 0), wanted)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_ascent_of_a_narrow_model_has_finite_slopes():
    narrow = _ascended(differentiable_module(_net().half()), X.half())
    assert narrow.scores.dtype == torch.float32
    assert bool(narrow.trace.isfinite().all())


def test_gradients_pass_a_model_of_half_precision_at_a_scale_of_one():
    weight = torch.tensor([[0.5], [-2.0]])
    narrow = DifferentiablePredictor(lambda batch: batch @ weight.half(), dtype=torch.float16)
    for scale in (1e-12, 1.0, 1e12):  # of which float16 holds but one
        batch = torch.ones(3, 2, requires_grad=True)
        (slope,) = torch.autograd.grad(scale * narrow.respond(batch.clone()).sum(), batch)
        torch.testing.assert_close(slope, scale * weight.T.expand(3, 2), rtol=1e-3, atol=0)


class _NoDouble(torch.Tensor):
    """A tensor of a device without float64: it widens only on the CPU."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "cpu":
            return super().__torch_function__(func, types, args, kwargs).as_subclass(torch.Tensor)
        wide = (
            name == "double"
            or any(one is torch.float64 for one in args)
            or kwargs.get("dtype") is torch.float64
        )
        if wide and isinstance(args[0], _NoDouble):
            raise TypeError("this device has no float64")
        return super().__torch_function__(func, types, args, kwargs)


def test_nothing_on_the_device_of_the_images_is_in_double_precision():
    x, target = X.as_subclass(_NoDouble), torch.tensor([1, 1])
    predictor = differentiable_module(_net())
    for one, other in zip(_masks(predictor, x), _masks(predictor), strict=True):
        assert np.array_equal(one.soft, other.soft)
    assert torch.equal(_ascended(predictor, x).scores, _ascended(predictor).scores)
    maps = torch.rand(2, 1, 4, 4).as_subclass(_NoDouble)
    Infidelity(n_draws=4).measure(maps, predictor, x, target)
    sets = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    set_gaps(sets, predictor, x, target, Hiding(BaselineReference(torch.zeros(1, 4, 4))))


class _Padded(nn.Module):
    """Of the kind of torch's transformer encoders, which take another way where no gradients are wanted."""

    def __init__(self):
        super().__init__()
        self.net = _net()

    def forward(self, batch):
        outputs = self.net(batch)
        return outputs if torch.is_grad_enabled() and outputs.requires_grad else 1 - outputs


def test_figures_are_of_the_function_that_is_differentiated():
    with pytest.warns(OnlyIfWarning, match="answers otherwise without gradients"):
        found = _masks(differentiable_module(_Padded()))
    right = _masks(differentiable_module(_net()))
    for one, other in zip(found, right, strict=True):
        assert (one.prediction, one.base) == (other.prediction, other.base)
        assert np.array_equal(one.soft, other.soft)
        assert one.unified == other.unified
    with pytest.warns(OnlyIfWarning, match="answers otherwise without gradients"):
        risen = _ascended(differentiable_module(_Padded()))
    assert torch.equal(risen.scores, _ascended(differentiable_module(_net())).scores)


def test_a_function_of_one_way_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        differentiable_module(_net()).check_one_function(X)
