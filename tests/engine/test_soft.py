"""The model asked with soft masks: against one plain graph, in calls of any size, and left as it was."""

from itertools import product

import pytest
import torch
from torch import nn

from onlyif.core.errors import LimitError, ModelError
from onlyif.engine.soft import plain_outputs, slopes, soft_outputs
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module

AXES, ENTRIES = (2, 3, 1, 4), (2, 5)


def _random(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Sizes of 1 stand for all, among rows and among entries.
HIDDEN, SHOWN = _random(1, 2, 1, 1, 4, *ENTRIES), _random(2, 1, 1, 1, 1, *ENTRIES)
SHARE = _random(3, 2, 3, 1, 1, 1, 5)
WEIGHTS = _random(4, 10, 3) - 0.5


def _curved(batch):
    return torch.tanh(batch.flatten(1) @ WEIGHTS)


def _predictor(function=_curved):
    return DifferentiablePredictor(function, dtype=torch.float64)


def _plain(share):
    """One row after the other."""
    rows = []
    for i, j, _, n in product(*map(range, AXES)):
        s = share[i, j, 0, 0]
        rows.append(_curved((s * SHOWN[0, 0, 0, 0] + (1 - s) * HIDDEN[i, 0, 0, n])[None])[0])
    return torch.stack(rows).view(*AXES, 3)


@pytest.mark.parametrize("max_rows", [100, 24, 23, 12, 5, 4, 3, 1])
def test_outputs_and_slopes_are_those_of_plain_rows_in_calls_of_any_size(max_rows):
    asked = []
    predictor = _predictor(lambda batch: (asked.append(len(batch)), _curved(batch))[1])
    share = SHARE.clone().requires_grad_()
    wanted, weight = _plain(share), _random(5, *AXES, 3)
    (slope,) = torch.autograd.grad((wanted * weight).sum(), share)
    found = soft_outputs(predictor, (HIDDEN, SHOWN), share, axes=4, max_rows=max_rows)
    assert max(asked) <= max_rows and sum(asked) == 24
    (got,) = slopes((found * weight).sum(), (share,))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(got, slope)
    assert max(asked) <= max_rows and sum(asked) == (24 if max_rows >= 24 else 48)
    with torch.no_grad():
        again = soft_outputs(predictor, (HIDDEN, SHOWN), share, axes=4, max_rows=max_rows)
    torch.testing.assert_close(again, wanted)


def test_ends_are_met_exactly():
    share = torch.tensor([0.0, 1.0]).double().view(2, 1, 1)
    seen = []
    soft_outputs(
        _predictor(lambda batch: (seen.append(batch.detach().clone()), _curved(batch))[1]),
        (HIDDEN[0, 0, 0, :1] * 1e9, SHOWN[0, 0, 0]),
        share,
        axes=1,
        max_rows=8,
    )
    assert torch.equal(seen[0], torch.stack([HIDDEN[0, 0, 0, 0] * 1e9, SHOWN[0, 0, 0, 0]]))


@pytest.mark.parametrize(("max_rows", "kept_rows"), [(100, [24]), (4, [])])
def test_of_several_calls_no_graph_is_kept(max_rows, kept_rows):
    kept = []

    def pack(tensor):
        kept.append(tensor.shape)
        return tensor

    predictor = _predictor(lambda batch: batch.square().flatten(1))  # which needs its batch on the way back
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        share = SHARE.clone().requires_grad_()
        soft_outputs(predictor, (HIDDEN, SHOWN), share, axes=4, max_rows=max_rows)
    assert [shape[0] for shape in kept if shape[1:] == ENTRIES] == kept_rows


def test_the_model_is_made_ready_for_each_call_also_on_the_way_back():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(10, 3).double())
    net[2].weight.data = WEIGHTS.T.clone()
    net[2].bias.data.zero_()
    net.train()
    state, share = torch.get_rng_state(), SHARE.clone().requires_grad_()
    for max_rows in (100, 5):
        outputs = soft_outputs(differentiable_module(net), (HIDDEN, SHOWN), share, axes=4, max_rows=max_rows)
        (slope,) = slopes(outputs.sum(), (share,))
        wanted = (SHOWN - HIDDEN).view(2, 4, 2, 5) * WEIGHTS.sum(1).view(2, 5)
        torch.testing.assert_close(slope[:, 0, 0, 0, 0], wanted.sum((1, 2)))
    assert all(part.training for part in net.modules()) and torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_model_that_writes_into_its_batch_changes_nothing_of_ours():
    def greedy(batch):
        return _curved(batch.mul_(2.0))

    ends = HIDDEN.clone(), SHOWN.clone()
    share = SHARE.clone().requires_grad_()
    for max_rows in (100, 5):
        outputs = soft_outputs(_predictor(greedy), ends, share, axes=4, max_rows=max_rows)
        slopes(outputs.sum(), (share,))
    rows = _random(7, 3, *ENTRIES)
    plain_outputs(_predictor(greedy), rows, 2)
    assert torch.equal(ends[0], HIDDEN) and torch.equal(ends[1], SHOWN) and torch.equal(share, SHARE)
    assert torch.equal(rows, _random(7, 3, *ENTRIES))


def test_a_model_without_gradients_is_refused():
    deaf = _predictor(lambda batch: _curved(batch.detach()))
    share = SHARE.clone().requires_grad_()
    with pytest.raises(ModelError, match="no gradient with respect to its input"):
        soft_outputs(deaf, (HIDDEN, SHOWN), share, axes=4, max_rows=100)
    soft_outputs(deaf, (HIDDEN, SHOWN), SHARE, axes=4, max_rows=100)


def test_lack_of_memory_is_said_with_the_rows_of_the_call():
    def full(batch):
        raise MemoryError

    with pytest.raises(LimitError, match="out of memory in a model call of 5 rows"):
        plain_outputs(_predictor(full), _random(7, 9, *ENTRIES), 5)
    with pytest.raises(LimitError, match="out of memory in a model call of 4 rows"):
        soft_outputs(_predictor(full), (HIDDEN, SHOWN), SHARE, axes=4, max_rows=5)
