"""Functions as users have them: further arguments of any form, one row a call, classes of tensors, errors."""

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from onlyif.core.errors import InputError, ModelError, OnlyIfError, OnlyIfWarning, SettingError
from onlyif.interop.captum_fans import FANS
from onlyif.interop.captum_masks import SufficientNecessaryMask
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed_settings import RelaxedSettings

FEW = RelaxedSettings("few", Schedule(3), Relaxation(n_draws=2))
METHODS = [
    (SufficientNecessaryMask, {"target": 1, "settings": FEW, "size": 0.1}),
    (FANS, {"target": 1, "settings": recommended_settings(steps=3), "baselines": 0.0}),
]
each = pytest.mark.parametrize(("method", "asked"), METHODS, ids=["masks", "fans"])
X = torch.rand(3, 6, generator=torch.Generator().manual_seed(1)) + 0.1
WEIGHTS = torch.rand(3, 6, generator=torch.Generator().manual_seed(2))
LINKS = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def _net(n=6):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(n, 3), nn.Softmax(1))


NET = _net()


@pytest.fixture
def untyped():
    """Annotations are checked in tests alone; what users hand over is not."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@each
@pytest.mark.parametrize(
    ("read", "given"),
    [
        (lambda w, x: w.view(-1).view(x.shape), WEIGHTS),  # which views that are expanded refuse
        (lambda w, x: w.real, torch.complex(WEIGHTS, WEIGHTS)),
        (lambda w, x: w.to_dense(), WEIGHTS.to_sparse()),
        (lambda w, x: w.masked_fill_(w < -1, 0.0), WEIGHTS),
    ],
    ids=["viewed", "complex", "sparse", "written into"],
)
def test_further_arguments_go_with_their_rows_in_any_form(method, asked, read, given):
    before = given.clone()
    found = method(lambda x, w: NET(x * read(w, x))).attribute(X, additional_forward_args=given, **asked)
    for i in range(3):
        alone = method(lambda x, i=i: NET(x * WEIGHTS[i])).attribute(X[i : i + 1], **asked)
        torch.testing.assert_close(found[i], alone[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(given.to_dense(), before.to_dense())


@each
def test_nothing_given_is_written_into(method, asked):
    given = torch.ones(3, 6), torch.tensor(1.0), np.ones(2), {"a": [torch.ones(2)]}

    def writes(x, rows, number, array, held):
        assert number == array[0] == held["a"][0][0] == 1
        return NET(x.mul_(rows.mul_(0.5)) * number.add_(1) * held["a"][0].add_(1)[0])

    def check(seen, rows, number, array, held):
        found = writes(seen, rows, number, array, held)
        array += 1
        return found

    before = X.clone()
    method(check).attribute(X, additional_forward_args=given, **asked)
    assert torch.equal(X, before)
    assert torch.equal(given[0], torch.ones(3, 6))
    assert given[1] == given[2][0] == given[3]["a"][0][0] == 1


@each
@pytest.mark.parametrize("handed", [False, True])
def test_a_model_of_one_row_is_asked_one_row_at_a_time(method, asked, handed):
    def graph(nodes, links):
        assert len(nodes) == 1
        summed = nodes[0].index_add(0, links[1], nodes[0][links[0]])
        return NET(summed.view(1, -1))

    x = X.view(3, 3, 2)
    ask = method(graph if handed else lambda x: graph(x, LINKS)).attribute
    further = {"additional_forward_args": (LINKS,)} if handed else {}
    found = ask(x, max_rows=1, **further, **asked)
    alike = method(lambda x: torch.cat([graph(one[None], LINKS) for one in x])).attribute(x, **asked)
    torch.testing.assert_close(found, alike, rtol=1e-4, atol=1e-5)
    with pytest.raises(OnlyIfError, match="max_rows=1"):
        ask(x, **further, **asked)


class Odd(torch.Tensor):
    """A class whose empty tensors are made otherwise, as some of medical images are."""

    def new_empty(self, size, dtype=None, device=None, requires_grad=False):
        return self.as_subclass(torch.Tensor).new_empty(size).as_subclass(Odd)


class Forgetful(torch.Tensor):
    """A class whose results are plain tensors."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


@each
@pytest.mark.parametrize(("kind", "back"), [(Odd, Odd), (Forgetful, torch.Tensor)])
def test_classes_of_tensors_are_what_is_in_them(method, asked, kind, back):
    seen = []

    def forward(x):
        seen.append(type(x))
        return NET(x)

    found = method(forward).attribute(X.as_subclass(kind), **asked)
    assert type(found) is back
    assert set(seen) == {torch.Tensor}
    assert torch.equal(found.as_subclass(torch.Tensor), method(NET).attribute(X, **asked))


