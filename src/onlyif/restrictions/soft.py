"""The restricted prediction of a soft mask, with gradients: f_S(x) = E f(m∘x + (1 - m)∘b).

m is drawn from the mask S in [0, 1] and b from the reference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.engine.soft import plain_outputs, soft_outputs
from onlyif.modalities.grids import Grid, PixelGrid
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from onlyif.restrictions.soft_images import (
    Sides,
    SoftEstimate,
    TargetedImages,
    check_target,
    estimate_of,
)

MOST_ATOMS = 10_000
BASE_DRAWS = 1_000


@final
@dataclass(frozen=True, eq=False)
class SoftRestriction:
    """f_S(x) of soft masks, differentiable in the masks.

    Draw i is the same for all instances of one stream, and does not depend on how the work is split.
    A law that depends on what is kept is asked anew for each binary mask.

    Args:
        predictor: The model f, with gradients.
        reference: The distribution V of what is hidden.
        relaxation: How binary masks are drawn.
        grid: Who plays, each drawn as a whole; None makes every pixel a player.
        max_rows: Most rows of one model call. Bounds memory and does not change the result.
        seed: Seed of all draws.

    Raises:
        SettingError: unless max_rows >= 1.
    """

    predictor: DifferentiablePredictor
    reference: Reference
    relaxation: Relaxation = field(default_factory=Relaxation)
    grid: Grid | None = None
    max_rows: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")

    @contextmanager
    def opened(self) -> Iterator["SoftRestriction"]:
        """The same for many calls: the model is made ready once, and put back at the end."""
        with self.predictor.opened() as predictor:
            yield replace(self, predictor=predictor)

    def players(self, images: TargetedImages) -> Grid:
        """Who plays in the images."""
        height, width = images.x.shape[-2:]
        return PixelGrid(height, width) if self.grid is None else self.grid

    def full(self, images: TargetedImages) -> Float[Tensor, "b"]:
        """f(x)."""
        return _of_target(plain_outputs(self.predictor, images.x, self.max_rows), images.target)

    def largest(self, x: Instances) -> Int64[Tensor, "b"]:
        """The number of the largest output for each image."""
        return plain_outputs(self.predictor, x, self.max_rows).argmax(1)

    def base(self, images: TargetedImages) -> SoftEstimate:
        """f_0 = E f(b): exact where the law has at most 10,000 atoms, else from 1,000 draws."""
        law = self.reference.law
        exact = law.n_atoms is not None and law.n_atoms <= MOST_ATOMS
        n = law.n_atoms if exact and law.n_atoms is not None else BASE_DRAWS
        plan, b = Plan(n, 0, n, None if exact else self.seed), len(images.x)
        at_once = max(1, self.max_rows // n) if law.depends_on_x else b
        with self.opened() as opened:
            parts = [opened._base(images.take(p), plan) for p in torch.split(torch.arange(b), at_once)]
        return SoftEstimate(torch.cat([p.mean for p in parts]), torch.cat([p.stderr for p in parts]))

    def sides(self, images: TargetedImages, numbers: Int64[Tensor, "j"], hidden: Bool[Tensor, "j"]) -> Sides:
        """Images made ready to be asked about from one side of a mask, step for step.

        Args:
            images: The images, one a mask.
            numbers: Which of them are asked about.
            hidden: Whether S is hidden rather than kept.
        """
        some = images.take(numbers)
        filling = self._filling(Plan(1, 0, 1, None), some.x) if self.reference.law.n_atoms == 1 else None
        return Sides(some, numbers, len(images.x), hidden, filling)

    def predict(self, sides: Sides, masks: Float[Tensor, "b d"], step: int) -> Float[Tensor, "j"]:
        """The mean prediction over the draws of one step, with a graph to the masks if they have one.

        Args:
            sides: What is asked.
            masks: The soft masks S, one number a player.
            step: Number of the step; each has its own draws.

        Raises:
            InputError: if masks have another number of players than images.
            ModelError: if outputs are not finite, or have no gradient.
        """
        return self._draws(sides, masks, step).mean(1)

    def estimate(self, images: TargetedImages, masks: Float[Tensor, "b d"], n_steps: int) -> SoftEstimate:
        """The mean predictions of all with S kept, then with S hidden, over the draws of several steps.

        Without a graph, and with standard errors.

        Args:
            images: The images.
            masks: Their soft masks S.
            n_steps: Steps; each has `relaxation.n_draws` draws.
        """
        pieces, b = [], len(images.x)
        # f_S is about binary draws; the two of a pair are no independent ones, which errors need.
        single = replace(self, relaxation=replace(self.relaxation, antithetic=False, straight_through=True))
        at_once = max(1, self.max_rows // self.relaxation.n_draws)
        with single.opened() as opened, torch.no_grad():
            for part in torch.split(torch.arange(2 * b), at_once):
                sides = opened.sides(images, part % b, part >= b)
                pieces.append(torch.cat([opened._draws(sides, masks, step) for step in range(n_steps)], 1))
        return estimate_of(torch.cat(pieces))

    def _base(self, some: TargetedImages, plan: Plan) -> SoftEstimate:
        outputs, weights = [], []
        nothing = np.zeros((1, 1, *some.x.shape[1:]), dtype=bool)
        for start in range(0, plan.total, self.max_rows):
            draws = replace(plan, start=start, stop=min(start + self.max_rows, plan.total))
            drawn = self.reference.draw(some.x, nothing, draws)
            values = drawn.values.squeeze(1)
            answer = doubled_tensor(plain_outputs(self.predictor, values.flatten(0, 1), self.max_rows))
            check_target(some.target, answer.shape[1])
            outputs.append(answer.reshape(*values.shape[:2], -1).expand(len(some.x), -1, -1))
            weights.append(torch.from_numpy(drawn.weights[:, 0]))
        column = some.target.cpu().view(-1, 1, 1).expand(-1, plan.total, 1)
        answers = torch.cat(outputs, 1).gather(2, column).squeeze(2)
        mean = (answers * torch.cat(weights, 1)).sum(1)
        exact = plan.seed is None
        return SoftEstimate(mean, torch.zeros_like(mean) if exact else answers.std(1) / plan.total**0.5)

    def _draws(self, sides: Sides, masks: Float[Tensor, "b d"], step: int) -> Float[Tensor, "j n"]:
        """The target's output for every question and draw of a step."""
        images, (n_draws, axes) = sides.images, (self.relaxation.n_draws, sides.images.x.dim() - 3)
        players = self.players(images)
        needed = (sides.n_masks, players.shape[0])
        if tuple(masks.shape) != needed:
            raise InputError(f"masks have shape {tuple(masks.shape)}, the images need {needed}")
        uniform = uniform_of(self.relaxation, images.index, players.shape[0], self.seed, step).to(masks)
        drawn = self.relaxation.draw(masks.index_select(0, sides.numbers.to(masks.device)), uniform)
        plane = players.spread(drawn)
        share = plane.view(*plane.shape[:2], *[1] * axes, *plane.shape[2:])
        ends = self._ends(sides, share, step * n_draws) if sides.ends is None else sides.ends
        outputs = soft_outputs(self.predictor, ends, share, axes=2, max_rows=self.max_rows)
        check_target(images.target, outputs.shape[2])
        column = images.target.to(outputs.device).view(-1, 1, 1).expand(-1, n_draws, 1)
        return outputs.gather(2, column).squeeze(2)

    @torch.no_grad()
    def _ends(self, sides: Sides, share: Float[Tensor, "b n ..."], first: int) -> tuple[Tensor, Tensor]:
        """What is between, for every question and each of the draws from the first on."""
        plan, x = Plan(first + share.shape[1], first, first + share.shape[1], self.seed), sides.images.x
        if not self.reference.law.depends_on_x:
            return sides.between(self._filling(plan, x))
        keep = (share > 0.5) ^ sides.hidden.to(share.device).view(-1, *[1] * (share.dim() - 1))
        kept = on_host(keep.expand(-1, -1, *x.shape[1:]))
        single = [replace(plan, start=i, stop=i + 1) for i in range(plan.start, plan.stop)]
        drawn = [self.reference.draw(x, kept[:, i : i + 1], one).values for i, one in enumerate(single)]
        return sides.between(torch.cat(drawn, 2).squeeze(1))

    def _filling(self, plan: Plan, x: Instances) -> Float[Tensor, "..."]:
        """What hidden pixels become where nothing is kept, (b or 1, n, *x)."""
        nothing = np.zeros((1, 1, *x.shape[1:]), dtype=bool)
        values: Tensor = self.reference.draw(x, nothing, plan).values
        return values.squeeze(1)


def _of_target(outputs: Float[Tensor, "b k"], target: Int64[Tensor, "b"]) -> Float[Tensor, "b"]:
    check_target(target, outputs.shape[1])
    return outputs.gather(1, target.to(outputs.device).unsqueeze(1)).squeeze(1)
