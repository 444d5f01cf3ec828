"""Nested sets of given sizes: one ranking by descent, then swaps that are judged on the sets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import floor
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.criteria.sized import SizedCost
from onlyif.modalities.grids import CoarseGrid
from onlyif.searches.gradient import Schedule, descend
from onlyif.searches.mask_shapes import SizedMasks
from onlyif.searches.regions import few_regions, smoothed
from onlyif.searches.starts import SearchStart
from onlyif.searches.swaps import FIRST_LOOK, Judge, Swaps, swapped

BETAS = (0.9, 0.999)
# A coarse grid has a number for three pixels of a side, but at least and at most so many.
PIXELS_A_NUMBER, LEAST_A_SIDE, MOST_A_SIDE = 3, 4, 10
MOST_REGIONS = 5
# The learning rates, first and last, of one number a pixel.
PIXEL_RATES = (2.0, 0.04)
# How far a ranking of single pixels is smoothed before regions are cut of it, in pixels.
WIDTHS = (1.0, 1.5, 2.0)
# Borders move by few pixels a round: large sets of few regions need more rounds than single pixels do.
REGION_ROUNDS = 40
# Large sets of single pixels at a gap of nearly 0 need many small changes to be tried.
PIXEL_PROPOSALS = 32
# Of the jumps that come after these few, hardly any is taken.
REGION_JUMPS = 8
# A step towards causes looks at several perturbations: fewer do before swaps, more are needed without.
CAUSE_STEPS, CAUSE_PIXEL_STEPS, CAUSE_PIXEL_RATES = 30, 120, (0.5, 0.02)
# Of a search that begins with what was learned: a fifth of the model rows, or fewer. Regions, whose second
# ranking is left out, have more rounds, and jumps.
REPAIR_STEPS, REPAIR_ROUNDS, REPAIR_SHARE = 10, 4, 0.5
REPAIR_REGION_ROUNDS, REPAIR_JUMPS = 8, 2


@final
@dataclass(frozen=True)
class SizedSettings:
    """How nested sets are found.

    Args:
        name: For the reader.
        schedule: The steps of the descent.
        swaps: How the sets are improved.
        coarse: Whether the ranking is a smooth field, of which sets of a few regions are cut.
        widths: Of Gaussians, in pixels, that smooth a second ranking, of one number a pixel. Sets are cut of
            each of these, too, and the swaps begin with those of the least cost: a coarse field cannot see
            evidence that lies in several small spots. Empty makes no second ranking.

    References:
        [fong2019] masks of a given area.
    """

    name: str
    schedule: Schedule
    swaps: Swaps
    coarse: bool
    widths: tuple[float, ...] = ()

    def rows(self, n_sizes: int, n_sides: int) -> int:
        """Model rows that one problem with one filling takes; steps and rounds go back, too.

        Args:
            n_sizes: How many sizes there are.
            n_sides: How often a mask is asked for: kept, hidden or both.
        """
        return n_sides * (self.steps_rows(n_sizes) + self.swaps_rows(n_sizes))

    def steps_rows(self, n_sizes: int) -> int:
        """Masks that the descent of one problem asks for.

        Args:
            n_sizes: How many sizes there are.
        """
        return n_sizes * self.schedule.steps * (2 if self.widths else 1)

    def within(self, budget: int, n_sizes: int, n_sides: int) -> "SizedSettings":
        """The same with fewer steps and rounds, so that they do with so many model rows.

        The second ranking goes first.

        Args:
            budget: Most model rows of a problem with one filling.
            n_sizes: How many sizes there are.
            n_sides: How often a mask is asked for.

        Raises:
            SettingError: if that is too few for one step.
        """
        needed, least = self.rows(n_sizes, n_sides), 2 * n_sides * n_sizes
        if budget < least:
            raise SettingError(
                f"a budget of {budget:,} model rows is too small for one step, which takes {least:,} for "
                f"{n_sizes} sizes; need more, or fewer sizes"
            )
        if budget < needed and self.widths:
            return replace(self, widths=()).within(budget, n_sizes, n_sides)
        share = min(1.0, budget / needed)
        steps = min(max(1, floor(share * self.schedule.steps)), budget // (n_sides * n_sizes) - 1)
        fewer = replace(self, schedule=replace(self.schedule, steps=steps))
        rounds = floor(share * self.swaps.rounds)
        while rounds and fewer._with_rounds(rounds).rows(n_sizes, n_sides) > budget:
            rounds -= 1
        return fewer._with_rounds(rounds)

    @property
    def repair(self) -> "SizedSettings":
        """The same, too short to find sets from nothing, long enough to mend those of a good start."""
        schedule = replace(self.schedule, steps=REPAIR_STEPS, rate=REPAIR_SHARE * self.schedule.rate)
        whole = self.swaps.most_regions is not None
        rounds = min(self.swaps.rounds, REPAIR_REGION_ROUNDS if whole else REPAIR_ROUNDS)
        swaps = replace(self.swaps, rounds=rounds, jumps=min(self.swaps.jumps, REPAIR_JUMPS))
        return replace(self, name=f"repair, {self.name}", schedule=schedule, swaps=swaps, widths=())

    @property
    def sentence(self) -> str:
        """For the reader."""
        schedule, swaps = self.schedule, self.swaps
        ranked = "a coarse field" if self.coarse else "one number a pixel"
        ranked += ", and as many on one number a pixel, smoothed" if self.widths else ""
        whole = f", in at most {swaps.most_regions} regions" if swaps.most_regions else ""
        jumps = f"{swaps.jumps} jumps of regions and " if swaps.jumps else ""
        swapped = f", then {jumps}{swaps.rounds} rounds of swaps judged on the sets" if swaps.rounds else ""
        return (
            f"Nested sets of given sizes: {schedule.steps} Adam steps of {schedule.rate:g} on "
            f"{ranked}{swapped}{whole}; only some sets were compared."
        )

    def _with_rounds(self, rounds: int) -> "SizedSettings":
        jumps = min(self.swaps.jumps, rounds)
        return replace(self, swaps=replace(self.swaps, rounds=rounds, jumps=jumps))

    def swaps_rows(self, n_sizes: int) -> int:
        """Sets that one problem judges: to choose where it begins, and in its rounds.

        Args:
            n_sizes: How many sizes there are.
        """
        starts = n_sizes * (1 + len(self.widths)) if self.widths else 0
        return starts + self.swaps.judged(n_sizes)


def region_settings() -> SizedSettings:
    """Sets of a few regions that a person can point at: the default for images.

    Chosen on images apart from those that it was measured on.
    """
    schedule = Schedule(60, 1.0, 0.02, BETAS, normalised=True)
    swaps = Swaps(REGION_ROUNDS, most_regions=MOST_REGIONS, jumps=REGION_JUMPS)
    return SizedSettings("regions", schedule, swaps, coarse=True, widths=WIDTHS)


def pixel_settings() -> SizedSettings:
    """Sets of single pixels: the smallest gaps, but on photographs a dust that misleads the network."""
    schedule = Schedule(60, *PIXEL_RATES, BETAS, normalised=True)
    return SizedSettings("pixels", schedule, Swaps(proposals=PIXEL_PROPOSALS), coarse=False)


def cause_settings(usual: SizedSettings) -> SizedSettings:
    """The same for sets that are most probably the cause, whose probability is told by random perturbations.

    Each step looks at several. Swaps of single pixels would fit those that they are judged by.

    Args:
        usual: How sets are looked for by their gaps.
    """
    if usual.swaps.most_regions is not None:
        return replace(usual, schedule=replace(usual.schedule, steps=CAUSE_STEPS))
    rate, last = CAUSE_PIXEL_RATES
    steps = replace(usual.schedule, steps=CAUSE_PIXEL_STEPS, rate=rate, last_rate=last)
    return replace(usual, schedule=steps, swaps=replace(usual.swaps, rounds=0))


def edge_settings() -> SizedSettings:
    """Sets of edges of a graph."""
    return SizedSettings(
        "edges",
        Schedule(40, *PIXEL_RATES, BETAS, normalised=True),
        Swaps(rounds=12, proposals=8),
        coarse=False,
    )


@final
@dataclass(frozen=True, eq=False)
class SizedSets:
    """What was found for some images and α.

    Args:
        sets: The sets of each, nested, the smallest first.
        scores: A ranking of all pixels, in [0, 1], whose highest ones are these sets; between them the
            share of the sizes that a pixel is in decides, then the descent.
        felt: Whether the prediction ever moved with a mask.
        model_rows: Model rows that each took.
    """

    sets: Bool[Tensor, "p z d"]
    scores: Float[Tensor, "p d"]
    felt: Bool[Tensor, "p"]
    model_rows: Int64[Tensor, "p"]


@final
@dataclass(frozen=True, eq=False)
class SizedSearch:
    """Nested sets of given sizes with a small cost, for many images and α at once.

    The descent begins with all pixels alike and makes the mean over the sizes small, each mask being blended
    and of its size exactly; every number ranks the pixels for all sizes. Choose it for networks and hundreds
    of pixels; `ExhaustiveSearch` and `BeamSearch` over some regions compare sets without gradients.

    Args:
        costs: What is made small of the sets of the images.
        sizes: The sizes, the smallest first: in players, or as shares of those that an instance has.
        settings: How.
        seed: Of the swaps.
        goes_on: Asked between steps whether there is time for another.
        begins: The ranking of each image to begin with; None begins with all pixels alike.

    Raises:
        SettingError: unless there is a size and sizes rise from 1 to at most one below all players, or
            between 0 and 1; or if a coarse field is asked for where players are no pixels.

    References:
        [bharti2024] problem (P_uni).
        [fong2019] masks of a given area.
    """

    costs: SizedCost
    sizes: tuple[int | float, ...]
    settings: SizedSettings
    seed: int = 0
    goes_on: Callable[[], bool] = lambda: True
    begins: SearchStart | None = None

    def __post_init__(self) -> None:
        d, rising = self.n_players, sorted(set(self.sizes))
        shares = bool(rising) and rising[0] > 0 and rising[-1] < 1
        if list(self.sizes) != rising or not (shares or (rising and rising[0] >= 1 and rising[-1] < d)):
            raise SettingError(
                f"need different sizes from 1 to {d - 1} players, or shares of them, the smallest first; got "
                f"{self.sizes}"
            )
        if self.settings.coarse and not self.costs.of_pixels:
            raise SettingError(
                "regions are looked for among pixels, got other players; need pixel_settings()"
            )

    @property
    def n_players(self) -> int:
        """The number of players."""
        return self.costs.n_players

    def run(self, numbers: Int64[Tensor, "p"], alpha: Float[Tensor, "p"]) -> SizedSets:
        """The sets of some images and α.

        Args:
            numbers: The image of each problem.
            alpha: Its α.

        Raises:
            LimitError: if memory runs out even for a single row.
            ModelError: if the model gives no or no finite gradients.
        """
        shares = tuple(size if size < 1 else size / self.n_players for size in self.sizes)
        there, images = self.costs.there[numbers], self.costs.images
        start = self._start(numbers, alpha, shares).masked_fill(~there.cpu(), torch.nan).to(images)
        plane, how = (images.shape[-2], images.shape[-1]), self.settings.swaps

        def cost(masks: Tensor, asked: Tensor, step: int, rows: int) -> Tensor:
            return costs.within(rows).cost(numbers, alpha, asked, step).mean(1)

        with self.costs.opened() as costs:
            fields, felt, max_rows = [], torch.zeros_like(there[:, 0]), costs.rows_a_call
            for shape, schedule in self._rankings(shares):
                end = descend(cost, shape.start(start), shape, schedule, max_rows, goes_on=self.goes_on)
                fields.append(shape.field(end.free))
                felt, max_rows = felt | end.felt, end.max_rows
            judged = costs.within(max_rows)
            judge = Judge(
                partial(judged.cost, numbers, alpha), partial(judged.parts, numbers, alpha), judged.drawn
            )
            field, first = self._first(judge, fields, there, plane)
            better = swapped(judge, first, plane, how, there, seed=self.seed, goes_on=self.goes_on)
        rows = torch.tensor([self.rows(value) for value in alpha.tolist()])
        return SizedSets(better.sets, _ranked(better.sets, field, there), felt | better.felt, rows)

    def _rankings(self, shares: tuple[float, ...]) -> list[tuple[SizedMasks, Schedule]]:
        """What is descended, and how."""
        schedule, (rate, last) = self.settings.schedule, PIXEL_RATES
        fine = SizedMasks(shares), replace(schedule, rate=rate, last_rate=last)
        return [(SizedMasks(shares, self._grid), schedule), *([fine] if self.settings.widths else [])]

    def _first(
        self, judge: Judge, fields: list[Tensor], there: Bool[Tensor, "p d"], plane: tuple[int, int]
    ) -> tuple[Float[Tensor, "p d"], Bool[Tensor, "p z d"]]:
        """The field and the sets that each problem's swaps begin with."""
        most, (coarse, *fine) = self.settings.swaps.most_regions, fields
        if most is None:
            return coarse, highest(coarse, self._sizes(there))
        smooth = [smoothed(one, plane, width) for one in fine for width in self.settings.widths]
        sizes, each = tuple(map(int, self.sizes)), torch.stack([coarse, *smooth], 1)
        cuts = torch.stack([few_regions(one, sizes, plane, most) for one in each.unbind(1)], 1)
        if not smooth:
            return coarse, cuts[:, 0]
        with torch.no_grad():
            costs = judge.cost(cuts.flatten(1, 2).to(coarse.dtype), FIRST_LOOK).view(cuts.shape[:3]).sum(2)
        best = torch.arange(len(cuts), device=cuts.device), costs.argmin(1)
        return each[best], cuts[best]

    def _sizes(self, there: Bool[Tensor, "p d"]) -> Int64[Tensor, "p z"]:
        """How many players each set of a problem has, who are there."""
        counts = there.sum(1).tolist()
        return torch.tensor(
            [
                [
                    min(max(1, round(size * count)), count - 1) if size < 1 else int(size)
                    for size in self.sizes
                ]
                for count in counts
            ]
        ).to(there.device)

    def rows(self, alpha: float) -> int:
        """Model rows that the sets of one image take.

        Args:
            alpha: α.
        """
        n, how, costs = len(self.sizes), self.settings, self.costs
        return (how.steps_rows(n) + how.swaps_rows(n)) * costs.rows_a_mask(alpha)

    def _start(self, numbers: Tensor, alpha: Tensor, shares: tuple[float, ...]) -> Float[Tensor, "p d"]:
        if self.begins is None:
            return torch.full((len(numbers), self.n_players), 0.5)
        found: Tensor = self.begins.start(self.costs.images[numbers], alpha, shares)
        return found.cpu()

    @property
    def _grid(self) -> CoarseGrid | None:
        if not self.settings.coarse:
            return None
        height, width = self.costs.images.shape[-2:]
        return CoarseGrid(_numbers_a_side(height), _numbers_a_side(width), height, width)


