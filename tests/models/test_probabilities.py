"""Logits and probabilities are told apart by what a network does last, not by chance."""

import warnings

import pytest
import torch
from torch import nn

from onlyif.core.errors import OnlyIfWarning
from onlyif.models.probabilities import Answers, both_sides, outputs_of, probabilities, reading_of

X = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))


class Ends(nn.Module):
    """A linear layer and what comes after it."""

    def __init__(self, outputs, end, dtype=torch.float32):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear, self.end = nn.Linear(4, outputs, dtype=dtype), end

    def forward(self, x):
        return self.end(self.linear(x))


@pytest.mark.parametrize(
    ("outputs", "end", "wanted"),
    [
        (1, torch.sigmoid, Answers.PROBABILITIES),
        (1, lambda z: torch.sigmoid(z).squeeze(1), Answers.PROBABILITIES),
        (1, lambda z: torch.sigmoid(z)[:, 0].clamp(1e-3, 1), Answers.PROBABILITIES),
        (1, lambda z: z - 5, Answers.LOGITS),
        (1, lambda z: z, Answers.LOGITS),
        (1, lambda z: 1 / (1 + torch.exp(-z)), Answers.UNCLEAR),
        (1, lambda z: 0.5 + 0.01 * z, Answers.UNCLEAR),
        (3, lambda z: z.softmax(1), Answers.PROBABILITIES),
        (3, lambda z: z.exp() / z.exp().sum(1, keepdim=True), Answers.PROBABILITIES),
        (3, torch.sigmoid, Answers.PROBABILITIES),  # labels that do not exclude each other
        (3, lambda z: z - 1, Answers.LOGITS),
        (3, lambda z: 0.5 + 0.01 * z, Answers.LOGITS),
        (3, lambda z: z.log_softmax(1), Answers.LOGITS),
    ],
)
def test_what_outputs_are(outputs, end, wanted):
    module = Ends(outputs, end)
    assert outputs_of(module, X) is wanted
    assert module.training
    assert module.linear.weight.grad is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_rounding_of_the_dtype_is_allowed_for(dtype):
    module = Ends(3, lambda z: z.exp() / z.exp().sum(1, keepdim=True), dtype)
    assert outputs_of(module, X.to(dtype)) is Answers.PROBABILITIES


@pytest.mark.parametrize(("outputs", "end"), [(1, torch.sigmoid), (3, lambda z: z.softmax(1))])
def test_both_readings_come_to_the_same_probabilities(outputs, end):
    logits, ended = Ends(outputs, lambda z: z), Ends(outputs, end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnlyIfWarning)
        one, other = (reading_of(net, 9 * X, "a=b").transform(net(X)) for net in (logits, ended))
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one.sum(1), torch.ones(5))


def test_what_is_left_out_or_unclear_is_said():
    with pytest.warns(OnlyIfWarning, match="no second softmax; pass a=b"):
        assert reading_of(Ends(3, lambda z: z.softmax(1)), X, "a=b").transform is both_sides
    with pytest.warns(OnlyIfWarning, match="taken for a logit.*pass a=b"):
        assert reading_of(Ends(1, lambda z: 0.5 + 0.01 * z), X, "a=b").transform is probabilities
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reading_of(Ends(1, torch.sigmoid), X, "a=b").transform is both_sides
        assert reading_of(Ends(3, lambda z: 9 * z), X, "a=b").transform is probabilities
