"""Masks as results: gaps on fresh draws against exact ones, cuts, interruptions, and every bad input."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from onlyif.core.errors import InputError, Interrupted, LimitError, ModelError, OnlyIfWarning, SettingError
from onlyif.criteria.soft import SoftObjective
from onlyif.modalities.grids import SuperpixelGrid
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.references.marginal import MarginalReference
from onlyif.references.replacement import ReplacementReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_cuts import SizeCut, ThresholdCut
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks, mask_parts
from onlyif.searches.relaxed_settings import RelaxedSettings
from oracles.soft import linear_answers

SHAPE = (1, 4, 4)
X = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
BASELINE = torch.rand(*SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
WEIGHTS = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
SHORT = RelaxedSettings("short", Schedule(10, 0.1, 0.05), Relaxation(n_draws=4))
QUESTION = MaskQuestion((0.0, 0.5, 1.0), 0.1, 0.1, n_fresh=400)


def _linear(batch):
    first = (batch * WEIGHTS).sum((1, 2, 3))
    return torch.stack([first, -2 * first], 1)


def _search(function=_linear, reference=None, grid=None, **settings):
    predictor = DifferentiablePredictor(function, dtype=torch.float64)
    restriction = SoftRestriction(predictor, reference or BaselineReference(BASELINE), **settings)
    return RelaxedSearch(SoftObjective(restriction), SHORT, grid)


def _exact(x, mask, factor):
    full, base = (WEIGHTS * x).sum().item(), (WEIGHTS * BASELINE).sum().item()
    kept, hidden = linear_answers(WEIGHTS, x, BASELINE, mask)
    return abs(factor * (full - kept)), abs(factor * (hidden - base))


def test_gaps_are_those_of_the_masks_in_order_of_image_and_alpha():
    masks = find_masks(_search(), X, torch.tensor([0, 1]), QUESTION)
    assert [(m.row, m.alpha) for m in masks] == [(i, a) for i in (0, 1) for a in (0.0, 0.5, 1.0)]
    for item in masks:
        factor = (1, -2)[item.row]
        x = X[item.row]
        assert item.prediction == pytest.approx(factor * (WEIGHTS * x).sum().item())
        assert item.base == pytest.approx(factor * (WEIGHTS * BASELINE).sum().item())
        hard = _exact(x, torch.from_numpy(item.hard).double(), factor)
        for gap, wanted in zip((item.unified.sufficiency, item.unified.necessity), hard, strict=True):
            assert gap.value == pytest.approx(wanted, abs=1e-9) and gap.stderr == 0
        soft_mask = torch.from_numpy(item.soft)
        soft = _exact(x, soft_mask, factor)
        for gap, wanted in zip(
            (item.measures["soft_sufficiency"], item.measures["soft_necessity"]), soft, strict=True
        ):
            assert abs(gap.value - wanted) < 5 * gap.stderr + 1e-9
        gaps = [item.measures[f"soft_{part}"].value for part in ("sufficiency", "necessity")]
        unified = item.alpha * gaps[0] + (1 - item.alpha) * gaps[1]
        down = sum(np.abs(np.diff(item.soft, axis=axis)).sum() for axis in (0, 1))
        penalty = 0.1 * item.soft.mean() + 0.1 * down / 16
        assert item.measures["objective"].value == pytest.approx(unified + penalty)
        assert np.array_equal(item.hard, item.soft >= 0.5)


def test_fresh_draws_are_not_those_of_the_search():
    search = _search()
    (part,) = mask_parts(search, X, torch.tensor([0, 0]), QUESTION)
    problem = search.objective.pose(X.repeat_interleave(3, 0), 0, QUESTION.weights(2))
    soft = torch.from_numpy(part.soft()).flatten(1)
    seen = search.objective.estimate(problem, soft, 400).value.sufficiency
    fresh = torch.tensor([m.measures["soft_sufficiency"].value for m in part])
    assert not torch.allclose(seen, fresh.double(), atol=1e-12)


def test_by_default_the_largest_output_is_explained():
    targets = [m.target for m in find_masks(_search(), X, None, MaskQuestion((0.5,)))]
    assert targets == _linear(X).argmax(1).tolist()


def test_a_set_of_given_size_has_that_size_and_regions_stay_whole():
    masks = find_masks(_search(), X, None, MaskQuestion(cut=SizeCut(5)))
    assert {m.unified.size for m in masks} == {5}
    for item in masks:
        assert item.soft[item.hard].min() >= item.soft[~item.hard].max()
    regions = (torch.arange(4) // 2).view(4, 1) * 2 + torch.arange(4) // 2
    masks = find_masks(_search(grid=SuperpixelGrid(regions)), X, None, MaskQuestion(cut=SizeCut(3)))
    assert {m.unified.size for m in masks} == {12}
    for item in masks:
        assert all(len(set(item.hard[regions.numpy() == i])) == 1 for i in range(4))


def test_background_rows_leave_an_error_on_hard_sets_too():
    rows = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    item = find_masks(_search(reference=MarginalReference(rows)), X[:1], None, MaskQuestion((0.5,))).items[0]
    assert 0 < item.hard.sum() < 16
    assert item.unified.sufficiency.stderr > 0


def test_ctrl_c_leaves_what_was_finished():
    calls = []

    def stopped(batch):
        calls.append(len(batch))
        if len(calls) > 60:
            raise KeyboardInterrupt
        return _linear(batch)

    with pytest.raises(Interrupted) as raised:
        find_masks(_search(stopped, max_rows=8), X, torch.tensor([0, 0]), MaskQuestion(n_fresh=2))
    finished = raised.value.finished
    assert 1 <= len(finished) < 6
    whole = find_masks(_search(max_rows=8), X, torch.tensor([0, 0]), MaskQuestion(n_fresh=2))
    for got, wanted in zip(finished, whole, strict=False):
        assert np.allclose(got.soft, wanted.soft) and got.alpha == wanted.alpha


def test_results_are_data():
    masks = find_masks(_search(), X, None, QUESTION)
    assert len(masks.at_alpha(0.5)) == 2 and len(masks.of_row(1)) == 3
    assert masks.soft().shape == masks.hard().shape == (6, 4, 4)
    row = masks.rows()[4]
    assert row["row"] == 1 and row["alpha"] == 0.5 and row["model_rows"] == 80
    assert row["hard_size"] == pytest.approx(masks.items[4].unified.size / 16)
    origin = masks.items[0].provenance
    assert "a fixed baseline" in origin.reference and "10 Adam steps" in origin.search
    assert origin.cut == "players with S >= 0.5"
    with pytest.raises(SettingError, match=r"no explanation for alpha=0.3; there are \[0.0, 0.5, 1.0\]"):
        masks.at_alpha(0.3)


def test_the_model_is_asked_in_evaluation_mode_and_left_in_training_mode():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(16), nn.Linear(16, 2)).double()
    net[3].eval()
    modes = [part.training for part in net.modules()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    predictor = differentiable_module(net, nn.Softmax(1))
    restriction = SoftRestriction(predictor, BaselineReference(BASELINE))
    search = RelaxedSearch(SoftObjective(restriction), SHORT)
    before = torch.get_rng_state()
    once, again = (find_masks(search, X, None, QUESTION).soft() for _ in range(2))
    assert np.array_equal(once, again)
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())


def test_between_parts_model_and_randomness_are_the_users():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 2)).double()
    restriction = SoftRestriction(differentiable_module(net), BaselineReference(BASELINE), max_rows=8)
    parts = mask_parts(RelaxedSearch(SoftObjective(restriction), SHORT), X, None, QUESTION)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [(net.training, torch.rand(1).item()) for _ in parts] + [(True, torch.rand(1).item())]
        torch.manual_seed(0)
        assert drawn == [(True, torch.rand(1).item()) for _ in range(7)]


@pytest.mark.parametrize("error", [None, RuntimeError("broken"), KeyboardInterrupt()])
def test_all_is_left_as_found_also_on_error(error):
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(16), nn.Linear(16, 2)).double()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    calls = []

    def count(*_):
        calls.append(1)
        np.random.random(), torch.rand(1)
        if error is not None and len(calls) > 20:
            raise error

    net.register_forward_hook(count)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    restriction = SoftRestriction(differentiable_module(net), BaselineReference(BASELINE))
    search = RelaxedSearch(SoftObjective(restriction), SHORT)
    try:
        find_masks(search, X.clone().requires_grad_(), None, QUESTION)
    except (RuntimeError, KeyboardInterrupt):
        assert error is not None
    assert len(calls) > 20 and all(part.training for part in net.modules())
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in net.parameters())
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])


@pytest.mark.parametrize("fits", [1, 5])
def test_too_little_memory_anywhere_changes_nothing(fits):
    rows = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    failed = []
    question, alone = replace(QUESTION, n_fresh=40), MaskQuestion((0.5,), n_fresh=40)

    def tight(batch):
        if len(batch) > fits:
            failed.append(len(batch))
            raise torch.OutOfMemoryError("full")
        return _linear(batch)

    wanted = find_masks(_search(reference=MarginalReference(rows), max_rows=64), X, None, question)
    found = find_masks(_search(tight, MarginalReference(rows), max_rows=64), X, None, question)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.soft, other.soft, atol=1e-9)
        assert one.unified.necessity.value == pytest.approx(other.unified.necessity.value, abs=1e-9)
    assert len(failed) <= 14
    # One image with one atom: only the descent and the gaps ask for many rows.
    one = find_masks(_search(tight, max_rows=64), X[:1], 0, alone)
    assert np.allclose(one.soft(), find_masks(_search(), X[:1], 0, alone).soft(), atol=1e-9)

    def full(batch):
        raise MemoryError

    with pytest.raises(LimitError, match="out of memory in a model call of 1 rows"):
        find_masks(_search(full), X, None, QUESTION)


def test_one_target_serves_all_and_others_are_one_an_image():
    one = find_masks(_search(), X, 1, QUESTION)
    each = find_masks(_search(), X, torch.tensor([1, 1]), QUESTION)
    assert np.array_equal(one.soft(), each.soft()) and {m.target for m in one} == {1}
    with pytest.raises(SettingError, match="need one target an image"):
        find_masks(_search(), X, torch.tensor([0, 1, 0]), QUESTION)


def test_the_base_of_a_sampled_law_is_estimated_again():
    def noise(x, keep, n, seed):
        return torch.rand(n, *x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)

    search = _search(reference=ReplacementReference(noise, "Noise."))
    item = find_masks(search, X[:1], 0, MaskQuestion((0.5,), 0.1, 0.1, n_fresh=10)).items[0]
    seen = search.objective.pose(X[:1], 0, MaskQuestion((0.5,)).weights(1)).base.item()
    assert item.base_stderr > 0 and item.base != seen
    assert abs(item.base - WEIGHTS.sum().item() / 2) < 5 * item.base_stderr


def test_dropout_that_stays_on_is_refused():
    def random(batch):
        return _linear(nn.functional.dropout(batch, 0.5, training=True))

    with pytest.raises(ModelError, match="differently each time, as with dropout left on"):
        find_masks(_search(random), X, None, QUESTION)


def test_nan_gradients_are_refused():
    with pytest.raises(ModelError, match="NaN or infinite gradients"):
        find_masks(_search(lambda b: (b - b).sum((1, 2, 3)).abs().sqrt()), X, None, QUESTION)


def test_a_model_without_gradients_is_refused():
    with pytest.raises(ModelError, match=r"gives no gradient .* superpixels .* BeamSearch"):
        find_masks(_search(lambda b: _linear(b.detach())), X, None, QUESTION)


def test_a_baseline_in_other_units_is_refused():
    for baseline, images in ((BASELINE * 255, X), (BASELINE - 20, X)):
        with pytest.raises(InputError, match=r"images run from .* need both in the same units"):
            find_masks(_search(reference=BaselineReference(baseline)), images, None, QUESTION)
    with pytest.warns(OnlyIfWarning, match="are both in the same units"):
        find_masks(_search(reference=BaselineReference(BASELINE)), X * 255, None, QUESTION)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        black = BaselineReference(torch.zeros_like(BASELINE))
        find_masks(_search(reference=black), X * 255, None, QUESTION)


@pytest.mark.parametrize("images", [0.45 + 0.05 * X, 0 * X + 0.5, 0 * X])
def test_images_of_little_contrast_take_a_black_baseline(images):
    black = BaselineReference(torch.zeros_like(BASELINE))
    assert len(find_masks(_search(reference=black), images, 0, MaskQuestion((0.5,)))) == 2


def test_a_baseline_with_holes_is_refused():
    holes = torch.where(BASELINE > 0.5, torch.nan, BASELINE)
    with pytest.raises(InputError, match="hidden pixels would be NaN or infinite"):
        find_masks(_search(reference=BaselineReference(holes)), X, None, QUESTION)


def test_inference_mode_is_refused_and_no_grad_is_not():
    with torch.inference_mode(), pytest.raises(SettingError, match=r"torch.inference_mode switches them off"):
        find_masks(_search(), X, None, QUESTION)
    with torch.no_grad():
        inside = find_masks(_search(), X, None, QUESTION).soft()
    assert np.array_equal(inside, find_masks(_search(), X, None, QUESTION).soft())


def test_a_baseline_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"the baseline has shape \(1, 3, 4\)"):
        find_masks(_search(reference=BaselineReference(BASELINE[:, :3])), X, None, QUESTION)


@pytest.mark.parametrize("target", [-1, 2])
def test_a_target_out_of_range_is_refused(target):
    with pytest.raises(SettingError, match=f"target {target} is out of range: the model has 2 outputs"):
        find_masks(_search(), X, torch.full((2,), target), QUESTION)


@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan")])
def test_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(SettingError, match=r"alpha must lie in \[0, 1\]"):
        find_masks(_search(), X, None, MaskQuestion((0.5, alpha)))


def test_no_images_and_nan_images_are_refused():
    with pytest.raises(InputError, match="at least 1 image, got none"):
        find_masks(_search(), X[:0], None, QUESTION)
    with pytest.raises(InputError, match="NaN or infinite entries; need finite numbers"):
        find_masks(_search(), X * torch.nan, None, QUESTION)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskQuestion(()), "at least one alpha"),
        (lambda: MaskQuestion(n_fresh=1), "n_fresh >= 2"),
        (lambda: ThresholdCut(0.0), r"lies in \(0, 1\], got 0.0"),
        (lambda: SizeCut(-1), "at least 0 players"),
        (lambda: SizeCut(5).members(torch.rand(1, 4)), "a set of 5 players needs as many, got 4"),
    ],
)
def test_bad_questions_are_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()
