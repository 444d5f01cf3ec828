"""FANS in Captum's convention is the ascent itself, for any form of inputs, and leaves all as found."""

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel
from captum.metrics import sensitivity_max
from torch import nn

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.players import Players
from onlyif.interop.captum_fans import FANS
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.background import BackgroundSample
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import paper_settings, recommended_settings
from oracles.fragile import check_left_as_found

FEW = recommended_settings(steps=4)
SHAPE = (2, 3, 3)
N = 18


def _net(seed=0, outputs=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Flatten(), nn.Linear(N, 12), nn.Tanh(), nn.Linear(12, outputs), nn.Softmax(1)
        return nn.Sequential(*layers).double()


def _images(b=3, seed=1):
    return torch.rand(b, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


NET, X, ENDS = _net(), _images(), _images(1, 9)


def _attributed(x=X, net=NET, **given):
    return FANS(net).attribute(x, **({"baselines": ENDS, "target": 1, "settings": FEW} | given))


def _close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def _ascended(index, *, sample=None, change=None, b=None, c=0.1, x=X, net=NET, seed=0):
    """The ascent itself."""
    sample = sample or NoisySample(4, sigma=0.01)
    boundary = b or scott_boundary(sample.rows(x[:1], 0).count, N)
    players = Players(index.numpy(), tuple(f"p{i}" for i in range(int(index.max()) + 1)))
    predictor = DifferentiablePredictor(net, dtype=torch.float64)
    events = Neighbourhood(SoftEvents(boundary, c))
    test = DualStageTest(predictor, players, sample, ENDS, events, seed=seed)
    change = change or TargetChange(np.ones(len(x), dtype=np.int64))
    return ascend(predictor, test, x, change, settings=FEW)


ENTRIES = torch.arange(N).view(SHAPE)
PIXELS = torch.arange(9).view(1, 3, 3).expand(SHAPE).contiguous()
BACKGROUND = _images(6, 4)


@pytest.mark.parametrize("index", [ENTRIES, PIXELS])
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {}),
        ({"seed": 5}, {"seed": 5}),
        ({"b": 0.7, "c": 0.02}, {"b": 0.7, "c": 0.02}),
        ({"samples": BACKGROUND}, {"sample": BackgroundSample(BACKGROUND)}),
        ({"samples": NoisySample(3, 0.2)}, {"sample": NoisySample(3, 0.2)}),
        ({"target": None}, {"change": NormChange()}),
        ({"target": [2, 0, 1]}, {"change": TargetChange(np.array([2, 0, 1]))}),
    ],
)
def test_attributions_are_the_scores_of_the_ascent(index, given, asked):
    wanted = _ascended(index, **asked)
    mask = {} if index is ENTRIES else {"feature_mask": PIXELS.unsqueeze(0) * 7}
    found, details = _attributed(return_details=True, **mask, **given)
    _close(found, wanted.scores[:, index])
    _close(details.start, wanted.start[:, index])
    _close(details.trace, wanted.trace)
    assert details.model_rows.tolist() == [wanted.model_rows] * 3


