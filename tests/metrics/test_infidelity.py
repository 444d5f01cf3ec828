"""Infidelity against a loop, closed forms and captum; which trivial maps win it."""

import captum.metrics
import numpy as np
import pytest
import torch

import oracles.metrics as oracle
from onlyif.core.errors import InputError
from onlyif.metrics.controls import sanity_maps, top_mask
from onlyif.metrics.fills import ConstantFill, MeanFill
from onlyif.metrics.infidelity import Infidelity
from onlyif.metrics.perturbations import (
    EuclideanBall,
    FadePerturbation,
    MaxNormBall,
    NoisyBaselinePerturbation,
    SquarePerturbation,
)
from onlyif.models.function import FunctionPredictor

ZERO = ConstantFill(torch.zeros(()))
LAWS = [
    FadePerturbation(),
    SquarePerturbation(3, MeanFill()),
    NoisyBaselinePerturbation(ZERO, 0.5),
    MaxNormBall(0.1),
    EuclideanBall(0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_it_is_the_formula(law, images):
    found = Infidelity(law, n_draws=9, seed=5).measure(images.maps, images.predictor, images.x, images.target)
    draws = law.draw(images.x, slice(0, 9), 5)
    for i in range(4):
        x, s = images.x[i].numpy(), images.maps[i].numpy()
        assert found.values[i].item() == pytest.approx(
            oracle.infidelity(s, x, draws[i].numpy(), images.one(i))
        )


@pytest.mark.parametrize("rescaled", [False, True])
def test_captum_agrees_given_the_same_draws(rescaled, images):
    law = FadePerturbation()
    found = Infidelity(law, n_draws=6, rescaled=rescaled)
    ours = found.measure(images.maps, images.predictor, images.x, images.target)

    def same_draws(repeated):
        z = law.draw(images.x, slice(0, 6), 0).flatten(0, 1)
        return repeated - z, z

    theirs = captum.metrics.infidelity(
        images.function,
        same_draws,
        images.x,
        images.maps,
        target=images.target,
        n_perturb_samples=6,
        normalize=rescaled,
    )
    torch.testing.assert_close(ours.values, theirs)


def test_a_linear_models_own_weights_have_none():
    weights = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    linear = FunctionPredictor(lambda batch: batch @ weights.T)
    x = torch.tensor([[1.0, 3.0, -2.0], [0.5, 0.0, 4.0]], dtype=torch.float64)
    target = torch.tensor([0, 0])
    assert Infidelity().measure(weights.expand(2, -1), linear, x, target).mean == pytest.approx(0, abs=1e-20)
    # Any multiple of them too, once rescaled.
    found = Infidelity(rescaled=True).measure(-7 * weights.expand(2, -1), linear, x, target)
    assert found.mean == pytest.approx(0, abs=1e-20)


def test_the_map_of_zeros_has_the_mean_square_of_the_change():
    """f = x1, fades: E[(x1 (1 - m))²] = x1² / 3, within 4 standard errors of the draws."""
    first = FunctionPredictor(lambda batch: batch[:, 0])
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    found = Infidelity(n_draws=4000).measure(torch.zeros_like(x), first, x, torch.tensor([0]))
    assert abs(found.mean - 4 / 3) <= 4 * float(found.sampling_error)
    assert 0.005 < float(found.sampling_error) < 0.03


def _saturated(d=784):
    """Probabilities of a confident model of many inputs in [-1, 1], and its gradient maps."""
    source = torch.Generator().manual_seed(1)
    weights = torch.randn(d, 3, generator=source, dtype=torch.float64) / 3
    x = torch.rand(20, d, generator=source, dtype=torch.float64) * 2 - 1
    target = (x @ weights).argmax(1)
    predictor = FunctionPredictor(lambda batch: (batch.double() @ weights).softmax(1))
    return predictor, x, target, weights


def test_zeros_win_unless_a_map_has_the_right_units():
    """Inputs in [-1, 1]: masks that mark what is important lose to the map that says nothing."""
    predictor, x, target, weights = _saturated()
    maps = sanity_maps(x, 0)
    # What truly raises the target's logit, as a mask in [0, 1] of a tenth of the entries.
    maps["mask"] = top_mask(x * weights.T[target], 78)
    found = {name: Infidelity(n_draws=200).measure(each, predictor, x, target) for name, each in maps.items()}
    for name in ("ones", "random", "mask"):
        worse = found[name].minus(found["zeros"])
        assert bool((worse.values > 4 * worse.sampling_error).all()), name


def test_rescaled_zeros_come_last_but_x_itself_forecasts_much_of_fades():
    predictor, x, target, _ = _saturated()
    metric = Infidelity(n_draws=200, rescaled=True)
    maps = {"zeros": torch.zeros_like(x), "x": x}
    found = {name: metric.measure(each, predictor, x, target) for name, each in maps.items()}
    assert bool((found["x"].values <= found["zeros"].values + 1e-12).all())
    # x itself knows nothing of the model, yet forecasts much of the change: every draw is about x / 2.
    assert found["x"].mean < 0.7 * found["zeros"].mean


def test_laws_are_what_they_say(images):
    x, n = images.x, 200
    share = FadePerturbation().draw(x, slice(0, n), 0) / x.unsqueeze(1)
    assert 0 <= share.min() < 0.01
    assert 0.99 < share.max() <= 1 + 1e-12
    assert float(share.mean()) == pytest.approx(0.5, abs=0.01)
    step = MaxNormBall(0.2).draw(x, slice(0, n), 0) - x.unsqueeze(1)
    assert float(step.mean()) == pytest.approx(0, abs=0.002)
    assert 0.199 < float(step.abs().max()) <= 0.2 + 1e-12
    assert float(step.square().mean()) == pytest.approx(0.2**2 / 3, rel=0.05)
    length = (EuclideanBall(0.2).draw(x, slice(0, n), 0) - x.unsqueeze(1)).flatten(2).norm(dim=2)
    assert float(length.max()) <= 0.2 + 1e-12
    # E[R^60] = 1/2 for R = (u^(1/60)): the radius is uniform in volume.
    assert float((length / 0.2).pow(60)[0].mean()) == pytest.approx(0.5, abs=0.08)
    noisy = NoisyBaselinePerturbation(ConstantFill(torch.ones(())), 0.5).draw(x, slice(0, n), 0)
    assert float(noisy.mean()) == pytest.approx(1, abs=0.02)
    assert float(noisy.std()) == pytest.approx(0.5, rel=0.05)


def test_squares_are_everywhere_equally_often():
    x = torch.ones(1, 2, 4, 3)
    drawn = SquarePerturbation(2, ZERO).draw(x, slice(0, 600), 0)[0]
    assert bool((drawn[:, 0] == drawn[:, 1]).all())
    assert set((drawn == 0).flatten(1).sum(1).tolist()) == {8}
    corners = {}
    for one in drawn[:, 0]:
        rows, columns = np.nonzero(one.numpy() == 0)
        place = (rows.min(), columns.min())
        corners[place] = corners.get(place, 0) + 1
    # Six places, 100 each; the standard deviation of a count is 9.1.
    assert len(corners) == 6
    assert all(abs(count - 100) < 37 for count in corners.values())


def test_a_square_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"a square of side 5 does not fit into instances \(1, 4, 9\)"):
        SquarePerturbation(5, ZERO).draw(torch.ones(1, 1, 4, 9), slice(0, 1), 0)
    with pytest.raises(InputError, match=r"a square of side 1 does not fit into instances \(4,\)"):
        SquarePerturbation(1, ZERO).draw(torch.ones(1, 4), slice(0, 1), 0)


def test_fills():
    x = torch.arange(16.0).view(2, 2, 2, 2)
    assert MeanFill().values(x)[:, :, 0, 0].tolist() == [[1.5, 5.5], [9.5, 13.5]]
    with pytest.raises(InputError, match="use ConstantFill"):
        MeanFill().values(torch.ones(2, 3))
    with pytest.raises(InputError, match=r"the fill has shape \(3,\), got instances of shape \(2,\)"):
        ConstantFill(torch.ones(3)).values(torch.ones(1, 2))


def test_the_error_says_what_to_do_with_a_map_of_one_channel(images):
    with pytest.raises(InputError, match="repeat a map over the channels"):
        Infidelity().measure(images.maps[:, :1], images.predictor, images.x, images.target)
