"""Max-Sensitivity against a loop, closed forms, captum and Quantus."""

import warnings

import captum.metrics
import numpy as np
import pytest
import torch

import oracles.metrics as oracle
from onlyif.core.errors import InputError
from onlyif.metrics.max_sensitivity import MaxSensitivity
from onlyif.metrics.perturbations import EuclideanBall, MaxNormBall


def _cubes(rows, target):
    """A map that is curved, and differs from target to target."""
    return rows.pow(3) * (1 + target).view(-1, *[1] * (rows.dim() - 1))


@pytest.mark.parametrize("ball", [MaxNormBall(0.3), EuclideanBall(0.3)], ids=lambda ball: type(ball).__name__)
def test_it_is_the_formula(ball, images):
    found = MaxSensitivity(ball, 8, seed=2).measure(_cubes, images.x, images.target)
    near = ball.draw(images.x, slice(0, 8), 2)
    for i, target in enumerate(images.target.tolist()):
        explain = lambda z, factor=1 + target: factor * z**3  # noqa: E731 -- one line is what it is
        expected = oracle.max_sensitivity(images.x[i].numpy(), near[i].numpy(), explain)
        assert found.values[i].item() == pytest.approx(expected)


def test_captum_agrees_once_divided_by_the_norm(images):
    ball = MaxNormBall(0.3)
    ours = MaxSensitivity(ball, 8, relative=True).measure(_cubes, images.x, images.target)
    theirs = captum.metrics.sensitivity_max(
        lambda inputs, target: (
            tuple(_cubes(each, target) for each in inputs)
            if isinstance(inputs, tuple)
            else _cubes(inputs, target)
        ),
        images.x,
        perturb_func=lambda repeated: ball.draw(images.x, slice(0, 8), 0).flatten(0, 1),
        n_perturb_samples=8,
        target=images.target,
    )
    torch.testing.assert_close(ours.values, theirs)


def test_quantus_agrees_once_divided_by_the_norm(images, quantus):
    ball, calls = MaxNormBall(0.3), iter(range(8))

    class Model(torch.nn.Module):
        def forward(self, batch):
            return images.function(batch)

    def same_draws(arr, indices, **_):
        number = next(calls)
        return ball.draw(images.x, slice(number, number + 1), 0).flatten(1).numpy()

    def explain(model, inputs, targets, **_):
        return _cubes(torch.as_tensor(inputs), torch.as_tensor(targets)).numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = quantus.MaxSensitivity(nr_samples=8, perturb_func=same_draws, disable_warnings=True)(
            model=Model().eval(),
            x_batch=images.x.numpy(),
            y_batch=images.target.numpy(),
            a_batch=None,
            explain_func=explain,
            device="cpu",
            channel_first=True,
        )
    ours = MaxSensitivity(ball, 8, relative=True).measure(_cubes, images.x, images.target)
    np.testing.assert_allclose(ours.values.numpy(), theirs, rtol=1e-6)


def test_of_the_identity_it_comes_near_the_radius_from_below():
    x, target = torch.zeros(1, 60, dtype=torch.float64), torch.tensor([0])
    identity = lambda rows, target: rows  # noqa: E731 -- one line is what it is
    found = [MaxSensitivity(EuclideanBall(2.0), n).measure(identity, x, target).mean for n in (1, 10, 100)]
    assert found[0] <= found[1] <= found[2] <= 2 + 1e-12
    assert found[2] > 1.99
    # The corner of the max-norm ball, at r √d, is out of reach: what is sampled has about r √(d / 3).
    cube = MaxSensitivity(MaxNormBall(2.0), 100).measure(identity, x, target).mean
    assert 2 * np.sqrt(60 / 3) < cube < 0.75 * 2 * np.sqrt(60)


def test_explainers_that_ignore_x_win(images):
    """A fixed map, and a start that is frozen for the neighbours, are perfectly robust and say nothing."""
    metric = MaxSensitivity(MaxNormBall(0.3), 5)
    fixed = metric.measure(lambda rows, target: torch.ones_like(rows), images.x, images.target)
    assert fixed.values.tolist() == [0.0] * 4
    relative = MaxSensitivity(MaxNormBall(0.3), 5, relative=True)
    zeros = relative.measure(lambda rows, target: torch.zeros_like(rows), images.x, images.target)
    assert zeros.values.tolist() == [0.0] * 4
    better = fixed.minus(metric.measure(_cubes, images.x, images.target))
    assert better.mean < -3 * better.stderr


def test_the_unit_of_the_map_counts_unless_relative(images):
    tenfold = lambda rows, target: 10 * _cubes(rows, target)  # noqa: E731 -- one line is what it is
    for relative, factor in ((False, 10), (True, 1)):
        metric = MaxSensitivity(MaxNormBall(0.3), 5, relative=relative)
        one, ten = (metric.measure(each, images.x, images.target).values for each in (_cubes, tenfold))
        torch.testing.assert_close(ten, factor * one)


def test_an_answer_that_is_no_tensor_is_refused(images):
    with pytest.raises(InputError, match="the explainer answered with a ndarray; need one tensor"):
        MaxSensitivity(MaxNormBall(0.3)).measure(lambda rows, target: rows.numpy(), images.x, images.target)
