"""Masks in Captum's convention are those of the relaxed search, and leave all as found."""

import re
from dataclasses import replace

import pytest
import torch
from captum.attr import NoiseTunnel
from torch import nn

from onlyif.core.errors import InputError, ModelError, OnlyIfWarning, SettingError
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import equal_weights, variation_at
from onlyif.interop.captum_masks import SufficientNecessaryMask
from onlyif.modalities.grids import PixelGrid, SuperpixelGrid
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import RelaxedSettings, recommended_settings
from oracles.fragile import check_left_as_found

FEW = RelaxedSettings("few", Schedule(4), Relaxation(n_draws=4))
SHAPE, N = (2, 4, 4), 32


def _net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Flatten(), nn.Linear(N, 12), nn.Tanh(), nn.Linear(12, 3), nn.Softmax(1)
        return nn.Sequential(*layers).double()


def _images(b=3, seed=1):
    return torch.rand(b, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


NET, X, END = _net(), _images(), _images(1, 9)
QUARTERS = torch.arange(2).repeat_interleave(2) * 2 + torch.arange(2).repeat_interleave(2).unsqueeze(1)


def _attributed(x=X, net=NET, **given):
    usual = {"baselines": END, "target": 1, "settings": FEW, "size": 0.1, "variation": 0.05}
    return SufficientNecessaryMask(net).attribute(x, **(usual | given))


def _flat(x, net=NET, **given):
    return _attributed(x, net, **({"variation": None} | given))


def _close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def _searched(*, alpha=0.5, size=0.1, variation=0.05, grid=None, target=1, seed=0):
    """The relaxed search itself."""
    predictor = DifferentiablePredictor(NET, dtype=torch.float64)
    objective = SoftObjective(SoftRestriction(predictor, BaselineReference(END[0]), seed=seed))
    weights = equal_weights(torch.full((3,), alpha), size, variation)
    search = RelaxedSearch(objective, FEW, grid or PixelGrid(4, 4), seed)
    (part,) = search.run(objective.pose(X, target, weights))
    return part


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {}),
        ({"alpha": 0.0, "seed": 3}, {"alpha": 0.0, "seed": 3}),
        ({"alpha": 1.0}, {"alpha": 1.0}),
        ({"variation": None, "size": 2.0}, {"variation": variation_at(4), "size": 2.0}),
        ({"target": [0, 2, 1]}, {"target": torch.tensor([0, 2, 1])}),
        ({"feature_mask": 5 * QUARTERS.view(1, 1, 4, 4)}, {"grid": SuperpixelGrid(QUARTERS)}),
    ],
)
def test_masks_are_those_of_the_relaxed_search(given, asked):
    wanted = _searched(**asked)
    found, details = _attributed(return_details=True, **given)
    _close(found, wanted.masks.unsqueeze(1).expand(-1, *SHAPE))
    assert torch.equal(details.model_rows, wanted.model_rows)


def test_the_details_are_the_gaps_of_the_mask():
    """With a model that is linear in one entry, f_S is linear in the mask."""
    weights = torch.arange(N, dtype=torch.float64) / N
    masks, details = _attributed(
        net=lambda x: x.flatten(1) @ weights, target=None, alpha=0.3, return_details=True, n_fresh=4000
    )
    kept = ((masks * X + (1 - masks) * END).flatten(1)) @ weights
    hidden = (((1 - masks) * X + masks * END).flatten(1)) @ weights
    full, base = X.flatten(1) @ weights, END.flatten() @ weights
    for found, stderr, wanted in (
        (details.sufficiency, details.sufficiency_stderr, (kept - full).abs()),
        (details.necessity, details.necessity_stderr, (hidden - base).abs()),
    ):
        assert bool(((found - wanted).abs() < 4 * stderr).all())
        assert bool((stderr < 0.05).all())
    torch.testing.assert_close(details.prediction, full)
    torch.testing.assert_close(details.base, base.expand(3))
    down = (masks[:, 0, 1:] - masks[:, 0, :-1]).abs().sum((1, 2))
    across = (masks[:, 0, :, 1:] - masks[:, 0, :, :-1]).abs().sum((1, 2))
    penalty = 0.1 * masks[:, 0].mean((1, 2)) + 0.05 * (down + across) / 16
    torch.testing.assert_close(
        details.objective, 0.3 * details.sufficiency + 0.7 * details.necessity + penalty
    )


