"""Explainers for Quantus: numpy in and out, inside its metrics."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from onlyif.core.errors import InputError, OnlyIfWarning
from onlyif.interop.captum_fans import FANS
from onlyif.interop.captum_masks import SufficientNecessaryMask
from onlyif.interop.quantus_functions import explain_fans, explain_mask
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed_settings import RelaxedSettings

FANS_FEW = {"settings": recommended_settings(steps=5), "seed": 1}
MASK_FEW = {
    "settings": RelaxedSettings("few", Schedule(10), Relaxation(n_draws=4)),
    "size": 0.1,
    "variation": 0.02,
}
BOTH = [(explain_fans, FANS, FANS_FEW), (explain_mask, SufficientNecessaryMask, MASK_FEW)]
each = pytest.mark.parametrize(("explain", "method", "settings"), BOTH)


@pytest.fixture(scope="module")
def digits():
    """A small network trained on 8×8 digits, and some of them."""
    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(60):
            loss = nn.functional.cross_entropy(net(torch.tensor(x[300:])), torch.tensor(labels[300:]))
            adam.zero_grad()
            loss.backward()
            adam.step()
    return net.train(), x[:4], labels[:4]


@each
@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_they_are_attributions_of_probabilities(explain, method, settings, digits):
    net, x, y = digits
    found = explain(net, x, y, **settings)
    wanted = method(nn.Sequential(net, nn.Softmax(1))).attribute(
        torch.tensor(x), target=torch.tensor(y), **settings
    )
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)
    plain = explain(net, x, y, softmax=False, **settings)
    np.testing.assert_allclose(
        plain, method(net).attribute(torch.tensor(x), target=torch.tensor(y), **settings).numpy(), atol=1e-6
    )
    assert net.training


@each
def test_arrays_of_other_dtypes_and_one_target_are_taken(explain, method, settings, digits):
    net, x, _ = digits
    found = explain(net, x.astype(np.float64), 3, device="cpu", **settings)
    np.testing.assert_allclose(found, explain(net, x, np.array([3] * 4), **settings), atol=1e-6)
    np.testing.assert_allclose(
        found, explain(net, torch.tensor(x), torch.tensor([3] * 4), **settings), atol=1e-6
    )


@each
def test_metrics_that_ask_once_and_again(explain, method, settings, digits, quantus):
    net, x, y = digits
    given = {"model": net, "x_batch": x, "y_batch": y, "a_batch": None, "device": "cpu"}
    sparse = quantus.Sparseness(disable_warnings=True)
    scores = sparse(**given, explain_func=explain, explain_func_kwargs=dict(settings))
    # The same maps, handed over.
    maps = explain(net, x, y, **settings)
    wanted = sparse(**given | {"a_batch": maps})
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    again = quantus.MaxSensitivity(nr_samples=2, lower_bound=1e-6, disable_warnings=True)
    assert max(again(**given, explain_func=explain, explain_func_kwargs=dict(settings))) < 0.05


@each
def test_what_is_no_module_is_refused(explain, method, settings, digits):
    with pytest.raises(InputError, match=r"need a torch\.nn\.Module to explain, got a LogisticRegression"):
        explain(type("LogisticRegression", (), {})(), *digits[1:])


@pytest.mark.parametrize("explain", [explain_fans, explain_mask])
def test_one_logit_one_probability_and_a_softmax_are_one_question(explain):
    """The first row of pixels is the evidence of class 1."""
    logit = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    nn.init.zeros_(logit[1].weight)
    logit[1].weight.data[0, :4], logit[1].bias.data[0] = 4.0, -6.0
    pair = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Softmax(1))
    pair[1].weight.data = torch.cat([torch.zeros(1, 16), logit[1].weight.data])
    pair[1].bias.data = torch.tensor([0.0, -6.0])
    x, few = np.ones((1, 1, 4, 4), np.float32), {"baselines": 0.0}
    few |= (
        {"settings": recommended_settings(steps=20)}
        if explain is explain_fans
        else {"size": 0.3, "variation": 0.0}
    )
    of_logit = explain(logit, x, [1], **few)
    np.testing.assert_allclose(
        explain(nn.Sequential(logit, nn.Sigmoid()), x, [1], **few), of_logit, atol=1e-3
    )
    with pytest.warns(OnlyIfWarning, match="pass softmax=False"):
        of_pair = explain(pair, x, np.array([1], np.uint8), **few)
    np.testing.assert_allclose(of_pair, of_logit, atol=1e-3)
    assert of_logit[0, 0, 0].min() > of_logit[0, 0, 1:].max()


@each
def test_targets_that_are_no_whole_numbers_are_refused(explain, method, settings, digits):
    with pytest.raises(InputError, match="number of an output"):
        explain(*digits[:2], [0.5, 1, 2, 3], **settings)
