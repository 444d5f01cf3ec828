"""Swaps that are proposed for sets of pixels, and which of them are worth a call of the model."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator
from onlyif.searches.regions import euler_changes, euler_number, regions

# The first windows take a half, a quarter, ... of what may be swapped from the steepest end of the ranking.
HALVINGS = 4
# So many swaps of one pixel for another are proposed: the best of all.
PAIRS = 24


@final
@dataclass(frozen=True, eq=False)
class Borders:
    """Sets and who may be swapped.

    Args:
        sets: The sets.
        may_come: Who may come in.
        may_go: Who may go.
    """

    sets: Bool[Tensor, "p z d"]
    may_come: Bool[Tensor, "p z d"]
    may_go: Bool[Tensor, "p z d"]


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Swaps of one pixel for another.

    Args:
        come: The pixel that comes in.
        go: The one that goes.
        there: Whether there is such a pair; else it stands for the set itself.
    """

    come: Int64[Tensor, "p z n"]
    go: Int64[Tensor, "p z n"]
    there: Bool[Tensor, "p z n"]


def windows(borders: Borders, rank: Float[Tensor, "p z d"], count: int, seed: int) -> Bool[Tensor, "p z c d"]:
    """Sets of the same sizes, in which some that may go are swapped for as many that may come in.

    Those that are swapped stand together in the ranking: few or many, from its steep end or from anywhere.

    Args:
        borders: The sets.
        rank: Who should come in, the lowest first, and go, the highest first.
        count: How many sets are proposed for each.
        seed: Of the windows, which are alike for all sets.
    """
    sets, may_come, may_go = borders.sets, borders.may_come, borders.may_go
    # The place of each in the rankings of who should come in and who should go, the steepest first.
    come = _places(rank.masked_fill(~may_come, torch.inf))
    go = _places((-rank).masked_fill(~may_go, torch.inf))
    n_come, n_go = may_come.sum(2), may_go.sum(2)
    most = torch.minimum(n_come, n_go)
    shares = torch.rand(3, count, generator=torch_generator(seed, "windows"), dtype=torch.float64).tolist()
    proposals = []
    for c, (share, of_come, of_go) in enumerate(zip(*shares, strict=True)):
        part = most.to(rank)
        size = part * 2.0 ** -(c + 1) if c < HALVINGS else (part / 2).clamp(min=1) ** share
        size = torch.minimum(size.floor().clamp(min=1).long(), most)
        first, last = (
            torch.zeros_like(size)
            if c < HALVINGS + 2
            else ((n - size).clamp(min=1).to(rank) ** at).floor().long() - 1
            for n, at in ((n_come, of_come), (n_go, of_go))
        )
        fits = torch.minimum(size, n_come - first) == torch.minimum(size, n_go - last)
        swapped = (sets & ~_window(go, last, size, n_go)) | _window(come, first, size, n_come)
        proposals.append(torch.where(fits.unsqueeze(2), swapped, sets))
    return torch.stack(proposals, 2)


def _places(values: Float[Tensor, "p z d"]) -> Int32[Tensor, "p z d"]:
    order = values.argsort(dim=2, stable=True)
    numbers = torch.arange(values.shape[2], dtype=torch.int32, device=values.device).expand_as(order)
    return torch.empty_like(order, dtype=torch.int32).scatter_(2, order, numbers)


def _window(
    places: Int32[Tensor, "p z d"],
    first: Int64[Tensor, "p z"],
    size: Int64[Tensor, "p z"],
    count: Int64[Tensor, "p z"],
) -> Bool[Tensor, "p z d"]:
    """So many places from the first one on, of those that count."""
    begin, end = first.to(torch.int32), torch.minimum(first + size, count).to(torch.int32)
    return (places >= begin.unsqueeze(2)) & (places < end.unsqueeze(2))


def pairs(borders: Borders, rank: Float[Tensor, "p z d"]) -> Pairs:
    """The swaps of one pixel for another that promise most, the best first.

    Args:
        borders: The sets.
        rank: Who should come in, the lowest first, and go, the highest first.

    Example:
        >>> sets = torch.tensor([[[True, True, False, False]]])
        >>> found = pairs(Borders(sets, ~sets, sets), torch.tensor([[[0.0, 3.0, 1.0, 0.5]]]))
        >>> found.come[0, 0, :3].tolist(), found.go[0, 0, :3].tolist()
        ([3, 2, 3], [1, 1, 0])
    """
    # The best pairs are of the best of each side.
    best = min(PAIRS, rank.shape[2])
    comes = rank.masked_fill(~borders.may_come, torch.inf).topk(best, 2, largest=False)
    goes = rank.masked_fill(~borders.may_go, -torch.inf).topk(best, 2)
    gains = (goes.values.unsqueeze(2) - comes.values.unsqueeze(3)).flatten(2)
    most = gains.topk(min(PAIRS, best * best), 2)
    come, go = most.indices // best, most.indices % best
    return Pairs(comes.indices.gather(2, come), goes.indices.gather(2, go), torch.isfinite(most.values))


