"""Swaps between nested sets of pixels, proposed by slopes and judged on the sets themselves."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from onlyif.core.errors import SettingError
from onlyif.core.torch_seeds import torch_generator
from onlyif.engine.soft import slopes
from onlyif.searches.jumps import COUNT, jump_proposals
from onlyif.searches.proposals import Borders, Sieve, pairs, windows
from onlyif.searches.regions import regions

# Looks at drawn costs are counted downwards here: those of the steps that come before are counted upwards.
FIRST_LOOK = -1
# A summand that is a smaller share of another one is at its kink.
KINK = 0.2
# Regions change for a gain of at least this share of what the first sets cost at most: what no reader would
# see moves no border, and two seeds stay together.
LEAST_GAIN = 1e-3
# So much of the slopes of earlier rounds is remembered.
MEMORY = 0.5
# Slopes are averaged over squares of this side where regions are kept whole.
WIDTH = 3


@final
@dataclass(frozen=True, eq=False)
class Judge:
    """What sets are judged by.

    Args:
        cost: The cost of any number of masks of each problem at a look, with a graph if these have one.
        parts: Its summands, each with a graph of its own.
        drawn: Whether each look tells the cost by other draws.
    """

    cost: Callable[[Float[Tensor, "p m d"], int], Float[Tensor, "p m"]]
    parts: Callable[[Float[Tensor, "p m d"], int], tuple[Float[Tensor, "p m"], ...]]
    drawn: bool = False


@final
@dataclass(frozen=True)
class Swaps:
    """How sets are improved by swaps.

    A round asks for the slope of the cost at each set, ranks by it who might come in and who might go, and
    proposes to swap some that stand together in these rankings, few or many, from the steep end or from the
    flat one: a gap of nearly 0 needs small changes. The proposals are judged as what they are, hard sets, and
    the best is taken if it is better. Every second size takes part in a round, and a set stays between the
    next smaller and the next larger one, so that sets stay nested.

    Where regions are kept whole and the cost is exact, swaps of one pixel for another are proposed, too, the
    most promising first. Nothing is judged then that was judged before or that would have too many regions,
    and a change has to lower the cost by a thousandth of what the first sets cost at most.

    Where a cost has two summands and one of them is nearly 0, as |f(x) - f_S(x)| is where the set is as
    sufficient as can be, any swap would raise it again, and the slope of the cost, which changes its sign
    there, ranks badly. Half of the proposals are then ranked by the slope of the other summand less its
    projection on that of the small one: along the kink.

    Borders move by few pixels a round, and a region that is in the wrong place stays there. So jumps come
    before these rounds: each proposes regions elsewhere, in all sets from one size on, and the best proposal
    is taken if the sets cost less together. Nothing is drawn for them: two seeds begin their swaps alike.

    Where a cost is told by random draws, every jump and every round has its own, by which the sets so far are
    judged anew beside what is proposed. Pairs of pixels would come to fit these draws.

    Args:
        rounds: How many.
        proposals: Sets that are judged for each size in a round.
        most_regions: Where regions are kept whole: pixels come in and go at borders alone, and no set gets
            more regions than this (or than it had). None swaps any pixels.
        jumps: How many jumps come first, where regions are kept whole.

    Raises:
        SettingError: unless rounds >= 0, jumps >= 0, proposals >= 1 and most_regions >= 1; if there are
            jumps without regions.
    """

    rounds: int = 20
    proposals: int = 16
    most_regions: int | None = None
    jumps: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.proposals < 1 or (self.most_regions is not None and self.most_regions < 1):
            raise SettingError(
                f"need rounds >= 0, proposals >= 1 and most_regions >= 1, got {self.rounds}, "
                f"{self.proposals} and {self.most_regions}"
            )
        if self.jumps < 0 or (self.jumps and self.most_regions is None):
            raise SettingError(
                f"need jumps >= 0, and most_regions with jumps; got jumps={self.jumps} and "
                f"most_regions={self.most_regions}"
            )

    def judged(self, n_sizes: int) -> int:
        """Sets that one problem judges in all rounds, those whose slopes are asked for among them.

        Args:
            n_sizes: How many sizes there are.
        """
        halves = [len(range(first, n_sizes, 2)) for first in (0, 1)]
        swapped = sum(halves[number % 2] for number in range(self.rounds)) * self.proposals
        return swapped + self.jumps * COUNT * n_sizes + n_sizes * (self.rounds + self.jumps + 1)


@final
@dataclass(frozen=True, eq=False)
class Swapped:
    """Where swaps ended.

    Args:
        sets: The sets, nested, the smallest first.
        costs: What they cost, at the last look where it is drawn.
        felt: Whether any slope was other than 0.
    """

    sets: Bool[Tensor, "p z d"]
    costs: Float[Tensor, "p z"]
    felt: Bool[Tensor, "p"]


def swapped(
    judge: Judge,
    sets: Bool[Tensor, "p z d"],
    plane: tuple[int, int],
    how: Swaps,
    there: Bool[Tensor, "p d"],
    *,
    seed: int = 0,
    goes_on: Callable[[], bool] = lambda: True,
) -> Swapped:
    """Better sets of the same sizes, each problem on its own.

    Args:
        judge: What is made small.
        sets: Nested sets, the smallest first.
        plane: Height and width of the pixels.
        how: How they are improved.
        there: Who plays in each problem.
        seed: Of the proposals, which are alike for all problems.
        goes_on: Asked before each round whether there is time for it.

    Raises:
        ModelError: if a slope is NaN or infinite.
    """
    with torch.no_grad():
        costs = judge.cost(sets.to(torch.get_default_dtype()), FIRST_LOOK)
    sieve = None if how.most_regions is None or judge.drawn else Sieve(plane, how.most_regions)
    least_gain = (LEAST_GAIN if sieve else 0.0) * costs.abs().amax(1)
    felt, memory = torch.zeros(len(sets), dtype=torch.bool, device=sets.device), None
    looks = itertools.count(FIRST_LOOK - 1, -1)
    for number in range(how.jumps):
        if goes_on():
            look = next(looks)
            slope, values = _slopes(judge, sets, costs.dtype, look)
            costs = values.sum(0) if judge.drawn else costs
            proposed = jump_proposals(
                sets, slope.sum(0), plane, number % sets.shape[1], how.most_regions or 1
            )
            sets, costs = _jump(judge, (sets, costs, look), proposed, plane, how.most_regions or 1)
    for number in range(how.rounds):
        if not goes_on():
            break
        look = next(looks)
        slope, values = _slopes(judge, sets, costs.dtype, look)
        costs = values.sum(0) if judge.drawn else costs
        felt = felt | (slope != 0).any(0).flatten(1).any(1)
        memory = slope if memory is None else torch.lerp(slope, memory, MEMORY)
        numbers = torch.randint(0, 2**31, (1,), generator=torch_generator(seed, "swaps", number))
        sizes = slice(number % 2, None, 2)
        if sets[:, sizes].shape[1]:
            now = sets, costs, least_gain, memory, values
            settings = plane, how, int(numbers), look, sieve
            sets, costs = _round(judge, now, settings, sizes, there)
    return Swapped(sets, costs, felt)


def _jump(
    judge: Judge, now: tuple[Tensor, Tensor, int], proposed: Tensor, plane: tuple[int, int], most: int
) -> tuple[Bool[Tensor, "p z d"], Float[Tensor, "p z"]]:
    """The sets and their costs after the best of some jumps was taken, where they cost less together."""
    sets, costs, look = now
    with torch.no_grad():
        new = judge.cost(proposed.flatten(1, 2).to(costs.dtype), look).view(proposed.shape[:3])
    allowed = regions(sets, plane).clamp(min=most)
    too_many = (regions(proposed, plane) > allowed.unsqueeze(1)).any(2)
    least, which = new.sum(2).masked_fill(too_many, torch.inf).min(1)
    better, every = least < costs.sum(1), torch.arange(len(sets), device=sets.device)
    sets = torch.where(better[:, None, None], proposed[every, which], sets)
    return sets, torch.where(better[:, None], new[every, which], costs)


def _slopes(
    judge: Judge, sets: Tensor, dtype: torch.dtype, look: int
) -> tuple[Float[Tensor, "s p z d"], Float[Tensor, "s p z"]]:
    """The slope of each summand, divided by the largest entry of the whole slope, and the summands."""
    with torch.enable_grad():
        leaf = sets.to(dtype).requires_grad_()
        values = judge.parts(leaf, look)
        found = [
            slopes(one.sum(1), (leaf,))[0] if one.requires_grad else torch.zeros_like(leaf) for one in values
        ]
    each = torch.stack(found)
    largest = each.sum(0).abs().amax(-1, keepdim=True)
    return each / torch.where(largest > 0, largest, torch.ones_like(largest)), torch.stack(values).detach()


def _round(
    judge: Judge,
    now: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    settings: tuple[tuple[int, int], Swaps, int, int, Sieve | None],
    sizes: slice,
    there: Bool[Tensor, "p d"],
) -> tuple[Bool[Tensor, "p z d"], Float[Tensor, "p z"]]:
    """The sets and their costs after the best of some proposals for every second size was taken."""
    (sets, costs, least_gain, memory, values), (plane, how, seed, look, sieve) = now, settings
    some, ranks = sets[:, sizes], memory[:, :, sizes]
    none, every = torch.zeros_like(sets[:, :1]), there.unsqueeze(1)
    inner, outer = torch.cat([none, sets[:, :-1]], 1)[:, sizes], torch.cat([sets[:, 1:], every], 1)[:, sizes]
    may_come, may_go = outer & ~some, some & ~inner
    if how.most_regions is not None:
        near = _grown if sieve is None else _beside
        may_come, may_go = may_come & near(some, plane), may_go & _grown(~some, plane)
    borders, rank = Borders(some, may_come, may_go), ranks.sum(0)
    along, bent = _along(ranks, values[:, :, sizes], may_come | may_go)
    rankings = [rank, torch.where(bent.unsqueeze(2), along, rank)] if bool(bent.any()) else [rank]
    proposed = _wide(borders, rankings, bent, (plane, how, seed))
    if sieve is not None:
        found = [pairs(borders, one) for one in rankings]
        proposed = sieve.let_through(borders, proposed, found, how.proposals, sizes.start)
    with torch.no_grad():
        new = judge.cost(proposed.flatten(1, 2).to(costs.dtype), look).view(proposed.shape[:3])
    if how.most_regions is not None:
        allowed = regions(some, plane).clamp(min=how.most_regions)
        new = new.masked_fill(regions(proposed, plane) > allowed.unsqueeze(2), torch.inf)
    least, which = new.min(2)
    better = least < costs[:, sizes] - least_gain.unsqueeze(1)
    chosen = proposed.gather(2, which[..., None, None].expand(*which.shape, 1, some.shape[2])).squeeze(2)
    sets, costs = sets.clone(), costs.clone()
    sets[:, sizes] = torch.where(better.unsqueeze(2), chosen, some)
    costs[:, sizes] = torch.where(better, least, costs[:, sizes])
    return sets, costs


def _wide(
    borders: Borders,
    rankings: list[Tensor],
    bent: Bool[Tensor, "p z"],
    settings: tuple[tuple[int, int], Swaps, int],
) -> Bool[Tensor, "p z c d"]:
    """Windows by the slope; half of them along its kink where it has one."""
    plane, how, seed = settings

    def made(rank: Tensor, count: int) -> Tensor:
        return windows(borders, rank if how.most_regions is None else _smooth(rank, plane), count, seed)

    proposed, half = made(rankings[0], how.proposals), how.proposals // 2
    if half and len(rankings) > 1:
        halved = torch.where(bent[..., None, None], made(rankings[1], half), proposed[:, :, -half:])
        proposed = torch.cat([proposed[:, :, :-half], halved], 2)
    return proposed


def _along(
    ranks: Float[Tensor, "s p z d"], values: Float[Tensor, "s p z"], may: Bool[Tensor, "p z d"]
) -> tuple[Float[Tensor, "p z d"], Bool[Tensor, "p z"]]:
    """The slope of the largest summand along the kink of the smallest one, and where that is at its kink."""
    first, last = values.argmax(0), values.argmin(0)
    steep, flat = (
        ranks.gather(0, which[None, ..., None].expand(1, *may.shape)).squeeze(0) for which in (first, last)
    )
    square = (flat.square() * may).sum(2)
    share = (steep * flat * may).sum(2) / torch.where(square > 0, square, torch.ones_like(square))
    bent = (values.amin(0) < KINK * values.amax(0)) & (square > 0) & (first != last)
    return steep - share.unsqueeze(2) * flat, bent


def _grown(sets: Bool[Tensor, "p z d"], plane: tuple[int, int]) -> Bool[Tensor, "p z d"]:
    """The sets with all pixels that touch them."""
    grown = functional.max_pool2d(sets.float().view(-1, 1, *plane), 3, 1, 1)
    return grown.view(sets.shape) > 0


def _beside(sets: Bool[Tensor, "p z d"], plane: tuple[int, int]) -> Bool[Tensor, "p z d"]:
    """The sets with all pixels at their sides: one that comes in there begins no region of its own."""
    planes = sets.reshape(-1, *plane)
    around = functional.pad(planes, (1, 1, 1, 1))
    rows, columns = around[:, :, 1:-1], around[:, 1:-1]
    return (planes | rows[:, 2:] | rows[:, :-2] | columns[:, :, 2:] | columns[:, :, :-2]).view(sets.shape)


def _smooth(values: Float[Tensor, "p z d"], plane: tuple[int, int]) -> Float[Tensor, "p z d"]:
    planes = values.reshape(-1, 1, *plane)
    return functional.avg_pool2d(planes, WIDTH, 1, WIDTH // 2, count_include_pad=False).view(values.shape)
