"""Descents of masks: known minima, batches, starts, memory, refusals."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from onlyif.core.errors import InputError, LimitError, ModelError, SettingError
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import equal_weights
from onlyif.modalities.grids import CoarseGrid, PixelGrid, SuperpixelGrid
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import RelaxedSettings, paper_settings, recommended_settings

SHAPE = (1, 6, 6)
ZERO = BaselineReference(torch.zeros(SHAPE, dtype=torch.float64))
X = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
SHORT = RelaxedSettings("short", Schedule(25, 0.1, 0.01), Relaxation(n_draws=4, antithetic=True))


def _spot(batch):
    """Probability of two classes that sees the upper left corner alone."""
    return torch.sigmoid(4 * (batch[:, 0, :2, :2].mean((1, 2)) - 0.5))


def _net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)).double()


NET = differentiable_module(_net(), nn.Softmax(1), "probability")


def _objective(predictor=NET, **settings):
    return SoftObjective(SoftRestriction(predictor, ZERO, **settings))


def _masks(search, problem, start=None):
    return torch.cat([part.masks for part in search.run(problem, start)])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_mask_is_the_corner_that_the_model_sees(alpha):
    predictor = DifferentiablePredictor(_spot, dtype=torch.float64)
    weights = equal_weights(torch.full((3,), alpha, dtype=torch.float64), 0.5, 0.0)
    subject = _objective(predictor)
    problem = subject.pose(X.clamp(min=1.0), 0, weights)
    pixels = _masks(RelaxedSearch(subject, recommended_settings()), problem)
    quarters = _masks(RelaxedSearch(subject, SHORT, SuperpixelGrid(_quarters())), problem)
    for masks, inside in ((pixels, torch.arange(6) < 2), (quarters, torch.arange(6) < 3)):
        corner = inside.view(6, 1) & inside
        assert masks[:, corner].mean(1).min() > 0.5
        assert masks[:, ~corner].mean(1).max() < 0.1


def _quarters():
    rows = torch.arange(6) // 3
    return rows.view(-1, 1) * 2 + rows


def test_more_than_size_is_penalised_nothing_is_kept():
    weights = equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 50.0, 0.0)
    subject = _objective()
    masks = _masks(RelaxedSearch(subject, recommended_settings()), subject.pose(X, 0, weights))
    assert (masks == 0).all()


def test_with_no_penalty_the_full_mask_is_found_at_last():
    weights = equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 0.0, 0.0)
    subject = _objective()
    found = _masks(RelaxedSearch(subject, replace(SHORT, compare_ends=10)), subject.pose(X, 0, weights))
    assert (found == 1).all()


def test_images_and_alphas_in_one_descent_are_descents_of_their_own():
    alpha = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    subject = _objective()
    every = subject.pose(X.repeat_interleave(3, 0), 1, equal_weights(alpha.repeat(3), 0.05, 0.05))
    together = list(RelaxedSearch(subject, SHORT).run(every))
    assert len(together) == 1
    for i in range(9):
        alone = subject.pose(X[i // 3 : i // 3 + 1], 1, equal_weights(alpha[i % 3 :][:1], 0.05, 0.05))
        found = _masks(RelaxedSearch(subject, SHORT), alone)
        assert torch.allclose(found[0], together[0].masks[i], atol=1e-9)
    masks = together[0].masks
    assert masks.std() > 0.1 and not torch.allclose(masks[0], masks[1], atol=0.01)


@pytest.mark.parametrize("rows", [3, 8, 17])
def test_max_rows_bounds_calls_and_changes_nothing(rows):
    asked = []
    net = _net()
    counted = DifferentiablePredictor(
        lambda b: (asked.append(len(b)), net(b).softmax(1))[1], dtype=torch.float64
    )
    subject, small = _objective(counted), _objective(counted, max_rows=rows)
    weights = equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 0.05, 0.05)
    wanted = _masks(RelaxedSearch(subject, SHORT), subject.pose(X, 1, weights))
    asked.clear()
    parts = list(RelaxedSearch(small, SHORT).run(small.pose(X, 1, weights)))
    assert max(asked) <= rows
    assert [len(part.numbers) for part in parts] == ([1, 1, 1] if rows < 16 else [2, 1])
    assert torch.allclose(torch.cat([part.masks for part in parts]), wanted, atol=1e-9)


def test_rows_are_counted_as_asked():
    asked = []
    net = _net()
    counted = DifferentiablePredictor(
        lambda b: (asked.append(len(b)), net(b).softmax(1))[1], dtype=torch.float64
    )
    subject = _objective(counted)
    problem = subject.pose(X, 1, equal_weights(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)))
    asked.clear()
    (part,) = RelaxedSearch(subject, replace(SHORT, compare_ends=10)).run(problem)
    # One row is the check that gradients flow, two of each image compare answers with and without them.
    assert part.model_rows.sum() == sum(asked) - 1 - 2 * 3
    assert part.model_rows.tolist() == [110, 220, 110]


def test_the_recommended_setting_asks_at_least_three_times_fewer_rows_than_the_papers():
    assert paper_settings().rows == 10_000
    assert recommended_settings().rows * 3 <= 10_000


def test_a_warm_start_is_where_the_descent_starts():
    still = RelaxedSettings("still", Schedule(1, 1e-9))
    subject = _objective()
    problem = subject.pose(X, 1, equal_weights(torch.full((3,), 0.5, dtype=torch.float64)))
    start = torch.rand(3, 6, 6, dtype=torch.float64)
    assert torch.allclose(_masks(RelaxedSearch(subject, still), problem, start), start, atol=1e-6)


def test_starts_are_normal_clipped_and_by_seed():
    still = RelaxedSettings("still", Schedule(1, 1e-9))
    subject = SoftObjective(
        SoftRestriction(
            DifferentiablePredictor(lambda b: b.mean((1, 2, 3))), BaselineReference(torch.zeros(1, 64, 64))
        )
    )
    problem = subject.pose(torch.rand(2, 1, 64, 64), 0, equal_weights(torch.full((2,), 0.5)))
    masks = _masks(RelaxedSearch(subject, still), problem)
    assert torch.allclose(masks[0], masks[1], atol=1e-6)
    assert masks[0].mean().item() == pytest.approx(0.5, abs=0.01)
    assert masks[0].std().item() == pytest.approx(1 / 6, abs=0.01)
    assert masks.min() >= 0 and masks.max() <= 1
    assert not torch.allclose(masks, _masks(RelaxedSearch(subject, still, seed=1), problem), atol=0.01)


def test_superpixels_stay_whole_and_coarse_masks_smooth():
    subject, regions = _objective(), SuperpixelGrid(_quarters())
    problem = subject.pose(X, 1, equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 0.01, 0.01))
    masks = _masks(RelaxedSearch(subject, SHORT, regions), problem)
    for i in range(4):
        assert (masks[:, _quarters() == i].std(1) < 1e-12).all()
    grid = CoarseGrid(2, 2, 6, 6)
    masks = _masks(RelaxedSearch(subject, SHORT, grid), problem)
    corners = masks[:, ::5, ::5].flatten(1)
    assert torch.allclose(grid.spread(corners), masks, atol=1e-12)
    assert masks.flatten(1).std(1).min() > 0.01


def test_masks_stay_between_0_and_1_and_every_step_has_draws_of_its_own():
    batches = []
    net = _net()
    seen = DifferentiablePredictor(
        lambda b: (batches.append(b.detach()), net(b).softmax(1))[1], dtype=torch.float64
    )
    subject = _objective(seen)
    problem = subject.pose(X, 1, equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 0.1, 0.0))
    _masks(RelaxedSearch(subject, RelaxedSettings("still", Schedule(2, 1e-9))), problem)
    assert not torch.equal(batches[-2], batches[-1])
    masks = _masks(RelaxedSearch(subject, RelaxedSettings("far", Schedule(3, 5.0))), problem)
    assert masks.min() == 0 and masks.max() <= 1


def test_too_little_memory_halves_the_rows_and_goes_on():
    net, tried = _net(), []

    def tight(batch):
        tried.append(len(batch))
        if len(batch) > 7:
            raise torch.OutOfMemoryError("full")
        return net(batch).softmax(1)

    subject = _objective(DifferentiablePredictor(tight, dtype=torch.float64), max_rows=64)
    weights = equal_weights(torch.full((3,), 0.5, dtype=torch.float64), 0.05, 0.05)
    plain = _objective()
    problem = plain.pose(X, 1, weights)
    found = _masks(RelaxedSearch(subject, SHORT), problem)
    assert torch.allclose(found, _masks(RelaxedSearch(plain, SHORT), problem), atol=1e-9)
    # It does not run out of memory in every step again.
    assert sum(rows > 7 for rows in tried) <= 4


def test_no_memory_at_all_is_said():
    def full(batch):
        if len(batch) > 1 or (batch.requires_grad and full.checked):
            raise MemoryError
        full.checked = True
        return batch.sum((1, 2, 3))

    full.checked = False
    subject = _objective(DifferentiablePredictor(full, dtype=torch.float64))
    problem = _objective().pose(X, 1, equal_weights(torch.full((3,), 0.5, dtype=torch.float64)))
    with pytest.raises(LimitError, match="even with a single row"):
        list(RelaxedSearch(subject, SHORT).run(problem))


def test_a_model_without_gradients_is_refused_and_shown_the_way():
    deaf = DifferentiablePredictor(lambda b: b.detach().sum((1, 2, 3)), dtype=torch.float64)
    subject = _objective(deaf)
    problem = subject.pose(X, 0, equal_weights(torch.full((3,), 0.5, dtype=torch.float64)))
    with pytest.raises(ModelError, match=r"no gradient .*superpixels.*BeamSearch"):
        list(RelaxedSearch(subject, SHORT).run(problem))


@pytest.mark.parametrize("start", [torch.full((3, 6, 6), 1.5), torch.full((3, 6, 6), torch.nan)])
def test_starts_outside_their_range_are_refused(start):
    subject = _objective()
    problem = subject.pose(X, 0, equal_weights(torch.full((3,), 0.5, dtype=torch.float64)))
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        list(RelaxedSearch(subject, SHORT).run(problem, start))
    with pytest.raises(InputError, match="masks have shape"):
        list(RelaxedSearch(subject, SHORT).run(problem, torch.rand(3, 12, 12)))


def test_a_grid_for_other_images_is_refused():
    subject = _objective()
    problem = subject.pose(X, 0, equal_weights(torch.full((3,), 0.5, dtype=torch.float64)))
    with pytest.raises(SettingError, match=r"the grid is for images of \(8, 8\) pixels, got \(6, 6\)"):
        list(RelaxedSearch(subject, SHORT, PixelGrid(8, 8)).run(problem))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schedule(0), "steps >= 1"),
        (lambda: Schedule(1, 0.0), "rates above 0"),
        (lambda: Schedule(1, 0.1, -1.0), "rates above 0"),
        (lambda: Schedule(1, betas=(1.0, 0.9)), r"betas lie in \[0, 1\)"),
        (lambda: replace(SHORT, compare_ends=-1), "at least 0"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()


@pytest.mark.gpu
def test_cpu_and_gpu_draw_alike():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    found = []
    for device in ("cpu", "cuda"):
        predictor = differentiable_module(_net().to(device), nn.Softmax(1))
        reference = BaselineReference(torch.zeros(SHAPE, dtype=torch.float64))
        subject = SoftObjective(SoftRestriction(predictor, reference))
        weights = equal_weights(torch.full((3,), 0.5, dtype=torch.float64, device=device), 0.05, 0.05)
        problem = subject.pose(X.to(device), 1, weights)
        found.append(_masks(RelaxedSearch(subject, SHORT), problem).cpu())
    assert torch.allclose(*found, atol=1e-6)
