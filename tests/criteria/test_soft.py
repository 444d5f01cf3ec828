"""The objective of soft masks against plain loops and one autograd graph, and its weights' refusals."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from onlyif.core.errors import InputError, LimitError, SettingError
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import SoftWeights, equal_weights, variation_at
from onlyif.engine.soft import with_room
from onlyif.modalities.grids import image_players
from onlyif.modalities.neighbours import PlaneNeighbours
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.models.readouts import TargetReadout
from onlyif.references.baseline import BaselineReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from oracles.soft import linear_answers, objective

SHAPE = (2, 4, 5)


def _random(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, BASELINE = _random(1, 4, *SHAPE), _random(2, *SHAPE)
MASKS = _random(3, 4, 20).clamp(0.02, 0.98)  # away from where slopes are clipped
TARGET = torch.tensor([0, 2, 1, 2])
ALPHA = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=torch.float64)


def _net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 3)).double()


NET = _net()
WEIGHTS = _random(5, *SHAPE) - 0.5
LINEAR = DifferentiablePredictor(lambda batch: (batch * WEIGHTS).sum((1, 2, 3)), dtype=torch.float64)


def _objective(predictor=None, reference=None, **settings):
    chosen = differentiable_module(NET, nn.Softmax(1)) if predictor is None else predictor
    return SoftObjective(SoftRestriction(chosen, reference or BaselineReference(BASELINE), **settings))


@pytest.mark.parametrize("straight_through", [True, False])
def test_the_objective_and_its_slope_are_those_of_plain_loops(straight_through):
    relaxation = Relaxation(0.7, straight_through, n_draws=6)
    asked = _objective(relaxation=relaxation, seed=4, max_rows=9)
    weights = SoftWeights(ALPHA, torch.tensor([2.0, 0.1, 0.5, 1.0]).double(), torch.arange(4.0).double())
    problem, masks = asked.pose(X, TARGET, weights), MASKS.clone().requires_grad_()
    found = asked.value(problem, masks, 11).objective
    (slope,) = torch.autograd.grad((found * torch.arange(1, 5)).sum(), masks)
    uniform = uniform_of(relaxation, torch.zeros(1, dtype=torch.long), 20, 4, 11)[0].double().view(6, 4, 5)
    for b in range(4):
        mask = MASKS[b].view(4, 5).clone().requires_grad_()
        wanted = objective(
            lambda image: NET(image[None]).softmax(1)[0],
            X[b],
            mask,
            uniform,
            BASELINE.expand(6, *SHAPE),
            alpha=ALPHA[b],
            lambdas=(weights.size[b], weights.variation[b]),
            target=TARGET[b],
            temperature=0.7,
            straight_through=straight_through,
        )
        assert found[b].item() == pytest.approx(wanted.item(), abs=1e-12)
        (expected,) = torch.autograd.grad((b + 1) * wanted, mask)
        assert torch.allclose(slope[b].view(4, 5), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [5, 100])
def test_what_the_model_is_asked_by_may_be_told_apart(rows):
    """The slope of masks and of what the model is asked by are together that of masks alone."""
    subject = _objective(relaxation=Relaxation(0.7, n_draws=6), seed=4, max_rows=rows)
    weights = SoftWeights(ALPHA, torch.tensor([2.0, 0.1, 0.5, 1.0]).double(), torch.arange(4.0).double())
    problem, leaf = subject.pose(X, TARGET, weights), MASKS.clone().requires_grad_()
    (whole,) = torch.autograd.grad(subject.value(problem, leaf, 11).objective.sum(), leaf)
    asked = MASKS.clone().requires_grad_()
    value = subject.value_of(subject.sided(problem), leaf, 11, asked)
    penalties, model = torch.autograd.grad(value.objective.sum(), (leaf, asked), retain_graph=True)
    assert torch.allclose(penalties + model, whole, atol=1e-12)
    plain = (weights.size * value.size + weights.variation * value.variation).sum()
    assert torch.allclose(penalties, torch.autograd.grad(plain, leaf)[0], atol=1e-12)
    assert (model != 0).any(1).all()


def test_alpha_at_its_ends_asks_one_side_alone():
    asked = []
    counted = DifferentiablePredictor(
        lambda batch: (asked.append(len(batch)), (batch * WEIGHTS).sum((1, 2, 3)))[1], dtype=torch.float64
    )
    subject = _objective(counted)
    problem = subject.pose(X, 0, equal_weights(ALPHA))
    asked.clear()
    one = subject.value(problem, MASKS, 0)
    assert sum(asked) == 10 * (1 + 2 + 2 + 1)
    assert one.sufficiency.isnan().tolist() == [True, False, False, False]
    assert one.necessity.isnan().tolist() == [False, False, False, True]
    asked.clear()
    two = subject.value(problem, MASKS, 0, both=True)
    assert sum(asked) == 10 * 8
    assert torch.allclose(two.objective, one.objective)
    assert torch.allclose(two.sufficiency[1:], one.sufficiency[1:])
    assert two.sufficiency.isfinite().all() and two.necessity.isfinite().all()


def test_empty_and_full_masks_have_known_objectives():
    subject = _objective()
    problem = subject.pose(X, TARGET, equal_weights(ALPHA, 0.25, 3.0))
    for value, wanted in ((0.0, (problem.full - problem.base).abs()), (1.0, torch.full((4,), 0.25).double())):
        found = subject.value(problem, torch.full_like(MASKS, value), 0).objective
        assert torch.allclose(found, wanted, atol=1e-12)


def test_gaps_of_a_linear_model_are_exact_for_binary_masks_and_one_atom():
    subject = _objective(LINEAR)
    problem = subject.pose(X, 0, equal_weights(ALPHA))
    hard = (MASKS > 0.5).double()
    found = subject.estimate(problem, hard, 50)
    assert (found.sufficiency == 0).all() and (found.necessity == 0).all()
    for b in range(4):
        kept, hidden = linear_answers(WEIGHTS, X[b], BASELINE, hard[b].view(4, 5))
        full, base = (WEIGHTS * X[b]).sum().item(), (WEIGHTS * BASELINE).sum().item()
        assert found.value.sufficiency[b].item() == pytest.approx(abs(full - kept), abs=1e-12)
        assert found.value.necessity[b].item() == pytest.approx(abs(hidden - base), abs=1e-12)


@pytest.mark.parametrize("straight_through", [True, False])
def test_gaps_of_sets_are_those_of_the_set_function(straight_through):
    subject = _objective(relaxation=Relaxation(straight_through=straight_through))
    problem, hard = subject.pose(X, TARGET, equal_weights(ALPHA)), MASKS > 0.5
    found = subject.estimate(problem, hard.double(), 50)
    players = image_players(torch.arange(20).view(4, 5), SHAPE)
    restriction = EnumeratedRestriction(subject.restriction.predictor, subject.restriction.reference, players)
    sets, readout = hard.unsqueeze(1), TargetReadout(TARGET.numpy())
    for keep, gaps, aim in (
        (sets, found.value.sufficiency, problem.full),
        (~sets, found.value.necessity, problem.base),
    ):
        answers = torch.from_numpy(restriction.predict(X, keep.numpy(), readout).mean).view(4)
        assert torch.allclose(gaps, (answers - aim).abs(), atol=1e-12)


def test_soft_masks_and_several_atoms_have_errors_that_cover_the_truth():
    rows = _random(9, 5, *SHAPE)
    subject = _objective(LINEAR, MarginalReference(rows))
    problem = subject.pose(X, 0, equal_weights(ALPHA))
    found = subject.estimate(problem, MASKS, 2000)
    for b in range(4):
        kept, hidden = linear_answers(WEIGHTS, X[b], rows.mean(0), MASKS[b].view(4, 5))
        full, base = (WEIGHTS * X[b]).sum().item(), (WEIGHTS * rows.mean(0)).sum().item()
        assert problem.base[b].item() == pytest.approx(base)
        assert abs(found.value.sufficiency[b].item() - abs(full - kept)) < 5 * found.sufficiency[b].item()
        assert abs(found.value.necessity[b].item() - abs(hidden - base)) < 5 * found.necessity[b].item()


@pytest.mark.parametrize("factor", [2, 4])
def test_the_scaled_weight_makes_an_outline_cost_alike_on_finer_images(factor):
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:9, 3:12] = 1
    fine = mask.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    costs = [
        variation_at(m.shape[1]) * PlaneNeighbours(*m.shape[1:]).variation(m.flatten(1)).item()
        for m in (mask, fine)
    ]
    assert costs[0] == pytest.approx(costs[1])


def test_images_are_judged_alike_alone_and_together():
    subject = _objective()
    problem = subject.pose(X, TARGET, equal_weights(ALPHA))
    together = subject.value(problem, MASKS, 3).objective
    for b in range(4):
        alone = subject.pose(X[b : b + 1], TARGET[b : b + 1], equal_weights(ALPHA[b : b + 1]))
        assert subject.value(alone, MASKS[b : b + 1], 3).objective.item() == pytest.approx(together[b].item())
    taken = problem.take(torch.tensor([2, 2, 0]))
    assert torch.allclose(subject.value(taken, MASKS[[2, 2, 0]], 3).objective, together[[2, 2, 0]])


def test_streams_of_their_own_draw_apart():
    subject = _objective()
    twice = X[:1].expand(2, *SHAPE)
    weights = equal_weights(ALPHA[1:3] * 0 + 0.5)
    apart = subject.pose(twice, 0, weights, torch.tensor([0, 1]))
    shared = subject.pose(twice, 0, weights)
    masks = MASKS[:1].expand(2, 20)
    one, two = subject.value(apart, masks, 0).objective, subject.value(shared, masks, 0).objective
    assert one[0] != one[1] and two[0] == two[1] == one[0]


def test_rows_are_halved_until_they_fit():
    tried = []

    def small(batch):
        tried.append(len(batch))
        if len(batch) > 13:
            raise torch.OutOfMemoryError("full")
        return (batch * WEIGHTS).sum((1, 2, 3))

    subject = _objective(DifferentiablePredictor(small, dtype=torch.float64), max_rows=100)
    problem = replace(subject, restriction=replace(subject.restriction, max_rows=10)).pose(
        X, 0, equal_weights(ALPHA)
    )
    value, rows = with_room(100, lambda rows: subject.within(rows).value(problem, MASKS, 0))
    assert rows == 12
    assert torch.allclose(value.objective, _objective(LINEAR).value(problem, MASKS, 0).objective)
    assert max(tried) > 13


def test_no_room_for_a_single_row_is_said():
    def full(batch):
        raise MemoryError

    subject = _objective(DifferentiablePredictor(full, dtype=torch.float64))
    problem = _objective(LINEAR).pose(X, 0, equal_weights(ALPHA))
    with pytest.raises(
        LimitError, match="even with a single row a model call: need a smaller instance or model"
    ):
        with_room(100, lambda rows: subject.within(rows).value(problem, MASKS, 0))


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(SettingError, match=r"alpha must lie in \[0, 1\], got"):
        equal_weights(torch.tensor([0.5, alpha]))


@pytest.mark.parametrize("wrong", [{"size": -1.0}, {"variation": -1.0}, {"size": float("nan")}])
def test_negative_weights_are_refused(wrong):
    with pytest.raises(SettingError, match="weights of size and variation must be at least 0"):
        equal_weights(torch.tensor([0.5]), **wrong)


def test_masks_finer_than_the_image_are_refused():
    subject = _objective()
    problem = subject.pose(X, TARGET, equal_weights(ALPHA))
    with pytest.raises(InputError, match=r"masks have shape \(4, 80\), the images need \(4, 20\)"):
        subject.value(problem, _random(0, 4, 80), 0)
