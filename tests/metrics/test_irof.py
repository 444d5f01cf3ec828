"""IROF against a loop and Quantus; what its ties and its ratio do."""

import warnings

import numpy as np
import pytest
import torch

import oracles.metrics as oracle
from onlyif.core.errors import InputError
from onlyif.metrics.fills import ConstantFill, MeanFill
from onlyif.metrics.irof import IROF, grid_segments
from onlyif.models.function import FunctionPredictor

ZERO = ConstantFill(torch.zeros(()))


def test_a_grid():
    assert grid_segments(3, 5, 2)[0].tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]


@pytest.mark.parametrize("fill", [MeanFill(), ZERO], ids=lambda fill: type(fill).__name__)
def test_it_is_the_formula_also_for_segments_of_each_image(fill, images):
    """Images with 6, 4, 3 and 1 segments, one of them with a number that no pixel has."""
    segments = torch.cat([grid_segments(6, 5, side) for side in (2, 3, 4, 6)])
    segments[2] += 2 * (segments[2] > 0)
    metric = IROF(segments, fill)
    found = metric.measure(images.maps, images.predictor, images.x, images.target)
    curves = metric.curve(images.maps, images.predictor, images.x, images.target)
    for i in range(4):
        x, s, own = images.x[i].numpy(), images.maps[i].numpy(), segments[i].numpy()
        area, curve = oracle.irof(s, x, own, fill.values(images.x)[i].numpy(), images.one(i))
        assert found.values[i].item() == pytest.approx(area)
        assert curves[i, : len(curve)].tolist() == pytest.approx(curve)
        assert curves[i, len(curve) :].tolist() == pytest.approx([curve[-1]] * (curves.shape[1] - len(curve)))


def test_quantus_has_the_same_curve_and_another_area(images, monkeypatch, quantus):
    """Its area is L - ∫_1^L r, unnormalised; with a constant fill all else agrees."""
    segments = grid_segments(6, 5, 2)
    monkeypatch.setattr(
        quantus.helpers.utils, "get_superpixel_segments", lambda img, segmentation_method: segments[0].numpy()
    )
    # Newer numpy calls it so.
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)

    def both_channels(batch):
        return images.function(torch.cat([batch, -batch], 1))

    class Model(torch.nn.Module):
        def forward(self, batch):
            return both_channels(batch)

    # It refuses more than one channel.
    x, maps = images.x[:, :1], images.maps[:, :1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = quantus.IROF(
            perturb_baseline=0.0, normalise=False, return_aggregate=False, disable_warnings=True
        )(
            model=Model().eval(),
            x_batch=x.numpy(),
            y_batch=images.target.numpy(),
            a_batch=maps.numpy(),
            device="cpu",
            channel_first=True,
            softmax=False,
        )
    curve = IROF(segments, ZERO).curve(maps, FunctionPredictor(both_channels), x, images.target)[:, 1:]
    L = curve.shape[1]
    np.testing.assert_allclose(theirs, L - np.trapezoid(curve.numpy(), axis=1), rtol=1e-6)


def test_players_of_tables_are_segments_too():
    """f = Π (x_i): with x = 1 and fill 0 the output is gone with the first segment; area 1 - (1/2)/L."""
    model = FunctionPredictor(lambda batch: batch.prod(1))
    metric = IROF(torch.tensor([[0, 1, 1, 2]]), ZERO)
    x = torch.ones(2, 4, dtype=torch.float64)
    found = metric.measure(torch.rand(2, 4), model, x, torch.tensor([0, 0]))
    assert found.values.tolist() == pytest.approx([1 - 0.5 / 3] * 2)


def test_the_order_of_the_map_decides():
    """f = .6 x1 + .3 x2 + .1 x3 at x = 1: the curve falls by the weights in their order."""
    weights = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    model = FunctionPredictor(lambda batch: batch.double() @ weights)
    metric, x = IROF(torch.arange(3).unsqueeze(0), ZERO), torch.ones(3, 3)
    maps = torch.stack([weights, -weights, torch.zeros(3)])
    curve = metric.curve(maps, model, x, torch.tensor([0, 0, 0]))
    assert curve[0].tolist() == pytest.approx([1, 0.4, 0.1, 0])
    assert curve[1].tolist() == pytest.approx([1, 0.9, 0.6, 0])
    # Ties are broken by number: a constant map is here as good as the best, by luck of the numbering alone.
    torch.testing.assert_close(curve[2], curve[0], rtol=0, atol=1e-12)
    values = metric.measure(maps, model, x, torch.tensor([0, 0, 0])).values
    assert values.tolist() == pytest.approx(
        [(0.6 + 0.9 + 0.5) / 3, (0.1 + 0.4 + 0.5) / 3, (0.6 + 0.9 + 0.5) / 3]
    )


def test_a_misclassified_image_dominates_the_mean(images):
    """The share is of a small number there: reported apart with `take`."""
    rare = FunctionPredictor(lambda batch: torch.sigmoid(-20 * batch.double().flatten(1).mean(1) - 5))
    x = torch.stack([torch.full((1, 4, 4), 1.0), torch.full((1, 4, 4), -1.0)])
    found = IROF(grid_segments(4, 4, 2), ZERO).measure(torch.ones_like(x), rare, x, torch.tensor([0, 0]))
    assert found.values[0] < -1e6
    assert 0 < found.take(torch.tensor([1])).mean < 1


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        (torch.zeros(1, 6, 4, dtype=torch.int64), r"got segments \(1, 6, 4\) for instances \(4, 2, 6, 5\)"),
        (torch.zeros(3, 6, 5, dtype=torch.int64), "got segments of 3 instances for 4; need one each, or one"),
    ],
)
def test_segments_that_do_not_fit_are_refused(segments, said, images):
    with pytest.raises(InputError, match=said):
        IROF(segments).measure(images.maps, images.predictor, images.x, images.target)


def test_an_output_that_is_no_probability_is_refused(images):
    model = FunctionPredictor(lambda batch: batch.flatten(1).mean(1) * 0)
    with pytest.raises(InputError, match="a probability above 0; got 0"):
        IROF(grid_segments(6, 5, 2)).measure(images.maps, model, images.x, torch.zeros(4, dtype=torch.int64))