def test_a_tuple_is_one_input_cut_in_two():
    flat = X.flatten(1)
    parts = flat[:, :8].reshape(3, 2, 4), flat[:, 8:].float()

    def forward(one, two):
        assert one.shape[1:] == (2, 4)
        assert two.dtype == torch.float32
        return NET(torch.cat([one.flatten(1), two.double()], 1))

    one, two = _flat(parts, forward, baselines=(0.0, 1))
    ends = torch.cat([torch.zeros(1, 8), torch.ones(1, 24)], 1)
    whole = _flat(torch.cat([parts[0].flatten(1), parts[1].double()], 1), NET, baselines=ends)
    assert (one.shape, two.shape, one.dtype, two.dtype) == ((3, 2, 4), (3, 24), torch.float64, torch.float32)
    torch.testing.assert_close(one.flatten(1), whole[:, :8], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(two.double(), whole[:, 8:], rtol=1e-4, atol=1e-5)


def test_features_may_be_shared_by_tensors_and_differ_by_instance_and_channel():
    flat = X.flatten(1)
    parts = flat[:, :8], flat[:, 8:]
    first = torch.arange(8).unsqueeze(0)
    second = torch.cat([torch.zeros(1, 4).long(), torch.full((1, 20), 9)], 1)
    one, two = _flat(
        parts, lambda a, b: NET(torch.cat([a, b], 1)), baselines=(0.2, 0.8), feature_mask=(first, second)
    )
    assert torch.equal(two[:, :4], one[:, :1].expand(-1, 4))
    assert torch.equal(two[:, 4:], two[:, 4:5].expand(-1, 20))
    assert not torch.equal(one[:, 0], one[:, 1])
    channels = torch.arange(2).view(2, 1, 1).expand(SHAPE)
    masks = torch.stack([channels, 1 - channels, QUARTERS.expand(SHAPE)])
    together = _flat(X, feature_mask=masks)
    assert torch.equal(together[0, 1], together[0, 1, :1, :1].expand(4, 4))
    for i in range(3):
        _close(_flat(X[i : i + 1], feature_mask=masks[i : i + 1], variation=0.0)[0], together[i])


@pytest.mark.parametrize("own", [False, True])
def test_neither_the_batch_nor_blocks_change_a_result(own):
    ends = _images(3, 7) if own else END
    together = _attributed(baselines=ends)
    _close(_attributed(baselines=ends, max_rows=3), together)
    for i in range(3):
        _close(_attributed(X[i : i + 1], baselines=ends[i : i + 1] if own else ends)[0], together[i])


def test_further_arguments_go_with_their_rows():
    scale = torch.tensor([0.5, 2.0, 0.5], dtype=torch.float64)

    def forward(x, scale, word):
        assert word == "word"
        assert len(scale) == len(x)
        return NET(x * scale.view(-1, 1, 1, 1))

    found = _attributed(X, forward, additional_forward_args=(scale, "word"))
    for i in range(3):
        _close(_attributed(X[i : i + 1], lambda x, i=i: NET(x * scale[i]))[0], found[i])


def test_outputs_may_have_several_dimensions_or_none():
    shaped = lambda x: torch.stack([NET(x), -NET(x)], 1)  # noqa: E731
    _close(_attributed(net=shaped, target=(0, 1)), _attributed())
    _close(_attributed(net=lambda x: NET(x)[:, 1], target=None), _attributed())


def test_without_a_baseline_it_is_zero():
    _close(_attributed(baselines=None), _attributed(baselines=0))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_causes_are_found(alpha):
    """The model looks at one pixel of 16, in both channels."""
    weights = torch.zeros(SHAPE, dtype=torch.float64)
    weights[:, 1, 2] = 4.0
    x = torch.full((1, *SHAPE), 0.9, dtype=torch.float64)
    found = SufficientNecessaryMask(
        lambda batch: torch.sigmoid((batch * weights).sum((1, 2, 3)) - 3)
    ).attribute(x, alpha=alpha, size=0.5, variation=0.01)
    inside = torch.zeros(4, 4, dtype=torch.bool).index_put_(
        (torch.tensor(1), torch.tensor(2)), torch.tensor(True)
    )
    assert found[0, 0][inside].item() > 0.8
    assert found[0, 0][~inside].mean().item() < 0.1


@pytest.mark.parametrize("raises_at", [None, 1, 3, 6])
def test_all_is_left_as_found_also_after_an_error(raises_at):
    check_left_as_found(lambda net, x: _attributed(x, net), torch.rand(2, *SHAPE), raises_at)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(context):
    with context():
        found = _attributed(X.clone())
    _close(found, _attributed())
    assert not found.requires_grad


def test_captum_takes_it_for_one_of_its_own():
    method = SufficientNecessaryMask(NET)
    assert method.get_name() == "Sufficient and Necessary Mask"
    assert not method.has_convergence_delta() and not method.multiplies_by_inputs
    given = {"baselines": END, "target": 1, "settings": FEW, "size": 0.1, "variation": 0.05}
    smooth = NoiseTunnel(method).attribute(X, nt_samples=2, stdevs=1e-9, **given)
    torch.testing.assert_close(smooth, _attributed(), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:the masks of instances:onlyif.core.errors.OnlyIfWarning")
def test_the_recommended_setting_is_the_usual_one():
    short = replace(recommended_settings(), schedule=Schedule(2))
    assert not torch.equal(_attributed(settings=None), _attributed(settings=short))
    _close(_attributed(settings=None), _attributed(settings=recommended_settings()))


def test_a_mask_that_is_the_same_everywhere_is_said():
    with pytest.warns(OnlyIfWarning, match="are the same for all entries: at size=50 none is worth"):
        assert _attributed(size=50.0, settings=None).max() < 0.02


def test_a_model_without_gradients_is_refused_and_shown_the_way():
    with pytest.raises(ModelError, match=r"no gradient .*superpixels.*BeamSearch"):
        _attributed(net=lambda x: (x.flatten(1).sum(1, keepdim=True) > 3).double().expand(-1, 3))


def test_nan_gradients_are_refused():
    # √ has an infinite slope at 0, which the model multiplies by 0.
    end = torch.zeros_like(END)
    with pytest.raises(ModelError, match="NaN or infinite gradients"):
        _attributed(net=lambda x: (x.flatten(1) ** 2).sqrt(), baselines=end)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"target": 3}, SettingError, "target 3 is out of range"),
        ({"target": None}, SettingError, r"shape \(3,\); need the target"),
        ({"alpha": 1.5}, SettingError, r"alpha must lie in \[0, 1\], got 1.5"),
        ({"size": -1.0}, SettingError, "at least 0, got -1"),
        ({"baselines": torch.zeros(1, 3, 4, 4)}, InputError, "baseline has shape"),
        ({"max_rows": 0}, SettingError, "max_rows must be at least 1"),
        ({"feature_mask": torch.arange(N).view(1, *SHAPE) // 3}, SettingError, "need variation=0"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        _attributed(**wrong)


def test_neighbours_are_those_of_images_alone():
    with pytest.raises(SettingError, match=r"which only one tensor \(b, channels, height, width\) has"):
        _attributed(X.flatten(1), baselines=0.0)
    with pytest.raises(SettingError, match="need variation=0"):
        _attributed((X[:, :1], X[:, 1:]), baselines=(0.0, 0.0))


def test_sizes_give_rankings_whose_highest_entries_are_the_sets():
    method = SufficientNecessaryMask(NET)
    found, details = method.attribute(X, END, 1, alpha=1.0, sizes=[0.25, 2], return_details=True)
    assert details.sizes == (2, 4) and details.felt.all()
    assert torch.equal(found[:, 0], found[:, 1])
    for i, (image, scores) in enumerate(zip(X, found[:, 0], strict=True)):
        for z, size in enumerate(details.sizes):
            keep = scores >= scores.flatten().topk(size).values[-1]
            kept, hidden = torch.where(keep, image, END[0]), torch.where(keep, END[0], image)
            full, base, kept, hidden = NET(torch.stack([image, END[0], kept, hidden]))[:, 1]
            assert details.sufficiency[i, z].item() == pytest.approx((full - kept).abs().item(), abs=1e-9)
            assert details.necessity[i, z].item() == pytest.approx((hidden - base).abs().item(), abs=1e-9)
    quarters = method.attribute(X, END, 1, feature_mask=QUARTERS.view(1, 1, 4, 4), sizes=1)
    for region in range(4):
        values = quarters[:, :, region == QUARTERS]
        assert torch.equal(values, values[:, :1, :1].expand_as(values))
    assert torch.equal(method.attribute(X[1:2], END, 1, alpha=1.0, sizes=[0.25, 2])[0], found[1])
    for wrong in ({"size": 0.5}, {"variation": 0.0}, {"settings": FEW}):
        with pytest.raises(SettingError, match="has no use with sizes"):
            method.attribute(X, END, 1, sizes=0.5, **wrong)
    with pytest.raises(SettingError, match="between 0 and 1"):
        method.attribute(X, END, 1, sizes=1.5)


def test_rankings_of_an_output_without_a_slope_are_said_to_be_arbitrary():
    def decided(batch):
        bright = batch.flatten(1).sum(1, keepdim=True)
        return (bright > 3).double().expand(-1, 3) + 0 * bright

    x = torch.ones(2, 1, 4, 4)
    with pytest.warns(OnlyIfWarning, match=r"masks of instances \[0, 1\] are arbitrary: no mask moved"):
        SufficientNecessaryMask(decided).attribute(x, torch.zeros(1, 1, 4, 4), 1, sizes=[2])


def test_the_bar_of_sizes_ends_where_it_said(capsys):
    for features in (None, QUARTERS.view(1, 1, 4, 4)):
        SufficientNecessaryMask(NET).attribute(
            X, END, 1, feature_mask=features, sizes=[1, 3], show_progress=True
        )
        ends = [int(end) for end in re.findall(r"\d+/(\d+) ", capsys.readouterr().err)]
        # The model is asked a few rows more, for its form and its gradient.
        assert ends[0] <= ends[-1] <= 1.05 * ends[0]
