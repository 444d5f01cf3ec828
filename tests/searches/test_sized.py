"""Nested sets of given sizes against all sets of these sizes, and the rules of their search."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from scipy import ndimage

from onlyif.core.errors import SettingError
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.modalities.grids import NumberedRow
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.searches.gradient import Schedule
from onlyif.searches.regions import few_regions, regions
from onlyif.searches.sized import SizedSearch, highest, pixel_settings, region_settings
from onlyif.searches.swaps import Judge, Swaps, swapped

ALPHAS = (1.0, 0.0, 0.5)
SIZES = (2, 4, 5)


def small_gaps(b: int = 2, side: int = 4, seed: int = 0) -> BlendedGaps:
    """Networks with a hidden layer, whose pixels interact; black hides."""
    draws = torch.Generator().manual_seed(seed)
    first = torch.randn(side * side, 12, generator=draws)
    second = torch.randn(12, 3, generator=draws)

    def network(batch: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(batch.flatten(1) @ first) @ second).softmax(1)

    x = torch.rand(b, 1, side, side, generator=draws)
    target = network(x).argmax(1)
    return blended_gaps(DifferentiablePredictor(network), x, torch.zeros(1, 1, 1, side, side), target)


def problems(gaps: BlendedGaps) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.arange(len(gaps)).repeat_interleave(len(ALPHAS))
    return numbers, torch.tensor(ALPHAS).repeat(len(gaps))


def all_sets(size: int, d: int = 16) -> torch.Tensor:
    members = torch.tensor(list(combinations(range(d), size)))
    return torch.zeros(len(members), d, dtype=torch.bool).scatter_(1, members, True)


def judged_by(cost: Callable[[torch.Tensor], torch.Tensor]) -> Judge:
    """Of one summand."""
    return Judge(lambda masks, _: cost(masks), lambda masks, _: (cost(masks),))


@pytest.fixture(scope="module")
def gaps() -> BlendedGaps:
    return small_gaps()


def test_sets_of_sixteen_pixels_are_nearly_the_best_of_all(gaps: BlendedGaps) -> None:
    numbers, alpha = problems(gaps)
    found = SizedSearch(gaps, SIZES, pixel_settings()).run(numbers, alpha)
    costs = gaps.unified(numbers, alpha, found.sets.float())
    excess, chance = [], []
    for z, size in enumerate(SIZES):
        every = all_sets(size).float().expand(len(numbers), -1, -1)
        others = gaps.unified(numbers, alpha, every)
        assert (costs[:, z] >= others.amin(1) - 1e-6).all()
        excess.append(costs[:, z] - others.amin(1))
        chance.append(others.mean(1) - others.amin(1))
    excess, chance = torch.stack(excess), torch.stack(chance)
    # Nested sets cannot all be the best of their size; sets by chance are an order of magnitude worse.
    assert excess.mean() < 0.1 * chance.mean()
    assert (excess < 0.01).float().mean() > 0.6


@pytest.mark.parametrize("settings", [pixel_settings(), region_settings()])
def test_sets_are_nested_of_their_sizes_and_the_highest_of_their_scores(settings) -> None:
    gaps = small_gaps(b=3, side=9, seed=1)
    numbers, alpha = problems(gaps)
    short = replace(
        settings, schedule=replace(settings.schedule, steps=8), swaps=replace(settings.swaps, rounds=6)
    )
    sizes = (1, 5, 20)
    asked = []
    counted = replace(
        gaps.predictor, function=lambda batch: asked.append(len(batch)) or gaps.predictor.function(batch)
    )
    found = SizedSearch(replace(gaps, predictor=counted), sizes, short).run(numbers, alpha)
    assert found.sets.sum(2).tolist() == [list(sizes)] * len(numbers)
    assert (found.sets[:, :-1] <= found.sets[:, 1:]).all()
    assert (highest(found.scores, sizes) == found.sets).all()
    assert (found.scores >= 0).all() and (found.scores <= 1).all()
    assert found.felt.all()
    assert sum(asked) == found.model_rows.sum()
    if settings.swaps.most_regions is not None:
        assert regions(found.sets, gaps.plane).max() <= settings.swaps.most_regions
    alone = SizedSearch(gaps, sizes, short).run(numbers[4:5], alpha[4:5])
    assert (alone.sets[0] == found.sets[4]).all()


def test_swaps_never_make_a_set_worse_and_keep_regions_few(gaps: BlendedGaps) -> None:
    numbers, alpha = problems(gaps)
    draws = torch.Generator().manual_seed(5)
    first = highest(torch.rand(len(numbers), 16, generator=draws), SIZES)

    def judge(masks: torch.Tensor) -> torch.Tensor:
        return gaps.unified(numbers, alpha, masks)

    before = judge(first.float())
    for how in (Swaps(12), Swaps(12, most_regions=2)):
        end = swapped(judged_by(judge), first, (4, 4), how, gaps.there[numbers])
        assert torch.allclose(end.costs, judge(end.sets.float()))
        assert (end.costs <= before).all() and (end.costs < before).float().mean() > 0.5
        assert (end.sets[:, :-1] <= end.sets[:, 1:]).all()
        assert end.sets.sum(2).tolist() == [list(SIZES)] * len(numbers)
    assert (regions(end.sets, (4, 4)) <= regions(first, (4, 4)).clamp(min=2)).all()


def test_regions_are_counted_as_pixels_side_by_side() -> None:
    masks = torch.rand(6, 5, 7, generator=torch.Generator().manual_seed(2)) < 0.4
    found = regions(masks.flatten(1), (5, 7)).tolist()
    assert found == [ndimage.label(mask.numpy())[1] for mask in masks]
    assert regions(torch.eye(3, dtype=torch.bool).view(1, 9), (3, 3)).tolist() == [3]


def test_sets_of_few_regions_are_nested_and_the_highest_where_these_are_few() -> None:
    draws = torch.Generator().manual_seed(4)
    scores, sizes, plane = torch.rand(5, 63, generator=draws), (1, 9, 30, 50), (7, 9)
    for most in (1, 3):
        sets = few_regions(scores, sizes, plane, most)
        assert sets.sum(2).tolist() == [list(sizes)] * 5
        assert (sets[:, :-1] <= sets[:, 1:]).all()
        assert regions(sets, plane).max() <= most
    assert (few_regions(scores, sizes, plane, 63) == highest(scores, sizes)).all()


def test_a_budget_bounds_the_rows_down_to_one_step(gaps: BlendedGaps) -> None:
    usual = region_settings()
    for budget in (12, 100, 1500, usual.rows(3, 2), 10**9):
        assert usual.within(budget, 3, 2).rows(3, 2) <= budget
    assert usual.within(10**9, 3, 2) == usual
    with pytest.raises(SettingError, match="too small for one step, which takes 12"):
        usual.within(11, 3, 2)


def test_regions_begin_with_the_cut_of_the_least_cost() -> None:
    gaps, sizes = small_gaps(b=4, side=9, seed=1), (1, 5, 20)
    numbers, alpha = problems(gaps)
    still = replace(region_settings(), swaps=replace(region_settings().swaps, rounds=0, jumps=0))
    sums = []
    for settings in (replace(still, widths=()), still):
        found = SizedSearch(gaps, sizes, settings).run(numbers, alpha)
        assert regions(found.sets, gaps.plane).max() <= 5
        assert (highest(found.scores, sizes) == found.sets).all()
        sums.append(gaps.unified(numbers, alpha, found.sets.float()).sum(1))
    assert (sums[1] <= sums[0] + 1e-6).all()
    assert (sums[1] < sums[0] - 1e-3).float().mean() > 0.2


def test_a_network_that_is_sure_still_moves_its_masks_and_one_that_rounds_is_told() -> None:
    plain = small_gaps(b=1)
    sure = replace(
        plain, predictor=DifferentiablePredictor(lambda batch: 1e-12 * plain.predictor.function(batch)),
        full=1e-12 * plain.full, base=1e-12 * plain.base,
    )  # fmt: skip
    numbers, alpha = torch.tensor([0]), torch.tensor([1.0])
    settings = replace(pixel_settings(), swaps=Swaps(0))
    found = SizedSearch(plain, (3,), settings).run(numbers, alpha)
    same = SizedSearch(sure, (3,), settings).run(numbers, alpha)
    assert same.felt.all() and (same.sets == found.sets).all()
    rounds = replace(
        plain, predictor=DifferentiablePredictor(lambda batch: 0 * batch.flatten(1)[:, :3] + 0.5)
    )
    assert not SizedSearch(rounds, (3,), pixel_settings()).run(numbers, alpha).felt.any()


def test_time_ends_a_search_after_its_first_step(gaps: BlendedGaps) -> None:
    numbers, alpha = problems(gaps)
    found = SizedSearch(gaps, SIZES, pixel_settings(), goes_on=lambda: False).run(numbers, alpha)
    one = replace(pixel_settings(), schedule=replace(pixel_settings().schedule, steps=1), swaps=Swaps(0))
    assert (found.sets == SizedSearch(gaps, SIZES, one).run(numbers, alpha).sets).all()


def test_wrong_sizes_and_settings_are_refused(gaps: BlendedGaps) -> None:
    for sizes in ((), (0, 2), (2, 2), (4, 2), (16,)):
        with pytest.raises(SettingError, match="the smallest first"):
            SizedSearch(gaps, sizes, pixel_settings())
    for wrong in ({"rounds": -1}, {"proposals": 0}, {"most_regions": 0}):
        with pytest.raises(SettingError, match="need rounds"):
            Swaps(**wrong)
    assert Schedule(1, normalised=True).normalised


def test_instances_with_fewer_players_are_what_they_are_alone() -> None:
    draws = torch.Generator().manual_seed(5)
    weights, how = torch.randn(9, 3, generator=draws), pixel_settings()
    how = replace(how, schedule=Schedule(6, 2.0, 0.1, normalised=True), swaps=Swaps(4, 4))

    def gaps_of(rows: torch.Tensor, plays: torch.Tensor) -> BlendedGaps:
        network = DifferentiablePredictor(
            lambda batch: (torch.tanh(batch.flatten(1)) @ weights[: rows.shape[1]]).softmax(1)
        )
        ends, grid = torch.zeros(1, 1, 1, rows.shape[1]), NumberedRow(rows.shape[1] - 1)
        target = torch.zeros(len(rows), dtype=torch.long)
        return replace(blended_gaps(network, rows[:, None], ends, target, grid=grid), plays=plays)

    rows = torch.rand(2, 9, generator=draws)
    plays = torch.arange(8) < torch.tensor([[8], [5]])
    rows[1, 6:] = 0.0
    numbers, alpha = torch.arange(2), torch.tensor([0.5, 0.5])
    found = SizedSearch(gaps_of(rows, plays), (0.2, 0.5), how).run(numbers, alpha)
    alone = SizedSearch(gaps_of(rows[1:, :6], plays[1:, :5]), (0.2, 0.5), how).run(numbers[:1], alpha[:1])
    assert found.sets.sum(2).tolist() == [[2, 4], [1, 2]]
    assert (found.sets[1, :, :5] == alone.sets[0]).all() and not found.sets[1, :, 5:].any()
    torch.testing.assert_close(found.scores[1, :5], alone.scores[0])
    assert not found.scores[1, 5:].any()


def test_the_summands_of_a_gap_are_its_sides_and_each_has_its_own_slope(gaps: BlendedGaps) -> None:
    numbers, alpha = problems(gaps)
    masks = torch.rand(len(numbers), 3, 16, generator=torch.Generator().manual_seed(8)).requires_grad_()
    one, two = gaps.parts(numbers, alpha, masks, 0)
    suf, nec = gaps.both(numbers, masks)
    assert torch.allclose(one, alpha[:, None] * suf, atol=1e-6)
    assert torch.allclose(two, (1 - alpha)[:, None] * nec, atol=1e-6)
    (slope,) = torch.autograd.grad(one.sum(), masks)
    (other,) = torch.autograd.grad(two.sum(), masks)
    (whole,) = torch.autograd.grad(gaps.unified(numbers, alpha, masks).sum(), masks)
    assert torch.allclose(slope + other, whole, atol=1e-6)
    # What has no weight is not asked for.
    assert not slope[alpha == 0].any() and not other[alpha == 1].any()


@pytest.mark.parametrize("most_regions", [None, 6])
def test_swaps_go_along_the_kink_of_a_summand_that_is_nearly_0(most_regions: int | None) -> None:
    draws = torch.Generator().manual_seed(6)
    p, d, plane, sizes = 8, 576, (24, 24), (100, 200)
    # Two sums of the members' worth that are nearly alike, and should be far apart: one is there soon.
    weights = torch.randn(p, 2, d, generator=draws)
    weights[:, 1] = 0.97 * weights[:, 0] + (1 - 0.97**2) ** 0.5 * weights[:, 1]
    aims = (20.0, -20.0)

    def parts(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one, two = (torch.einsum("pmd,pd->pm", masks, weights[:, s]) - aims[s] for s in (0, 1))
        return one.abs(), two.abs()

    def judge(masks: torch.Tensor) -> torch.Tensor:
        return sum(parts(masks))

    field = torch.rand(p, d, generator=draws)
    first = highest(field, sizes) if most_regions is None else few_regions(field, sizes, plane, most_regions)
    there, how = torch.ones(p, d, dtype=torch.bool), Swaps(20, most_regions=most_regions)
    plain = swapped(judged_by(judge), first, plane, how, there)
    both = Judge(lambda masks, _: judge(masks), lambda masks, _: parts(masks))
    along = swapped(both, first, plane, how, there)
    assert torch.allclose(along.costs, judge(along.sets.float()), atol=1e-4)
    assert (along.sets[:, 0] <= along.sets[:, 1]).all() and along.sets.sum(2).tolist() == [list(sizes)] * p
    if most_regions is None:
        costs, plains = along.costs.mean(0), plain.costs.mean(0)
        assert costs[1] < 0.5 * plains[1] and costs[0] < plains[0], (costs, plains)


@pytest.mark.parametrize("how", [Swaps(30), Swaps(30, most_regions=6, jumps=6)])
def test_sets_that_are_judged_by_other_draws_each_time_do_not_come_to_fit_them(how: Swaps) -> None:
    p, plane, sizes = 12, (12, 12), (20, 50)
    worth = torch.randn(p, 144, generator=torch.Generator().manual_seed(0))
    looks: list[int] = []

    def noisy(masks: torch.Tensor, look: int) -> torch.Tensor:
        noise = torch.randn(p, 144, generator=torch.Generator().manual_seed(1000 - look))
        return torch.einsum("pmd,pd->pm", masks, worth + 1.5 * noise)

    def cost(masks: torch.Tensor, look: int) -> torch.Tensor:
        looks.append(look)
        return noisy(masks, look)

    field = torch.rand(p, 144, generator=torch.Generator().manual_seed(1))
    first = highest(field, sizes) if how.most_regions is None else few_regions(field, sizes, plane, 6)
    there = torch.ones(p, 144, dtype=torch.bool)
    drawn = swapped(
        Judge(cost, lambda masks, look: (noisy(masks, look),), drawn=True), first, plane, how, there
    )
    # One look to begin with, and one a jump and a round, the last of which has told the costs.
    assert looks == [-1 - number for number in range(1 + how.jumps + how.rounds)]
    last = noisy(drawn.sets.float(), looks[-1])
    assert torch.allclose(drawn.costs, last, atol=1e-4)
    # The same search, but for what it looks at.
    fixed = Judge(lambda masks, _: noisy(masks, -1), lambda masks, _: (noisy(masks, -1),), drawn=True)
    same = swapped(fixed, first, plane, how, there)
    ends = [torch.einsum("pmd,pd->pm", end.sets.float(), worth).mean() for end in (drawn, same)]
    begun = torch.einsum("pmd,pd->pm", first.float(), worth).mean()
    assert ends[0] < ends[1] < begun and begun - ends[0] > 1.2 * (begun - ends[1]), (*ends, begun)
