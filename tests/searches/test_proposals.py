"""Proposals of swaps: none twice, none with too many regions, the most promising pairs first."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from onlyif.searches.proposals import Borders, Sieve, pairs, windows
from onlyif.searches.regions import euler_changes, euler_number, few_regions, regions
from onlyif.searches.swaps import Judge, Swaps, swapped

PLANE, SIZES = (9, 11), (5, 14, 30)
D = PLANE[0] * PLANE[1]


def some_sets(seed: int, most: int = 4) -> torch.Tensor:
    """Nested sets of few regions."""
    draws = torch.Generator().manual_seed(seed)
    return few_regions(torch.rand(6, D, generator=draws), SIZES, PLANE, most)


def borders_of(sets: torch.Tensor) -> Borders:
    """Whoever touches a set may come in, whoever is in it may go."""
    cross = ndimage.generate_binary_structure(2, 1)
    grown = [ndimage.binary_dilation(one, cross) for one in sets.view(-1, *PLANE).numpy()]
    return Borders(sets, torch.from_numpy(np.stack(grown)).view(sets.shape) & ~sets, sets)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_the_euler_number_is_regions_less_holes(share: float) -> None:
    masks = torch.rand(40, D, generator=torch.Generator().manual_seed(int(10 * share))) < share
    expected = []
    for mask in masks.view(-1, *PLANE).numpy():
        outside = np.pad(~mask, 1, constant_values=True)
        holes = ndimage.label(outside, np.ones((3, 3)))[1] - 1
        expected.append(ndimage.label(mask)[1] - holes)
    assert euler_number(masks, PLANE).tolist() == expected
    change = euler_changes(masks, PLANE)
    for pixel in range(D):
        toggled = masks.clone()
        toggled[:, pixel] = ~toggled[:, pixel]
        difference = euler_number(toggled, PLANE) - euler_number(masks, PLANE)
        assert (torch.where(masks[:, pixel], -change[:, pixel], change[:, pixel]) == difference).all()


def test_pairs_are_those_of_the_most_gain_by_the_slope() -> None:
    sets = some_sets(0)[:, :1]
    borders, rank = borders_of(sets), torch.randn(6, 1, D, generator=torch.Generator().manual_seed(1))
    found = pairs(borders, rank)
    for i in range(6):
        come, go = (part[i, 0].nonzero().flatten().tolist() for part in (borders.may_come, borders.may_go))
        gains = sorted((float(rank[i, 0, g] - rank[i, 0, c]) for c in come for g in go), reverse=True)
        told = [
            float(rank[i, 0, g] - rank[i, 0, c])
            for c, g, there in zip(
                *(part[i, 0].tolist() for part in (found.come, found.go, found.there)), strict=True
            )
            if there
        ]
        assert np.allclose(told, gains[: len(told)]) and len(told) == min(24, len(gains))


def test_nothing_comes_through_twice_or_in_too_many_regions() -> None:
    sets, sieve = some_sets(2), Sieve(PLANE, 4)
    borders, seen = borders_of(sets), [set() for _ in range(18)]
    rank, n_changed = torch.randn(6, 3, D, generator=torch.Generator().manual_seed(3)), 0
    for number in range(6):
        wide = windows(borders, rank, 16, number)
        found = sieve.let_through(borders, wide, [pairs(borders, rank)], 12, 0)
        assert found.shape == (6, 3, 12, D)
        assert (found.sum(3) == torch.tensor(SIZES)[:, None]).all()
        for known, now, proposed in zip(seen, sets.flatten(0, 1), found.flatten(0, 1), strict=True):
            changed = [tuple(one.nonzero().flatten().tolist()) for one in proposed if (one != now).any()]
            assert len(set(changed)) == len(changed) and known.isdisjoint(changed)
            known.update(changed)
            n_changed += len(changed)
        few = regions(found, PLANE) <= regions(sets, PLANE).clamp(min=4).unsqueeze(2)
        # Euler numbers are wrong where a hole comes or goes, which is seldom.
        assert few.float().mean() > 0.95
    assert n_changed > 6 * 18 * 4


def test_what_comes_through_for_a_set_does_not_depend_on_its_company() -> None:
    sets = some_sets(4)
    rank = torch.randn(6, 3, D, generator=torch.Generator().manual_seed(5))
    other = rank.clone()
    other[:3] = torch.randn(3, 3, D, generator=torch.Generator().manual_seed(6))

    def through(rows: slice, *ranks: torch.Tensor) -> torch.Tensor:
        borders = borders_of(sets[rows])
        wide = windows(borders, rank[rows], 16, 0)
        return Sieve(PLANE, 4).let_through(borders, wide, [pairs(borders, one[rows]) for one in ranks], 12, 0)

    # The last three have one ranking only, twice: as if they had been alone with it.
    together, alone = through(slice(None), rank, other), through(slice(3, None), rank)
    assert (together[3:] == alone).all()


def test_swaps_of_regions_judge_no_set_twice_and_leave_gains_that_nobody_sees() -> None:
    worth = torch.rand(6, D, generator=torch.Generator().manual_seed(7))
    sets, there, how = some_sets(8), torch.ones(6, D, dtype=torch.bool), Swaps(12, 10, most_regions=4)
    asked = []

    def ended(share: float) -> torch.Tensor:
        """Where swaps end if all but this share of the cost is the same for all sets."""
        asked.clear()

        def cost(masks: torch.Tensor) -> torch.Tensor:
            if not masks.requires_grad:
                asked.append(masks.bool())
            return 1.0 - share * torch.einsum("pmd,pd->pm", masks, worth) / 15.0

        judge = Judge(lambda masks, _: cost(masks), lambda masks, _: (cost(masks),))
        return swapped(judge, sets, PLANE, how, there).sets

    better = ended(0.5)
    assert (torch.einsum("pzd,pd->pz", (better.float() - sets.float()), worth) > 0.3).all()
    assert (ended(1e-5) == sets).all()
    # No set has changed, and yet each round has looked at others.
    for start in (0, 1):
        proposed = torch.stack([one.view(6, -1, how.proposals, D) for one in asked[1 + start :: 2]], 2)
        for now, each in zip(sets[:, start::2].flatten(0, 1), proposed.flatten(0, 1), strict=True):
            changed = [
                tuple(one.nonzero().flatten().tolist()) for one in each.flatten(0, 1) if (one != now).any()
            ]
            assert len(set(changed)) == len(changed) > how.proposals