def _numbers_a_side(side: int) -> int:
    return min(side, MOST_A_SIDE, max(LEAST_A_SIDE, side // PIXELS_A_NUMBER))


def highest(
    scores: Float[Tensor, "p d"], sizes: tuple[int, ...] | Int64[Tensor, "p z"]
) -> Bool[Tensor, "p z d"]:
    """The sets of the highest scores; the first of equal ones.

    Args:
        scores: One score a player.
        sizes: How many players each set has, all alike or of each row of scores.

    Example:
        >>> highest(torch.tensor([[0.1, 0.9, 0.5]]), (1, 2))
        tensor([[[False,  True, False],
                 [False,  True,  True]]])
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    places = torch.empty_like(order).scatter_(
        1, order, torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    )
    return places.unsqueeze(1) < torch.as_tensor(sizes, device=scores.device).unsqueeze(-1)


def _ranked(
    sets: Bool[Tensor, "p z d"], field: Float[Tensor, "p d"], there: Bool[Tensor, "p d"]
) -> Float[Tensor, "p d"]:
    """In how many of the sets a player is, then its place in the field, as one number in [0, 1]."""
    d, order, count = field.shape[1], field.argsort(dim=1, stable=True), there.sum(1, keepdim=True)
    places = torch.empty_like(order).scatter_(1, order, torch.arange(d, device=field.device).expand_as(order))
    # Whoever is not there comes before all others, and is told by 0.
    behind = (places - (d - count)).clamp(min=0).cpu().double() / count.cpu()
    return (sets.sum(1).cpu() + behind) / (sets.shape[1] + 1)
