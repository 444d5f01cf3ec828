"""Soft restrictions: exact draws, slopes of one autograd graph, any split, every kind of reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onlyif.core.errors import InputError, LimitError, ModelError, SettingError
from onlyif.engine.soft import slopes
from onlyif.modalities.grids import SuperpixelGrid
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.base import Plan
from onlyif.references.baseline import BaselineReference
from onlyif.references.blur import BlurReference
from onlyif.references.marginal import MarginalReference
from onlyif.references.replacement import ReplacementReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from onlyif.restrictions.soft_images import check_images, targeted
from oracles.soft import expected_answer, linear_answers, relaxed_draw

SHAPE = (2, 4, 5)
X = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
ROWS = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
MASKS = torch.rand(3, 20, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
WEIGHTS = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def _net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 4)).double()


NET = _net()
PREDICTOR = differentiable_module(NET, nn.Softmax(1), "probability")
LINEAR = DifferentiablePredictor(lambda batch: (batch * WEIGHTS).sum((1, 2, 3)), dtype=torch.float64)


def _noise(x, keep, n, seed):
    return torch.rand(n, *x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)


def _filled(x, keep, n, seed):
    """What is hidden takes the mean of what is kept: a law that depends on the mask."""
    return (torch.where(keep, x, 0).mean() + 0 * x).expand(n, *x.shape)


REFERENCES = [
    BaselineReference(ROWS[0]),
    BlurReference(1.0),
    MarginalReference(ROWS),
    ReplacementReference(_noise, "Noise.", chunk=4),
    ReplacementReference(_filled, "The mean of what is kept.", chunk=4),
]


@given(st.floats(0, 1), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_pixel_is_in_with_exactly_its_probability(s, antithetic, seed):
    relaxation = Relaxation(n_draws=2000, antithetic=antithetic)
    uniform = relaxation.noise(3, seed, 0, 0)
    drawn = relaxation.draw(torch.full((1, 3), s), uniform.unsqueeze(0))
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
    assert (drawn.mean((0, 1)) - s).abs().max() <= 5 * (s * (1 - s) / 2000) ** 0.5 + 1e-3


def test_certain_pixels_are_certain_whatever_is_drawn():
    ends = torch.tensor([[0.0, 1.0]])
    extreme = torch.tensor([0.0, 1 - 2.0**-24]).view(1, 2, 1).expand(1, 2, 2)
    assert torch.equal(Relaxation().draw(ends, extreme), ends.unsqueeze(1).expand(1, 2, 2))


def test_pairs_are_mirrored():
    uniform = Relaxation(n_draws=6, antithetic=True).noise(7, 0, 2, 0)
    assert torch.allclose(uniform[:3] + uniform[3:], torch.ones(3, 7), atol=1e-6)
    assert uniform.min() >= 0 and uniform.max() < 1


@pytest.mark.parametrize("straight_through", [True, False])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_draws_and_slopes_are_the_formulas(temperature, straight_through):
    relaxation = Relaxation(temperature, straight_through)
    mask = MASKS.clamp(0.05, 0.95).requires_grad_()
    uniform = torch.rand(3, 10, 20, dtype=torch.float64).clamp(1e-4, 1 - 1e-4)
    drawn = relaxation.draw(mask, uniform)
    soft = relaxed_draw(mask.unsqueeze(1), uniform, temperature)
    hard = (uniform >= 1 - mask.unsqueeze(1)).double()
    assert torch.allclose(drawn, hard if straight_through else soft, atol=1e-7)
    weight = torch.rand_like(drawn)
    (found,) = torch.autograd.grad((drawn * weight).sum(), mask)
    (expected,) = torch.autograd.grad((soft * weight).sum(), mask)
    assert torch.allclose(found, expected)


def test_entries_at_the_ends_still_have_a_slope():
    mask = torch.tensor([[0.0, 1.0]], requires_grad=True)
    uniform = torch.full((1, 1, 2), 0.5)
    (slope,) = torch.autograd.grad(Relaxation(1.0).draw(mask, uniform).sum(), mask)
    assert (slope > 0).all() and slope.isfinite().all()


def test_streams_steps_and_seeds_draw_apart():
    index = torch.tensor([4, 9, 4])
    drawn = uniform_of(Relaxation(), index, 2, 0, 1)
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[..., 0], drawn[..., 1])
    for other in (
        uniform_of(Relaxation(), index, 2, 0, 2),
        uniform_of(Relaxation(), index, 2, 1, 1),
    ):
        assert not torch.equal(drawn, other)
    alone = uniform_of(Relaxation(), torch.tensor([9]), 2, 0, 1)
    assert torch.equal(alone[0], drawn[1])


def _both(restriction, images):
    """All images asked about with S kept, then with S hidden."""
    b = len(images.x)
    return restriction.sides(images, torch.arange(b).repeat(2), torch.arange(2 * b) >= b)


def _slope(restriction, images, masks, step):
    """The answers, and the slope of each in all masks."""
    leaf = masks.clone().requires_grad_()
    answers = restriction.predict(_both(restriction, images), leaf, step)
    rows = [torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in answers]
    return answers.detach(), torch.stack(rows)


def _plain(restriction, masks, step):
    """All rows in one graph, draw by draw."""
    relaxation, answers = restriction.relaxation, []
    uniform = uniform_of(relaxation, torch.zeros(1, dtype=torch.long), 20, restriction.seed, step)
    n, law = relaxation.n_draws, restriction.reference.law
    for hidden in (False, True):
        for b in range(3):
            outputs = []
            for k in range(n):
                m = relaxation.draw(masks[b : b + 1], uniform[:, k : k + 1].to(masks))[0, 0].view(4, 5)
                share = 1 - m if hidden else m
                keep = (share.detach() > 0.5).expand(SHAPE)[None, None].numpy()
                plan = Plan(1, 0, 1, None)
                if law.n_atoms != 1:
                    plan = Plan(99, step * n + k, step * n + k + 1, restriction.seed)
                value = restriction.reference.draw(X[b : b + 1], keep, plan).values[0, 0, 0]
                outputs.append(NET((share * X[b] + (1 - share) * value)[None]).softmax(1)[0, b])
            answers.append(torch.stack(outputs).mean())
    return torch.stack(answers)


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: r.law.sentence[:30])
@pytest.mark.parametrize("relaxation", [Relaxation(n_draws=4), Relaxation(0.8, False, 2, True)])
def test_values_and_slopes_are_those_of_one_plain_graph(reference, relaxation):
    restriction = SoftRestriction(PREDICTOR, reference, relaxation, max_rows=1000, seed=5)
    images, masks = targeted(X, torch.arange(3)), MASKS.clone().requires_grad_()
    wanted = _plain(restriction, masks, 7)
    (slope,) = torch.autograd.grad((wanted * torch.arange(1.0, 7)).sum(), masks)
    for rows in (1000, 7, 1):
        bounded = replace(restriction, max_rows=rows)
        found = bounded.predict(_both(bounded, images), masks, 7)
        (got,) = torch.autograd.grad((found * torch.arange(1.0, 7)).sum(), masks)
        assert torch.allclose(found, wanted, atol=1e-12)
        assert torch.allclose(got, slope, atol=1e-12)
        with torch.no_grad():
            assert torch.allclose(bounded.predict(_both(bounded, images), masks, 7), wanted, atol=1e-12)


def test_no_call_has_more_rows_than_allowed():
    asked = []
    counted = DifferentiablePredictor(lambda b: (asked.append(len(b)), b.flatten(1).sum(1))[1], dtype=X.dtype)
    restriction = SoftRestriction(counted, MarginalReference(ROWS), max_rows=4)
    images = targeted(X, 0)
    restriction.predict(_both(restriction, images), MASKS.clone().requires_grad_(), 0)
    assert sum(asked) == 6 * 10
    restriction.estimate(images, MASKS, 2), restriction.full(images), restriction.base(images)
    assert max(asked) <= 4


def test_the_mean_of_many_draws_is_the_expectation_within_its_error():
    restriction = SoftRestriction(LINEAR, BaselineReference(ROWS[0]), seed=8)
    found = restriction.estimate(targeted(X, 0), MASKS, 200)
    assert (found.stderr > 0).all()
    for b in range(3):
        exact = linear_answers(WEIGHTS, X[b], ROWS[0], MASKS[b].view(4, 5))
        for side in range(2):
            off = (found.mean[b + 3 * side] - exact[side]).abs()
            assert off < 5 * found.stderr[b + 3 * side]


def test_errors_cover_the_truth_as_often_as_they_say():
    # The two of a pair are exact opposites here: taken for independent, they would cover always.
    half, hits = torch.full_like(MASKS[:1], 0.5), 0
    exact = linear_answers(WEIGHTS, X[0], ROWS[0], half[0].view(4, 5))[0]
    for seed in range(200):
        paired = Relaxation(n_draws=10, antithetic=True)
        restriction = SoftRestriction(LINEAR, BaselineReference(ROWS[0]), paired, seed=seed)
        found = restriction.estimate(targeted(X[:1], 0), half, 3)
        hits += bool((found.mean[0] - exact).abs() < 1.96 * found.stderr[0])
    assert 0.87 <= hits / 200 <= 0.99


TINY = X[..., :2, :3].contiguous()
TINY_ROWS = ROWS[:3, :, :2, :3].contiguous()


def _curved(batch):
    return torch.tanh((batch * WEIGHTS[:, :2, :3]).sum((1, 2, 3)))


@pytest.mark.parametrize("rows", [TINY_ROWS[:1], TINY_ROWS], ids=["one atom", "rows"])
@pytest.mark.parametrize(
    "units",
    [torch.tensor([[0, 0, 1], [2, 2, 1]]), pytest.param(torch.arange(6).view(2, 3), marks=pytest.mark.slow)],
)
def test_estimates_are_the_mean_over_all_binary_masks_and_cover_it(rows, units):
    grid = SuperpixelGrid(units)
    masks = torch.tensor([[0.1, 0.9, 0.4, 0.6, 0.25, 0.8], [0.5, 0.3, 0.7, 1.0, 0.0, 0.95]]).double()
    masks = masks[:, : grid.shape[0]]
    planes = grid.spread(masks)
    wanted = [
        expected_answer(
            lambda image: _curved(image[None])[0], TINY[b], planes[b], rows, hidden=h, units=units
        )
        for b, h in ((0, False), (1, False), (0, True), (1, True))
    ]
    reference = BaselineReference(rows[0]) if len(rows) == 1 else MarginalReference(rows)
    predictor = DifferentiablePredictor(_curved, dtype=torch.float64)
    hits = torch.zeros(4)
    for seed in range(100):
        asked = SoftRestriction(predictor, reference, Relaxation(0.5, False), grid, seed=seed)
        found = asked.estimate(targeted(TINY[:2], 0), masks, 4)
        hits += (found.mean - torch.tensor(wanted)).abs() <= 1.96 * found.stderr
    # 40 draws and 100 trials: .95 less 3 standard errors of the share, and of Student's t.
    assert (hits / 100 >= 0.86).all()


@pytest.mark.parametrize("reference", REFERENCES[:3], ids=lambda r: r.law.sentence[:30])
def test_slopes_of_relaxed_draws_are_finite_differences(reference):
    restriction = SoftRestriction(PREDICTOR, reference, Relaxation(0.6, False, 4), seed=2)
    images, masks = targeted(X, torch.arange(3)), MASKS.clamp(0.05, 0.95)
    slope, sides = _slope(restriction, images, masks, 1)[1], _both(restriction, images)
    for job in range(6):
        for player in (0, 8, 19):
            moved = torch.zeros_like(masks)
            moved[job % 3, player] = 1e-6
            up, down = (restriction.predict(sides, masks + s * moved, 1)[job] for s in (1, -1))
            assert slope[job, job % 3, player].item() == pytest.approx(
                (up - down).item() / 2e-6, rel=1e-5, abs=1e-8
            )


def test_images_without_channels_have_the_same_answers_and_slopes():
    flat = DifferentiablePredictor(lambda b: torch.tanh(b * WEIGHTS[0]).sum((1, 2)), dtype=torch.float64)
    deep = DifferentiablePredictor(
        lambda b: torch.tanh(b[:, 0] * WEIGHTS[0]).sum((1, 2)), dtype=torch.float64
    )
    plain = _slope(SoftRestriction(flat, BaselineReference(ROWS[0, 0])), targeted(X[:, 0], 0), MASKS, 0)
    single = _slope(SoftRestriction(deep, BaselineReference(ROWS[0, :1])), targeted(X[:, :1], 0), MASKS, 0)
    for one, other in zip(plain, single, strict=True):
        assert torch.allclose(one, other)


def test_a_model_that_writes_into_its_batch_changes_nothing_of_ours():
    def greedy(batch):
        return batch.sub_(0.5).flatten(1).sum(1)

    baseline, images = ROWS[0].clone(), X.clone()
    restriction = SoftRestriction(DifferentiablePredictor(greedy, dtype=X.dtype), BaselineReference(baseline))
    some = targeted(images, 0)
    restriction.base(some), restriction.full(some), restriction.largest(images)
    found, _ = _slope(restriction, some, MASKS, 0)
    restriction.predictor.check_gradient(images[:1])
    assert torch.equal(baseline, ROWS[0]) and torch.equal(images, X)
    calm = DifferentiablePredictor(lambda b: (b - 0.5).flatten(1).sum(1), dtype=X.dtype)
    wanted, _ = _slope(replace(restriction, predictor=calm), targeted(X, 0), MASKS, 0)
    assert torch.allclose(found, wanted)


def test_nan_for_the_reference_alone_is_refused():
    def touchy(batch):
        return batch.flatten(1).sum(1) / (batch != ROWS[0]).flatten(1).any(1)

    restriction = SoftRestriction(DifferentiablePredictor(touchy, dtype=X.dtype), BaselineReference(ROWS[0]))
    with pytest.raises(ModelError, match="NaN or infinite for"):
        restriction.base(targeted(X, 0))


@pytest.mark.parametrize("reference", REFERENCES[:3], ids=lambda r: r.law.sentence[:30])
def test_the_base_is_the_mean_over_all_atoms(reference):
    for rows in (1000, 2):
        restriction = SoftRestriction(PREDICTOR, reference, max_rows=rows)
        found = restriction.base(targeted(X, torch.tensor([0, 3, 1])))
        n = reference.law.n_atoms
        nothing = np.zeros((1, 1, *SHAPE), dtype=bool)
        atoms = reference.draw(X, nothing, Plan(n, 0, n, None)).values.expand(3, -1, -1, *SHAPE)[:, 0]
        for b, target in enumerate((0, 3, 1)):
            wanted = NET(atoms[b]).softmax(1)[:, target].mean()
            assert found.mean[b].item() == pytest.approx(wanted.item(), abs=1e-12)
        assert (found.stderr == 0).all()


def test_the_base_of_a_law_without_atoms_has_an_error():
    restriction = SoftRestriction(LINEAR, REFERENCES[3])
    found = restriction.base(targeted(X[:1], 0))
    assert found.stderr.item() > 0
    assert (found.mean - WEIGHTS.sum() / 2).abs().item() < 5 * found.stderr.item()


def test_the_model_is_left_as_found_also_when_it_raises():
    net = _net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    restriction = SoftRestriction(differentiable_module(net), BaselineReference(ROWS[0]))
    state = torch.get_rng_state()
    restriction.predict(_both(restriction, targeted(X, 0)), MASKS.clone().requires_grad_(), 0)
    with pytest.raises(SettingError, match="target 4 is out of range: the model has 4 outputs"):
        restriction.predict(_both(restriction, targeted(X, 4)), MASKS.clone().requires_grad_(), 0)
    assert net.training and torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("target", [-1, 4])
def test_targets_out_of_range_are_refused_everywhere(target):
    restriction = SoftRestriction(PREDICTOR, BaselineReference(ROWS[0]))
    images = targeted(X, target)
    for ask in (
        lambda: restriction.full(images),
        lambda: restriction.base(images),
        lambda: restriction.estimate(images, MASKS, 1),
    ):
        with pytest.raises(SettingError, match=f"target {target} is out of range"):
            ask()


def test_masks_of_another_size_are_refused():
    restriction = SoftRestriction(PREDICTOR, BaselineReference(ROWS[0]))
    with pytest.raises(InputError, match=r"masks have shape \(3, 80\), the images need \(3, 20\)"):
        restriction.predict(_both(restriction, targeted(X, 0)), torch.rand(3, 80).double(), 0)


def test_a_baseline_of_another_shape_is_refused():
    restriction = SoftRestriction(PREDICTOR, BaselineReference(torch.zeros(2, 4, 4).double()))
    with pytest.raises(InputError, match=r"the baseline has shape \(2, 4, 4\), got instances of shape"):
        restriction.base(targeted(X, 0))


def test_bad_images_are_refused():
    with pytest.raises(InputError, match="a height and a width"):
        targeted(torch.rand(2, 3), 0)
    with pytest.raises(InputError, match="NaN or infinite"):
        targeted(torch.full((1, 1, 2, 2), torch.nan), 0)


def test_targets_and_images_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match=r"one target an image, got targets of shape \(2,\) for 3 images"):
        targeted(X, torch.tensor([0, 1]))
    with pytest.raises(InputError, match=r"images of floating numbers, got torch.uint8"):
        check_images((X * 255).to(torch.uint8))


def test_nan_outputs_and_gradients_are_refused():
    reference = BaselineReference(ROWS[0])
    broken = DifferentiablePredictor(lambda b: b.flatten(1).sum(1) * torch.nan, dtype=X.dtype)
    with pytest.raises(ModelError, match="NaN or infinite for"):
        SoftRestriction(broken, reference).full(targeted(X, 0))
    steep = DifferentiablePredictor(lambda b: (b - b).flatten(1).sum(1).abs().sqrt(), dtype=X.dtype)
    with pytest.raises(ModelError, match="NaN or infinite gradients"):
        leaf, restriction = MASKS.clone().requires_grad_(), SoftRestriction(steep, reference)
        slopes(restriction.predict(_both(restriction, targeted(X, 0)), leaf, 0), (leaf,))


def test_a_model_without_gradients_is_refused():
    deaf = DifferentiablePredictor(lambda b: b.detach().flatten(1).sum(1), dtype=X.dtype)
    with pytest.raises(ModelError, match="no gradient with respect to its input; search over superpixels"):
        restriction = SoftRestriction(deaf, BaselineReference(ROWS[0]))
        restriction.predict(_both(restriction, targeted(X, 0)), MASKS.clone().requires_grad_(), 0)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    ],
)
def test_every_lack_of_memory_is_one_error(error):
    def full(batch):
        raise error

    restriction = SoftRestriction(DifferentiablePredictor(full, dtype=X.dtype), BaselineReference(ROWS[0]))
    with pytest.raises(LimitError, match="out of memory in a model call of 60 rows"):
        restriction.predict(_both(restriction, targeted(X, 0)), MASKS.clone().requires_grad_(), 0)


def test_other_errors_of_the_model_pass():
    def broken(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    restriction = SoftRestriction(DifferentiablePredictor(broken, dtype=X.dtype), BaselineReference(ROWS[0]))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        restriction.full(targeted(X, 0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature must be a number above 0, got 0.0"),
        ({"temperature": float("nan")}, "temperature"),
        ({"n_draws": 0}, "at least 1 draw, got n_draws=0"),
        ({"n_draws": 3, "antithetic": True}, "an even number of draws"),
    ],
)
def test_bad_relaxations_are_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        Relaxation(**wrong)


def test_bad_rows_are_refused():
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        SoftRestriction(PREDICTOR, BaselineReference(ROWS[0]), max_rows=0)
