"""One call means one explanation, whatever its inputs are wrapped in and however features are numbered."""

import pytest
import torch
from captum.metrics import sensitivity_max
from torch import nn

from onlyif.core.errors import OnlyIfWarning
from onlyif.interop.captum_fans import FANS
from onlyif.interop.captum_masks import SufficientNecessaryMask
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed_settings import RelaxedSettings

FEW = RelaxedSettings("few", Schedule(4), Relaxation(n_draws=4))
X = torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _net(n=32):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(n, 3), nn.Softmax(1)).double()


NET = _net()
METHODS = [
    (SufficientNecessaryMask, {"target": 1, "settings": FEW, "size": 0.1}),
    (FANS, {"target": 1, "settings": recommended_settings(steps=4), "baselines": 0.0}),
]
each = pytest.mark.parametrize(("method", "asked"), METHODS, ids=["masks", "fans"])


@each
@pytest.mark.parametrize("shape", [(2, 4, 4), (32,), (2, 2, 8)])
def test_a_tuple_of_one_is_what_is_in_it(method, asked, shape):
    x = X.view(2, *shape)
    alone = method(NET).attribute(x, **asked)
    wrapped = method(NET).attribute((x,), **asked)
    assert isinstance(wrapped, tuple)
    assert len(wrapped) == 1
    assert torch.equal(wrapped[0], alone)


@each
def test_a_sensitivity_to_nothing_is_0(method, asked):
    attribute = method(NET).attribute
    found = sensitivity_max(attribute, X, perturb_func=lambda x: x.clone(), n_perturb_samples=1, **asked)
    assert found.tolist() == [0, 0]


class HalfOfEach(nn.Module):
    """The left half of one channel and the right half of the other."""

    def forward(self, x):
        seen = x[:, 0, :, :2].mean((1, 2)) + x[:, 1, :, 2:].mean((1, 2))
        return torch.sigmoid(8 * (seen - 1)).unsqueeze(1)


@pytest.mark.parametrize("numbered", [lambda n: n, lambda n: n + 1, lambda n: 3 * n - 7])
def test_a_feature_for_each_entry_is_obeyed_however_it_is_numbered(numbered):
    x, features = torch.ones(1, 2, 4, 4), numbered(torch.arange(32)).view(1, 2, 4, 4)
    kept = SufficientNecessaryMask(HalfOfEach()).attribute(x, feature_mask=features, size=0.05)
    assert torch.equal(kept[0, 0].round(), torch.tensor([1.0, 1, 0, 0]).expand(4, 4))
    assert torch.equal(kept[0, 1].round(), torch.tensor([0.0, 0, 1, 1]).expand(4, 4))


@pytest.mark.parametrize("numbered", [lambda n: n, lambda n: n + 1, lambda n: 3 * n - 7])
def test_numbering_changes_no_mask_of_pixels(numbered):
    features = numbered(torch.arange(16)).view(1, 1, 4, 4)
    asked = METHODS[0][1]
    explain = SufficientNecessaryMask(NET).attribute
    assert torch.equal(explain(X, feature_mask=features, **asked), explain(X, **asked))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((1, 3, 4, 4), (0, 1, slice(2), slice(2))),  # channels, depth, height, width
        ((3, 1, 4, 4), (1, 0, slice(2), slice(2))),  # frames, channels, height, width
        ((4, 5, 3), (slice(2), slice(2), slice(None))),  # height, width, channels
    ],
)
def test_volumes_videos_and_channels_last_have_a_mask_for_every_entry(shape, seen, given):
    x, place = torch.ones(1, *shape), (slice(None), *seen)
    asked: dict = {"size": 0.05}
    if given:
        asked["feature_mask"] = torch.arange(x.numel()).view_as(x)

    def forward(batch):
        return torch.sigmoid(10 * (batch[place].flatten(1).mean(1) - 0.5))

    explain = SufficientNecessaryMask(forward).attribute
    if len(shape) == 3 and not given:
        with pytest.warns(OnlyIfWarning, match=r"look like \(height, width, channels\)"):
            kept = explain(x, **asked)
    else:
        kept = explain(x, **asked)
    wanted = torch.zeros_like(x)
    wanted[place] = 1
    assert torch.equal(kept.round(), wanted)
