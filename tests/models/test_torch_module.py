"""A module is left as it was found: modes, gradients, hooks, random states; also when it raises."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from onlyif.core.errors import ModelError
from onlyif.models.function import predictor_of
from onlyif.models.outputs import AutoOutput, MarginOutput, ProbabilityOutput, digits_of
from onlyif.models.torch_module import ModuleCall, module_dtype, module_form, module_heads

ROWS = torch.arange(12.0, dtype=torch.float64).view(4, 3)


class _Draws(nn.Module):
    """Draws from every global state, sees its own mode, and raises when told."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 2)
        self.seen = []
        self.fail = False

    def train(self, mode=True):
        raise AssertionError("train() may do more than set a flag, it must not be called")

    def forward(self, batch):
        self.seen.append((self.training, self.line.training, torch.is_grad_enabled()))
        torch.rand(1), np.random.random(), random.random()
        if self.fail:
            raise ValueError("midway")
        return self.line(batch)


@pytest.mark.parametrize("fail", [False, True])
def test_everything_is_left_as_it_was_found(fail):
    module = _Draws()
    module.fail = fail
    module.line.training = False
    module.line.weight.grad = torch.ones(2, 3)
    called = []
    handle = module.line.register_forward_hook(lambda *given: called.append(1))
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    expected = torch.rand(1), np.random.random(), random.random()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    try:
        ModuleCall(module)(ROWS.float())
    except ValueError:
        assert fail
    assert (torch.rand(1), np.random.random(), random.random()) == expected
    assert module.seen == [(False, False, False)]
    assert (module.training, module.line.training) == (True, False)
    assert torch.is_grad_enabled()
    assert called == ([] if fail else [1])
    assert list(module.line._forward_hooks) == [handle.id]
    assert torch.equal(module.line.weight.grad, torch.ones(2, 3))
    assert module.line.weight.requires_grad
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("width", [1, 2, 3])
def test_probabilities_of_logits(width):
    torch.manual_seed(0)
    net = nn.Linear(3, width).double()
    logits = net(ROWS).detach()
    exponential = torch.cat([torch.zeros(4, 1).double(), logits], 1).exp() if width == 1 else logits.exp()
    predictor = predictor_of(module_heads(net), ProbabilityOutput(), module_form(net))
    np.testing.assert_allclose(predictor.predict(ROWS), exponential / exponential.sum(1, keepdim=True))
    assert predictor.meaning.output == "probability"
    margin = predictor_of(module_heads(net), MarginOutput(), module_form(net))
    assert np.array_equal(margin.predict(ROWS), logits)
    assert margin.meaning.threshold == 0.0


@pytest.mark.parametrize(
    ("dtype", "answered", "digits"),
    [
        (torch.float64, np.float64, 30),
        (torch.float32, np.float32, 20),
        (torch.float16, np.float16, 7),
        (torch.bfloat16, np.float16, 7),
    ],
)
def test_the_modules_own_dtype_is_kept(dtype, answered, digits):
    net = nn.Linear(3, 2).to(dtype)
    predictor = predictor_of(module_heads(net), AutoOutput(), module_form(net))
    outputs = predictor.predict(ROWS)
    assert outputs.dtype == answered
    assert outputs.tolist() == net(ROWS.to(dtype)).tolist()
    assert digits_of(outputs.dtype) == digits
    assert predictor.meaning.digits == digits


def test_a_module_without_parameters_gets_the_default_dtype():
    assert module_dtype(nn.ReLU()) == torch.get_default_dtype()
    assert module_form(nn.ReLU()).device is None
    assert predictor_of(module_heads(nn.ReLU()), AutoOutput(), module_form(nn.ReLU())).predict(
        ROWS
    ).shape == (4, 3)


def test_batch_normalisation_uses_its_running_statistics():
    net = nn.BatchNorm1d(3)
    predictor = predictor_of(module_heads(net), AutoOutput(), module_form(net))
    np.testing.assert_allclose(predictor.predict(ROWS), ROWS.float() / (1 + net.eps) ** 0.5, rtol=1e-6)
    assert net.num_batches_tracked == 0


def test_a_module_that_answers_with_no_tensor_is_refused():
    class Both(nn.Module):
        def forward(self, batch):
            return batch, batch

    with pytest.raises(ModelError, match="the module answered with a tuple; need one tensor"):
        ModuleCall(Both())(ROWS)


def test_images_are_taken_as_they_are():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())
    images = torch.rand(4, 1, 5, 5)
    predictor = predictor_of(module_heads(net), AutoOutput(), module_form(net))
    assert np.array_equal(predictor.predict(images), net(images).detach())


@pytest.mark.gpu
def test_a_module_stays_on_its_device():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    net = nn.Sequential(nn.Linear(3, 2), nn.Dropout()).cuda()
    predictor = predictor_of(module_heads(net), AutoOutput(), module_form(net))
    state = torch.cuda.get_rng_state()
    outputs = predictor.predict(ROWS)
    np.testing.assert_allclose(outputs, net[0](ROWS.float().cuda()).detach().cpu(), rtol=1e-5, atol=1e-6)
    assert net[0].weight.is_cuda
    assert net.training
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert np.array_equal(predictor.predict(ROWS.cuda()), outputs)
