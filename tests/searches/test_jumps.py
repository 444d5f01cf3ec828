"""Jumps of regions: nested sets of the same sizes, by which the search leaves a wrong place."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage

from onlyif.core.errors import SettingError
from onlyif.searches.jumps import COUNT, jump_proposals
from onlyif.searches.regions import few_regions, regions
from onlyif.searches.swaps import Judge, Swaps, swapped

PLANE, SIZES = (11, 13), (4, 12, 30, 70)


def judged_by(cost: Callable[[torch.Tensor], torch.Tensor]) -> Judge:
    """Of one summand."""
    return Judge(lambda masks, _: cost(masks), lambda masks, _: (cost(masks),))


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("most", [1, 2, 5])
def test_proposals_are_nested_of_the_same_sizes_and_change_from_one_size_on(level: int, most: int) -> None:
    draws = torch.Generator().manual_seed(10 * level + most)
    rough = torch.rand(6, 143, generator=draws).view(6, *PLANE).numpy()
    field = torch.from_numpy(ndimage.gaussian_filter(rough, 1.0, axes=(1, 2)).copy()).flatten(1)
    sets = few_regions(field, SIZES, PLANE, most)
    slope = torch.randn(6, 4, 143, generator=draws)
    found = jump_proposals(sets, slope, PLANE, level, most)
    assert found.shape == (6, COUNT, 4, 143)
    assert (found.sum(3) == torch.tensor(SIZES)).all()
    assert (found[:, :, :-1] <= found[:, :, 1:]).all()
    assert (found[:, :, :level] == sets[:, None, :level]).all()
    changed = (found != sets.unsqueeze(1)).any(3)
    # Where there is room away from a set, a region comes in.
    assert changed[:, :, level].float().mean() > 0.9 or level == 3


def two_spots() -> tuple[torch.Tensor, torch.Tensor]:
    """What two spots of nine pixels are worth, one of them more, and sets in the middle between them."""
    worth = np.zeros(PLANE)
    worth[1:4, 1:4], worth[7:10, 9:12] = 1.0, 0.6
    middle = -((np.arange(11)[:, None] - 5) ** 2) - (np.arange(13)[None] - 6) ** 2.0
    sets = few_regions(torch.from_numpy(middle).view(1, -1), (9, 18), PLANE, 5)
    return torch.from_numpy(worth).flatten().float(), sets


def test_a_region_jumps_to_where_the_evidence_is() -> None:
    worth, first = two_spots()

    def judge(masks: torch.Tensor) -> torch.Tensor:
        return 9.0 - masks.float() @ worth

    there = torch.ones(1, 143, dtype=torch.bool)
    before = judge(first.float())[0]
    # Between the spots nothing at a border is worth anything: swaps alone stay where they are for long.
    still = swapped(judged_by(judge), first, PLANE, Swaps(6, most_regions=5), there)
    jumped = swapped(judged_by(judge), first, PLANE, Swaps(6, most_regions=5, jumps=6), there)
    assert (jumped.costs[0] < still.costs[0] - 1.0).all() and (still.costs[0] <= before).all()
    assert torch.allclose(jumped.costs, judge(jumped.sets.float()))
    assert (jumped.sets[:, 0] <= jumped.sets[:, 1]).all() and jumped.sets.sum(2).tolist() == [[9, 18]]
    assert regions(jumped.sets, PLANE).max() <= 5
    # Both spots are seen by the larger set.
    spots = worth.view(PLANE)
    inside = jumped.sets[0, 1].view(PLANE)
    assert inside[1:4, 1:4].any() and inside[7:10, 9:12].any() and spots[inside].sum() > 7.0


def test_jumps_never_make_the_sets_cost_more_and_need_regions() -> None:
    draws = torch.Generator().manual_seed(3)
    worth = torch.rand(5, 143, generator=draws)
    sets = few_regions(torch.rand(5, 143, generator=draws), SIZES, PLANE, 3)

    def judge(masks: torch.Tensor) -> torch.Tensor:
        return (torch.einsum("pmd,pd->pm", masks, worth) / 20.0 - 1.0).square()

    there = torch.ones(5, 143, dtype=torch.bool)
    end = swapped(judged_by(judge), sets, PLANE, Swaps(8, most_regions=3, jumps=8), there)
    assert (end.costs.sum(1) <= judge(sets.float()).sum(1)).all()
    assert regions(end.sets, PLANE).max() <= 3
    for wrong in ({"jumps": -1, "most_regions": 2}, {"jumps": 2}):
        with pytest.raises(SettingError, match="need jumps >= 0, and most_regions with jumps"):
            Swaps(**wrong)
