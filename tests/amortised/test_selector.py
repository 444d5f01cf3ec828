"""The selector: one image's mask does not depend on the others, α is what it was made for, bad input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.core.errors import InputError, SettingError


def _images(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("alpha", [0.0, None])
@settings(max_examples=15, deadline=None)
@given(channels=st.integers(1, 3), height=st.integers(4, 19), width=st.integers(4, 19), n=st.integers(1, 4))
def test_masks_of_any_size_lie_between_0_and_1_and_know_no_neighbours(alpha, channels, height, width, n):
    selector = Selector(SelectorSettings(channels, 4, 2, alpha), seed=3)
    x, alphas = _images(n, channels, height, width), torch.zeros(n)
    masks = selector.masks(x, alphas)
    assert masks.shape == (n, height, width)
    assert bool(((masks > 0) & (masks < 1)).all())
    single = torch.cat([selector.masks(x[i : i + 1], alphas[i : i + 1]) for i in range(n)])
    torch.testing.assert_close(masks, single)


def test_a_fresh_one_says_one_half_and_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    masks = Selector(SelectorSettings(1, alpha=1.0)).masks(_images(2, 1, 16, 20), torch.ones(2))
    assert torch.equal(torch.rand(1), expected)
    torch.testing.assert_close(masks, torch.full_like(masks, 0.5), atol=0.06, rtol=0)


def test_weights_follow_from_the_seed():
    one, same, other = (Selector(SelectorSettings(1), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.convolution.weight"], other["stem.convolution.weight"])


def test_a_conditioned_one_can_be_bent_by_alpha_and_another_one_cannot():
    x = _images(1, 1, 8, 8)
    conditioned, fixed = Selector(SelectorSettings(1, 8, 2)), Selector(SelectorSettings(1, 8, 2, 0.5))
    for selector in (conditioned, fixed):
        for parameter in selector.parameters():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(2))
    low, high = (conditioned.masks(x, torch.tensor([a])) for a in (0.0, 1.0))
    assert float((low - high).abs().max()) > 0.01
    assert torch.equal(fixed(x, torch.zeros(1)), fixed(x, torch.ones(1)))


@pytest.mark.parametrize(("alpha", "asked"), [(None, 1.5), (None, -0.1), (None, float("nan")), (0.0, 1.0)])
def test_an_alpha_it_was_not_made_for_is_refused(alpha, asked):
    selector = Selector(SelectorSettings(1, alpha=alpha))
    needed = r"alpha must lie in \[0, 1\]" if alpha is None else r"masks for alpha=0.0 alone, got \[1.0\]"
    with pytest.raises(SettingError, match=needed):
        selector.masks(_images(1, 1, 16, 16), torch.tensor([asked]))


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 15, 16), (1, 16, 15)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match="images of 1 channels and sides of at least 16, got"):
        Selector(SelectorSettings(1)).masks(torch.zeros(2, *shape), torch.zeros(2))


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"width": 6}, {"width": 0}, {"levels": 0}, {"levels": 7}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match="a selector needs channels >= 1"):
        SelectorSettings(**{"channels": 1, **wrong})


def test_an_alpha_outside_0_and_1_is_no_architecture():
    with pytest.raises(SettingError, match=r"alpha must lie in \[0, 1\] or be None, got 2"):
        SelectorSettings(1, alpha=2.0)