def test_a_tuple_is_one_input_cut_in_two():
    flat = X.flatten(1)
    parts = flat[:, :8].reshape(3, 2, 4), flat[:, 8:].float()

    def forward(one, two):
        assert one.shape[1:] == (2, 4)
        assert two.dtype == torch.float32
        return NET(torch.cat([one.flatten(1), two.double()], 1))

    one, two = _attributed(parts, forward, baselines=(0.0, 1))
    ends = torch.cat([torch.zeros(1, 8), torch.ones(1, 10)], 1)
    joined = torch.cat([parts[0].flatten(1), parts[1].double()], 1)
    whole = _attributed(joined, NET, baselines=ends)
    assert (one.shape, two.shape, one.dtype, two.dtype) == ((3, 2, 4), (3, 10), torch.float64, torch.float32)
    torch.testing.assert_close(one.flatten(1), whole[:, :8], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(two.double(), whole[:, 8:], rtol=1e-4, atol=1e-5)


def test_features_shared_by_the_tensors_of_a_tuple_have_one_attribution():
    flat = X.flatten(1)
    parts = flat[:, :8], flat[:, 8:]
    masks = torch.arange(8).unsqueeze(0), torch.tensor([[0, 0, 3, 3, 9, 9, 9, 9, 10, 11]])
    one, two = _attributed(
        parts, lambda a, b: NET(torch.cat([a, b], 1)), baselines=(0.2, 0.8), feature_mask=masks
    )
    assert torch.equal(two[:, 0], one[:, 0])
    assert torch.equal(two[:, 2], one[:, 3])
    assert torch.equal(two[:, 4:8], two[:, 4:5].expand(-1, 4))
    assert not torch.equal(one[:, 0], one[:, 3])


@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_each_instance_may_have_its_own_features():
    masks = torch.stack([ENTRIES, PIXELS, torch.zeros(SHAPE, dtype=torch.int64)])
    together = _attributed(feature_mask=masks)
    for i in range(3):
        _close(_attributed(X[i : i + 1], feature_mask=masks[i : i + 1])[0], together[i])


def test_further_arguments_go_with_their_rows():
    scale = torch.tensor([0.5, 2.0, 0.5], dtype=torch.float64)

    def forward(x, scale, word):
        assert word == "word"
        assert len(scale) == len(x)
        return NET(x * scale.view(-1, 1, 1, 1))

    found = _attributed(X, forward, additional_forward_args=(scale, "word"))
    for i in range(3):
        _close(_attributed(X[i : i + 1], lambda x, i=i: NET(x * scale[i]))[0], found[i])


def test_outputs_may_have_several_dimensions():
    flat = _attributed(target=torch.tensor([0, 2, 1]))
    shaped = lambda x: torch.stack([NET(x), -NET(x)], 1)  # noqa: E731
    _close(_attributed(net=shaped, target=[(0, 0), (1, 2), (0, 1)]), flat)
    _close(_attributed(net=lambda x: NET(x)[:, 1], target=None), _attributed())


@pytest.mark.parametrize("settings", [FEW, paper_settings(steps=3, rate=0.1)])
@pytest.mark.parametrize("own", [False, True])
def test_neither_the_batch_nor_blocks_change_a_result(settings, own):
    ends = _images(3, 7) if own else ENDS
    together = _attributed(baselines=ends, settings=settings)
    _close(_attributed(baselines=ends, settings=settings, max_rows=20), together)
    for i in range(3):
        mine = ends[i : i + 1] if own else ends
        _close(_attributed(X[i : i + 1], baselines=mine, settings=settings)[0], together[i])


def test_without_a_baseline_it_is_drawn_once_in_units_of_images():
    found, details = _attributed(baselines=None, return_details=True)
    assert torch.equal(details.baselines[0], details.baselines[2])
    assert 0 <= details.baselines.min() < 0.2
    assert 0.8 < details.baselines.max() <= 1
    _close(_attributed(baselines=details.baselines), found)
    other = _attributed(baselines=None, seed=1, return_details=True)[1]
    assert not torch.equal(other.baselines, details.baselines)


def test_the_rule_gives_each_instance_its_own_threshold():
    found, details = _attributed(c=None, return_details=True)
    predictor = DifferentiablePredictor(NET, dtype=torch.float64)
    for i in range(3):
        rows = NoisySample(4, sigma=0.01).rows(X[i : i + 1], 0).own[0]
        wanted = noise_threshold(predictor, rows, TargetChange(np.array([1])))
        assert details.c[i].item() == pytest.approx(wanted, rel=1e-4)
        _close(_attributed(X[i : i + 1], c=None)[0], found[i])
        _close(_attributed(X[i : i + 1], c=wanted)[0], found[i])


def test_the_causes_are_found():
    """Of the model's 18 entries two make the prediction."""
    weights = torch.zeros(N, dtype=torch.float64).index_fill(0, torch.tensor([4, 13]), 6.0)
    x = torch.full((1, *SHAPE), 0.9, dtype=torch.float64)
    found = FANS(lambda batch: torch.sigmoid(batch.flatten(1) @ weights - 5)).attribute(x, baselines=0.0)
    assert set(found.flatten().topk(2).indices.tolist()) == {4, 13}
    assert found.flatten().topk(3).values[1:].diff().item() < -0.2


@pytest.mark.parametrize("raises_at", [None, 1, 3, 6])
def test_all_is_left_as_found_also_after_an_error(raises_at):
    check_left_as_found(lambda net, x: _attributed(x, net), torch.rand(2, *SHAPE), raises_at)


def test_a_module_is_asked_in_evaluation_mode():
    net = nn.Sequential(nn.Dropout(0.5), NET)
    _close(_attributed(net=net), _attributed())
    with pytest.raises(ModelError, match=r"call eval\(\)"):
        _attributed(net=lambda x: net(2 * x))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(context):
    with context():
        found = _attributed(X.clone())
    _close(found, _attributed())
    assert not found.requires_grad


def test_a_model_may_work_in_place():
    net = nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True), *list(NET)[1:])
    x = X - 0.5
    before = x.clone()
    _close(_attributed(x, net), _attributed(x, nn.Sequential(nn.Flatten(), nn.ReLU(), *list(NET)[1:])))
    assert torch.equal(x, before)


def test_captum_takes_it_for_one_of_its_own():
    method = FANS(NET)
    assert (method.get_name(), method.has_convergence_delta(), method.multiplies_by_inputs) == (
        "FANS",
        False,
        False,
    )
    given = {"baselines": ENDS, "target": 1, "settings": FEW}
    smooth = NoiseTunnel(method).attribute(X, nt_samples=2, stdevs=1e-9, **given)
    torch.testing.assert_close(smooth, _attributed(), rtol=1e-3, atol=1e-3)
    assert bool(
        (sensitivity_max(method.attribute, X, perturb_radius=1e-9, n_perturb_samples=2, **given) < 1e-2).all()
    )


def test_a_model_without_gradients_is_refused_and_shown_the_way():
    with pytest.raises(ModelError, match=r"no gradient .*superpixels.*BeamSearch"):
        _attributed(net=lambda x: (x.flatten(1).sum(1, keepdim=True) > 3).double().expand(-1, 3))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"target": 3}, SettingError, "target 3 is out of range"),
        ({"b": 0.0}, SettingError, "b must be above 0"),
        ({"c": 0.0}, SettingError, "c must be a finite number above 0"),
        ({"samples": torch.zeros(2, 4)}, InputError, r"one instance \(\(2, 3, 3\),\)"),
        ({"samples": torch.zeros(0, *SHAPE)}, SettingError, "at least one background row"),
        ({"max_rows": 0}, SettingError, "max_rows must be at least 1"),
        ({"feature_mask": torch.zeros(1, 2, 4, 3).long()}, InputError, "feature mask has shape"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        _attributed(**wrong)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_answers_that_are_no_numbers_are_refused(wrong):
    """Where an entry is half way to the baseline."""
    half = (X[0] + ENDS[0]).flatten()[0] / 2

    def forward(x):
        near = ((x.flatten(1)[:, :1] - half) * (ENDS - X[:1]).flatten()[0].sign()) < 0
        return torch.where(near, NET(x), wrong * NET(x))

    with pytest.raises(ModelError, match="NaN or infinite"):
        _attributed(X[:1], forward)
