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
from onlyif.core.errors import SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.engine.soft import plain_outputs, soft_outputs
from onlyif.modalities.grids import Grid, PixelGrid
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from onlyif.restrictions.soft_images import (
    Jobs,
    SoftEstimate,
    TargetedImages,
    check_masks,
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

    def predict(
        self, images: TargetedImages, masks: Float[Tensor, "b d"], jobs: Jobs, step: int
    ) -> Float[Tensor, "j"]:
        """The mean prediction over the draws of one step, with a graph to the masks if they have one.

        Args:
            images: The images.
            masks: Their soft masks S, one number a player.
            jobs: Which images are asked, and whether S is kept or hidden.
            step: Number of the step; each has its own draws.

        Raises:
            InputError: if masks and images have different sizes.
            ModelError: if outputs are not finite, or have no gradient.
        """
        return self._draws(images, masks, jobs, step).mean(1)

    def estimate(
        self, images: TargetedImages, masks: Float[Tensor, "b d"], jobs: Jobs, n_steps: int
    ) -> SoftEstimate:
        """The mean prediction over the draws of several steps, with its standard error, without a graph.

        Args:
            images: The images.
            masks: Their soft masks S.
            jobs: Which images are asked, and whether S is kept or hidden.
            n_steps: Steps; each has `relaxation.n_draws` draws.
        """
        pieces = []
        # f_S is about binary draws; the two of a pair are no independent ones, which errors need.
        single = replace(self, relaxation=replace(self.relaxation, antithetic=False, straight_through=True))
        with single.opened() as opened, torch.no_grad():
            for part in jobs.split(max(1, self.max_rows // self.relaxation.n_draws)):
                drawn = [opened._draws(images, masks, part, step) for step in range(n_steps)]
                pieces.append(torch.cat(drawn, 1))
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

    def _draws(
        self, images: TargetedImages, masks: Float[Tensor, "b d"], jobs: Jobs, step: int
    ) -> Float[Tensor, "j n"]:
        """The target's output for every job and draw of a step."""
        players, (n_draws, axes) = self.players(images), (self.relaxation.n_draws, images.x.dim() - 3)
        d = players.shape[0]
        check_masks(images, masks, (d,))
        some, numbers, side = images.take(jobs.numbers), jobs.numbers, jobs.hidden.to(masks.device)
        streams = images.index[numbers.to(images.index.device)]
        uniform = uniform_of(self.relaxation, streams, d, self.seed, step).to(masks)
        drawn = self.relaxation.draw(masks.index_select(0, numbers.to(masks.device)), uniform)
        plane = players.spread(drawn)
        share = plane.view(*plane.shape[:2], *[1] * axes, *plane.shape[2:])
        first = step * n_draws
        plan = Plan(first + n_draws, first, first + n_draws, self.seed)
        hidden = side.view(-1, *[1] * (share.dim() - 1))
        with torch.no_grad():
            values = self._values(plan, some.x, (share > 0.5) ^ hidden).to(share.dtype)
            every = some.x.unsqueeze(1).to(share.dtype)
            ends = torch.where(hidden, every, values), torch.where(hidden, values, every)
        outputs = soft_outputs(self.predictor, ends, share, axes=2, max_rows=self.max_rows)
        check_target(some.target, outputs.shape[2])
        column = some.target.to(outputs.device).view(-1, 1, 1).expand(-1, n_draws, 1)
        return outputs.gather(2, column).squeeze(2)

    def _values(self, plan: Plan, x: Instances, keep: Bool[Tensor, "b n ..."]) -> Float[Tensor, "..."]:
        """What hidden pixels become, for every image and draw, (b or 1, n or 1, *x)."""
        law = self.reference.law
        if law.n_atoms == 1 or not law.depends_on_x:
            wanted = Plan(1, 0, 1, None) if law.n_atoms == 1 else plan
            nothing = np.zeros((1, 1, *x.shape[1:]), dtype=bool)
            values: Tensor = self.reference.draw(x, nothing, wanted).values
            return values.squeeze(1)
        kept = on_host(keep.expand(-1, -1, *x.shape[1:]))
        single = [replace(plan, start=i, stop=i + 1) for i in range(plan.start, plan.stop)]
        drawn = [self.reference.draw(x, kept[:, i : i + 1], one).values for i, one in enumerate(single)]
        return torch.cat(drawn, 2).squeeze(1)


def _of_target(outputs: Float[Tensor, "b k"], target: Int64[Tensor, "b"]) -> Float[Tensor, "b"]:
    check_target(target, outputs.shape[1])
    return outputs.gather(1, target.to(outputs.device).unsqueeze(1)).squeeze(1)