@final
@dataclass(frozen=True, eq=False)
class Sieve:
    """Of many proposals those that are worth a call of the model: none that was judged, and of few regions.

    Half of what is let through are the steepest windows and the pairs, as far as there are enough; the rest
    are windows from anywhere. Where there are too few, the sets themselves stand in for what is missing.

    Regions are told by Euler numbers, which are cheap, and wrong by the holes that come or go.

    Args:
        plane: Height and width of the pixels.
        most_regions: How many regions a set may have (or as many as it has).
    """

    plane: tuple[int, int]
    most_regions: int
    _judged: dict[int, list[Tensor]] = field(default_factory=dict, init=False, repr=False)

    def let_through(
        self, borders: Borders, wide: Bool[Tensor, "p z w d"], narrow: list[Pairs], count: int, first: int
    ) -> Bool[Tensor, "p z c d"]:
        """So many of the proposals for each set.

        Args:
            borders: The sets.
            wide: Windows.
            narrow: Pairs, by one ranking or more, which take turns.
            count: How many.
            first: Which sets these are: the number of the first one.
        """
        sets, leading, ones = borders.sets, min(HALVINGS, wide.shape[2]), _in_turn(narrow)
        codes = _codes(sets, wide, ones)
        known, judged = _seen(codes), self._judged.setdefault(first, [])
        for old in [_code(sets).unsqueeze(2), *judged]:
            known = known | (codes.unsqueeze(3) == old.unsqueeze(2)).any(3)
        n_regions = regions(sets, self.plane)
        allowed = n_regions.clamp(min=self.most_regions) - n_regions
        good = ~known & (self._more_regions(sets, wide, ones) <= allowed.unsqueeze(2))
        # The steepest windows come first, then pairs, then other windows.
        numbers = torch.arange(codes.shape[2], device=codes.device)
        tail = (numbers >= leading) & (numbers < wide.shape[2])
        order = torch.cat([numbers[~tail], numbers[tail]])
        good, steep = good[:, :, order], ~tail[order]
        late = steep & ((good & steep).cumsum(2) > count // 2)
        places = (2 * (~good).long() + late).argsort(dim=2, stable=True)[:, :, :count]
        chosen, real = order[places], good.gather(2, places)
        judged.append(torch.where(real, codes.gather(2, chosen), _code(sets).unsqueeze(2)))
        return torch.where(real.unsqueeze(3), _built(sets, wide, ones, chosen), sets.unsqueeze(2))

    def _more_regions(self, sets: Tensor, wide: Tensor, narrow: Pairs) -> Int64[Tensor, "p z n"]:
        """How many regions each proposal has more than its set, as far as no holes come or go."""
        now, change = euler_number(sets, self.plane).unsqueeze(2), euler_changes(sets, self.plane)
        # Whoever comes in touches the set: it joins regions or fills a hole, but begins no region.
        swapped = change.gather(2, narrow.come).clamp(max=0) - change.gather(2, narrow.go)
        return torch.cat([euler_number(wide, self.plane) - now, swapped], 2)


def _in_turn(found: list[Pairs]) -> Pairs:
    """The pairs of some rankings, the best of each first."""
    come, go, there = (
        torch.stack(some, 3).flatten(2)
        for some in zip(*((one.come, one.go, one.there) for one in found), strict=True)
    )
    return Pairs(come, go, there)


def _codes(
    sets: Bool[Tensor, "p z d"], wide: Bool[Tensor, "p z w d"], narrow: Pairs
) -> Int64[Tensor, "p z n"]:
    """A number for each proposal, by which the same set is known again."""
    each = _pixel_codes(sets)
    swapped = _code(sets).unsqueeze(2) + (each[narrow.come] - each[narrow.go]) * narrow.there
    # One window after the other: numbers of all pixels at once would take eight times as much memory.
    return torch.cat([torch.stack([_code(one) for one in wide.unbind(2)], 2), swapped], 2)


def _pixel_codes(sets: Bool[Tensor, "*m d"]) -> Int64[Tensor, "d"]:
    found = torch.randint(-(2**62), 2**62, sets.shape[-1:], generator=torch_generator(0, "codes of pixels"))
    return found.to(sets.device)


def _code(sets: Bool[Tensor, "*m d"]) -> Int64[Tensor, "*m"]:
    return (sets * _pixel_codes(sets)).sum(-1)


def _seen(codes: Int64[Tensor, "p z n"]) -> Bool[Tensor, "p z n"]:
    """Whether each comes before in its row."""
    return (codes.unsqueeze(3) == codes.unsqueeze(2)).tril(-1).any(3)


def _built(
    sets: Bool[Tensor, "p z d"], wide: Bool[Tensor, "p z w d"], narrow: Pairs, chosen: Int64[Tensor, "p z c"]
) -> Bool[Tensor, "p z c d"]:
    """The proposals of these numbers: the windows, and then the pairs."""
    n_wide, d = wide.shape[2], sets.shape[2]
    is_wide = chosen < n_wide
    found = wide.gather(2, chosen.clamp(max=n_wide - 1).unsqueeze(3).expand(*chosen.shape, d))
    found = torch.where(is_wide.unsqueeze(3), found, sets.unsqueeze(2))
    which, is_pair = (chosen - n_wide).clamp(min=0), ~is_wide.unsqueeze(3)
    come, go = (pixels.gather(2, which).unsqueeze(3) for pixels in (narrow.come, narrow.go))
    found = found.scatter(3, come, found.gather(3, come) | is_pair)
    return found.scatter(3, go, found.gather(3, go) & ~is_pair)
