"""Modes, buffers and random states are put back by the last user, whatever kind of module it is."""

import copy
import random
import sys
import threading
import warnings
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch import nn

import onlyif
from onlyif.core.errors import ModelError
from onlyif.models.checked import probe
from onlyif.models.function import FunctionPredictor
from onlyif.models.random_states import advance_random_states, all_random_states, random_states
from onlyif.models.torch_module import ModuleCall, module_guard

ROWS = torch.linspace(-1, 1, 24).view(8, 3)


def _net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 2))
    for _ in range(3):
        net(torch.rand(16, 3) * 3)
    return net.train()


def _scripted(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(net).train()


def _traced(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(net.eval(), ROWS).train()


def _frozen(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.freeze(torch.jit.script(net.eval()))


def _half_scripted(net):
    return nn.Sequential(_scripted(net[:2]), *net[2:]).train()


def _compiled(net):
    return torch.compile(net, backend="eager")


def _eager(net):
    return net


KINDS = [
    *(_eager, _scripted, _traced, _frozen, _half_scripted),
    pytest.param(_compiled, marks=pytest.mark.slow),  # torch loads its compiler
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_module_is_asked_in_evaluation_mode_and_left_as_found(kind):
    net = _net()
    expected = copy.deepcopy(net).eval()(ROWS).detach()
    module = kind(copy.deepcopy(net))
    modes = [getattr(part, "training", None) for part in module.modules()]
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    for _ in range(2):
        torch.testing.assert_close(ModuleCall(module)(ROWS), expected)
    assert [getattr(part, "training", None) for part in module.modules()] == modes
    assert all(torch.equal(value, buffers[name]) for name, value in module.named_buffers())
    assert all(weight.grad is None and weight.requires_grad for weight in module.parameters())


class _Observer(nn.Module):
    """Keeps books in its buffers whatever its mode, as observers of a quantised network do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("largest", torch.tensor(-1.0))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("nothing", None)

    def forward(self, batch):
        self.count += 1
        self.largest = torch.maximum(self.largest, batch.max())
        self.seen.resize_(len(batch)).copy_(batch[:, 0])
        return batch


def test_buffers_that_change_in_evaluation_mode_are_put_back_in_place():
    module = _Observer()
    count, largest, seen = module.count, module.largest, module.seen
    ModuleCall(module)(ROWS)
    assert module.count is count
    assert module.largest is largest
    assert module.seen is seen
    assert (count.item(), largest.item(), seen.tolist()) == (0, -1.0, [0.0])


def test_statistics_that_a_trace_updates_are_put_back():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(nn.BatchNorm1d(3).train(), ROWS, check_trace=False)
    before = {name: value.clone() for name, value in traced.named_buffers()}
    ModuleCall(traced)(ROWS + 5)
    assert all(torch.equal(value, before[name]) for name, value in traced.named_buffers())
    with pytest.raises(ModelError, match="RANDOM"):  # the trace has the mode in it: rows depend on each other
        probe(FunctionPredictor(ModuleCall(traced)), torch.tensor([[0.0, 1.0, 2.0], [3.0, 5.0, 4.0]]))


def test_the_last_user_of_a_shared_part_puts_its_mode_back():
    shared = nn.Dropout()
    one, other = nn.Sequential(shared, nn.ReLU()), nn.Sequential(nn.Tanh(), shared)
    with ExitStack() as last:
        with ExitStack() as first:
            first.enter_context(module_guard(one))
            last.enter_context(module_guard(other))
            assert not shared.training
        assert (one.training, one[1].training) == (True, True)
        assert (other.training, shared.training) == (False, False)
    assert (other.training, shared.training) == (True, True)


def test_a_mode_that_is_changed_meanwhile_is_told_and_left():
    net = nn.Sequential(nn.Dropout()).eval()
    with pytest.raises(ModelError, match="Sequential was put into training mode"), module_guard(net):
        net.train()
    assert net.training
    net.eval()
    with pytest.raises(ModelError, match="Dropout was put into training mode"), module_guard(net):
        net[0].train()
        with module_guard(net):
            pass
    assert (net.training, net[0].training) == (False, True)


def test_a_module_without_evaluation_mode_is_refused_and_the_others_put_back():
    class Always(nn.Module):
        @property
        def training(self):
            return True

        @training.setter
        def training(self, mode):
            pass

    class Never(Always):
        training = property(lambda self: True)

        def __init__(self):
            object.__setattr__(self, "__dict__", nn.Module().__dict__)

    for kind in (Always, Never):
        net = nn.Sequential(nn.Linear(3, 2), kind())
        with pytest.raises(ModelError, match=f"{kind.__name__}"):
            ModuleCall(net)(ROWS)
        assert (net.training, net[0].training) == (True, True)


def _states():
    legacy = np.random.get_state(legacy=False)
    return (
        random.getstate(),
        legacy["state"]["key"].tobytes(),
        legacy["state"]["pos"],
        (legacy["has_gauss"], legacy["gauss"]),
        torch.get_rng_state().numpy().tobytes(),
    )


def test_the_last_user_puts_random_states_back():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = _states()
    with ExitStack() as last:
        with ExitStack() as first:
            first.enter_context(random_states())
            random.random(), np.random.standard_normal(), torch.rand(1)
            last.enter_context(random_states())
        random.random(), np.random.standard_normal(), torch.rand(1)
    assert _states() == before


def test_torch_is_not_asked_for_where_nobody_imported_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    before = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tobytes()
    with all_random_states():
        np.random.random(1000)
        advance_random_states()
    assert "torch" not in sys.modules
    assert (random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tobytes()) == before


def _all(work, n=4):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_share_a_module_in_training_mode_get_what_one_gets():
    net, rows = _net(), ROWS.numpy()
    modes = [part.training for part in net.modules()]
    found = [None] * 4

    def work(i):
        explained = onlyif.explain(net, rows, background=rows)
        found[i] = [(one.prediction, one.base, one.unified.names) for one in explained]

    work(0)
    # Not Python's own state: the tests' checks of annotations draw from it.
    alone, before = found[0], _states()[1:]
    _all(work)
    assert found == [alone] * 4
    assert _states()[1:] == before
    assert [part.training for part in net.modules()] == modes
