"""The short way to masks: what it builds, and what newcomers get wrong."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from onlyif.core.errors import InputError, OnlyIfWarning, SettingError
from onlyif.criteria.soft import SoftObjective
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_module import module_masks, probabilities
from onlyif.searches.relaxed_settings import recommended_settings

IMAGES = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
BLACK = torch.zeros(1, 4, 4)


def _net(n=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, n))


def test_it_is_the_search_that_its_parts_make():
    found = module_masks(_net(), IMAGES, BLACK, seed=3)
    predictor = differentiable_module(_net(), nn.Softmax(1), "probability")
    objective = SoftObjective(SoftRestriction(predictor, BaselineReference(BLACK), seed=3))
    search = RelaxedSearch(objective, recommended_settings(), seed=3)
    wanted = find_masks(search, IMAGES, None, MaskQuestion(variation=20 * 4 / 512))
    assert np.array_equal(found.soft(), wanted.soft()) and found.rows() == wanted.rows()
    assert found.items[0].provenance.output == "probability"
    assert found.items[0].provenance.search == wanted.items[0].provenance.search


def test_question_target_and_transform_are_passed_on():
    asked = MaskQuestion((0.25,), 0.1, 0.1, n_fresh=4)
    (one, two) = module_masks(_net(), IMAGES, BLACK, 2, asked, transform=None)
    raw = _net()(IMAGES)[:, 2]
    assert [one.prediction, two.prediction] == pytest.approx(raw.tolist(), abs=1e-6)
    assert (one.target, one.alpha, one.provenance.output) == (2, 0.25, "value")


def test_logits_become_probabilities():
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    assert torch.equal(probabilities(logits), logits.softmax(1))
    single = probabilities(torch.tensor([[0.3], [-2.0]]))
    assert torch.allclose(single, torch.stack([torch.zeros(2), torch.tensor([0.3, -2.0])], 1).softmax(1))


def test_probabilities_that_would_be_flattened_are_noticed():
    asked = MaskQuestion((1.0,), n_fresh=2)
    net = nn.Sequential(_net(), nn.Softmax(1))
    with pytest.warns(OnlyIfWarning, match="pass transform=None"):
        noticed = module_masks(net, IMAGES, BLACK, None, asked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = module_masks(net, IMAGES, BLACK, None, asked, transform=None)
    assert np.array_equal(noticed.soft(), said.soft())


def test_one_sigmoid_output_is_the_probability_of_the_second_class():
    asked, logit = MaskQuestion((1.0,), 0.1, n_fresh=2), _net(1)
    of_logit = module_masks(logit, IMAGES, BLACK, None, asked)
    of_sigmoid = module_masks(nn.Sequential(logit, nn.Sigmoid()), IMAGES, BLACK, None, asked)
    p = torch.sigmoid(logit(IMAGES))[:, 0].tolist()
    for found in (of_logit, of_sigmoid):
        assert [item.target for item in found] == [int(one > 0.5) for one in p]
        assert [item.prediction for item in found] == pytest.approx([max(one, 1 - one) for one in p])
    np.testing.assert_allclose(of_logit.soft(), of_sigmoid.soft(), rtol=1e-4, atol=1e-4)


def test_planes_are_told_from_volumes_and_colours():
    with pytest.raises(InputError, match="volumes"):
        module_masks(_net(), torch.rand(1, 1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 2))
    with pytest.warns(OnlyIfWarning, match=r"look like \(height, width, channels\)"):
        module_masks(net, torch.rand(1, 5, 4, 3), torch.zeros(5, 4, 3), None, MaskQuestion((1.0,), n_fresh=2))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[0], "one baseline, got shape .* for both: images"),
        ((IMAGES * 255).to(torch.uint8), "images of floating numbers, got torch.uint8"),
        (IMAGES[:0], "at least 1 image, got none"),
        (IMAGES[..., :3], "the baseline has shape"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(InputError, match=message):
        module_masks(_net(), images, BLACK)


def test_targets_out_of_range_are_refused():
    with pytest.raises(SettingError, match="target 3 is out of range: the model has 3 outputs"):
        module_masks(_net(), IMAGES, BLACK, 3)