def test_an_instance_that_is_its_baseline_gets_zeros_and_the_others_their_maps():
    asked = METHODS[1][1]
    x = torch.cat([X[:2], torch.zeros(1, 6)])
    with pytest.warns(OnlyIfWarning, match=r"instances \[2\] are equal to their baselines"):
        found, details = FANS(NET).attribute(x, return_details=True, **asked)
    assert torch.equal(found[2], torch.zeros(6))
    assert details.blank.tolist() == [False, False, True]
    torch.testing.assert_close(found[:2], FANS(NET).attribute(X[:2], **asked), rtol=1e-5, atol=1e-6)
    with pytest.warns(OnlyIfWarning, match=r"instances \[0\]"):
        assert not FANS(NET).attribute(x[2:], **asked).any()
    masks = SufficientNecessaryMask(NET)
    with (
        pytest.warns(OnlyIfWarning, match=r"instances \[2\] have the same output at their baselines"),
        pytest.warns(OnlyIfWarning, match=r"masks of instances \[0, 1\] are the same for all entries"),
    ):
        # The others look at nothing that is worth the usual weight.
        assert not masks.attribute(x, target=1)[2].any()
    with pytest.warns(OnlyIfWarning, match=r"instances \[2\] have the same output at their baselines"):
        masks.attribute(x, target=1, sizes=[1, 3])


@each
def test_progress_is_shown_on_request(method, asked, capsys):
    method(NET).attribute(X, **asked)
    assert capsys.readouterr().err == ""
    method(NET).attribute(X, show_progress=True, **asked)
    shown = capsys.readouterr().err
    assert method.get_name() in shown
    assert "100%" in shown


class Broken(nn.Module):
    def forward(self, x):
        raise KeyError("boom")


class Leaves(nn.Module):
    def forward(self, x):
        raise SystemExit(0)


@each
@pytest.mark.parametrize(("model", "said"), [(Broken(), "KeyError"), (Leaves(), "SystemExit")])
def test_what_a_model_raises_is_an_error_of_ours(method, asked, model, said):
    with pytest.raises(ModelError, match=said):
        method(model).attribute(X, **asked)
    with pytest.raises(ModelError, match="forward function raised RuntimeError"):
        method(NET.__call__).attribute(X.double(), **asked)


@each
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"settings": "paper"}, SettingError),
        ({"max_rows": "x"}, SettingError),
        ({"max_rows": 0}, SettingError),
        ({"max_rows": 2.5}, SettingError),
        ({"seed": "0"}, SettingError),
        ({"return_details": "no"}, SettingError),
        ({"show_progress": "no"}, SettingError),
        ({"target": 1.5}, SettingError),
        ({"target": "1"}, SettingError),
        ({"target": np.array([0.5, 1, 2])}, SettingError),
        ({"additional_forward_args": 3}, ModelError),
        ({"baselines": "0"}, InputError),
        ({"feature_mask": [0, 1]}, InputError),
    ],
)
def test_arguments_of_another_kind_are_refused(method, asked, wrong, error, untyped):
    with pytest.raises(error):
        method(NET).attribute(X, **asked | wrong)


@pytest.mark.parametrize(
    "wrong", [{"alpha": "x"}, {"size": "x"}, {"variation": "x"}, {"n_fresh": 0}, {"n_fresh": -1}]
)
def test_settings_of_masks_are_checked(wrong, untyped):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        SufficientNecessaryMask(NET).attribute(X, **METHODS[0][1] | wrong)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"b": "x"}, SettingError), ({"c": "x"}, SettingError), ({"samples": [1]}, InputError)],
)
def test_settings_of_fans_are_checked(wrong, error, untyped):
    with pytest.raises(error):
        FANS(NET).attribute(X, **METHODS[1][1] | wrong)


@each
def test_numbers_of_other_libraries_are_numbers(method, asked, untyped):
    plain = method(NET).attribute(X, **asked | {"target": [0, 1, 2], "max_rows": 64, "baselines": 0.5})
    other = {
        "target": np.array([0, 1, 2]),
        "max_rows": np.int64(64),
        "baselines": np.float32(0.5),
        "seed": 0.0,
    }
    assert torch.equal(method(NET).attribute(X, **asked | other), plain)


@each
@pytest.mark.parametrize("x", [X.to_sparse(), X.to("meta"), X.to(torch.complex64), X.numpy(), [X]])
def test_inputs_that_are_no_dense_numbers_are_refused(method, asked, x, untyped):
    with pytest.raises(InputError):
        method(NET).attribute(x, **asked)


def test_no_function_is_refused():
    for method, asked in METHODS:
        with pytest.raises(SettingError, match="forward_func must be a function"):
            method(None).attribute(X, **asked)


def test_a_gradient_of_zero_is_said():
    x = torch.ones(1, 1, 3, 3)

    def rounded(batch):
        return torch.sigmoid(10 * ((batch * 15).round() / 15).mean((1, 2, 3)) - 5)

    few = (FEW, recommended_settings(steps=3))
    methods = ((SufficientNecessaryMask, "no slope for"), (FANS, "PNS has no slope"))
    for (method, said), settings in zip(methods, few, strict=True):
        with pytest.warns(OnlyIfWarning, match=said):
            method(rounded).attribute(x, baselines=0.0, settings=settings)


def test_logits_are_noticed_where_the_usual_penalty_is_for_probabilities():
    logits = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    nn.init.constant_(logits[1].weight, 5.0)
    with pytest.warns(OnlyIfWarning, match="Explain probabilities"):
        SufficientNecessaryMask(logits).attribute(X, target=1, settings=FEW)
    SufficientNecessaryMask(logits).attribute(X, target=1, settings=FEW, size=20.0)
