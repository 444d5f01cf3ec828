"""The baselines written here, against what their papers say of them."""

import copy
from itertools import combinations

import pytest
import torch
from torch import nn

pytest.importorskip("captum")

from experiments.baselines.idgi import IDGI
from experiments.baselines.image_causes import FANSMap, MeanFANSMap, SizedMap, SizedSquares, added, in_order
from experiments.baselines.image_gradients import FromBaseline, GuidedGradCam, Saliency, shuffled
from experiments.baselines.image_perturbations import HShapMap, Occlusion, OnPatches
from experiments.baselines.image_trivial import (
    BlurredEdges,
    InputTimesMask,
    RandomMap,
    ShuffledWeights,
    SoftThreshold,
)
from experiments.baselines.meaningful_perturbation import MeaningfulPerturbation, blurred

from onlyif.metrics import top_mask
from onlyif.searches.regions import regions
from onlyif.searches.sized import SizedSets

# Captum says that it turned gradients on.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SIDE, BLACK = 12, torch.zeros(1, 12, 12)
# A ReLU has no slope at black.
GREY = torch.full((1, 12, 12), 0.1)


class Corner(nn.Module):
    """Class 1 is the brightness of the upper left quarter, through a curve."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.ReLU()
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])[None, None])

    def forward(self, x):
        seen = self.relu(self.conv(x))[:, 0, :6, :6].mean((1, 2))
        return torch.stack([torch.zeros_like(seen), 8 * seen - 2], 1)


@pytest.fixture
def scene():
    images = 0.6 + 0.4 * torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return Corner().eval().requires_grad_(False), images, torch.tensor([1, 1])


def test_idgi_adds_up_with_any_number_of_steps_and_leaves_out_what_has_no_slope(scene):
    network, images, targets = scene
    change = network(images).softmax(1)[:, 1] - network(GREY[None]).softmax(1)[:, 1]
    for steps in (1, 3):
        found = IDGI(GREY, "grey", steps=steps).attributions(network, images, targets)
        torch.testing.assert_close(found.sum((1, 2, 3)), change)
        assert not found[:, :, 6:].any() and not found[:, :, :, 6:].any()
    # On a plane: each entry gets its squared weight's share of the whole change.
    plane = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 2))
    weight = plane[1].weight[1].detach()
    exact = IDGI(GREY, "grey", steps=2, probability=False).attributions(plane, images, targets).flatten(1)
    whole = (plane(images) - plane(GREY[None]))[:, 1:].detach()
    torch.testing.assert_close(exact, whole * weight.square() / weight.square().sum(), atol=1e-5, rtol=1e-4)


def test_meaningful_perturbation_blurs_what_the_class_needs_and_nothing_else(scene):
    targets = scene[2]
    stripes = (torch.arange(SIDE) % 2).float().expand(1, 1, SIDE, SIDE) * torch.ones(2, 1, 1, 1)

    class Contrast(nn.Module):
        def forward(self, x):
            seen = x.diff(dim=3).abs()[:, 0, :6, :5].mean((1, 2))
            return torch.stack([torch.zeros_like(seen), 8 * seen - 2], 1)

    maps = MeaningfulPerturbation(cell=2, steps=25, shift=0, strength=4.0)(Contrast(), stripes, targets, 0)
    assert maps[:, :5, :4].mean() > 0.2 and maps[:, 8:, 8:].max() < 0.15
    # A blur keeps the mean of a flat image, and takes the stripes away.
    torch.testing.assert_close(blurred(torch.ones(1, 2, 9, 9), 2.0), torch.ones(1, 2, 9, 9))
    assert blurred(stripes, 2.0)[:, :, 4:8, 4:8].std() < 0.05


def test_maps_mark_the_only_part_that_the_network_sees(scene):
    network, images, targets = scene
    methods = [
        Saliency(probability=True), FromBaseline("IntegratedGradients", BLACK, "black"), GuidedGradCam(),
        FromBaseline("GradientShap", BLACK, "black", steps=4), FromBaseline("DeepLift", BLACK, "black"),
        Occlusion(BLACK, "black", 3, 3), OnPatches("FeatureAblation", BLACK, "black", 3),
        FromBaseline("GradientShap", BLACK, "both", steps=4, own=True), HShapMap(BLACK, "black", 3),
        OnPatches("KernelShap", BLACK, "black", 6, 20), OnPatches("Lime", BLACK, "black", 6, 20),
    ]  # fmt: skip
    for method in methods:
        torch.manual_seed(0)
        maps = method(copy.deepcopy(network), images, targets, 0)
        assert maps.shape == (2, SIDE, SIDE)
        assert maps[:, :6, :6].mean() > maps[:, 6:].mean() + 1e-9, method


@pytest.mark.slow
def test_ours_mark_it_too_and_regions_are_nested_by_size(scene):
    network, images, targets = scene
    for method in (SizedMap(BLACK), FANSMap()):
        maps = method(network, images, targets, 0)
        assert maps[:, :6, :6].mean() > maps[:, 6:].mean(), method
    maps = SizedMap(BLACK, own=True, regions=True)(network, images[:1], targets[:1], 0)[0]
    tops = [top_mask(maps[None], size).bool().flatten() for size in (3, 14, 29)]
    assert regions(torch.stack(tops), (SIDE, SIDE)).max() <= 5 and maps[:6, :6].mean() > maps[6:].mean()


def test_means_are_over_maps_of_draws_of_their_own():
    def one(network, images, targets, seed):
        return torch.full_like(images[:, 0], float(2**seed))

    images = torch.zeros(2, 1, SIDE, SIDE)
    for seed, mean in ((0, (1 + 2 + 4) / 3), (1, (8 + 16 + 32) / 3)):
        maps = MeanFANSMap(one, 3)(None, images, torch.tensor([0, 1]), seed)
        torch.testing.assert_close(maps, torch.full_like(images[:, 0], mean))


@pytest.mark.parametrize("aim", [None, 0.0])
def test_necessary_squares_are_about_as_good_as_the_best_of_all_sets_of_their_size(scene, aim):
    _, images, targets = scene
    plane = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 2))
    with torch.no_grad():
        of_square = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(1))
        # Where some squares speak against the class, the others take its probability below f_0.
        of_square = of_square if aim is None else of_square - 0.5
        weight = nn.functional.interpolate(of_square, (SIDE, SIDE)).flatten()
        plane[1].weight.copy_(torch.stack([0 * weight, 0.04 * weight]))
        plane[1].bias.zero_()
    maps = SizedSquares(BLACK, aim=aim)(plane, images, targets, 0)
    squares = maps[:, ::4, ::4]
    assert torch.equal(maps, squares.repeat_interleave(4, 1).repeat_interleave(4, 2))
    fills = torch.zeros_like(images), images.mean((2, 3), keepdim=True).expand_as(images)
    base = sum(plane(fill).softmax(1)[:, 1] for fill in fills) / 2

    def gap(chosen):
        hidden = torch.zeros(9).index_fill(0, torch.tensor(chosen), 1.0).view(3, 3)
        hidden = hidden.repeat_interleave(4, 0).repeat_interleave(4, 1).bool()
        answers = [plane(torch.where(hidden, fill, images)).softmax(1)[:, 1] for fill in fills]
        return (sum(answers) / 2 - (base if aim is None else aim)).abs()

    for size in (1, 2, 4, 8):
        all_sets = torch.stack([gap(chosen) for chosen in combinations(range(9), size)])
        own = squares.flatten(1).topk(size).indices.tolist()
        for i in range(2):
            worst = float(all_sets[:, i].max() - all_sets[:, i].min())
            assert float(gap(own[i])[i] - all_sets[:, i].min()) <= 0.05 * worst
        assert aim is None or size != 4 or bool((all_sets.amin(0) < base).all())


def test_necessary_squares_are_not_the_sufficient_ones():
    class EitherOfTwo(nn.Module):
        """Either of two squares is nearly enough; a third one adds the rest."""

        def forward(self, x):
            seen = nn.functional.avg_pool2d(x, 4)[:, 0].flatten(1)
            there = torch.sigmoid(20 * (seen - 0.6))
            either = 1 - (1 - there[:, 0]) * (1 - there[:, 5])
            sure = (0.8 * either + 0.1 * there[:, 7]).clamp(1e-6, 1 - 1e-6)
            return torch.stack([torch.zeros_like(sure), torch.logit(sure)], 1)

    image = torch.zeros(9).index_fill(0, torch.tensor([0, 5, 7]), 1.0).view(1, 1, 3, 3)
    image = nn.functional.interpolate(image, (SIDE, SIDE))
    maps = SizedSquares(BLACK)(EitherOfTwo(), image, torch.tensor([1]), 0)
    # One of the two and the third keep the prediction; only both together take it away.
    assert sorted(maps[0, ::4, ::4].flatten().topk(2).indices.tolist()) == [0, 5]


def test_a_pixel_counts_as_much_as_it_adds_and_the_highest_numbers_are_the_sets():
    sets = torch.tensor([[[1, 0, 0, 0, 0], [1, 0, 1, 1, 0]]], dtype=torch.bool)
    scores, sizes = torch.tensor([[0.9, 0.1, 0.5, 0.6, 0.2]]), (1, 3)
    found = SizedSets(sets, scores, torch.tensor([True]), torch.tensor([0]))
    for costs, wanted in (
        ([0.5, 0.1], [0.5, 0.05, 0.2, 0.2, 0.05]),
        # The first pixel alone adds nothing: it counts what the set of three adds to each.
        ([1.0, 0.1], [0.3, 0.05, 0.3, 0.3, 0.05]),
        # The set of three does all that there is.
        ([0.5, 0.0], [0.5, 0.0, 0.25, 0.25, 0.0]),
    ):
        maps = added(torch.tensor([1.0]), torch.tensor([costs]), found, sizes)
        torch.testing.assert_close(maps, torch.tensor([wanted]))
        assert in_order(maps, found, sizes).argsort(descending=True).tolist() == [[0, 3, 2, 4, 1]]
    # The highest number is of a pixel in no set: it goes down to the bound of the sets, and the first one up.
    cut = in_order(torch.tensor([[0.2, 0.9, 0.4, 0.1, -0.3]]), found, sizes)
    torch.testing.assert_close(cut, torch.tensor([[0.65, 0.15, 0.4, 0.15, -0.3]]), atol=2e-3, rtol=0)
    assert cut.argsort(descending=True).tolist() == [[0, 2, 3, 1, 4]]


def test_trivial_maps_do_not_ask_the_network_and_shuffled_weights_leave_it_as_it_was(scene):
    network, images, targets = scene
    for method in (RandomMap(), InputTimesMask(), BlurredEdges()):
        assert method(None, images, targets, 0).shape == (2, SIDE, SIDE)
    assert not torch.equal(*RandomMap()(None, images, targets, 0))
    flat = BlurredEdges()(None, torch.ones(1, 3, SIDE, SIDE), targets, 0)
    assert flat.abs().max() < 1e-5
    before = copy.deepcopy(network.state_dict())
    ShuffledWeights(Saliency())(network, images, targets, 0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    layer = nn.Linear(5, 4)
    mixed = shuffled(copy.deepcopy(layer), 3).weight
    assert not torch.equal(mixed, layer.weight)
    assert torch.equal(mixed.flatten().sort().values, layer.weight.flatten().sort().values)
    start = Saliency()
    few = SoftThreshold(start, 0.1)(network, images, targets, 0)
    assert (few != 0).flatten(1).sum(1).max() <= 14
