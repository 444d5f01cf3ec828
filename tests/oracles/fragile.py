"""A model that could be left behind in many ways, and whether it was left as found."""

import random

import numpy as np
import pytest
import torch
from torch import nn


class Fragile(nn.Module):
    """Dropout, batch statistics, random numbers; it raises at one of its calls."""

    def __init__(self, entries):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(entries), nn.Dropout(0.5), nn.Linear(entries, 2)
        )
        self.calls, self.raises_at = 0, None

    def forward(self, x):
        self.calls += 1
        torch.rand(3), np.random.rand(), random.random()
        if self.calls == self.raises_at:
            raise RuntimeError("the model broke")
        return self.layers(x).softmax(1)


def everything(net, x):
    """All that could be changed; not the state of `random`, from which the type checks of tests draw."""
    hooks = [
        (len(part._forward_hooks), len(part._backward_hooks), len(part._forward_pre_hooks))
        for part in net.modules()
    ]
    leaves = [*net.parameters(), x]
    plain = (
        [part.training for part in net.modules()],
        hooks,
        [(one.requires_grad, one.grad is None) for one in leaves],
        torch.is_grad_enabled(),
        np.random.get_state()[1].tolist(),
    )
    tensors = {name: value.clone() for name, value in net.state_dict().items()}
    tensors |= {str(i): one.grad.clone() for i, one in enumerate(leaves) if one.grad is not None}
    return plain, tensors | {"x": x.detach().clone(), "random": torch.get_rng_state()}


def check_left_as_found(explain, x, raises_at):
    """Run an explanation of a fragile model, with an error at one of its calls or without, and compare.

    Args:
        explain: From the model and its inputs to attributions.
        x: The inputs.
        raises_at: The number of the call that raises, or None.
    """
    net = Fragile(x[0].numel())
    x.requires_grad_()
    net(x).sum().backward()
    net.calls, net.raises_at = 0, raises_at
    net.layers[1].eval()
    net.layers[3].weight.requires_grad_(False)
    before = everything(net, x)
    if raises_at is None:
        explain(net, x)
    else:
        with pytest.raises(RuntimeError, match="the model broke"):
            explain(net, x)
    assert net.calls >= (raises_at or 7)
    after = everything(net, x)
    assert before[0] == after[0]
    torch.testing.assert_close(before[1], after[1], rtol=0, atol=0)
