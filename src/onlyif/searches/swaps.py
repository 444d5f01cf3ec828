"""Swaps between nested sets of pixels, proposed by slopes and judged on the sets themselves."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from onlyif.core.errors import SettingError
from onlyif.core.torch_seeds import torch_generator
from onlyif.engine.soft import slopes
from onlyif.searches.jumps import COUNT, jump_proposals
from onlyif.searches.regions import regions

# Looks at drawn costs are counted downwards here: those of the steps that come before are counted upwards.
FIRST_LOOK = -1
# A summand that is a smaller share of another one is at its kink.
KINK = 0.2
# The first proposals take a half, a quarter, ... of what may be swapped from the steepest end of the ranking.
HALVINGS = 4
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

    Where a cost has two summands and one of them is nearly 0, as |f(x) - f_S(x)| is where the set is as
    sufficient as can be, any swap would raise it again, and the slope of the cost, which changes its sign
    there, ranks badly. Half of the proposals are then ranked by the slope of the other summand less its
    projection on that of the small one: along the kink.

    Borders move by few pixels a round, and a region that is in the wrong place stays there. So jumps come
    before these rounds: each proposes regions elsewhere, in all sets from one size on, and the best proposal
    is taken if the sets cost less together. Nothing is drawn for them: two seeds begin their swaps alike.

    Where a cost is told by random draws, every jump and every round has its own, by which the sets so far are
    judged anew beside what is proposed.

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
            now = sets, costs, look
            sets, costs = _jump(judge, now, proposed, plane, how.most_regions or 1)
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
            known, settings = (sets, costs, memory, values), (plane, how, int(numbers), look)
            sets, costs = _round(judge, known, settings, sizes, there)
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
    now: tuple[Tensor, Tensor, Tensor, Tensor],
    settings: tuple[tuple[int, int], Swaps, int, int],
    sizes: slice,
    there: Bool[Tensor, "p d"],
) -> tuple[Bool[Tensor, "p z d"], Float[Tensor, "p z"]]:
    """The sets and their costs after the best of some proposals for every second size was taken."""
    (sets, costs, memory, values), (plane, how, seed, look) = now, settings
    some, ranks, regional = sets[:, sizes], memory[:, :, sizes], how.most_regions is not None
    none, every = torch.zeros_like(sets[:, :1]), there.unsqueeze(1)
    inner, outer = torch.cat([none, sets[:, :-1]], 1)[:, sizes], torch.cat([sets[:, 1:], every], 1)[:, sizes]
    may_come, may_go = outer & ~some, some & ~inner
    if regional:
        may_come, may_go = may_come & _grown(some, plane), may_go & _grown(~some, plane)

    def made(rank: Tensor, count: int) -> Tensor:
        rank = _smooth(rank, plane) if regional else rank
        return _proposals(some, (may_come, may_go), rank, count, seed)

    proposed, half = made(ranks.sum(0), how.proposals), how.proposals // 2
    rank, bent = _along(ranks, values[:, :, sizes], may_come | may_go)
    if half and bool(bent.any()):
        halved = torch.where(bent[..., None, None], made(rank, half), proposed[:, :, -half:])
        proposed = torch.cat([proposed[:, :, :-half], halved], 2)
    with torch.no_grad():
        new = judge.cost(proposed.flatten(1, 2).to(costs.dtype), look).view(proposed.shape[:3])
    if regional:
        assert how.most_regions is not None
        allowed = regions(some, plane).clamp(min=how.most_regions)
        new = new.masked_fill(regions(proposed, plane) > allowed.unsqueeze(2), torch.inf)
    least, which = new.min(2)
    better = least < costs[:, sizes]
    chosen = proposed.gather(2, which[..., None, None].expand(*which.shape, 1, some.shape[2])).squeeze(2)
    sets, costs = sets.clone(), costs.clone()
    sets[:, sizes] = torch.where(better.unsqueeze(2), chosen, some)
    costs[:, sizes] = torch.where(better, least, costs[:, sizes])
    return sets, costs


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


def _proposals(
    sets: Bool[Tensor, "p z d"],
    may: tuple[Bool[Tensor, "p z d"], Bool[Tensor, "p z d"]],
    rank: Float[Tensor, "p z d"],
    count: int,
    seed: int,
) -> Bool[Tensor, "p z c d"]:
    """Sets of the same sizes, in which some that may go are swapped for as many that may come in."""
    may_come, may_go = may
    # The place of each in the rankings of who should come in and who should go, the steepest first.
    come = _places(rank.masked_fill(~may_come, torch.inf))
    go = _places((-rank).masked_fill(~may_go, torch.inf))
    n_come, n_go = may_come.sum(2).to(rank), may_go.sum(2).to(rank)
    most = torch.minimum(n_come, n_go)
    shares = torch.rand(3, count, generator=torch_generator(seed, "windows"), dtype=torch.float64).tolist()
    proposals = []
    for c, (share, of_come, of_go) in enumerate(zip(*shares, strict=True)):
        size = most * 2.0 ** -(c + 1) if c < HALVINGS else (most / 2).clamp(min=1) ** share
        size = torch.minimum(size.floor().clamp(min=1), most)
        steep = c < HALVINGS + 2
        first, last = (
            torch.zeros_like(size) if steep else ((n - size).clamp(min=1) ** part).floor() - 1
            for n, part in ((n_come, of_come), (n_go, of_go))
        )
        comes = _window(come, first, size) & may_come
        goes = _window(go, last, size) & may_go
        fits = (comes.sum(2) == goes.sum(2)).unsqueeze(2)
        proposals.append(torch.where(fits, (sets & ~goes) | comes, sets))
    return torch.stack(proposals, 2)


def _places(values: Float[Tensor, "p z d"]) -> Int64[Tensor, "p z d"]:
    order = values.argsort(dim=2, stable=True)
    numbers = torch.arange(values.shape[2], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter_(2, order, numbers)


def _window(places: Tensor, first: Float[Tensor, "p z"], size: Float[Tensor, "p z"]) -> Bool[Tensor, "p z d"]:
    return (places >= first.unsqueeze(2)) & (places < (first + size).unsqueeze(2))


def _grown(sets: Bool[Tensor, "p z d"], plane: tuple[int, int]) -> Bool[Tensor, "p z d"]:
    """The sets with all pixels that touch them."""
    grown = functional.max_pool2d(sets.float().view(-1, 1, *plane), 3, 1, 1)
    return grown.view(sets.shape) > 0


def _smooth(values: Float[Tensor, "p z d"], plane: tuple[int, int]) -> Float[Tensor, "p z d"]:
    planes = values.reshape(-1, 1, *plane)
    return functional.avg_pool2d(planes, WIDTH, 1, WIDTH // 2, count_include_pad=False).view(values.shape)
